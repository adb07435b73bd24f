"""Which student of a training is the result, and what it is measured with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from optical.distillation import distill, training
from optical.distillation.development import DevelopmentEvaluator
from optical.encoders import read_provenance

from .toy import make_pairs

SHORT: dict[str, Any] = {"steps": 4, "evaluations": 2, "batch_size": 8, "held_back": 40}


@pytest.mark.parametrize(
    ("overlaps", "best_step"),
    [
        ((0.3, 0.1, 0.2, 0.2), 0),
        ((0.1, 0.3, 0.2, 0.3), 2),
        ((0.1, 0.2, 0.3, 0.3), 4),
        ((0.2, 0.2, 0.1, 0.2), 2),
    ],
)
def test_the_overlap_decides_whatever_becomes_of_translations(
    overlaps: Sequence[float],
    best_step: int,
    teacher_folder: Path,
    bitext: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before, after two steps and after four, and of the best once more; translations say the contrary."""

    class Told(DevelopmentEvaluator):
        told = iter(overlaps)

        def _overlaps(self, scores: Tensor, device: torch.device) -> Tensor:
            self.overlap = torch.tensor(next(self.told))
            return self.overlap

        def _reciprocal_ranks(self, scores: Tensor) -> Tensor:
            return 1 - self.overlap

    monkeypatch.setattr(training, "DevelopmentEvaluator", Told)
    distill(teacher_folder, bitext, tmp_path / "student", **SHORT)
    made = read_provenance(tmp_path / "student")
    assert made["best_step"] == best_step
    assert made["development_after"]["teacher_overlap"] == pytest.approx(max(overlaps))


def test_other_sentences_come_from_the_whole_bitext(
    teacher_folder: Path, bitext: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others: list[list[str]] = []

    class Watched(DevelopmentEvaluator):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            others.append(named["others"])
            super().__init__(*arguments, **named)

    monkeypatch.setattr(training, "DevelopmentEvaluator", Watched)
    monkeypatch.setattr(training, "_DEVELOPMENT_POOL", 100)
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        distill(teacher_folder, bitext, tmp_path / name, **{**SHORT, "steps": 1, "seed": seed})
    assert others[0] == others[1] != others[2]
    for drawn in others:
        assert len(set(drawn)) == len(drawn) == 100
        for part in (make_pairs(300)[:150], make_pairs(300)[150:]):
            assert len(set(drawn) & {english for english, _ in part}) > 30
