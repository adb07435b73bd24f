"""Datasets of the Hugging Face Hub, or folders in their layout, streamed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optical.bitext.formats.text import sides_of_record
from optical.bitext.pairs import Malformed, Pair
from optical.bitext.sources import Source
from optical.errors import OpticalError

PREFIX = "hf:"


def read(source: Source, _skip_bad: bool) -> Iterator[Pair | Malformed]:
    """Yield the pairs of a dataset written as ``hf:owner/name``, ``hf:owner/name/configuration`` or ``hf:folder``."""
    name, configuration = _named(source.place.removeprefix(PREFIX))
    number = 0
    try:
        for number, record in enumerate(_records(name, configuration, source.split or "train"), start=1):
            try:
                english, foreign = sides_of_record(record, source)
            except ValueError as error:
                yield Malformed(f"{source.place}:{number}: {error}")
                continue
            yield Pair(english, foreign, source.place, number)
    # The library below raises errors of many kinds and other libraries, with and without network.
    except Exception as error:
        at = f" after record {number}" if number else ""
        raise OpticalError(
            f"{source.place} cannot be read{at} ({type(error).__name__}: {error}). Check the id, the configuration, "
            "the split and the network, or download the dataset and name its folder (hf:folder)."
        ) from error
    if number == 0:
        raise OpticalError(f"{source.place} is empty. Name a dataset with sentence pairs in it.")


def _records(name: str, configuration: str | None, split: str) -> Iterator[Any]:
    import datasets

    yield from datasets.load_dataset(name, configuration, split=split, streaming=True)


def _named(name: str) -> tuple[str, str | None]:
    """Divide owner/name/configuration, or folder/configuration where the folder is given as /folder or ./folder."""
    path = Path(name)
    if path.is_dir():
        return name, None
    if path.is_absolute() or name.startswith("."):
        if not path.parent.is_dir():
            raise OpticalError(f"{PREFIX}{name}: there is no such folder. Check the path.")
        return str(path.parent), path.name
    owner, *rest = name.split("/", 2)
    return "/".join([owner, *rest[:1]]), (rest[1] if len(rest) == 2 else None)
