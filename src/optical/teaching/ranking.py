"""An encoder learns to rank: judged queries, hard negatives that it finds itself, scores of a cross-encoder."""

import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from datasets import Dataset
from sentence_transformers import CrossEncoder, MultiVectorEncoder
from sentence_transformers.base.training_args import BatchSamplers

from optical.collections import open_collection, read_queries, write_run
from optical.distillation.progress import TrainingProgress
from optical.distillation.run import train_best, work_folder
from optical.distillation.settings import identity
from optical.distillation.trainer import make_trainer
from optical.distillation.untrained import load_teacher
from optical.encoders import fingerprint, save_artefact, versions
from optical.errors import OpticalError
from optical.evaluation import rank
from optical.files import create_folder, require_absent
from optical.index import Index
from optical.supervision import JudgedQueries, read_judged_queries
from optical.supervision.development import RankingEvaluator
from optical.teaching.ranking_loss import RankingCollator, make_ranking_loss
from optical.teaching.settings import RankingSettings


def teach_ranking(
    encoder: str | Path,
    queries: str | Path,
    passages: str | Path,
    judgements: str | Path,
    output: str | Path,
    *,
    cross_encoder: str | Path | None = None,
    progress: bool = False,
    **settings: Any,
) -> MultiVectorEncoder:
    """Train an English encoder on queries and the passages judged relevant to them, and save it.

    Both sides are trained, so indexes made with the encoder before do not fit the new one. Hard negatives are mined
    from an index of all passages, made with the encoder as it is now. The work in progress lies in ``OUTPUT.partial``;
    a run that was stopped goes on from there when it is called again with the same arguments.

    Args:
        encoder: Hub id or folder.
        queries: see :func:`optical.supervision.read_judged_queries`, as for the next two.
        passages: all, relevant or not.
        judgements: which passages are relevant to which queries.
        output: folder for the encoder; must not exist.
        cross_encoder: Hub id or folder of one whose scores are followed in place of the judgements.
        progress: show a progress bar with queries a second and the time left.
        **settings: see :class:`optical.teaching.RankingSettings`.

    Returns:
        An encoder of queries and passages alike.

    Raises:
        OpticalError: bad input; the message says which and what to do.
    """
    started = time.monotonic()
    target = Path(output)
    require_absent(target)
    objective = "contrastive" if cross_encoder is None else "kl"
    chosen = RankingSettings(student=str(encoder), objective=objective, **settings)
    judged = read_judged_queries(queries, passages, judgements)
    student = load_teacher(str(encoder), chosen.dimension)
    sides = [fingerprint(student, "query"), fingerprint(student), str(cross_encoder)]
    state = PartialState(cpu=not torch.accelerator.is_available())
    with work_folder(target, identity(chosen, sides, judged.digest()), state) as work:
        start = work / "student"
        with state.main_process_first():
            if not start.exists():
                with create_folder(start) as folder:
                    student.save_pretrained(str(folder), create_model_card=False)
            mined = work / "negatives.run"
            if chosen.hard_negatives and not mined.exists():
                _mine(student, queries, passages, mined, chosen.depth, progress=progress)
        examples = read_judged_queries(
            queries,
            passages,
            judgements,
            negatives=mined if chosen.hard_negatives else None,
            depth=chosen.depth,
        )
        training, development = examples.split(chosen.held_back, chosen.seed)
        step = chosen.batch_size * state.num_processes
        _require_enough(len(training), len(development), step)
        student = MultiVectorEncoder(str(start))
        rows = _rows(examples, training, chosen, step)
        if cross_encoder is not None:
            rows = _scored(rows, str(cross_encoder))
        trainer = make_trainer(
            student,
            rows,
            make_ranking_loss(student, chosen),
            RankingCollator(student),
            RankingEvaluator(examples, development, None, chosen.seed),
            chosen,
            work / "checkpoints",
            sampler=BatchSamplers.NO_DUPLICATES,
        )
        shown = TrainingProgress("Teaching", "queries", shown=progress)
        outcome = train_best(trainer, start, work / "checkpoints", shown)
        if state.is_main_process:
            provenance = {
                "versions": versions(),
                "started_from": {"name": str(encoder), "fingerprint": sides[1]},
                "cross_encoder": None if cross_encoder is None else str(cross_encoder),
                "judged_queries": {"digest": judged.digest(), "queries": len(judged)},
                "settings": chosen.as_dict(),
                "training_queries": len(training),
                "processes": state.num_processes,
                "device": str(outcome.encoder.device),
                "seconds": round(time.monotonic() - started, 1),
                "best_step": outcome.best_step,
                "development_before": outcome.before,
                "development_after": outcome.after,
            }
            with create_folder(target) as made:
                save_artefact(outcome.encoder, made, provenance)
    return outcome.encoder


def _mine(
    encoder: MultiVectorEncoder,
    queries: str | Path,
    passages: str | Path,
    mined: Path,
    depth: int,
    *,
    progress: bool,
) -> None:
    """Rank all passages for all queries with the encoder as it is, ``depth`` for each."""
    folder = mined.with_name("index")
    if not folder.exists():
        Index.create(folder, encoder, open_collection(passages).passages(), progress=progress).close()
    with Index.open(folder) as index:
        run = rank(index, read_queries(queries), encoder, min(depth, index.count), progress=progress)
    write_run(mined, run, "mined")


def _rows(examples: JudgedQueries, training: Sequence[int], settings: RankingSettings, step: int) -> Dataset:
    """Draw a relevant passage and hard negatives for each training query, as often as the whole run takes."""
    generator = random.Random(settings.seed)
    # A query has other negatives each time it comes again. Of the last round, the sampler may use a part.
    rounds = 1 + settings.steps * step // len(training)
    texts = examples.passages
    rows: dict[str, list[str]] = {"query": [], "positive": []}
    rows.update({f"negative_{number}": [] for number in range(1, settings.hard_negatives + 1)})
    for query in [query for _ in range(rounds) for query in training]:
        given = examples.negatives[query]
        if len(given) < settings.hard_negatives:
            continue
        rows["query"].append(examples.queries[query])
        rows["positive"].append(texts[generator.choice(examples.positives(query))])
        for number, negative in enumerate(generator.sample(given, settings.hard_negatives), start=1):
            rows[f"negative_{number}"].append(texts[negative])
    return Dataset.from_dict(rows)


def _scored(rows: Dataset, cross_encoder: str) -> Dataset:
    """Add the scores that a cross-encoder gives the passages of each row."""
    scorer = CrossEncoder(cross_encoder)
    passages = [column for column in rows.column_names if column != "query"]
    pairs = [(row["query"], row[column]) for row in rows for column in passages]
    scores = torch.as_tensor(scorer.predict(pairs)).reshape(len(rows), len(passages))
    return rows.add_column("label", scores.tolist())


def _require_enough(training: int, development: int, step: int) -> None:
    if development < 2:
        raise OpticalError(
            f"Only {training + development} queries have a relevant passage, too few to hold any back. Give more."
        )
    if training < step:
        raise OpticalError(
            f"Only {training} queries are left to train on, fewer than the {step} of one step. Lower batch_size, or "
            "give more."
        )
