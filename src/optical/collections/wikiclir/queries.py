"""Queries from the leads of articles: first sentences without the words of the title."""

import re
import unicodedata
from itertools import groupby

from optical.bitext import words
from optical.collections.wikiclir.leads import tidy

LEAST_WORDS = 3
"""A query with fewer words left says too little."""

LONGEST_SENTENCE = 400
"""Characters; some scripts, Thai among them, have no mark for the end of a sentence."""

_LEAST_LETTERS = 12

# Full stops of Latin, Greek, Cyrillic and other scripts end a sentence where a space follows; those of Chinese, Arabic
# and Urdu, Devanagari and its sisters, Ethiopic, Burmese, Khmer and Armenian do anywhere. Ethiopic has its full stop
# also typed as two word separators.
_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s|$)|(?:[。！？｡؟۔।॥።፧፨။៕។։]|፡፡)[\"'”’»)\]]*")
_PARENTHESES = re.compile(r"\([^()]*\)")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[^\W\d_](?:\.[^\W\d_])*|dr|mr|mrs|ms|st|prof|rev|gen|col|sgt|jr|sr|vs|ca|approx|etc|cf|mt|ft)\.$",
    re.IGNORECASE,
)
# Thai, Lao, Tibetan, Burmese, Khmer, kana and Chinese characters: words are written without spaces between them.
_SPACELESS = re.compile("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_QUALIFIER = re.compile(r"\s*\([^()]*\)$")


def make_query(paragraphs: list[str], title: str, sentences: int) -> str:
    """Return the first sentences of an article without the words of its title; empty if too little is left.

    Words are compared in lower case. In a script without spaces the title is removed as a whole.
    """
    start = first_sentences(paragraphs, sentences)
    if _SPACELESS.search(title):
        start = re.sub(re.escape(_QUALIFIER.sub("", title)), " ", start, flags=re.IGNORECASE)
    query = _without(start, set(words(title)))
    enough = len(words(query)) >= LEAST_WORDS or len(_SPACELESS.findall(query)) >= _LEAST_LETTERS
    return query if enough else ""


def first_sentences(paragraphs: list[str], count: int) -> str:
    """Return the first ``count`` sentences, by rule; a paragraph ends a sentence, too.

    A full stop ends none inside parentheses, after an initial or a common abbreviation, and before a small letter.
    """
    found: list[str] = []
    for paragraph in paragraphs:
        rest = paragraph
        while rest and len(found) < count:
            end = _sentence_end(rest)
            found.append(rest[:end].strip())
            rest = rest[end:].strip()
    return " ".join(found[:count])


def _sentence_end(text: str) -> int:
    inside = [parentheses.span() for parentheses in _PARENTHESES.finditer(text[: 2 * LONGEST_SENTENCE])]
    for mark in _END.finditer(text[: LONGEST_SENTENCE + 1]):
        if any(start < mark.start() < end for start, end in inside):
            continue
        following = text[mark.end() :].lstrip()[:1]
        if mark[0].startswith(".") and (
            following.islower() or _ABBREVIATION.search(text[: mark.start() + 1])
        ):
            continue
        return min(mark.end(), LONGEST_SENTENCE)
    if len(text) <= LONGEST_SENTENCE:
        return len(text)
    space = text.rfind(" ", 0, LONGEST_SENTENCE)
    return space if space > 0 else LONGEST_SENTENCE


def _without(text: str, removed: set[str]) -> str:
    runs = ("".join(run) for _, run in groupby(unicodedata.normalize("NFC", text), _is_part_of_word))
    kept = tidy("".join(run for run in runs if not removed.intersection(words(run))))
    # An apostrophe or dash that stood beside a removed word is none now.
    return " ".join(part for part in kept.split() if words(part))


def _is_part_of_word(letter: str) -> bool:
    return bool(words(letter)) or unicodedata.category(letter) == "Cf"
