"""MRR@10 of the held-back queries against that of ir_measures."""

from pathlib import Path

import ir_measures
import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from optical.errors import OpticalError
from optical.supervision import development as module
from optical.supervision import read_judged_queries
from optical.supervision.development import RankingEvaluator
from optical.supervision.passage_vectors import passage_vectors

from .collection import Collection, write_lines


def test_it_is_the_mrr_of_ir_measures(
    tiny_teacher: MultiVectorEncoder, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_teacher.eval()
    # Some queries have a second relevant passage, of a lower level.
    with collection.judgements.open("a") as file:
        file.write("".join(f"q{number}\tp{number + 60}\t2\n" for number in range(0, 60, 2)))
    examples = read_judged_queries(*collection.needed)
    _, development = examples.split(20, seed=0)
    vectors = passage_vectors(tiny_teacher, examples.passages, collection.folder)
    monkeypatch.setattr(module, "_BLOCK", 32)
    figures = RankingEvaluator(examples, development, vectors, seed=0)(tiny_teacher)

    run, qrels = {}, {}
    for query in development:
        tokens = tiny_teacher.encode_query(examples.queries[query]).double().cpu()
        run[str(query)] = {
            str(passage): float((tokens @ vectors[passage].double().T).max(1).values.sum())
            for passage in range(len(examples.passages))
        }
        qrels[str(query)] = {str(passage): level for passage, level in examples.relevant[query].items()}
    expected = ir_measures.calc_aggregate([ir_measures.RR @ 10], qrels, run)[ir_measures.RR @ 10]
    assert figures == {"mrr_10": pytest.approx(expected, abs=1e-6)}
    assert 0 < expected < 1


def test_ties_count_against_the_student_and_rank_11_for_nothing(
    tiny_teacher: MultiVectorEncoder, tmp_path: Path
) -> None:
    # The first nine or ten passages score exactly what the relevant one does.
    for number, expected in ((9, 0.1), (10, 0.0)):
        folder = tmp_path / str(number)
        folder.mkdir()
        examples = read_judged_queries(
            write_lines(folder / "q", "a\tbig river", "b\tbig river"),
            write_lines(folder / "p", *(f"{n}\t{'river ' * (n + 1)}" for n in range(number + 1))),
            write_lines(folder / "j", f"a\t{number}\t1", f"b\t{number}\t1"),
            negatives=write_lines(folder / "r", *(f"a Q0 {n} {n} {-n} x" for n in range(number))),
        )
        vectors = [torch.zeros(1, 16) for _ in examples.passages]
        assert RankingEvaluator(examples, [0, 1], vectors, seed=0)(tiny_teacher) == {  # type: ignore[arg-type]
            "mrr_10": pytest.approx(expected)
        }


def test_the_pool_has_the_nearest_negatives_first(
    tiny_teacher: MultiVectorEncoder, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = read_judged_queries(*collection.needed, negatives=collection.negatives)
    vectors = passage_vectors(tiny_teacher, examples.passages, collection.folder)
    monkeypatch.setattr(module, "_POOL", 4)
    evaluator = RankingEvaluator(examples, [0, 1], vectors, seed=0)
    near = {*examples.negatives[0], *examples.negatives[1]}
    assert set(evaluator._pool[:2]) == {0, 1}
    assert set(evaluator._pool[2:]) <= near
    assert len(evaluator._pool) == 4


def test_vectors_that_are_not_finite_are_refused(
    tiny_teacher: MultiVectorEncoder, collection: Collection
) -> None:
    examples = read_judged_queries(*collection.needed)
    vectors = passage_vectors(tiny_teacher, examples.passages, collection.folder)
    with torch.no_grad():
        tiny_teacher[1].linear.weight.fill_(torch.nan)
    with pytest.raises(OpticalError, match=r"not finite\. Lower the learning rates"):
        RankingEvaluator(examples, [0, 1], vectors, seed=0)(tiny_teacher)
