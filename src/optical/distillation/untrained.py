"""Where training starts from: the teacher, and a student of it that has learned nothing yet."""

import hashlib
import json
from pathlib import Path
from typing import Any

from sentence_transformers import MultiVectorEncoder

from optical.bitext import Bitext
from optical.encoders import (
    FROM_BITEXT,
    PROVENANCE_FILE,
    assemble,
    fingerprint,
    load_encoder,
    make_student,
    query_transformer,
    read_provenance,
)
from optical.errors import OpticalError
from optical.files import folder_once

_ORIGIN_FILE = "origin.json"
_FORMAT = 2  # of an untrained student; a cache may hold those of earlier versions


def load_teacher(name: str, dimension: int) -> MultiVectorEncoder:
    """Load an English encoder, see :func:`optical.encoders.load_encoder`.

    Raises:
        OpticalError: it cannot be loaded, or is a student, whose queries are not English.
    """
    if (Path(name) / PROVENANCE_FILE).is_file():
        provenance = read_provenance(name)
        if "student" in provenance:
            raise OpticalError(
                f"{name} is itself a student: its queries are not English. Name its teacher "
                f"({provenance['teacher']['name']}) as the teacher."
            )
    return load_encoder(name, dimension=dimension)


def untrained_student(
    kind: str,
    teacher: MultiVectorEncoder,
    bitext: Bitext,
    seed: int,
    *,
    weighted: bool,
    cache: Path,
    work: Path,
) -> Path:
    """Return the saved artefact that training starts from, made now unless it is there.

    Args:
        kind: see :func:`optical.encoders.make_student`, as for the next four.
        teacher: its passage side becomes that of the artefact.
        bitext: may be empty for a checkpoint.
        seed: of new projections.
        weighted: whether the tokens of a query have weights.
        cache: folder for students that other runs may start from too.
        work: folder of this run.
    """
    sides = [fingerprint(teacher, "query"), fingerprint(teacher)]
    content = json.dumps([_FORMAT, kind, seed, weighted, *sides, bitext.digest()])
    name = f"student-{hashlib.blake2b(content.encode(), digest_size=8).hexdigest()}"

    def make(folder: Path) -> None:
        student = make_student(kind, teacher, bitext, seed=seed, weighted=weighted)
        switch_off_dropout(student.encoder)
        assemble(student.encoder, teacher).save_pretrained(str(folder), create_model_card=False)
        origin = {"kind": student.kind, **student.origin}
        (folder / _ORIGIN_FILE).write_text(json.dumps(origin), encoding="utf-8")

    # Of a checkpoint only the name is known, and what it stands for may have changed since another run.
    return folder_once((cache if kind in FROM_BITEXT else work) / name, make)


def read_origin(start: Path) -> dict[str, Any]:
    """Return what is to be said of the making of an untrained student."""
    return dict(json.loads((start / _ORIGIN_FILE).read_text(encoding="utf-8")))


def switch_off_dropout(encoder: MultiVectorEncoder) -> None:
    """Make ``encoder``, once it is saved and loaded, compute the same in training as in evaluation."""
    # The student starts as a copy that nearly works and has a dense target: noise only slows it down.
    config = query_transformer(encoder).auto_model.config
    for name, value in vars(config).items():
        if "dropout" in name and isinstance(value, float):
            setattr(config, name, 0.0)
