"""Inverse document frequencies of a bitext: their values, and their way into training."""

import math
from collections import Counter
from pathlib import Path

import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from optical.bitext import Bitext
from optical.distillation import BitextCollator, distill
from optical.distillation.batches import foreign_tokens
from optical.distillation.teacher_vectors import TeacherVectors
from optical.distillation.token_weights import IdfWeights
from optical.encoders import make_student, read_provenance
from optical.errors import OpticalError

from .toy import make_pairs


def test_a_token_counts_once_a_sentence() -> None:
    weights = IdfWeights([[1, 5, 5, 2], [1, 3, 2], [1, 2], []])
    counts = Counter({1: 3, 5: 1, 2: 3, 3: 1})
    tokens = torch.tensor([[1, 5], [3, 4]])
    expected = [
        [math.log(1 + (4 - counts[token] + 0.5) / (counts[token] + 0.5)) for token in row]
        for row in tokens.tolist()
    ]
    torch.testing.assert_close(weights(tokens), torch.tensor(expected))


def test_a_batch_carries_the_weights_of_its_tokens(tiny_teacher: MultiVectorEncoder, tmp_path: Path) -> None:
    english, foreign = map(list, zip(*make_pairs(40), strict=True))
    student = make_student("graft", tiny_teacher, Bitext(english, foreign)).encoder
    vectors = TeacherVectors.cached(tiny_teacher, english, tmp_path)
    of_english = IdfWeights(tiny_teacher.tokenizer(english)["input_ids"])
    of_foreign = IdfWeights(foreign_tokens(student, foreign))
    rows = [{"english": english[pair], "foreign": foreign[pair]} for pair in range(5)]
    batch = BitextCollator(student, vectors, (of_english, of_foreign))(rows)
    assert torch.equal(batch["foreign_weights"], of_foreign(batch["foreign_input_ids"]))
    assert batch["english_weights"].shape == batch["english_attention_mask"].shape
    for place, row in enumerate(rows):
        tokens = tiny_teacher.tokenizer(row["english"])["input_ids"]
        assert vectors.tokens(row["english"]).tolist() == tokens
        assert torch.equal(batch["english_weights"][place, : len(tokens)], of_english(torch.tensor(tokens)))
        # [CLS] and [SEP] are in every sentence.
        assert batch["english_weights"][place, 0] < 0.1 * batch["english_weights"][place].max()


def test_query_expansion_weighs_next_to_nothing(tiny_teacher: MultiVectorEncoder) -> None:
    """It is in every query. Counted in the bare sentences it would be the rarest of all tokens."""
    tiny_teacher[0].query_expansion = {"strategy": "fixed", "length": 24, "attend": True, "token": "[MASK]"}
    english = [english for english, _ in make_pairs(40)]
    weights = IdfWeights(foreign_tokens(tiny_teacher, english))
    tokens = tiny_teacher.preprocess(english[:5], task="query")["input_ids"]
    masks = tokens == tiny_teacher.tokenizer.mask_token_id
    assert masks.sum() > 20
    assert weights(tokens)[masks].max() < 0.05 * weights(tokens)[~masks].max()


def test_distilling_with_idf_marginals(teacher_folder: Path, bitext: Path, tmp_path: Path) -> None:
    small = {"steps": 30, "batch_size": 16, "held_back": 40, "evaluations": 1, "learning_rate": 1e-3}
    distill(teacher_folder, bitext, tmp_path / "idf", **small, marginals="idf")
    distill(teacher_folder, bitext, tmp_path / "uniform", **small)
    assert read_provenance(tmp_path / "idf")["objective"]["optical"]["marginals"] == "idf"
    query = make_pairs(1)[0][1]
    idf, uniform = (
        MultiVectorEncoder(str(tmp_path / each)).encode_query(query) for each in ("idf", "uniform")
    )
    assert not torch.allclose(torch.as_tensor(idf), torch.as_tensor(uniform), atol=1e-5)


def test_unknown_marginals_are_refused(teacher_folder: Path, bitext: Path, tmp_path: Path) -> None:
    with pytest.raises(OpticalError, match=r"marginals is 'rare'\. Choose one of uniform, idf\."):
        distill(teacher_folder, bitext, tmp_path / "student", marginals="rare")
