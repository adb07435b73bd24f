"""Which side is English, told from language codes in names."""

import re
from itertools import pairwise

from optical.errors import OpticalError

_CODE = r"[a-z]{2,3}(?:[-_](?:[A-Z][a-z]{3}|[A-Z]{2}|XX))*"
_WHOLE = re.compile(_CODE)
_CODES = re.compile(rf"(?<![A-Za-z0-9]){_CODE}(?![A-Za-z0-9])")
_ENGLISH = ("en", "eng", "english")
# Three letters that stand in many names of files and are not meant as languages.
_WORDS = {
    "all",
    "and",
    "dev",
    "for",
    "ids",
    "new",
    "old",
    "out",
    "raw",
    "set",
    "the",
    "tmx",
    "tsv",
    "txt",
    "xml",
}


def is_english(code: str) -> bool:
    """Tell whether a language code means English: en, eng, en-GB, eng_Latn, in any case, or the word itself."""
    return re.split("[-_]", code.lower(), maxsplit=1)[0] in _ENGLISH


def is_language(code: str) -> bool:
    """Tell whether a text looks like a language code: sw, swh, pt_BR, zh-Hant, swh_Latn."""
    return _WHOLE.fullmatch(code) is not None and code not in _WORDS


def same_language(code: str, wanted: str) -> bool:
    """Tell whether ``code`` is the language ``wanted`` or a variety of it, as pt-BR is of pt."""
    code, wanted = (text.lower().replace("_", "-") for text in (code, wanted))
    return code == wanted or code.startswith(f"{wanted}-")


def last_language(name: str) -> str | None:
    """Return the last language code in a name, as sw in train.sw or sw.txt; None if there is none."""
    codes = [code for code in _CODES.findall(name) if is_language(code)]
    return codes[-1] if codes else None


def english_first(name: str) -> bool:
    """Tell from a name such as en-sw, sw_en or eng_Latn-swh_Latn in which order it has the two languages.

    A name that says nothing counts as English first.

    Raises:
        OpticalError: the name can be read both ways, as ted-en-sw can.
    """
    orders = set()
    codes = [match for match in _CODES.finditer(name) if is_language(match[0])]
    for first, second in pairwise(codes):
        joined = name[first.end() : second.start()] in ("-", "_")
        if joined and is_english(first[0]) != is_english(second[0]):
            orders.add(is_english(first[0]))
    if len(orders) > 1:
        raise OpticalError(
            f"{name} does not say clearly which side is English. Add ?english=1 or ?english=2 to the name."
        )
    return orders != {False}
