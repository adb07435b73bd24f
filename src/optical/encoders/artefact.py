"""The saved result: one ordinary sentence-transformers folder that holds both sides."""

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Router

from optical.bitext import QueryTranslations
from optical.encoders.sides import document_modules, query_modules
from optical.errors import OpticalError

PROVENANCE_FILE = "optical.json"
TRANSLATIONS_FILE = "query-translations.json.gz"


def assemble(student: MultiVectorEncoder, teacher: MultiVectorEncoder) -> MultiVectorEncoder:
    """Join the student's query side and the teacher's document side into one encoder.

    The result routes by task: ``encode_query`` runs the student, ``encode_document`` the teacher. Modules are
    shared with the arguments, not copied.
    """
    # The document side stands first because sentence-transformers resolves a mask's list of skipped words with
    # the first route's tokenizer, and only the document side skips words.
    router = Router(
        {"document": document_modules(teacher), "query": query_modules(student)}, default_route="document"
    )
    prompts = {"query": student.prompts.get("query") or "", "document": teacher.prompts.get("document") or ""}
    return MultiVectorEncoder(
        modules=[router], prompts=prompts, similarity_fn_name=teacher.similarity_fn_name
    )


def save_artefact(
    encoder: MultiVectorEncoder,
    folder: Path,
    provenance: dict[str, Any],
    translations: QueryTranslations | None = None,
) -> None:
    """Save ``encoder`` into ``folder`` with a model card and, as ``optical.json``, what made it.

    ``MultiVectorEncoder(folder)`` alone loads it, without this package. The translations, for hybrid searches, are for
    :func:`optical.encoders.load_query_translations`.
    """
    encoder.save_pretrained(str(folder))
    (folder / PROVENANCE_FILE).write_text(
        json.dumps(provenance, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    if translations is not None:
        translations.save(folder / TRANSLATIONS_FILE)
    card = folder / "README.md"
    card.write_text(card.read_text(encoding="utf-8") + _provenance_section(provenance), encoding="utf-8")


def read_provenance(folder: str | Path) -> dict[str, Any]:
    """Return what made a saved artefact.

    Raises:
        OpticalError: the folder holds no artefact of this package.
    """
    path = Path(folder) / PROVENANCE_FILE
    if not path.is_file():
        raise OpticalError(
            f"{folder} has no {PROVENANCE_FILE}: it was not made by `optical graft`, `distill` or `supervise`."
        )
    return dict(json.loads(path.read_text(encoding="utf-8")))


def versions(*others: str) -> dict[str, str]:
    """Return the versions that a result depends on, those of the packages ``others`` included."""
    packages = ("optical", "sentence-transformers", "transformers", "torch", "tokenizers", "numpy", *others)
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}


def _provenance_section(provenance: dict[str, Any]) -> str:
    rows = "".join(f"| {key} | {_cell(value)} |\n" for key, value in provenance.items())
    licence = (
        "Made from the encoders and data named here: check their licences before you pass the weights on."
    )
    return f"\n## Provenance\n\n{licence}\n\n| what | value |\n|---|---|\n{rows}"


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(entry)}" for key, entry in value.items())
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace("|", "\\|")
