"""What stands in a batch, and that all of it is decided before training."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from optical.distillation.teacher_vectors import TeacherVectors
from optical.supervision import JudgedQueries
from optical.supervision.batches import QueryCollator, draw_rows
from optical.supervision.passage_vectors import passage_vectors

EXAMPLES = JudgedQueries(
    queries=["where is the river", "who is the teacher", "what is a cow", "how many fish"],
    passages=["the river", "a teacher of the school", "the cow and the goat", "fish", "rice", "maize"],
    relevant=[{0: 2, 4: 1, 3: 2}, {1: 1}, {2: 1}, {3: 1, 0: 1}],
    negatives=[[5, 1, 2], [], [0], [4, 5]],
    translations=["the river", "the teacher", "a cow", "fish"],
)


def test_every_query_once_before_any_comes_again(tiny_teacher: MultiVectorEncoder) -> None:
    rows = draw_rows(EXAMPLES, [0, 1, 3], tiny_teacher, count=300, hard_negatives=2, seed=1)
    for start in range(0, 300, 3):
        assert sorted(rows["foreign"][start : start + 3]) == [0, 1, 3]
    seen: Counter[tuple[int, int]] = Counter()
    for row in rows:
        query, negatives = row["foreign"], row["negatives"]
        assert row["positive"] in EXAMPLES.positives(query)
        assert len(set(negatives)) == len(negatives) == min(2, len(EXAMPLES.negatives[query]))
        assert set(negatives) <= set(EXAMPLES.negatives[query])
        assert row["length"] == len(tiny_teacher.tokenizer(EXAMPLES.queries[query])["input_ids"])
        seen.update((query, passage) for passage in (row["positive"], *negatives))
    # All positives of the highest level and all negatives have their turn, about equally often.
    assert {passage for query, passage in seen if query == 0} == {0, 3, 5, 1, 2}
    assert min(seen[0, 0], seen[0, 3]) > 30
    assert min(seen[0, passage] for passage in (5, 1, 2)) > 45


def test_the_seed_decides(tiny_teacher: MultiVectorEncoder) -> None:
    first, again, other = (
        draw_rows(EXAMPLES, [0, 1, 2, 3], tiny_teacher, count=40, hard_negatives=1, seed=seed).to_dict()
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("translated", [True, False])
def test_features(translated: bool, tiny_teacher: MultiVectorEncoder, tmp_path: Path) -> None:
    vectors = passage_vectors(tiny_teacher, EXAMPLES.passages, tmp_path)
    assert EXAMPLES.translations is not None
    english = TeacherVectors.cached(tiny_teacher, EXAMPLES.translations, tmp_path) if translated else None
    rows = [
        {"foreign": 0, "positive": 3, "negatives": [5, 1], "length": 6},
        {"foreign": 3, "positive": 3, "negatives": [4], "length": 5},
        {"foreign": 1, "positive": 1, "negatives": [], "length": 6},
    ]
    batch = QueryCollator(tiny_teacher, EXAMPLES, vectors, english)(rows)
    # Passages 3, 5, 1 and 4, each once.
    assert batch["passages_positive"].tolist() == [0, 0, 2]
    assert batch["passages_relevant"].tolist() == [
        [True, False, False, True],
        [True, False, False, False],
        [False, False, True, False],
    ]
    for place, passage in enumerate((3, 5, 1, 4)):
        found = batch["passages_token_embeddings"][place][batch["passages_attention_mask"][place]]
        assert torch.equal(found, vectors[passage])
    expected = tiny_teacher.preprocess([EXAMPLES.queries[query] for query in (0, 3, 1)], task="query")
    assert torch.equal(batch["foreign_input_ids"], expected["input_ids"])
    assert ("english_token_embeddings" in batch) == translated
    if translated:
        own = batch["english_token_embeddings"][1][batch["english_attention_mask"][1]]
        assert torch.allclose(own, tiny_teacher.encode_query("fish"), atol=2**-11)


def test_vectors_are_those_of_encode_document_and_computed_once(
    tiny_teacher: MultiVectorEncoder, tmp_path: Path
) -> None:
    tiny_teacher.prompts["document"] = "a "
    vectors = passage_vectors(tiny_teacher, EXAMPLES.passages, tmp_path)
    assert len(vectors) == len(EXAMPLES.passages)
    for number, passage in enumerate(EXAMPLES.passages):
        expected = tiny_teacher.encode_document(passage)
        assert vectors[number].shape == expected.shape
        assert torch.allclose(vectors[number], expected, rtol=0, atol=2**-11)
    (file,) = tmp_path.glob("*/vectors.f16")
    written = file.stat().st_mtime_ns
    passage_vectors(tiny_teacher, EXAMPLES.passages, tmp_path)
    assert [each.stat().st_mtime_ns for each in tmp_path.glob("*/vectors.f16")] == [written]
    tiny_teacher.prompts["document"] = "the "
    passage_vectors(tiny_teacher, EXAMPLES.passages, tmp_path)
    assert len(list(tmp_path.glob("*/vectors.f16"))) == 2
