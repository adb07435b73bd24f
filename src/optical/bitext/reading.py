"""Read parallel text, say what was left out of it, and divide it for training."""

import hashlib
import logging
import random
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from optical.errors import OpticalError
from optical.files import decode_line, numbered_lines

logger = logging.getLogger(__name__)

_MOST_NOTES = 20


@dataclass(frozen=True)
class Bitext:
    """Sentence pairs: ``english[i]`` and ``foreign[i]`` translate each other.

    ``dropped`` counts the pairs left out while reading, by reason; ``malformed`` holds the first 20 notes
    "file:line: what is wrong". Both are empty in the parts that :meth:`split` returns.
    """

    english: list[str]
    foreign: list[str]
    dropped: dict[str, int] = field(default_factory=dict)
    malformed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Raise ValueError if the sides differ in length."""
        if len(self.english) != len(self.foreign):
            raise ValueError(f"{len(self.english)} English against {len(self.foreign)} foreign sentences")

    def __len__(self) -> int:
        """Return the number of pairs kept."""
        return len(self.english)

    def digest(self) -> str:
        """Return 32 hexadecimal digits (BLAKE2b) that name the kept pairs and their order."""
        digest = hashlib.blake2b(digest_size=16)
        for pair in zip(self.english, self.foreign, strict=True):
            for side in pair:
                encoded = side.encode()
                # The length in front keeps ("ab", "c") apart from ("a", "bc").
                digest.update(b"%d:" % len(encoded))
                digest.update(encoded)
        return digest.hexdigest()

    def split(self, held_back: int, seed: int) -> tuple["Bitext", "Bitext"]:
        """Divide into (training, development); every pair lands in exactly one, in the original order.

        No English and no foreign sentence occurs in both parts: pairs linked by a shared sentence stay
        together. Development gets ``held_back`` pairs where that is possible, and never more than a fifth
        of the whole, but at least one group of linked pairs if there are two groups; with a single group
        it is empty. The same pairs, ``held_back`` and ``seed`` give the same parts on every machine.

        Raises:
            OpticalError: ``held_back`` is negative.
        """
        if held_back < 0:
            raise OpticalError(f"{held_back} pairs cannot be held back. Give 0 or a positive number.")
        groups = self._linked_pairs()
        random.Random(seed).shuffle(groups)
        room = min(held_back, len(self) // 5)
        development: set[int] = set()
        for group in groups:
            if len(group) <= room - len(development):
                development.update(group)
        if held_back and not development and len(groups) > 1:
            smallest = min(groups, key=len)
            development.update(smallest)
        return (
            self._part([index for index in range(len(self)) if index not in development]),
            self._part(sorted(development)),
        )

    def _linked_pairs(self) -> list[list[int]]:
        """Return the connected components of the pairs, two being linked if they share a sentence."""
        parents = list(range(len(self)))

        def root(index: int) -> int:
            while parents[index] != index:
                parents[index] = parents[parents[index]]
                index = parents[index]
            return index

        for sentences in (self.english, self.foreign):
            first_use: dict[str, int] = {}
            for index, sentence in enumerate(sentences):
                parents[root(index)] = root(first_use.setdefault(sentence, index))
        groups: dict[int, list[int]] = {}
        for index in range(len(self)):
            groups.setdefault(root(index), []).append(index)
        return list(groups.values())

    def _part(self, indices: Sequence[int]) -> "Bitext":
        return Bitext([self.english[index] for index in indices], [self.foreign[index] for index in indices])


@dataclass(frozen=True)
class _Malformed:
    note: str


def read_bitext(sources: Sequence[str | Path], *, strict: bool = False, max_characters: int = 2000) -> Bitext:
    """Read and clean parallel text; several sources are joined in the order given.

    A source is either a file of lines ``english<TAB>foreign``, or two line-aligned files (the layout of
    Moses) written as one string with a comma, English first: ``"train.en,train.sw"``. Names that end in
    ``.gz`` are decompressed. Text becomes Unicode NFC with single spaces. Left out and counted are malformed
    lines (wrong number of columns, not UTF-8; a warning names file and line of the first 20), pairs with an
    empty side, with a side of more than ``max_characters`` characters or with equal sides (case aside), and
    exact repetitions.

    Raises:
        OpticalError: a file is missing, a folder, empty or a broken gzip; two aligned files differ in
            length; with ``strict``, the first malformed line; or no pair is left.
    """
    if not sources:
        raise OpticalError("No bitext was given. Name at least one file of lines english<TAB>foreign.")
    pairs: dict[tuple[str, str], None] = {}
    dropped: Counter[str] = Counter()
    malformed: list[str] = []
    for source in sources:
        for pair in _read_source(str(source)):
            if isinstance(pair, _Malformed):
                if strict:
                    raise OpticalError(f"{pair.note}. Mend the line, or read without strict to skip it.")
                dropped["malformed line"] += 1
                if len(malformed) < _MOST_NOTES:
                    malformed.append(pair.note)
                continue
            english, foreign = (" ".join(unicodedata.normalize("NFC", side).split()) for side in pair)
            if not english or not foreign:
                dropped["empty side"] += 1
            elif max(len(english), len(foreign)) > max_characters:
                dropped[f"over {max_characters} characters"] += 1
            elif english.casefold() == foreign.casefold():
                dropped["identical sides"] += 1
            elif (english, foreign) in pairs:
                dropped["duplicate pair"] += 1
            else:
                pairs[english, foreign] = None
    if not pairs:
        counts = ", ".join(f"{reason} {count}" for reason, count in dropped.items())
        first_note = f"; first malformed line: {malformed[0]}" if malformed else ""
        raise OpticalError(
            f"No usable pair is left of {' and '.join(map(str, sources))} (dropped: {counts}{first_note}). "
            "Give lines english<TAB>foreign, or two aligned files as train.en,train.sw."
        )
    if malformed:
        logger.warning(
            "%d malformed line(s) of the bitext skipped:\n%s", dropped["malformed line"], "\n".join(malformed)
        )
    return Bitext(
        [english for english, _ in pairs], [foreign for _, foreign in pairs], dict(dropped), malformed
    )


def _read_source(source: str) -> Iterator[tuple[str, str] | _Malformed]:
    # A file whose own name has a comma is that file.
    if "," not in source or Path(source).exists():
        return _read_columns(Path(source))
    names = [name.strip() for name in source.split(",")]
    if len(names) != 2 or not all(names):
        raise OpticalError(f"{source} should name two files, English first, as in train.en,train.sw.")
    return _read_aligned(Path(names[0]), Path(names[1]))


def _read_columns(path: Path) -> Iterator[tuple[str, str] | _Malformed]:
    for number, line in numbered_lines(path):
        try:
            columns = decode_line(line).split("\t")
        except ValueError as error:
            yield _Malformed(f"{path}:{number}: {error}")
            continue
        if len(columns) == 2:
            yield columns[0], columns[1]
        elif not line.strip():
            yield "", ""
        else:
            yield _Malformed(f"{path}:{number}: {len(columns)} column(s) instead of english<TAB>foreign")


def _read_aligned(english_path: Path, foreign_path: Path) -> Iterator[tuple[str, str] | _Malformed]:
    paths = (english_path, foreign_path)
    counts = [0, 0]
    for numbered in zip_longest(*map(numbered_lines, paths)):
        sides: list[str] = []
        problem = None
        for side, item in enumerate(numbered):
            if item is None:
                continue
            counts[side], line = item
            try:
                sides.append(decode_line(line))
            except ValueError as error:
                problem = problem or _Malformed(f"{paths[side]}:{counts[side]}: {error}")
        if problem:
            yield problem
        elif len(sides) == 2:
            yield sides[0], sides[1]
    if counts[0] != counts[1]:
        raise OpticalError(
            f"{english_path} has {counts[0]} lines but {foreign_path} has {counts[1]}. "
            "Line i of one must translate line i of the other: align the files again."
        )
