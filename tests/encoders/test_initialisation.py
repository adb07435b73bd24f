"""Initial embeddings against their formula, computed token by token in NumPy."""

from collections import Counter

import numpy as np
import pytest
import torch

from optical.bitext import TranslationTable
from optical.encoders.initialisation import (
    REPLACED_FROM,
    Initialisation,
    InitialisationReport,
    initialise_embeddings,
)

TEACHER = torch.from_numpy(np.random.default_rng(0).standard_normal((10, 6)).astype(np.float32))
# Token 1 has five translations, token 2 one; token 0 and all others have none.
TABLE = TranslationTable(
    foreign=np.array([1, 1, 1, 1, 1, 2]),
    english=np.array([3, 0, 7, 9, 5, 4]),
    probability=np.array([0.4, 0.2, 0.15, 0.1, 0.05, 0.8]),
)


def by_formula(english: list[int], probability: list[float]) -> torch.Tensor:
    """The weighted mean, as long as the weighted mean of the lengths."""
    vectors = TEACHER.numpy().astype(np.float64)[english]
    weights = np.array(probability) / np.sum(probability)
    mean = (weights[:, None] * vectors).sum(0)
    length = (weights * np.linalg.norm(vectors, axis=1)).sum()
    return torch.from_numpy(mean / np.linalg.norm(mean) * length).float()


def initialise(
    own: list[int | None], *, occurrences: dict[int, int] | None = None, pieces: list[list[int]] | None = None
) -> Initialisation:
    return initialise_embeddings(
        TEACHER,
        TABLE,
        occurrences=Counter(occurrences or {}),
        own=own,
        pieces=pieces or [[1]] * len(own),
    )


def test_a_new_token_is_the_mean_of_its_four_likeliest_translations() -> None:
    made = initialise([None, None, None])
    torch.testing.assert_close(made.embeddings[1], by_formula([3, 0, 7, 9], [0.4, 0.2, 0.15, 0.1]))
    torch.testing.assert_close(made.embeddings[2], TEACHER[4])
    assert made.report == InitialisationReport(translated=2, replaced=0, kept=0, pieced=1)


def test_a_new_token_without_translation_is_the_mean_of_its_pieces() -> None:
    made = initialise([None], pieces=[[2, 8, 8]])
    torch.testing.assert_close(made.embeddings[0], (TEACHER[2] + 2 * TEACHER[8]) / 3)
    assert made.report == InitialisationReport(translated=0, replaced=0, kept=0, pieced=1)


@pytest.mark.parametrize(
    ("seen", "replaced"), [(0, 0), (REPLACED_FROM - 1, 0), (REPLACED_FROM, 1), (1000, 1)]
)
def test_a_token_of_the_teacher_is_replaced_only_when_it_is_frequent(seen: int, replaced: int) -> None:
    made = initialise([6, 6, 6], occurrences={2: seen})
    torch.testing.assert_close(made.embeddings[2], TEACHER[4] if replaced else TEACHER[6])
    assert made.kept.tolist() == [True, True, not replaced]
    assert made.report == InitialisationReport(translated=0, replaced=replaced, kept=3 - replaced, pieced=0)


def test_a_frequent_token_of_the_teacher_without_translation_is_kept() -> None:
    made = initialise([8], occurrences={0: 10 * REPLACED_FROM})
    torch.testing.assert_close(made.embeddings[0], TEACHER[8])
    assert made.report.kept == 1


def test_a_translation_is_as_sure_as_it_is_likely_and_of_one_mind() -> None:
    vectors = TEACHER.numpy().astype(np.float64)[[3, 0, 7, 9]]
    probability = np.array([0.4, 0.2, 0.15, 0.1])
    length = np.linalg.norm(probability @ vectors)
    expected = length / ((probability / probability.sum()) @ np.linalg.norm(vectors, axis=1))
    certainty = initialise([None, None, None]).certainty
    # Nothing translates token 0; token 2 has one translation, of probability 0.8.
    torch.testing.assert_close(certainty, torch.tensor([0.0, expected, 0.8], dtype=torch.float32))


def test_translations_that_cancel_out_give_a_finite_embedding() -> None:
    opposite = torch.stack([TEACHER[0], -TEACHER[0]])
    table = TranslationTable(np.array([0, 0]), np.array([0, 1]), np.array([0.5, 0.5]))
    made = initialise_embeddings(opposite, table, occurrences=Counter(), own=[None], pieces=[[0]])
    assert made.embeddings.isfinite().all()
    assert made.certainty.tolist() == [0]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_teachers_precision_is_kept(dtype: torch.dtype) -> None:
    embeddings = initialise_embeddings(
        TEACHER.to(dtype), TABLE, occurrences=Counter(), own=[5, None], pieces=[[1], [1]]
    ).embeddings
    assert embeddings.dtype == dtype
    torch.testing.assert_close(
        embeddings[1].float(), by_formula([3, 0, 7, 9], [0.4, 0.2, 0.15, 0.1]), atol=0.05, rtol=0.05
    )


def test_the_report_adds_up_to_the_number_of_tokens() -> None:
    own = [0, 1, 6, None, None, None, 2]
    report = initialise(own, occurrences={2: REPLACED_FROM, 1: 3}).report
    assert report.as_dict() == {"translated": 0, "replaced": 1, "kept": 3, "pieced": 3}
    assert sum(report.as_dict().values()) == len(own)
