"""Which figure of held-back pairs says whether training made a student better: that of translations, or of rankings.

    python benchmarks/student_selection.py --data DATA

DATA holds ``bitext/*/en-*.tsv.gz`` and ``clir/afriqa``. Students of optical-tiny-en are trained with 4,400 sentence
pairs, of which at most 500 are held back: with transport, with transport and pooled MSE, and adversarially at rates
above those that the study chose for it (3e-4 and 2e-5), so that some training does harm. Queries of which none is in
the bitext, and no test question, say whether it helped: on AfriQA, questions of the train and dev splits find the
passage that is judged to answer them among 5,362; elsewhere, eight words of sentences of FLORES find the English of the
whole among 3,000. The last student of each training is measured, whatever it is worth. The result goes to
``benchmarks/results/student-selection.json``.
"""

import logging
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder
from torch import Tensor

import compared_rows
from data_folder import data_folder
from held_back_queries import LANGUAGES, PAIRS, HeldBack, questions, sentences
from optical.distillation import distill, training
from optical.distillation.development import DevelopmentEvaluator
from optical.encoders import load_encoder
from optical.models import TINY_EN

RESULT = Path(__file__).parent / "results" / "student-selection.json"
TRAININGS: dict[str, dict[str, Any]] = {
    "optical": {"embedding_learning_rate": 3e-3, "learning_rate": 2e-4},
    "optical + mean-pool": {"embedding_learning_rate": 3e-3, "learning_rate": 2e-4},
    "adversarial": {"embedding_learning_rate": 1e-3, "learning_rate": 7e-5},
}
STEPS = 300


class LastStudentWins(DevelopmentEvaluator):
    """Takes the last student for the best, and keeps the figures of single pairs and queries of all.

    They are kept on the class, as the training makes the evaluator itself.

    Attributes:
        search: where students are to search.
        shown: for each student that was evaluated, the figures of pairs and queries by name.
    """

    search: HeldBack
    shown: list[dict[str, Tensor]]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.primary_metric = "students_shown"

    def __call__(self, model: MultiVectorEncoder, *arguments: Any, **named: Any) -> dict[str, float]:
        vectors = model.encode_query(self.search.queries, batch_size=64)
        self.shown.append({"queries": torch.tensor(self.search.reciprocal_ranks(vectors))})
        return {**super().__call__(model, *arguments, **named), "students_shown": float(len(self.shown))}

    def _reciprocal_ranks(self, scores: Tensor) -> Tensor:
        self.shown[-1]["translation MRR"] = super()._reciprocal_ranks(scores)
        return self.shown[-1]["translation MRR"]

    def _overlaps(self, scores: Tensor, device: torch.device) -> Tensor:
        self.shown[-1]["teacher overlap"] = super()._overlaps(scores, device)
        return self.shown[-1]["teacher overlap"]


def main() -> None:
    data = data_folder(__doc__)
    training.DevelopmentEvaluator = LastStudentWins  # type: ignore[misc]
    teacher = load_encoder(TINY_EN)
    spoken = {code: LANGUAGES[code] for code in ("de", "ru")}
    searches = chain(questions(teacher, data), sentences(teacher, data, spoken))
    rows = [row for search in searches for row in trained(search)]
    compared_rows.write(
        RESULT,
        "python benchmarks/student_selection.py --data DATA",
        rows,
        name="training",
        pairs=PAIRS,
        steps=STEPS,
    )


def trained(search: HeldBack) -> list[dict[str, Any]]:
    rows = []
    with TemporaryDirectory() as folder:
        bitext = Path(folder) / "bitext.tsv"
        lines = (f"{english}\t{foreign}\n" for english, foreign in search.training)
        bitext.write_text("".join(lines), encoding="utf-8")
        for objective, rates in TRAININGS.items():
            LastStudentWins.search, LastStudentWins.shown = search, []
            settings = {"objective": objective, "steps": STEPS, "batch_size": 32, "evaluations": 1, **rates}
            distill(TINY_EN, bitext, Path(folder) / objective, cache=Path(folder) / "cache", **settings)
            before, *_, after = LastStudentWins.shown
            said: dict[str, Any] = {
                "training": f"{search.name}: {objective}",
                "held back": len(before["teacher overlap"]),
            }
            for figure in ("translation MRR", "teacher overlap", "queries"):
                change = after[figure] - before[figure]
                said[figure] = [float(each[figure].mean()) for each in (before, after)]
                said[f"{figure}, change in standard errors"] = float(
                    change.mean() / (change.std() / len(change) ** 0.5)
                )
            found = {"untrained": before["queries"].tolist(), "trained": after["queries"].tolist()}
            rows.append(compared_rows.row(said, found, "trained", than="untrained"))
    return rows


if __name__ == "__main__":
    logging.getLogger("optical").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    main()
