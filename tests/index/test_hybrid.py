"""Search by words and by token vectors: structured queries, their fusion with late interaction, and changes."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import bm25s
import pytest
from qdrant_client import models
from sentence_transformers import MultiVectorEncoder

from optical.bitext import Bitext, QueryTranslations, words
from optical.collections import Passage
from optical.errors import OpticalError
from optical.index import Index
from optical.index.lexical import word_index
from optical.index.payload import WORDS, rarity
from optical.index.word_search import search_words
from optical.rivals import ProbabilisticStructuredQueries, fuse

from ..conftest import ENGLISH_WORDS
from ..distillation.toy import make_pairs

PAIRS = make_pairs(200)
BITEXT = Bitext([english for english, _ in PAIRS], [foreign for _, foreign in PAIRS])
TRANSLATIONS = QueryTranslations.estimate(BITEXT)
QUERIES = [foreign for _, foreign in make_pairs(6, seed=8)]


def passage(number: int, seed: int = 0) -> Passage:
    random = Random(f"{number} {seed}")
    text = " ".join(random.choices(ENGLISH_WORDS, k=random.randint(3, 30)))
    return Passage(f"p{number}", text, "Überschrift" if number % 4 == 0 else "", {"number": number})


PASSAGES = [passage(number) for number in range(130)]


@pytest.fixture
def index(place: str, tiny_teacher: MultiVectorEncoder) -> Iterator[Index]:
    with Index.create(place, tiny_teacher, PASSAGES, lexical=True) as made:
        yield made


Terms = Sequence[Mapping[str, float]]


def structured(terms: Terms, passages: list[Passage], mean: float) -> dict[str, float]:
    """The formula, passage by passage."""
    texts = {each.id: Counter(words(each.content)) for each in passages}
    scores = {}
    for id_, text in texts.items():
        norm = 1.2 * (0.25 + 0.75 * text.total() / mean)
        score = 0.0
        for term in terms:
            frequency = sum(p * text[word] for word, p in term.items())
            documents = sum(p * sum(word in other for other in texts.values()) for word, p in term.items())
            rarity = math.log(1 + (len(texts) - documents + 0.5) / (documents + 0.5))
            score += rarity * frequency / (frequency + norm)
        if score > 0:
            scores[id_] = score
    return scores


def by_words(index: Index, terms: Terms, k: int = 200) -> dict[str, float]:
    return {each.passage.id: each.score for each in search_words(index._engine, [terms], k, index.count)[0]}


def of_themselves(*query: str) -> Terms:
    return [{word: 1.0} for word in query]


def assert_is_structured(index: Index, passages: list[Passage]) -> None:
    for query in QUERIES[:3]:
        terms = TRANSLATIONS.terms(query)
        expected = structured(terms, passages, index.facts["mean_length"])
        found = by_words(index, terms)
        assert found == pytest.approx(expected, rel=1e-5)
        assert list(found.values()) == sorted(found.values(), reverse=True)


def test_words_that_mean_themselves_are_ranked_as_bm25s_ranks_them(index: Index) -> None:
    texts = [words(each.content) for each in PASSAGES]
    rival = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    rival.index(texts, show_progress=False)
    for query in (["maize"], ["überschrift", "river"], ["the", "farmer", "sell", "rice"]):
        expected = dict(zip([each.id for each in PASSAGES], rival.get_scores(query).tolist(), strict=True))
        found = by_words(index, of_themselves(*query))
        assert found == pytest.approx({id_: score for id_, score in expected.items() if score > 0}, rel=1e-4)


def test_translations_of_a_term_count_together(index: Index) -> None:
    assert_is_structured(index, PASSAGES)


def test_it_is_the_rival_of_the_study(place: str, tiny_teacher: MultiVectorEncoder) -> None:
    passages = PASSAGES[:100]  # their mean length has two digits, which is what an index keeps of it
    rival = ProbabilisticStructuredQueries(BITEXT, passages)
    with Index.create(place, tiny_teacher, passages, lexical=True) as index:
        for query in QUERIES:
            found, expected = by_words(index, TRANSLATIONS.terms(query), 100), rival.rank({"": query})[""]
            assert found == pytest.approx(expected, rel=1e-5)
            assert [round(score, 4) for score in found.values()] == [
                round(score, 4) for score in expected.values()
            ]
            # The candidates for few are few.
            assert list(by_words(index, TRANSLATIONS.terms(query), 3)) == list(found)[:3]


def test_rarity_is_that_of_the_passages_with_a_word(index: Index) -> None:
    def expected(documents: int, passages: int) -> float:
        return math.log(1 + (passages - documents + 0.5) / (documents + 0.5))

    asked = ["maize", "überschrift", "zzz", "river"]
    counts = [sum(word in words(each.content) for each in PASSAGES) for word in asked]
    assert counts[2] == 0
    found = index._engine.rarities([word_index(word) for word in asked])
    assert found == pytest.approx(
        [expected(count, len(PASSAGES)) if count else math.inf for count in counts], rel=1e-5
    )
    assert index._engine.rarities([]) == []


def test_a_passage_that_loses_a_word_while_it_is_searched_makes_the_word_rare() -> None:
    vector: Any = {WORDS: models.SparseVector(indices=[7], values=[0.5])}
    point = models.ScoredPoint(id=1, version=1, score=2.0, vector=vector)
    assert rarity(7, [point]) == 4
    assert rarity(8, [point]) == math.inf


def test_a_hybrid_search_is_the_fusion_of_both_rankings(
    index: Index, tiny_teacher: MultiVectorEncoder
) -> None:
    late, lexical = {}, {}
    for query, hits in zip(QUERIES, index.search_many(QUERIES, tiny_teacher, 100), strict=True):
        late[query] = {hit.id: hit.score for hit in hits}
        lexical[query] = by_words(index, TRANSLATIONS.terms(query), 100)
    for k in (3, 100):
        expected = fuse([late, lexical], k)
        for query, hits in zip(
            QUERIES, index.search_many(QUERIES, tiny_teacher, k, translations=TRANSLATIONS), strict=True
        ):
            assert [(hit.id, hit.score) for hit in hits] == list(expected[query].items())
            assert [hit.rank for hit in hits] == list(range(1, k + 1))
            assert all(hit.text == PASSAGES[int(hit.id[1:])].text for hit in hits)


def test_by_centroids_it_is_the_same_while_all_are_candidates(
    index: Index, tiny_teacher: MultiVectorEncoder
) -> None:
    exact = index.search(QUERIES[0], tiny_teacher, 5, translations=TRANSLATIONS)
    index.optimise()
    found = index.search(QUERIES[0], tiny_teacher, 5, translations=TRANSLATIONS, exact=False)
    assert [hit.id for hit in found] == [hit.id for hit in exact]
    assert_is_structured(index, PASSAGES)


def test_a_query_without_known_words_is_searched_by_its_vectors(
    index: Index, tiny_teacher: MultiVectorEncoder
) -> None:
    for query in ("???", "zzz"):
        hits = index.search(query, tiny_teacher, 10, translations=TRANSLATIONS)
        assert [hit.id for hit in hits] == [hit.id for hit in index.search(query, tiny_teacher, 10)]


def test_filters_hold_for_both_rankings(index: Index, tiny_teacher: MultiVectorEncoder) -> None:
    for query in QUERIES[:3]:
        hits = index.search(query, tiny_teacher, 40, filter="number < 30", translations=TRANSLATIONS)
        assert {hit.id for hit in hits} == {f"p{number}" for number in range(30)}


def test_passages_that_come_change_and_go(index: Index, place: str, tiny_teacher: MultiVectorEncoder) -> None:
    signs = Passage("signs", "?!", "", {"number": -1})
    changed = [passage(number, seed=1) for number in range(10)]
    index.add([*changed, passage(200), signs], tiny_teacher)
    index.delete([f"p{number}" for number in range(20, 60)])
    now = [*changed, *PASSAGES[10:20], *PASSAGES[60:], passage(200), signs]
    # How rare words are may lag behind until the index is opened again.
    for query in QUERIES:
        terms = TRANSLATIONS.terms(query)
        assert by_words(index, terms).keys() == structured(terms, now, 1.0).keys()
    index.close()
    with Index.open(place) as again:
        assert again.info["lexical"] is True
        expected = {each.id for each in now if each is not signs}
        assert by_words(again, of_themselves(*ENGLISH_WORDS, "überschrift")).keys() == expected
        assert_is_structured(again, [each for each in now if each is not signs])


@pytest.mark.parametrize("kinds", [("folder", "cluster"), ("cluster", "folder")])
def test_a_copy_has_the_words_too(
    kinds: tuple[str, str], request: pytest.FixtureRequest, tmp_path: Path, tiny_teacher: MultiVectorEncoder
) -> None:
    there = {"folder": str(tmp_path / "index"), "cluster": f"{request.getfixturevalue('qdrant').url}/index"}
    one, other = (there[kind] for kind in kinds)
    with Index.create(one, tiny_teacher, PASSAGES[:40], lexical=True) as index:
        index.copy_to(other)
    with Index.open(other) as copy:
        assert_is_structured(copy, PASSAGES[:40])
        copy.add([passage(300)], tiny_teacher)
        assert_is_structured(copy, [*PASSAGES[:40], passage(300)])


def test_an_index_without_words_says_how_to_build_one(place: str, tiny_teacher: MultiVectorEncoder) -> None:
    with Index.create(place, tiny_teacher, PASSAGES[:5]) as index:
        assert index.info["lexical"] is False
        with pytest.raises(
            OpticalError, match=r"no lexical vectors.*Build it again with `optical index --lexi"
        ):
            index.search("zzz", tiny_teacher, 1, translations=TRANSLATIONS)
        assert len(index.search("zzz", tiny_teacher, 1)) == 1


def test_a_build_goes_on_as_it_was_begun(tmp_path: Path, tiny_teacher: MultiVectorEncoder) -> None:
    def stopped() -> Iterator[Passage]:
        yield from PASSAGES[:40]
        raise KeyboardInterrupt

    path = tmp_path / "index"
    with pytest.raises(KeyboardInterrupt):
        Index.create(path, tiny_teacher, stopped(), batch_size=1, lexical=True)
    with pytest.raises(OpticalError, match=r"begun with lexical vectors. Go on in the same way"):
        Index.create(path, tiny_teacher, PASSAGES)
    with Index.create(path, tiny_teacher, PASSAGES, batch_size=1, lexical=True) as index:
        first = [len(words(each.content)) for each in PASSAGES[:16]]
        assert index.facts["mean_length"] == round(sum(first) / 16, 2)
        assert_is_structured(index, PASSAGES)


def test_a_damaged_manifest_is_explained(tmp_path: Path, tiny_teacher: MultiVectorEncoder) -> None:
    path = tmp_path / "index"
    Index.create(path, tiny_teacher, PASSAGES[:5]).close()
    facts = json.loads((path / "index.json").read_text())
    for wrong in (0, "many", math.nan):
        (path / "index.json").write_text(json.dumps({**facts, "mean_length": wrong}))
        with pytest.raises(OpticalError, match=r"index.json is damaged \("):
            Index.open(path)


def test_many_queries_and_many_words_find_what_each_finds_alone(index: Index) -> None:
    terms = [TRANSLATIONS.terms(query) for query in QUERIES] * 5
    # More words than a server is asked for at a time.
    terms[3] = [*of_themselves(*(f"word{number}" for number in range(300))), *terms[3]]
    found = search_words(index._engine, terms, 7, index.count)
    for query, together in zip(terms, found, strict=True):
        alone = search_words(index._engine, [query], 7, index.count)[0]
        assert [(each.passage.id, each.score) for each in together] == [
            (each.passage.id, each.score) for each in alone
        ]


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([], "terms of 0 queries for 1 queries"),
        ([[{"river": math.nan}]], "'river' has probability nan"),
        ([[{"river": 1.0}, {"river": 1.5}]], "'river' has probability 1.5"),
        ([[{"river": 0.0}]], "'river' has probability 0.0"),
        ([[{"river": 0.8, "lake": 0.7}]], "translations river, lake have .* sum of 1.5. Divide"),
    ],
)
def test_unusable_terms_are_refused_and_the_index_is_not_to_blame(
    tmp_path: Path, tiny_teacher: MultiVectorEncoder, terms: list[Terms], message: str
) -> None:
    vectors = tiny_teacher.encode_query(["river"], convert_to_numpy=False)
    with Index.create(tmp_path / "index", tiny_teacher, PASSAGES[:5], lexical=True) as index:
        with pytest.raises(OpticalError, match=message):
            index.search_vectors(vectors, 3, terms=terms)
        assert len(index.search_vectors(vectors, 3, terms=[[{"river": 1.0}]])[0]) == 3
