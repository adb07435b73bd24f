"""The exact engine against sentence-transformers, a per-document loop, and a dict."""

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sentence_transformers.util.similarity import maxsim

from optical.errors import OpticalError
from optical.index import ExactEngine

DIMENSION = 8


def unit_vectors(tokens: int, seed: int, dimension: int = DIMENSION) -> torch.Tensor:
    drawn = torch.randn(tokens, dimension, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(drawn, dim=1)


def loop(query: torch.Tensor, document: torch.Tensor) -> float:
    # Stored is float16, so the oracle rounds the same way; the rest is in double precision.
    document = document.half().double()
    return sum(max(float(q @ d) for d in document) for q in query.double())


@pytest.fixture
def engine(tmp_path: Path) -> ExactEngine:
    return ExactEngine.create(tmp_path / "vectors", DIMENSION)


def test_scores_and_ranking_are_those_of_sentence_transformers(tmp_path: Path) -> None:
    # Several blocks and segments, lengths from one token to more than a block holds.
    engine = ExactEngine.create(tmp_path / "vectors", 32)
    lengths = [1, 5000, *torch.randint(1, 90, (400,), generator=torch.Generator().manual_seed(0)).tolist(), 1]
    documents = [unit_vectors(length, seed, 32) for seed, length in enumerate(lengths)]
    for first in range(0, len(documents), 150):
        numbers = range(first, min(first + 150, len(documents)))
        engine.add(list(numbers), [documents[number] for number in numbers])
        engine.flush()
    queries = [unit_vectors(tokens, 1000 + tokens, 32) for tokens in (1, 3, 11, 32, 300)]
    expected = maxsim(queries, [document.half().float() for document in documents])
    for query, row, found in zip(queries, expected, engine.search_many(queries, len(documents)), strict=True):
        assert engine.search(query, len(documents)) == found
        scores = torch.tensor([score for _, score in found])
        ids = torch.tensor([id_ for id_, _ in found])
        torch.testing.assert_close(scores, row[ids], atol=2e-5 * len(query), rtol=0)
        assert sorted(ids.tolist()) == list(range(len(documents)))
        assert engine.search(query, 7) == found[:7]


def test_scores_are_those_of_a_loop_over_documents_and_tokens(engine: ExactEngine) -> None:
    documents = [unit_vectors(1 + seed % 6, seed) for seed in range(30)]
    engine.add(range(30), documents)
    query = unit_vectors(4, 99)
    expected = {number: loop(query, document) for number, document in enumerate(documents)}
    found = engine.search(query, 30)
    assert [id_ for id_, _ in found] == sorted(expected, key=lambda number: -expected[number])
    assert dict(found) == pytest.approx(expected, abs=1e-6)


def test_equal_scores_keep_the_order_of_insertion_wherever_the_copies_lie(tmp_path: Path) -> None:
    engine = ExactEngine.create(tmp_path / "vectors", 128)
    copy = unit_vectors(37, 1, 128)
    documents = [copy if number % 9 == 5 else unit_vectors(61, 100 + number, 128) for number in range(300)]
    order = torch.randperm(300, generator=torch.Generator().manual_seed(3)).tolist()
    engine.add(order[:170], [documents[number] for number in order[:170]])
    engine.flush()
    engine.add(order[170:], [documents[number] for number in order[170:]])
    copies = [number for number in order if number % 9 == 5]
    for tokens in (1, 2, 11, 32):
        query = copy[:tokens] + 0.01
        found = engine.search_many([unit_vectors(13, 2, 128), query, unit_vectors(40, 3, 128)], len(copies))[
            1
        ]
        assert [id_ for id_, _ in found] == copies
        assert len({score for _, score in found}) == 1
        assert [id_ for id_, _ in engine.search(query, 5)] == copies[:5]


changes = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sets(st.integers(0, 12), min_size=1, max_size=5), st.integers(0, 10**6)),
        st.tuples(st.just("delete"), st.sets(st.integers(0, 12), min_size=1, max_size=5), st.just(0)),
        st.tuples(st.sampled_from(["flush", "reopen", "lose"]), st.just(frozenset[int]()), st.just(0)),
    ),
    max_size=25,
)


@given(steps=changes)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sequence_of_changes_agrees_with_a_dict(
    steps: list[tuple[str, set[int], int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("engine") / "vectors"
    engine = ExactEngine.create(folder, DIMENSION)
    model: dict[int, torch.Tensor] = {}
    durable: dict[int, torch.Tensor] = {}
    query = unit_vectors(3, 5)
    for action, ids, seed in steps:
        if action == "add":
            fresh = {id_: unit_vectors(1 + (seed + id_) % 4, seed + id_) for id_ in sorted(ids)}
            engine.add(list(fresh), list(fresh.values()))
            model = {id_: document for id_, document in model.items() if id_ not in fresh} | fresh
        elif action == "delete" and ids <= model.keys():
            engine.delete(sorted(ids))
            model = {id_: document for id_, document in model.items() if id_ not in ids}
        elif action == "delete":
            with pytest.raises(OpticalError, match=r"no passage \d+ to delete"):
                engine.delete(sorted(ids))
        elif action in ("flush", "reopen"):
            engine.flush()
            durable = dict(model)
            if action == "reopen":
                engine.close()
                engine = ExactEngine.open(folder)
        else:
            # Without close, as a killed process would leave it.
            engine = ExactEngine.open(folder)
            model = dict(durable)
        assert engine.count == len(model)
        assert engine.token_count == sum(len(document) for document in model.values())
        assert engine.contains(range(13)) == [id_ in model for id_ in range(13)]
        if model:
            expected = {id_: loop(query, document) for id_, document in model.items()}
            found = engine.search(query, len(model))
            assert dict(found) == pytest.approx(expected, abs=1e-6)
            assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


def test_space_is_reclaimed_when_most_is_dead(engine: ExactEngine, tmp_path: Path) -> None:
    engine.add(range(100), [unit_vectors(50, seed) for seed in range(100)])
    engine.flush()
    query = unit_vectors(3, 7)
    before = {id_: score for id_, score in engine.search(query, 100) if id_ >= 60}
    engine.delete(range(60))
    engine.flush()
    size = sum(path.stat().st_size for path in (tmp_path / "vectors").glob("*.f16"))
    assert size == 40 * 50 * DIMENSION * 2
    assert dict(engine.search(query, 40)) == before
    assert dict(ExactEngine.open(tmp_path / "vectors").search(query, 40)) == before


def test_many_small_flushes_leave_few_files(engine: ExactEngine, tmp_path: Path) -> None:
    for number in range(60):
        engine.add([number], [unit_vectors(2, number)])
        engine.flush()
    assert len(list((tmp_path / "vectors").iterdir())) < 25
    assert ExactEngine.open(tmp_path / "vectors").count == 60


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (torch.full((2, DIMENSION), float("nan")), "NaN or infinity"),
        (torch.full((2, DIMENSION), float("inf")), "NaN or infinity"),
        (unit_vectors(2, 0, DIMENSION + 1), r"shape \(2, 9\)"),
        (unit_vectors(2, 0)[0], r"shape \(8,\)"),
        (torch.empty(0, DIMENSION), "no token vectors"),
        (unit_vectors(2, 0) * 1.05, "norm"),
        (torch.zeros(2, DIMENSION), "norm"),
    ],
)
def test_unusable_vectors_are_refused_before_anything_is_written(
    engine: ExactEngine, vectors: torch.Tensor, message: str
) -> None:
    with pytest.raises(OpticalError, match=message) as caught:
        engine.add([1, 17], [unit_vectors(3, 0), vectors])
    assert "17" in str(caught.value)
    assert engine.count == 0


def test_an_id_twice_in_a_batch_is_refused(engine: ExactEngine) -> None:
    with pytest.raises(OpticalError, match="4 occurs twice"):
        engine.add([4, 4], [unit_vectors(1, 0), unit_vectors(1, 1)])


@pytest.mark.parametrize(
    "query", [torch.empty(0, DIMENSION), torch.ones(2, 3), torch.full((1, DIMENSION), float("nan"))]
)
def test_unusable_queries_are_refused(engine: ExactEngine, query: torch.Tensor) -> None:
    engine.add([1], [unit_vectors(3, 0)])
    with pytest.raises(OpticalError, match="query"):
        engine.search(query, 1)


@pytest.mark.parametrize("k", [0, -1, 3])
def test_k_out_of_range_is_refused(engine: ExactEngine, k: int) -> None:
    engine.add([1, 2], [unit_vectors(3, 0), unit_vectors(3, 1)])
    with pytest.raises(OpticalError, match=f"k is {k}.* 2"):
        engine.search(unit_vectors(1, 2), k)


def test_searching_leaves_the_number_of_threads_alone(engine: ExactEngine) -> None:
    threads = torch.get_num_threads()
    engine.add([1], [unit_vectors(3, 0)])
    engine.search(unit_vectors(2, 1), 1)
    assert torch.get_num_threads() == threads
