"""Debris of the pages and programs that a pair has come through."""

import re

import numpy as np
import numpy.typing as npt

from optical.bitext.characters import DEBRIS, Lines, codes_of

_ENTITY = re.compile(r"&(?:[a-zA-Z][a-zA-Z0-9]{1,7}|#[0-9]{1,6}|#[xX][0-9a-fA-F]{1,5});")
_TAG = (
    r"</?(?:a|abbr|b|big|blockquote|body|br|center|cite|code|dd|div|dl|dt|em|font|form|h[1-6]|head|hr|html|i|iframe|img|"
    r"input|li|link|meta|noscript|ol|option|p|pre|q|ref|s|script|seg|select|small|span|strike|strong|style|sub|sup|"
    r"table|tbody|td|th|title|tr|tt|u|ul|video)(?:\s[^<>]*)?/?>"
)
# UTF-8 read as Windows-1252 once too often: the first byte of a letter, then what its second may turn into. (A capital
# A with tilde at the end of a word may well stand before a quotation mark.)
_TWICE_ENCODED = (
    r"[\u00c3\u00c2][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013\u2014"
    r"\u2018-\u201a\u201c-\u201e\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122](?![\u0080-\u00bf]?\s)"
    r"|\u00e2\u20ac[\u0080-\u00bf\u02dc\u0153\u201c-\u201e\u2122\u00a6\u201d\u0153]"
)
_DEBRIS = re.compile(
    rf"(?i:{_TAG})|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufffd]|{_TWICE_ENCODED}"
    r"|^b(?P<quote>['\"]).*(?P=quote)$|^(?:[hH][tT]{2}[pP][sS]?://|www\.)\S+$",
)
# b' and b", www. and http, in any case
_FIRST, _SECOND = codes_of("bwhH"), codes_of("'\"wtT")


def may_have_markup(lines: Lines) -> npt.NDArray[np.bool_]:
    """Return (n,) whether a text has a sign that debris has, or begins as a print of bytes or an address does."""
    first, second = (lines.codes.take(lines.starts + place, mode="clip")[:, None] for place in (0, 1))
    begins = (first == _FIRST).any(axis=1) & (second == _SECOND).any(axis=1)
    return np.asarray(lines.have(DEBRIS) | begins)


def has_markup(text: str) -> bool:
    """Say whether a text has HTML tags, control or replacement characters or letters encoded twice.

    So it has where the whole is the print of a Python ``bytes`` object (b'...'), or one URL.
    """
    return _DEBRIS.search(text) is not None


def has_entity(text: str) -> bool:
    """Say whether a text has an HTML entity, by name or by number."""
    return _ENTITY.search(text) is not None
