"""What formats have in common: text made fit for one line, and sides found in a record."""

from collections.abc import Iterable, Mapping

from optical.bitext.languages import is_english, is_language, same_language
from optical.bitext.sources import Source
from optical.errors import OpticalError
from optical.files import decode_line

LONGEST = 1 << 20
"""Bytes of a line, or characters of a record, from which on it is not read: no sentence is that long."""


def decoded(line: bytes) -> str:
    """Return a line as text.

    Raises:
        ValueError: as :func:`optical.files.decode_line`, or the line is longer than :data:`LONGEST`.
    """
    if len(line) > LONGEST:
        raise ValueError(f"longer than {LONGEST} bytes")
    return decode_line(line)


def one_line(text: str) -> str:
    """Return text with single spaces for its runs of white space, if it has a tab or a line end; else as it is.

    Raises:
        ValueError: it has a character that text cannot have: NUL, or half of a surrogate pair.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"half a surrogate pair at character {error.start + 1}") from error
    if "\0" in text:
        raise ValueError("a NUL character")
    return " ".join(text.split()) if any(mark in text for mark in "\t\n\r") else text


def choose_languages(languages: Iterable[str], source: Source) -> tuple[str | None, str | None]:
    """Return which of the ``languages`` of a record are the English and the foreign one; None for one it lacks.

    Raises:
        ValueError: there are several foreign ones, and ``source`` does not tell which to take.
    """
    english = foreign = None
    others = []
    for language in languages:
        if same_language(language, source.english) if source.english else is_english(language):
            english = english or language
        elif source.foreign is None:
            if not is_english(language):
                others.append(language)
        elif same_language(language, source.foreign):
            foreign = foreign or language
    if len(others) > 1:
        raise ValueError(
            f"several languages ({', '.join(others)}); add ?foreign={others[0]} to the source to choose"
        )
    return english, foreign or (others[0] if others else None)


def sides_of_record(record: object, source: Source) -> tuple[str, str]:
    """Return the English and the foreign text of a record of keys and values.

    Keys are those that ``source`` tells, else english and foreign (or non_english, as in sentence-transformers'
    sets), else language codes; they may also stand under a key "translation" (as in Hugging Face's sets).

    Raises:
        ValueError: a key is missing or its value is no text.
    """
    if not isinstance(record, Mapping):
        raise ValueError("no record of keys and values")
    inner = record.get("translation")
    if isinstance(inner, Mapping):
        record = inner
    english, foreign = source.english, source.foreign
    if english is None:
        english = "english" if "english" in record else None
    if foreign is None:
        foreign = next((key for key in ("foreign", "non_english") if key in record), None)
    if english is None or foreign is None:
        codes = [key for key, value in record.items() if isinstance(value, str) and is_language(key)]
        by_code = choose_languages(codes, Source(source.place, english, foreign))
        english, foreign = english or by_code[0], foreign or by_code[1]
    if english not in record or foreign not in record:
        keys = ", ".join(map(str, list(record)[:10]))
        raise ValueError(
            f"keys {keys} instead of english and foreign; add ?english=KEY&foreign=KEY to the source"
        )
    sides = record[english], record[foreign]
    if not all(isinstance(side, str) for side in sides):
        raise ValueError(f"{english} and {foreign} are not both text")
    return one_line(sides[0]), one_line(sides[1])


def number_told(source: Source, told: str, most: int | None = None) -> int:
    """Return the number of the column or file that ``source`` tells for one side, from 1.

    Raises:
        OpticalError: it is no such number, or above ``most``.
    """
    if not told.isdecimal() or int(told) == 0 or (most is not None and int(told) > most):
        allowed = "a number from 1" if most is None else f"1 to {most} (more if both sides are told)"
        raise OpticalError(f"{source.place}: {told} names no side of this format. Give {allowed}.")
    return int(told)
