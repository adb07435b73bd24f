"""A supervised run from judged queries to saved artefact."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from sentence_transformers import MultiVectorEncoder

from optical.bitext import Bitext, QueryTranslations, read_bitext
from optical.distillation.progress import TrainingProgress
from optical.distillation.run import save_outcome, train_best, work_folder
from optical.distillation.settings import identity
from optical.distillation.teacher_vectors import TeacherVectors
from optical.distillation.trainer import make_trainer
from optical.distillation.untrained import load_teacher, read_origin, untrained_student
from optical.encoders import fingerprint, query_translations_at_hand
from optical.errors import OpticalError
from optical.files import require_absent
from optical.supervision.batches import QueryCollator, draw_rows
from optical.supervision.development import RankingEvaluator
from optical.supervision.examples import JudgedQueries, read_judged_queries, require_enough
from optical.supervision.passage_vectors import passage_vectors
from optical.supervision.ranking_loss import RankingLoss, parse_terms
from optical.supervision.settings import SupervisionSettings, needs_bitext


def supervise(
    teacher: str | Path,
    queries: str | Path,
    passages: str | Path,
    judgements: str | Path,
    output: str | Path,
    *,
    bitext: Sequence[str | Path] = (),
    negatives: str | Path | None = None,
    translations: str | Path | None = None,
    strict: bool = False,
    cache: str | Path | None = None,
    progress: bool = False,
    **settings: Any,
) -> MultiVectorEncoder:
    """Train a query encoder on foreign queries and the English passages judged relevant to them, and save it.

    The teacher's passage side is frozen, so an index made with it serves the student too. The work in progress lies in
    ``OUTPUT.partial``; a run that was stopped goes on from there when it is called again with the same arguments, and
    gives the same student as if it had not been stopped.

    Args:
        teacher: Hub id or folder of the English encoder.
        queries: in the foreign language; see :func:`optical.supervision.read_judged_queries`, as for the next two.
        passages: in English.
        judgements: which passages are relevant to which queries.
        output: folder for the artefact; must not exist.
        bitext: sources of sentence pairs that a graft or transplant is made from; none for other students.
        negatives: TREC run of hard negatives; without it, the other passages of a batch are the only ones.
        translations: the queries in English; the objective "kl" needs them.
        strict: stop at the first malformed line of the bitext instead of counting it.
        cache: folder where the teacher's vectors and untrained students are kept and looked for. By default they are
            thrown away at the end.
        progress: show a progress bar with queries a second and the time left.
        **settings: see :class:`optical.supervision.SupervisionSettings`.

    Returns:
        The artefact: queries of the new language through ``encode_query``, passages through ``encode_document``
        with the teacher's vectors.

    Raises:
        OpticalError: bad input; the message says which and what to do.
    """
    started = time.monotonic()
    target = Path(output)
    require_absent(target)
    chosen = SupervisionSettings(**settings)
    _require_matching(chosen, bitext, translations)
    pairs = read_bitext(list(bitext), strict=strict) if bitext else Bitext(english=[], foreign=[])
    examples = read_judged_queries(
        queries, passages, judgements, negatives=negatives, translations=translations, depth=chosen.depth
    )
    state = PartialState(cpu=not torch.accelerator.is_available())
    training, development = examples.split(chosen.held_back, chosen.seed)
    step = chosen.batch_size * state.num_processes
    require_enough(len(training), len(development), step)
    encoder = load_teacher(str(teacher), chosen.dimension)
    sides = [fingerprint(encoder, "query"), fingerprint(encoder)]
    with work_folder(target, identity(chosen, sides, examples.digest() + pairs.digest()), state) as work:
        folder = work if cache is None else Path(cache)
        with state.main_process_first():
            table = None
            if not len(pairs):
                table = query_translations_at_hand(
                    chosen.student, "The new student will have no translations for hybrid searches."
                )
            start = untrained_student(
                chosen.student, encoder, pairs, chosen.seed, weighted=True, cache=folder, work=work
            )
            vectors = passage_vectors(encoder, examples.passages, folder, progress=progress)
            english = None
            if examples.translations is not None:
                english = TeacherVectors.cached(encoder, examples.translations, folder, progress=progress)
        student = MultiVectorEncoder(str(start))
        rows = draw_rows(
            examples,
            training,
            student,
            count=chosen.steps * step,
            hard_negatives=chosen.hard_negatives,
            seed=chosen.seed,
        )
        trainer = make_trainer(
            student,
            rows,
            RankingLoss(student, chosen.objective, temperature=chosen.temperature),
            QueryCollator(student, examples, vectors, english),
            RankingEvaluator(examples, development, vectors, chosen.seed),
            chosen,
            work / "checkpoints",
        )
        shown = TrainingProgress("Supervising", "queries", shown=progress)
        outcome = train_best(trainer, start, work / "checkpoints", shown)
        made_from = {
            "teacher": {"name": str(teacher), "fingerprint": fingerprint(encoder)},
            "bitext": {"digest": pairs.digest(), "pairs": len(pairs), "dropped": pairs.dropped},
            "judged_queries": _described(examples),
            "student": read_origin(start),
            "settings": chosen.as_dict(),
            "objective": {"formula": chosen.objective, **trainer.loss.get_config_dict()},
            "training_queries": len(training),
        }
        if len(pairs) and state.is_main_process:
            table = QueryTranslations.estimate(pairs)
        save_outcome(outcome, target, made_from, state, started, table)
    return outcome.encoder


def _require_matching(
    settings: SupervisionSettings, bitext: Sequence[str | Path], translations: str | Path | None
) -> None:
    if needs_bitext(settings.student) and not bitext:
        raise OpticalError(
            f"The student {settings.student} is made from bitext, and none is given. Give bitext, or an encoder to "
            "start from."
        )
    if bitext and not needs_bitext(settings.student):
        raise OpticalError(
            f"The student {settings.student} is there already and needs no bitext. Leave the bitext out, or ask for a "
            "graft."
        )
    needed = "kl" in parse_terms(settings.objective)
    if needed and translations is None:
        raise OpticalError(
            f"The objective {settings.objective!r} follows the teacher's scores of the English queries, and no "
            "translations are given. Give them, or choose the objective contrastive."
        )
    if translations is not None and not needed:
        raise OpticalError(
            f"The objective {settings.objective!r} does not look at translations. Leave them out, or choose "
            "'contrastive + kl'."
        )


def _described(examples: JudgedQueries) -> dict[str, Any]:
    return {
        "digest": examples.digest(),
        "queries": len(examples),
        "passages": len(examples.passages),
        "judgements": sum(map(len, examples.relevant)),
        "negatives": sum(map(len, examples.negatives)),
        "translations": examples.translations is not None,
    }
