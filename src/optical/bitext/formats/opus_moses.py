"""Zips that OPUS offers as "Moses": two aligned files, beside README, LICENSE and identifiers."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from optical.bitext.formats.archives import member_opener, open_archive
from optical.bitext.formats.moses import aligned
from optical.bitext.formats.text import LONGEST, choose_languages
from optical.bitext.languages import is_language
from optical.bitext.pairs import Malformed, Pair
from optical.bitext.sources import Source
from optical.errors import OpticalError
from optical.files import lines_of


def read(source: Source, _skip_bad: bool) -> Iterator[Pair | Malformed]:
    """Yield the pairs of the one pair of members named as ``corpus.en-sw.en`` and ``corpus.en-sw.sw``."""
    path = Path(source.place)
    with open_archive(path) as archive:
        members = _members(source, archive.namelist())
        names = [f"{path}/{member}" for member in members]
        lines = [
            lines_of(member_opener(archive, member), name, longest=LONGEST)
            for member, name in zip(members, names, strict=True)
        ]
        yield from aligned(source.place, names, lines)


def _members(source: Source, names: list[str]) -> tuple[str, str]:
    by_corpus: dict[str, dict[str, str]] = defaultdict(dict)
    for name in names:
        suffix = PurePosixPath(name).suffix
        if is_language(suffix[1:]):
            by_corpus[name.removesuffix(suffix)][suffix[1:]] = name
    found = []
    for members in by_corpus.values():
        try:
            english, foreign = choose_languages(members, source)
        except ValueError as error:
            raise OpticalError(f"{source.place} has {error}.") from error
        if english and foreign:
            found.append((members[english], members[foreign]))
    if len(found) != 1:
        what = (
            f"several such pairs ({', '.join(pair[0] for pair in found)})"
            if found
            else f"{', '.join(names[:10])}"
        )
        raise OpticalError(
            f"{source.place} should have one pair of files named as corpus.en and corpus.sw, but has {what}. "
            "Unpack it and name the two files as corpus.en,corpus.sw."
        )
    return found[0]
