"""An encoder learns to rank: judged queries, hard negatives that it finds itself, scores of a cross-encoder."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.training_args import BatchSamplers

from optical.distillation.progress import TrainingProgress
from optical.distillation.run import save_outcome, train_best, work_folder
from optical.distillation.settings import identity
from optical.distillation.trainer import make_trainer
from optical.distillation.untrained import load_teacher
from optical.encoders import fingerprint, load_cross_encoder
from optical.errors import OpticalError
from optical.files import folder_once, require_absent
from optical.supervision import JudgedQueries, read_judged_queries
from optical.supervision.development import RankingEvaluator
from optical.supervision.examples import require_enough
from optical.teaching.hard_negatives import REMEDY, digest_passages, mine
from optical.teaching.ranking_loss import make_ranking_loss
from optical.teaching.ranking_rows import RankingCollator, draw_rows, numbered_texts, with_scores
from optical.teaching.settings import RankingSettings

_GIVE_MORE = "Give negatives of more queries, or more of each, or lower hard_negatives."


def teach_ranking(
    encoder: str | Path,
    queries: str | Path,
    passages: str | Path,
    judgements: str | Path,
    output: str | Path,
    *,
    negatives: str | Path | None = None,
    cross_encoder: str | Path | None = None,
    progress: bool = False,
    **settings: Any,
) -> MultiVectorEncoder:
    """Train an English encoder on queries and the passages judged relevant to them, and save it.

    Both sides are trained, so indexes made with the encoder before do not fit the new one. Hard negatives are those
    given, or are mined from an index of all passages, made with the encoder as it is now. The work in progress lies in
    ``OUTPUT.partial``; a run that was stopped goes on from there when it is called again with the same arguments.

    A given or mined passage counts as a negative unless it is judged relevant to the query, and so do, without a
    cross-encoder, the passages of the other queries in a batch, even one that happens to be relevant to this query too
    or is judged relevant at a lower level. No text stands twice in a batch. Queries with too few hard negatives are
    left out; their number is in the provenance.

    Args:
        encoder: Hub id or folder.
        queries: see :func:`optical.supervision.read_judged_queries`, as for the next two.
        passages: all, relevant or not.
        judgements: which passages are relevant to which queries.
        output: folder for the encoder; must not exist.
        negatives: hard negatives, in place of mined ones.
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
    if negatives is not None and not chosen.hard_negatives:
        raise OpticalError(
            f"hard_negatives is 0, so that none of {negatives} would be taken. Raise it, or give no negatives."
        )
    judged = read_judged_queries(queries, passages, judgements, negatives=negatives, depth=chosen.depth)
    training, development = judged.split(chosen.held_back, chosen.seed)
    state = PartialState(cpu=not torch.accelerator.is_available())
    step = chosen.batch_size * state.num_processes
    require_enough(len(training), len(development), step)
    encoder_before = load_teacher(str(encoder), chosen.dimension)
    fingerprints = [fingerprint(encoder_before, "query"), fingerprint(encoder_before)]
    scorer = None if cross_encoder is None else load_cross_encoder(cross_encoder)
    if scorer is not None:
        fingerprints.append(fingerprint(scorer))
    digest = judged.digest()
    mining = negatives is None and chosen.hard_negatives > 0
    data = digest + (digest_passages(passages) if mining else "")
    with work_folder(target, identity(chosen, fingerprints, data), state) as work:
        mined = work / "negatives.run"
        with state.main_process_first():
            start = folder_once(
                work / "student",
                lambda folder: encoder_before.save_pretrained(str(folder), create_model_card=False),
            )
            if mining and not mined.exists():
                mine(encoder_before, queries, passages, judgements, mined, chosen.depth, progress=progress)
        examples = judged
        if mining:
            examples = read_judged_queries(queries, passages, judgements, negatives=mined, depth=chosen.depth)
        usable = _with_negatives(
            examples, training, chosen, step, REMEDY if negatives is None else _GIVE_MORE
        )
        student = MultiVectorEncoder(str(start))
        texts = numbered_texts(examples)
        rows = draw_rows(examples, usable, chosen, step)
        if scorer is not None:
            with state.main_process_first():
                rows = with_scores(rows, texts, scorer, work / "scores.npy", progress=progress)
        trainer = make_trainer(
            student,
            rows,
            make_ranking_loss(student, chosen),
            RankingCollator(student, texts),
            RankingEvaluator(examples, development, None, chosen.seed),
            chosen,
            work / "checkpoints",
            sampler=BatchSamplers.NO_DUPLICATES,
        )
        shown = TrainingProgress("Teaching", "queries", shown=progress)
        outcome = train_best(trainer, start, work / "checkpoints", shown)
        made_from = {
            "started_from": {"name": str(encoder), "fingerprint": fingerprints[1]},
            "cross_encoder": None
            if scorer is None
            else {"name": str(cross_encoder), "fingerprint": fingerprints[2]},
            "negatives": "mined" if mining else None if negatives is None else str(negatives),
            "judged_queries": {"digest": digest, "queries": len(judged)},
            "settings": chosen.as_dict(),
            "training_queries": len(usable),
            "queries_with_too_few_negatives": len(training) - len(usable),
        }
        save_outcome(outcome, target, made_from, state, started)
    return outcome.encoder


def _with_negatives(
    examples: JudgedQueries, training: Sequence[int], settings: RankingSettings, step: int, remedy: str
) -> list[int]:
    """Return the training queries that have enough hard negatives."""
    usable = [query for query in training if len(examples.negatives[query]) >= settings.hard_negatives]
    if len(usable) < step:
        raise OpticalError(
            f"Only {len(usable)} of {len(training)} training queries have {settings.hard_negatives} hard negatives "
            f"among the {settings.depth} passages ranked highest, fewer than the {step} queries of one step. {remedy}"
        )
    return usable
