"""Searches by words, too: as the index makes them, in the languages that can, and refused in the others."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from optical.bitext import words
from optical.client import Client
from optical.encoders import load_query_translations
from optical.encoders.artefact import TRANSLATIONS_FILE
from optical.errors import OpticalError
from optical.index import Hit, Index
from optical.serving import Answer, Keys, RefusedError, SearchService, Settings, create_application
from optical.serving.languages import Decision

from .conftest import PAIRS, Made, serving

QUERIES = [foreign for _, foreign in PAIRS[:8]]


@pytest.fixture(scope="session")
def encoders(made: Made, with_words: Made) -> dict[str, str]:
    """Of sw, which has translations; of en, which needs none; and of am, which has none."""
    return {**with_words.encoders, "am": made.encoders["sw"]}


@pytest.fixture
def service(with_words: Made, encoders: dict[str, str], tmp_path: Path) -> Iterator[SearchService]:
    service = SearchService(with_words.copy_index(tmp_path), encoders)
    yield service
    service.close()


@pytest.fixture(scope="module")
def url(
    with_words: Made, encoders: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    service = SearchService(with_words.copy_index(tmp_path_factory.mktemp("url")), encoders)
    with serving(create_application(service, Settings(rate=100_000), Keys({}))) as url:
        yield url


def found(answer: Answer) -> list[tuple[str, float]]:
    return [(each.hit.id, pytest.approx(each.hit.score)) for each in answer.found]


def direct(with_words: Made, encoder: MultiVectorEncoder, folder: Path, k: int) -> list[list[Hit]]:
    """The hits of the index itself, which the service is not to have open."""
    translations = load_query_translations(with_words.encoders["sw"])
    with Index.open(folder / "index") as index:
        return [
            index.search(query, encoder, k, filter="year < 2050", translations=translations)
            for query in QUERIES
        ]


def test_hybrid_searches_find_what_the_index_finds_beside_others_in_a_batch(
    service: SearchService, with_words: Made, encoder: MultiVectorEncoder, tmp_path: Path
) -> None:
    async def together() -> list[Answer]:
        asked = [
            service.search(query, "sw", 5, filter="year < 2050", hybrid=hybrid)
            for hybrid in (True, False)
            for query in QUERIES
        ]
        return await asyncio.gather(*asked)

    answers = asyncio.run(together())
    service.close()
    hybrid, plain = answers[: len(QUERIES)], answers[len(QUERIES) :]
    expected = direct(with_words, encoder, tmp_path, 5)
    assert [found(each) for each in hybrid] == [[(hit.id, hit.score) for hit in hits] for hits in expected]
    assert {each.hybrid for each in hybrid} == {("sw",)}
    assert {each.hybrid for each in plain} == {()}
    assert found(hybrid[0]) != found(plain[0])
    assert all(each.hit.score > 1 for answer in plain for each in answer.found)


def test_english_is_searched_by_its_own_words(
    service: SearchService, with_words: Made, tmp_path: Path
) -> None:
    queries = [PAIRS[0][0], PAIRS[1][0].upper(), f"{PAIRS[2][0]}?!", "?"]

    async def together() -> list[Answer]:
        return await asyncio.gather(*(service.search(each, "en", 5, hybrid=True) for each in queries))

    answers = asyncio.run(together())
    plain = asyncio.run(service.search(queries[0], "en", 5))
    service.close()
    teacher = MultiVectorEncoder(with_words.encoders["en"], device="cpu")
    vectors = [torch.from_numpy(each) for each in teacher.encode_query(queries, convert_to_numpy=True)]
    terms = [[{word: 1.0} for word in words(query)] for query in queries]
    with Index.open(tmp_path / "index") as index:
        expected = index.search_vectors(vectors, 5, terms=terms)
    assert [found(each) for each in answers] == [[(hit.id, hit.score) for hit in hits] for hits in expected]
    assert {each.hybrid for each in answers} == {("en",)}
    assert found(answers[0]) != found(plain)


def test_more_than_is_fused_by_default_leaves_others_as_they_are(service: SearchService) -> None:
    async def together() -> list[Answer]:
        return await asyncio.gather(*(service.search(QUERIES[0], "sw", k, hybrid=True) for k in (3, 60, 1)))

    three, all_, one = asyncio.run(together())
    assert len(all_.found) == 60
    assert found(all_)[:3] == found(three)
    assert found(three)[:1] == found(one)


def test_an_unsure_query_is_searched_by_words_where_that_is_possible(service: SearchService) -> None:
    both = Decision(("am", "sw"), {"am": 0.5, "sw": 0.5})
    service._loaded.routing.decide = lambda text: both  # type: ignore[method-assign]

    async def ask(language: str, hybrid: bool) -> Answer:
        return await service.search(QUERIES[1], language, 60, hybrid=hybrid)

    answer = asyncio.run(ask("auto", True))
    assert answer.decision.languages == ("am", "sw")
    assert answer.hybrid == ("sw",)
    expected: dict[str, float] = {}
    for single in (asyncio.run(ask("am", False)), asyncio.run(ask("sw", True))):
        for each in single.found:
            expected[each.hit.id] = expected.get(each.hit.id, 0) + 1 / (60 + each.hit.rank)
    assert found(answer) == sorted(expected.items(), key=lambda item: (-item[1], item[0]))[:60]


def test_a_language_that_is_told_and_has_no_translations_is_searched_without(service: SearchService) -> None:
    amharic = Decision(("am",), {"am": 0.9, "sw": 0.1})
    service._loaded.routing.decide = lambda text: amharic  # type: ignore[method-assign]
    plain = asyncio.run(service.search(QUERIES[0], "am"))
    answer = asyncio.run(service.search(QUERIES[0], hybrid=True))
    assert answer.hybrid == ()
    assert found(answer) == found(plain)


def test_over_http_with_explanations_and_through_the_client(url: str) -> None:
    with httpx.Client(base_url=url, timeout=30) as http:
        languages = http.get("/languages").json()
        assert languages == {
            "languages": ["sw", "en", "am"],
            "hybrid": ["sw", "en"],
            "identifier": "py3langid",
        }
        body = {"text": QUERIES[2], "lang": "sw", "k": 4, "hybrid": True, "explain": True}
        answer = http.post("/search", json=body).json()
        assert answer["hybrid"] == ["sw"]
        assert all(each["explanation"]["matches"] for each in answer["hits"])
        for text in ("?", "<script>", "\u202eمرحبا \0", "1963 zebra"):
            strange = http.post("/search", json={**body, "text": text, "explain": False})
            assert len(strange.json()["hits"]) == 4
        assert http.post("/search", json={**body, "hybrid": "yes"}).status_code == 422
    with Client(url) as client:
        results = client.search(QUERIES[2], "sw", k=4, hybrid=True)
        assert results.hybrid == ["sw"]
        assert [each.id for each in results.hits] == [each["id"] for each in answer["hits"]]
        assert client.search(QUERIES[2], "sw", k=4).hybrid == []
        with pytest.raises(
            OpticalError,
            match=r"422: The encoder for am has no usable query translations.*"
            r"Choose auto or one of: sw, en, or search without hybrid.*`optical graft`",
        ):
            client.search("river", "am", hybrid=True)
        assert len(client.search("river", "am", k=4).hits) == 4


def test_an_index_without_words_says_how_to_get_some(live: str) -> None:
    with httpx.Client(base_url=live, timeout=30) as http:
        for language in ("sw", "auto"):
            answer = http.post("/search", json={"text": "river", "lang": language, "hybrid": True})
            assert answer.status_code == 422
            assert "The index has no words" in answer.json()["error"]
            assert "`optical index --lexical`" in answer.json()["error"]
        assert http.get("/languages").json()["hybrid"] == []
        assert http.post("/search", json={"text": "river"}).status_code == 200


def test_where_no_encoder_has_translations_that_is_said(
    made: Made, with_words: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = SearchService(with_words.copy_index(tmp_path), {"sw": made.encoders["sw"]})
    with pytest.raises(RefusedError, match=r"No encoder has usable query translations.*`optical graft`"):
        asyncio.run(service.search("river", hybrid=True))
    assert service.hybrid_languages == []
    service.close()
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


def test_translations_come_and_go_with_a_reload(
    with_words: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copied = with_words.copy_encoder("sw", tmp_path)
    service = SearchService(with_words.copy_index(tmp_path), {"sw": str(copied)})
    before = asyncio.run(service.search(QUERIES[0], hybrid=True))
    content = (copied / TRANSLATIONS_FILE).read_bytes()
    (copied / TRANSLATIONS_FILE).write_bytes(content[:50])
    asyncio.run(service.reload())
    assert "is damaged" in caplog.text
    with pytest.raises(RefusedError, match="has usable query translations"):
        asyncio.run(service.search(QUERIES[0], "sw", hybrid=True))
    (copied / TRANSLATIONS_FILE).write_bytes(content)
    asyncio.run(service.reload())
    assert found(asyncio.run(service.search(QUERIES[0], hybrid=True))) == found(before)
    service.close()


def come_back(service: SearchService, folder: Path, other: Made) -> None:
    """Put another index in the place of the service's, as others may do on a server, and let it notice."""
    service._index.close()
    (folder / "index").rename(folder / "before")
    other.copy_index(folder)
    service._index._lose(OpticalError("gone"))
    service._index.probe()


def test_an_index_that_comes_back_without_words_refuses_and_is_not_lost(
    service: SearchService, made: Made, tmp_path: Path
) -> None:
    async def ask() -> None:
        asked = [service.search(QUERIES[0], "sw", 3, hybrid=hybrid) for hybrid in (True, False)]
        tasks = [asyncio.create_task(each) for each in asked]
        await asyncio.sleep(0)  # they are waiting, and were checked with the index before
        come_back(service, tmp_path, made)
        refused, plain = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(refused, RefusedError)
        assert "optical index --lexical" in str(refused)
        assert isinstance(plain, Answer)
        assert service.ready
        assert service.hybrid_languages == []

    asyncio.run(ask())


def test_what_the_index_refuses_the_runner_up_is_not_left_out_silently(
    service: SearchService, made: Made, tmp_path: Path
) -> None:
    both = Decision(("am", "sw"), {"am": 0.5, "sw": 0.5})
    service._loaded.routing.decide = lambda text: both  # type: ignore[method-assign]

    async def ask() -> Answer:
        task = asyncio.create_task(service.search(QUERIES[0], hybrid=True))
        await asyncio.sleep(0)
        come_back(service, tmp_path, made)
        return await task

    with pytest.raises(RefusedError, match="optical index --lexical"):
        asyncio.run(ask())


def test_an_index_that_comes_back_with_words_is_searched_by_them(
    made: Made, with_words: Made, tmp_path: Path
) -> None:
    service = SearchService(made.copy_index(tmp_path), with_words.encoders)
    with pytest.raises(RefusedError, match="The index has no words"):
        asyncio.run(service.search(QUERIES[0], "sw", hybrid=True))
    assert service.hybrid_languages == []
    come_back(service, tmp_path, with_words)
    assert service.hybrid_languages == ["sw", "en"]
    answer = asyncio.run(service.search(QUERIES[0], "sw", 5, filter="year < 2050", hybrid=True))
    service.close()
    encoder = MultiVectorEncoder(with_words.encoders["sw"], device="cpu")
    expected = direct(with_words, encoder, tmp_path, 5)[0]
    assert answer.hybrid == ("sw",)
    assert found(answer) == [(hit.id, hit.score) for hit in expected]
