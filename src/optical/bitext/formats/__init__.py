"""Formats of parallel text, one file each; reading any of them, pair by pair."""

from collections.abc import Callable, Iterator
from pathlib import Path

from optical.bitext.formats import hugging_face, jsonl, moses, opus_moses, opus_xml, tmx, tsv
from optical.bitext.pairs import Malformed, Pair
from optical.bitext.sources import Source
from optical.errors import OpticalError
from optical.files import BrokenFileError, without_compression

_Reader = Callable[[Source, bool], Iterator[Pair | Malformed]]

_READERS: dict[str, _Reader] = {
    ".tsv": tsv.read,
    ".tab": tsv.read,
    ".txt": tsv.read,
    ".jsonl": jsonl.read,
    ".ndjson": jsonl.read,
    ".tmx": tmx.read,
    ".zip": opus_moses.read,
    ".xml": opus_xml.read,
}

KNOWN_FORMATS = (
    "lines english<TAB>foreign (.tsv, .txt), two aligned files (train.en,train.sw), .jsonl, .tmx, a Moses zip or an "
    "alignment of OPUS (.zip, .xml), all but zips also as .gz, .xz or .zst, or hf:owner/name/configuration"
)
"""What :func:`read_pairs` reads, as error messages say it."""


def read_pairs(source: str | Path, *, skip_bad: bool = False) -> Iterator[Pair | Malformed]:
    """Return an iterator over the sentence pairs of one source, in memory that does not grow with their number.

    The name says the format: see :data:`KNOWN_FORMATS` and :class:`~optical.bitext.sources.Source` for how sources
    are written. Text is that of the source, except that no side has a tab or a line feed: formats that allow them
    get spaces instead. A record that cannot be read (a line that is not UTF-8 or longer than a
    megabyte, a missing column) comes as :class:`Malformed`, in its place.

    Args:
        source: file, pair of files or dataset, with its options.
        skip_bad: yield damage of the file itself (broken XML, an archive cut short) as :class:`Malformed` too and
            go on at the next translation unit, where there is one, instead of raising.

    Raises:
        OpticalError: the source has an unknown format or option; while iterating: the file is missing, empty,
            unreadable or damaged, or two aligned files differ in length.
    """
    described = Source.parse(source)
    if described.split is not None and not described.place.startswith(hugging_face.PREFIX):
        raise OpticalError(f"{source}: only datasets (hf:...) have splits. Leave out split.")
    return _until_cap_or_damage(_reader(described)(described, skip_bad), described.cap, skip_bad)


def _reader(source: Source) -> _Reader:
    place = source.place
    if place.startswith(hugging_face.PREFIX):
        return hugging_face.read
    # A file whose own name has a comma is that file.
    if "," in place and not Path(place).exists():
        return moses.read
    suffix = Path(without_compression(place)).suffix.lower()
    if suffix in _READERS:
        return _READERS[suffix]
    if Path(place).is_dir():
        raise OpticalError(f"{place} is a folder. Name a file, or hf:{place} for a dataset of Hugging Face.")
    raise OpticalError(f"The name {place} tells no known format. Give {KNOWN_FORMATS}.")


def _until_cap_or_damage(
    items: Iterator[Pair | Malformed], cap: int | None, skip_bad: bool
) -> Iterator[Pair | Malformed]:
    pairs = 0
    try:
        if cap is None:
            yield from items
            return
        for item in items:
            yield item
            pairs += isinstance(item, Pair)
            if pairs == cap:
                return
    except BrokenFileError as error:
        if not skip_bad:
            raise
        yield Malformed(error.note)
