"""Translate-train: English queries in another language, by machine translation, to train on."""

import hashlib
import json
import logging
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import torch
from accelerate import PartialState

from optical.collections import read_queries
from optical.distillation.run import work_folder
from optical.encoders import versions
from optical.errors import OpticalError
from optical.files import replace_file, require_absent
from optical.progress import count_progress
from optical.rivals.translation import Translator
from optical.rivals.translation_models import BEAMS, ConvertedModel

logger = logging.getLogger(__name__)

_BATCHES_A_BLOCK = 4


def translate_queries(
    queries: str | Path,
    model: str | Path,
    output: str | Path,
    *,
    source: str | None = None,
    target: str | None = None,
    batch_size: int = 32,
    progress: bool = False,
) -> None:
    """Translate queries as mMARCO (Bonifacio et al. 2021, arXiv 2108.13897) was made, and write them.

    With the judgements and passages of the English queries they are training data of the language, see
    :func:`optical.supervision.supervise`. Beside ``output``, ``OUTPUT.provenance.json`` says what made it.

    The work in progress lies in ``OUTPUT.partial``; a run that was stopped goes on from there when it is called again
    with the same arguments, and writes the same file as if it had not been stopped.

    Args:
        queries: English; see :func:`optical.collections.read_queries`.
        model: translator from English, see :class:`optical.rivals.Translator`, as for ``source`` and ``target``.
        output: file with the same ids, in the same order: objects a line where its name ends in ``.jsonl``, else lines
            ``id<TAB>text``. A query whose translation is empty stays as it is, and a warning says how many.
        source: code of English; None for a checkpoint that does not ask.
        target: code of the language to translate into, likewise.
        batch_size: queries translated at once.
        progress: show a bar with queries a second and the time left.

    Raises:
        OpticalError: the output exists or its name ends in ``.gz``, the queries cannot be read, the translator cannot
            be loaded or wants other codes, or ``OUTPUT.partial`` belongs to another run.
    """
    path = Path(output)
    require_absent(path)
    if path.suffix == ".gz":
        raise OpticalError(f"{path} would not be compressed. Name the output without .gz.")
    texts = read_queries(queries)
    run = {
        "model": str(model),
        "source": source,
        "target": target,
        "beams": BEAMS,
        "batch_size": batch_size,
        "queries": {"file": str(queries), "count": len(texts), "digest": _digest(list(texts.items()))},
    }
    # Longest first: what does not fit into memory shows at once, and a batch has texts of one length.
    order = sorted(texts, key=lambda query: (-len(texts[query]), query))
    with work_folder(path, _digest(run), PartialState(cpu=not torch.accelerator.is_available())) as work:
        translator = Translator(model, source=source, target=target, batch_size=batch_size)
        translations: dict[str, str] = {}
        size = _BATCHES_A_BLOCK * batch_size
        with count_progress("Translating", "queries", len(order), shown=progress) as advance:
            for start in range(0, len(order), size):
                block = order[start : start + size]
                file = work / f"block-{start:09d}.json"
                if not file.exists():
                    made = translator.translate([texts[query] for query in block])
                    with replace_file(file) as temporary:
                        temporary.write_text(json.dumps(made, ensure_ascii=False), encoding="utf-8")
                translations.update(zip(block, json.loads(file.read_text(encoding="utf-8")), strict=True))
                advance(len(block))
        # White space would end the field or the line.
        single_line = {query: " ".join(translations[query].split()) for query in texts}
        empty = sum(not text for text in single_line.values())
        if empty:
            logger.warning("%d queries have an empty translation and stay as they are.", empty)
        converted = ConvertedModel.is_in(str(model))
        provenance = {
            **run,
            "untranslated": empty,
            "versions": versions() | ({"ctranslate2": version("ctranslate2")} if converted else {}),
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        with replace_file(path.with_name(f"{path.name}.provenance.json")) as temporary:
            temporary.write_text(
                json.dumps(provenance, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
            )
        _write(path, {query: text or texts[query] for query, text in single_line.items()})


def _write(path: Path, queries: Mapping[str, str]) -> None:
    with replace_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for query, text in queries.items():
            if path.suffix == ".jsonl":
                file.write(json.dumps({"_id": query, "text": text}, ensure_ascii=False) + "\n")
            else:
                file.write(f"{query}\t{text}\n")


def _digest(content: object) -> str:
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()
