"""The plain text that the encoder is trained on: which there is, and how much of it is drawn of each language."""

import hashlib
import json
import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from optical.bitext import read_bitext, words
from optical.bitext.leakage import NearCopies
from optical.collections import read_passages, read_queries
from optical.errors import OpticalError
from optical.study.declared_files import declared_files

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Declared:
    """What is to be read, as ``text.toml`` says it; names of files are patterns relative to the data folder.

    Attributes:
        texts: how many of each language are drawn at most; English is called "en".
        bitext: files of sentence pairs of English and ``{language}``.
        english: files of English passages.
        apart_from: files of questions of tests.
    """

    texts: dict[str, int]
    bitext: str
    english: list[str]
    apart_from: list[str]


@dataclass(frozen=True)
class Text:
    """The text of a language.

    Attributes:
        training: in the order drawn.
        held_back: for measuring; a tenth of what there is at most.
        there: how many texts there are, no two alike.
        near_copies: how many of them were left out because they, or what they were paired with, are near copies of test
            questions.
    """

    training: list[str]
    held_back: list[str]
    there: int
    near_copies: int


def read_declared(file: Path) -> Declared:
    """Read ``text.toml``.

    Raises:
        OpticalError: it is missing or no TOML, or has not the fields of :class:`Declared`.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OpticalError(f"{file} cannot be read as TOML ({error}). Check the path, or mend it.") from error
    names = {each.name for each in fields(Declared)}
    if content.keys() != names:
        wrong = ", ".join(sorted(content.keys() ^ names))
        raise OpticalError(f"{file} must have {', '.join(sorted(names))} and nothing else. Look at {wrong}.")
    texts = content["texts"]
    if not isinstance(texts, dict) or not all(isinstance(most, int) and most > 0 for most in texts.values()):
        raise OpticalError(f"{file}: texts must be whole numbers from 1 up, by language. Mend it.")
    if "en" not in texts or len(texts) < 2:
        raise OpticalError(f"{file}: texts must name en and another language. Add them.")
    return Declared(**content)


def sources(declared: Declared, data: Path) -> list[tuple[str, int, int]]:
    """Return the files that :func:`gather` reads: path in ``data``, size in bytes and time of change in seconds.

    Raises:
        OpticalError: one is missing.
    """
    files = declared_files(data, [*declared.apart_from, *_bitext(declared).values(), *declared.english])
    states = [(file, file.stat()) for file in files]
    # Archives keep whole seconds, and what was prepared may be taken elsewhere in one.
    return [(str(file.relative_to(data)), state.st_size, int(state.st_mtime)) for file, state in states]


def gather(declared: Declared, data: Path, held_back: int, seed: int) -> dict[str, Text]:
    """Return the text by language.

    Raises:
        OpticalError: a file is missing or malformed, or a language has too few texts to hold any back.
    """
    questions = (read_queries(file).values() for file in declared_files(data, declared.apart_from))
    copies = NearCopies(question for each in questions for question in each)
    found: dict[str, set[str]] = {language: set() for language in declared.texts}
    left_out: dict[str, set[str]] = {language: set() for language in declared.texts}
    for language, pattern in _bitext(declared).items():
        pairs = read_bitext(declared_files(data, [pattern]))
        for english, foreign in zip(pairs.english, pairs.foreign, strict=True):
            # In a script without spaces it is the English side that shows a near copy.
            is_copy = words(english) in copies or words(foreign) in copies
            where = left_out if is_copy else found
            where["en"].add(single_line(english))
            where[language].add(single_line(foreign))
    for file in declared_files(data, declared.english):
        for passage in read_passages(file):
            where = left_out if words(passage.content) in copies else found
            where["en"].add(single_line(passage.content))
    return {
        language: draw(language, found[language], left_out[language], most, held_back, seed)
        for language, most in declared.texts.items()
    }


def _bitext(declared: Declared) -> dict[str, str]:
    return {
        language: declared.bitext.replace("{language}", language)
        for language in declared.texts
        if language != "en"
    }


def single_line(text: str) -> str:
    """Return ``text`` with one space in place of any white space."""
    return " ".join(text.split())


def draw(language: str, texts: set[str], left_out: set[str], most: int, held_back: int, seed: int) -> Text:
    """Draw the texts of a language, the same ones for the same ``seed``."""
    kept = sorted(texts - left_out)
    random.Random(f"{seed} {language}").shuffle(kept)
    held_back = min(held_back, len(kept) // 10)
    if not held_back:
        raise OpticalError(
            f"There are only {len(kept)} texts in {language}, too few to hold any back. Give more, or leave the "
            "language out of the texts."
        )
    return Text(
        kept[held_back:][:most],
        kept[:held_back],
        there=len(texts | left_out),
        near_copies=len(left_out),
    )


def save(texts: dict[str, Text], folder: Path) -> None:
    """Write the text of all languages into ``folder``."""
    for language, text in texts.items():
        (folder / f"{language}.json").write_text(json.dumps(vars(text)), encoding="utf-8")


def load(folder: Path, languages: Iterable[str]) -> dict[str, Text]:
    """Read what :func:`save` wrote."""
    return {
        language: Text(**json.loads((folder / f"{language}.json").read_text(encoding="utf-8")))
        for language in languages
    }


def digest(texts: dict[str, Text]) -> str:
    """Return 32 hexadecimal digits (BLAKE2b) that name all text."""
    content = json.dumps({language: vars(text) for language, text in texts.items()})
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
