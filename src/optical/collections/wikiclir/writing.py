"""Files of the built folder, which has the layout of BEIR (Thakur et al. 2021)."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Protocol


class WriteJudgement(Protocol):
    """Writes a line of the judgements of a split."""

    def __call__(self, split: str, query: int, passage: int, relevance: int) -> None: ...  # noqa: D102


def write_record(file: IO[str], **fields: str) -> None:
    """Write a line of ``corpus.jsonl`` or ``queries.jsonl``; ``id`` becomes ``_id``."""
    record = {"_id": fields.pop("id"), **fields}
    file.write(json.dumps(record, ensure_ascii=False) + "\n")


@contextmanager
def judgement_files(folder: Path) -> Iterator[WriteJudgement]:
    """Yield a function that writes to ``qrels/SPLIT.tsv``; a split without judgements gets no file."""
    (folder / "qrels").mkdir()
    with ExitStack() as stack:
        files: dict[str, IO[str]] = {}

        def write(split: str, query: int, passage: int, relevance: int) -> None:
            if split not in files:
                path = folder / "qrels" / f"{split}.tsv"
                files[split] = stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))
                files[split].write("query-id\tcorpus-id\tscore\n")
            files[split].write(f"{query}\t{passage}\t{relevance}\n")

        yield write
