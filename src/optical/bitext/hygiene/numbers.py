"""Numbers that differ between the sides of a pair."""

import re
import unicodedata

# Digits of any script; inside a number separators of thousands and decimals in the customs of most countries.
_NUMBER = re.compile(r"\d+(?:[.,:/٫٬'’\u00a0\u202f ]\d+)*")
_SEPARATOR = re.compile(r"[^\d]+")
_LEAST_DIGITS = 2


def numbers_differ(english: str, foreign: str) -> bool:
    """Say whether each side has a number of two digits or more that does not stand in the other.

    Numbers are compared by their digits alone, whatever the script and the separators, and as a whole as well as part
    by part ("1,000" is "1 000", "1.000" and the "1000" of "Int. 1000/2"). A number in words on one side is no
    mismatch, since then only the other side has one over. Sides with the same digits in the same order never differ.
    """
    one, other = _digits(english), _digits(foreign)
    return bool(one) and bool(other) and _has_more(one, other) and _has_more(other, one)


def _digits(text: str) -> list[str]:
    return [_western(number) for number in _NUMBER.findall(text)]


def _western(number: str) -> str:
    if number.isascii():
        return number
    return "".join(str(unicodedata.digit(sign)) if sign.isdigit() else sign for sign in number)


def _has_more(these: list[str], those: list[str]) -> bool:
    # Digits run together, so that a number cut differently by spaces or commas is still found.
    everything = _SEPARATOR.sub("", "".join(those))
    return any(
        len(digits) >= _LEAST_DIGITS and digits.lstrip("0") not in everything
        for digits in (_SEPARATOR.sub("", number) for number in these)
    ) and any(
        len(part) >= _LEAST_DIGITS and part.lstrip("0") not in everything
        for number in these
        for part in _SEPARATOR.split(number)
    )
