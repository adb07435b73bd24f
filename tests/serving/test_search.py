"""The service without HTTP: batches of unequal queries, an index that goes and comes back, new encoders."""

import asyncio
import logging
import shutil
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.encoders import export_onnx
from optical.errors import OpticalError
from optical.explanation import Explanation, explain
from optical.index import Index
from optical.serving import RefusedError, SearchService, UnavailableError
from optical.serving import search as search_module
from optical.serving.languages import Decision

from ..distillation.toy import DICTIONARY
from .conftest import PAIRS, Made


@pytest.fixture
def service(made: Made, tmp_path: Path) -> Iterator[SearchService]:
    encoder = shutil.copytree(made.encoders["sw"], tmp_path / "sw")
    service = SearchService(made.copy_index(tmp_path), {"sw": str(encoder)})
    yield service
    service.close()


def batches(service: SearchService) -> tuple[float, float]:
    """Number of batches, and of queries in them."""
    lines = service.metrics.text(ready=True).decode().splitlines()
    values = dict(each.rsplit(" ", 1) for each in lines if not each.startswith("#"))
    return float(values["optical_batch_queries_count"]), float(values["optical_batch_queries_sum"])


def test_queries_that_arrive_together_are_one_batch_and_are_answered_each_as_alone(
    service: SearchService, made: Made, encoder: MultiVectorEncoder, tmp_path: Path
) -> None:
    async def together() -> list:
        asked = [service.search(foreign, k=1 + n % 4) for n, (_, foreign) in enumerate(PAIRS[:20])]
        return await asyncio.gather(*asked, service.search("river " * 80), return_exceptions=True)

    *answers, refused = asyncio.run(together())
    assert batches(service) == (1, 21)
    assert isinstance(refused, RefusedError)
    assert "64 at most" in str(refused)
    service.close()
    with Index.open(tmp_path / "index") as index:
        for n, answer in enumerate(answers):
            expected = index.search(PAIRS[n][1], encoder, 1 + n % 4)
            assert [each.hit.id for each in answer.found] == [each.id for each in expected]
            scores = [each.hit.score for each in answer.found]
            assert scores == pytest.approx([each.score for each in expected], rel=1e-4)


def test_an_exported_query_side_encodes_the_batches_and_finds_the_same(
    service: SearchService, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")

    async def together() -> list[list[str]]:
        answers = await asyncio.gather(*(service.search(foreign, k=5) for _, foreign in PAIRS[:20]))
        return [[each.hit.id for each in answer.found] for answer in answers]

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("PyTorch's model was asked")

    expected = asyncio.run(together())
    export_onnx(tmp_path / "sw")
    asyncio.run(service.reload())
    alone = asyncio.run(service.search(PAIRS[0][1], k=5, explained=True))
    assert all(each.explanation and each.explanation.matches for each in alone.found)
    monkeypatch.setattr("transformers.BertModel.forward", fail)
    assert asyncio.run(together()) == expected
    assert batches(service) == (3, 41)


def test_a_reload_frees_the_encoders_before(service: SearchService) -> None:
    before = weakref.ref(service._loaded.encoders["sw"])
    asyncio.run(service.search("river", k=1))
    asyncio.run(service.reload())
    assert before() is None


def test_one_batch_may_have_several_filters(service: SearchService) -> None:
    async def together() -> list:
        conditions = [None, 'source = "who"', 'source = "library"']
        return await asyncio.gather(*(service.search("river", k=60, filter=each) for each in conditions))

    every, who, library = ({each.hit.id for each in answer.found} for answer in asyncio.run(together()))
    assert batches(service) == (1, 3)
    assert who | library == every
    assert len(who) == len(library) == 30


def test_a_number_too_large_for_filters_is_refused_and_a_good_query_beside_it_is_answered(
    service: SearchService,
) -> None:
    async def together() -> list:
        conditions = ["year > " + "9" * 400, "year > 2000"]
        asked = [service.search("river", k=3, filter=each) for each in conditions]
        return await asyncio.gather(*asked, return_exceptions=True)

    refused, good = asyncio.run(together())
    assert isinstance(refused, RefusedError)
    assert "beyond 2^53" in str(refused)
    assert len(good.found) == 3


def test_an_index_that_cannot_be_reached_is_said_so_and_comes_back_by_itself(
    service: SearchService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(search_module, "WATCH_EVERY", 0.01)
    caplog.set_level(logging.WARNING, logger="optical")
    elsewhere = tmp_path / "elsewhere"

    async def lose_and_find() -> None:
        service._index.close()
        (tmp_path / "index").rename(elsewhere)
        with pytest.raises(UnavailableError, match="cannot be reached now"):
            await service.search("river")
        assert not service.ready
        watching = asyncio.create_task(service.watch())
        await asyncio.sleep(0.05)
        assert not service.ready
        with pytest.raises(UnavailableError):
            await service.search("river")
        elsewhere.rename(tmp_path / "index")
        while not service.ready:
            await asyncio.sleep(0.01)
        assert len((await service.search("river", k=3)).found) == 3
        watching.cancel()

    asyncio.run(lose_and_find())
    said = [each.message for each in caplog.records if each.name.startswith("optical.serving")]
    assert len(said) == 2, "once when it went, once when it came back"
    assert "cannot be reached" in said[0]
    assert "again" in said[1]


def test_an_index_of_another_teacher_does_not_come_back(
    service: SearchService, made: Made, tmp_path: Path
) -> None:
    service._index.close()
    shutil.rmtree(tmp_path / "index")
    stranger = MultiVectorEncoder(made.stranger, device="cpu")
    Index.create(tmp_path / "index", stranger, [Passage("p", "river water")]).close()
    for _ in range(3):
        service._index._lose(OpticalError("gone"))
        service._index.probe()
        assert not service.ready


def test_new_encoders_are_taken_without_losing_a_query(
    service: SearchService, made: Made, tmp_path: Path
) -> None:
    async def reload_under_load() -> None:
        word = DICTIONARY["river"]
        before = (await service.encode(word))[1]
        shutil.rmtree(tmp_path / "sw")
        shutil.copytree(made.encoders["en"], tmp_path / "sw")
        reloading = asyncio.create_task(service.reload())
        answered = 0
        while not reloading.done():
            await asyncio.gather(*(service.search(foreign, k=2) for _, foreign in PAIRS[:5]))
            answered += 5
        await reloading
        after = (await service.encode(word))[1]
        expected = MultiVectorEncoder(made.encoders["en"], device="cpu").encode_query(word)
        assert after == pytest.approx(expected, abs=1e-5)
        assert len(before) == 3  # [CLS], the word, [SEP]
        assert len(after) > 3
        assert answered >= 5

    asyncio.run(reload_under_load())


def test_encoders_that_cannot_be_loaded_leave_those_before(
    service: SearchService, made: Made, tmp_path: Path
) -> None:
    async def reload_in_vain() -> None:
        before = (await service.encode("river"))[1]
        shutil.rmtree(tmp_path / "sw")
        with pytest.raises(OpticalError, match="sw"):
            await service.reload()
        shutil.copytree(made.stranger, tmp_path / "sw")
        with pytest.raises(OpticalError, match=r"was built with teacher .* belongs to"):
            await service.reload()
        assert (await service.encode("river"))[1] == pytest.approx(before)

    asyncio.run(reload_in_vain())


def encoding(
    service: SearchService, monkeypatch: pytest.MonkeyPatch, change: Callable[[str, np.ndarray], np.ndarray]
) -> None:
    """Make the encoder give changed vectors, as one with broken weights would."""
    encoder = service._loaded.encoders["sw"]
    encode = encoder.encode_query

    def changed(texts: list[str], **options: object) -> list[np.ndarray]:
        return [change(text, each) for text, each in zip(texts, encode(texts, **options), strict=True)]

    monkeypatch.setattr(encoder, "encode_query", changed)


def test_vectors_that_cannot_be_searched_with_fail_alone_and_the_index_is_not_to_blame(
    service: SearchService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(text: str, vectors: np.ndarray) -> np.ndarray:
        if text == "bad":
            raise ValueError("The encoder fails.")
        return {"none": vectors[:0], "nan": vectors * np.nan}.get(text, vectors)

    encoding(service, monkeypatch, change)

    async def together() -> list:
        asked = [service.search(each, k=2) for each in ("none", "nan", "bad", "river")]
        return await asyncio.gather(*asked, service.encode("river"), return_exceptions=True)

    none, nan, bad, river, encoded = asyncio.run(together())
    assert batches(service) == (1, 5)
    assert isinstance(none, RefusedError)
    assert "NaN" in str(nan)
    assert not isinstance(nan, (RefusedError, UnavailableError))
    assert isinstance(bad, ValueError)
    assert len(river.found) == 2
    assert len(encoded[1])
    assert service.ready


def test_encoding_beside_searches_needs_no_index(service: SearchService) -> None:
    async def together() -> list:
        service._index.close()
        asked = [service.search("river"), service.encode("river")]
        return await asyncio.gather(*asked, return_exceptions=True)

    searched, encoded = asyncio.run(together())
    assert isinstance(searched, UnavailableError)
    assert len(encoded[1])


def test_an_index_that_comes_back_smaller_and_without_the_field_is_searched(
    service: SearchService, made: Made, tmp_path: Path
) -> None:
    async def ask() -> None:
        asked = [service.search("river", k=50), service.search("river", filter='source = "who"')]
        tasks = [asyncio.create_task(each) for each in asked]
        await asyncio.sleep(0)  # they are waiting, and were checked with the index before
        service._index.close()
        shutil.rmtree(tmp_path / "index")
        teacher = MultiVectorEncoder(made.encoders["en"], device="cpu")
        Index.create(tmp_path / "index", teacher, [Passage("p", "river water")]).close()
        service._index._lose(OpticalError("gone"))
        service._index.probe()
        found, refused = await asyncio.gather(*tasks, return_exceptions=True)
        assert [each.hit.id for each in found.found] == ["p"]
        assert isinstance(refused, RefusedError)
        assert service.ready
        assert service.passages == 1

    asyncio.run(ask())


def test_an_empty_index_is_served(made: Made, tmp_path: Path) -> None:
    place = made.copy_index(tmp_path)
    with Index.open(place) as index:
        index.delete([f"p{n}" for n in range(60)])
    service = SearchService(place, {"sw": made.encoders["sw"]})
    assert asyncio.run(service.search("river")).found == []
    service.close()


def test_a_runner_up_that_cannot_read_the_query_is_left_out(made: Made, tmp_path: Path) -> None:
    service = SearchService(made.copy_index(tmp_path), made.encoders)
    # Each word is one token in one language, and many in the other.
    query = " ".join([DICTIONARY["river"]] * 40)
    both = Decision(("sw", "en"), {"sw": 0.5, "en": 0.5})
    service._loaded.routing.decide = lambda text: both  # type: ignore[method-assign]
    answer = asyncio.run(service.search(query, k=3))
    assert answer.decision.languages == ("sw",)
    assert {each.language for each in answer.found} == {"sw"}
    with pytest.raises(RefusedError, match="64 at most"):
        asyncio.run(service.search(query, "en"))
    service.close()


def test_a_likelier_language_whose_encoder_knows_no_word_is_left_out(made: Made, tmp_path: Path) -> None:
    service = SearchService(made.copy_index(tmp_path), made.encoders)
    unsure = Decision(("en", "sw"), {"en": 0.6, "sw": 0.4})
    service._loaded.routing.decide = lambda text: unsure  # type: ignore[method-assign]
    known = search_module.check_known

    def only_sw(text: str, encoder: MultiVectorEncoder) -> None:
        known("ኢትዮጵያ" if encoder is service._loaded.encoders["en"] else text, encoder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_module, "check_known", only_sw)
        answer = asyncio.run(service.search(DICTIONARY["river"]))
    assert answer.decision.languages == ("sw",)
    assert {each.language for each in answer.found} == {"sw"}
    service.close()


def test_a_query_without_a_known_word_is_refused(service: SearchService) -> None:
    for language in ("sw", "auto"):
        with pytest.raises(RefusedError, match="knows no word of the query"):
            asyncio.run(service.search("ኢትዮጵያ", language))


def test_hits_and_explanations_come_from_the_same_encoder(
    service: SearchService, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    def explained(query: str, passage: str, encoder: MultiVectorEncoder) -> Explanation:
        used.append(encoder)
        other = {"sw": MultiVectorEncoder(made.encoders["en"], device="cpu")}
        service._loaded = service._loaded._replace(encoders=other)
        return explain(query, passage, encoder)

    monkeypatch.setattr(search_module, "explain", explained)
    before = service._loaded.encoders["sw"]
    asyncio.run(service.search("river", k=2, explained=True))
    assert used == [before, before]


def test_the_watch_survives_a_panic(service: SearchService, monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        """As those of PyO3."""

    def panic(place: str) -> Index:
        raise PanicException("corrupt")

    with monkeypatch.context() as patched:
        patched.setattr(Index, "open", panic)
        service._index._lose(OpticalError("gone"))
        service._index.probe()
        assert not service.ready
    service._index.probe()
    assert service.ready
