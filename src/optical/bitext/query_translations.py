"""A foreign query as weighted English words, by a translation table."""

import gzip
import json
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from optical.bitext.bitext import Bitext
from optical.bitext.translation_table import estimate_translation_table
from optical.bitext.words import words
from optical.errors import OpticalError
from optical.files import replace_file, require_file

_FORMAT = 1
_LARGEST = 256 * 1024**2  # bytes of JSON; ten million sentence pairs need less
_MOST_TRANSLATIONS = 20
_CUMULATIVE_PROBABILITY = 0.97  # what is left is mostly chance
_LEARNED_TERMS = 8000
_UNSEGMENTED = ("THAI", "LAO", "KHMER", "MYANMAR", "CJK", "HIRAGANA", "KATAKANA")


class QueryTranslations:
    """What the terms of foreign queries mean in English, with probabilities.

    They come from IBM Model 1 on the words of bitext (:func:`optical.bitext.estimate_translation_table`). The
    translations of a term are the likeliest that reach a probability of 0.97 together, 20 at the most, scaled to sum to
    1. A term that the bitext lacks translates itself: names and numbers are often the same.

    Where most letters of the foreign side belong to scripts without spaces between words, its terms are the pieces of
    a unigram model learned on what it has in such scripts. Numbers and words of other scripts are whole terms there
    too, so that they can still translate themselves.
    """

    def __init__(self, table: Mapping[str, Mapping[str, float]], pieces: Tokenizer | None) -> None:
        """Use :meth:`estimate`, :meth:`load` or :meth:`of_english`."""
        self._table = table
        self._pieces = pieces

    @classmethod
    def estimate(cls, bitext: Bitext) -> "QueryTranslations":
        """Learn the translations of what stands on the foreign side."""
        pieces = _learned_pieces(bitext.foreign)
        foreign = [_terms(sentence, pieces) for sentence in bitext.foreign]
        return cls(_estimated(foreign, [words(text) for text in bitext.english]), pieces)

    @classmethod
    def of_english(cls) -> "QueryTranslations":
        """Return those of queries in English, whose words stand for themselves."""
        return cls({}, None)

    @classmethod
    def load(cls, path: Path) -> "QueryTranslations":
        """Read what :meth:`save` wrote.

        Raises:
            OpticalError: the file is missing, damaged, or of another version.
        """
        require_file(path)
        try:
            with gzip.open(path) as file:
                content = file.read(_LARGEST + 1)
            if len(content) > _LARGEST:
                raise ValueError("too large")
            stored = json.loads(content)
            found = int(stored["format"])
            if found == _FORMAT:
                return cls._restored(stored)
            reason = f"format {found}; this version of optical reads {_FORMAT}"
        except Exception as error:  # what the tokenizer raises is nothing else
            reason = str(error)
        raise OpticalError(
            f"{path} is damaged, or of another version ({reason}). Copy it again, upgrade optical, or make the encoder "
            "again from its bitext."
        )

    @classmethod
    def _restored(cls, stored: dict[str, Any]) -> "QueryTranslations":
        english, pieces = stored["english"], stored["pieces"]
        table: dict[str, dict[str, float]] = {}
        for term, (places, probabilities) in stored["terms"].items():
            translations = table.setdefault(term, {})
            for place, probability in zip(places, probabilities, strict=True):
                if not (
                    0 <= place < len(english) and isinstance(english[place], str) and 0 < probability <= 1
                ):
                    raise ValueError(f"{term!r} has a translation that cannot be")
                translations[english[place]] = float(probability)
        return cls(table, None if pieces is None else Tokenizer.from_str(json.dumps(pieces)))

    def save(self, path: Path) -> None:
        """Write to a file (JSON, gzip, which has a checksum), probabilities with four digits.

        Equal translations give equal bytes.
        """
        english: dict[str, int] = {}
        terms = {
            term: (
                [english.setdefault(word, len(english)) for word in translations],
                [float(f"{probability:.4g}") for probability in translations.values()],
            )
            for term, translations in self._table.items()
        }
        pieces = None if self._pieces is None else json.loads(self._pieces.to_str())
        if pieces is not None:
            # The last digits differ from one training, and from one reading, to the next.
            pieces["model"]["vocab"] = [[piece, round(score, 6)] for piece, score in pieces["model"]["vocab"]]
        stored = {"format": _FORMAT, "english": list(english), "terms": terms, "pieces": pieces}
        text = json.dumps(stored, ensure_ascii=False, separators=(",", ":"))
        with replace_file(path) as temporary:
            temporary.write_bytes(gzip.compress(text.encode(), mtime=0))

    def terms(self, text: str) -> list[Mapping[str, float]]:
        """Return, for each term of a text, in order, its English words with their probabilities."""
        return [self._table.get(term, {term: 1.0}) for term in _terms(text, self._pieces)]


def _estimated(
    foreign: Sequence[Sequence[str]], english: Sequence[Sequence[str]]
) -> dict[str, dict[str, float]]:
    """Return the pruned probabilities p(English word | foreign term)."""
    foreign_ids: dict[str, int] = {}
    english_ids: dict[str, int] = {}
    table = estimate_translation_table(
        [[foreign_ids.setdefault(term, len(foreign_ids)) for term in sentence] for sentence in foreign],
        [[english_ids.setdefault(word, len(english_ids)) for word in sentence] for sentence in english],
    )
    names = list(english_ids)
    pruned: dict[str, dict[str, float]] = {}
    for term, number in foreign_ids.items():
        ids, probabilities = table.translations(number, _MOST_TRANSLATIONS)
        if len(ids):
            enough = int(np.searchsorted(probabilities.cumsum(), _CUMULATIVE_PROBABILITY)) + 1
            kept = probabilities[:enough] / probabilities[:enough].sum()
            pruned[term] = {names[word]: float(p) for word, p in zip(ids[:enough], kept, strict=True)}
    return pruned


def _learned_pieces(sentences: Sequence[str]) -> Tokenizer | None:
    """Return a model of the terms of scripts without spaces, or None where most letters are of others."""
    letters = Counter(
        unicodedata.name(letter, "").split(" ")[0]
        for sentence in sentences
        for letter in sentence
        if letter.isalpha()
    )
    if 2 * sum(letters[script] for script in _UNSEGMENTED) <= letters.total():
        return None
    pieces = Tokenizer(models.Unigram())
    pieces.normalizer = normalizers.NFC()
    pieces.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    pieces.train_from_iterator(
        (" ".join(part for part, unsegmented in _parts(sentence) if unsegmented) for sentence in sentences),
        trainers.UnigramTrainer(
            vocab_size=_LEARNED_TERMS, show_progress=False, unk_token="<unk>", special_tokens=["<unk>"]
        ),
    )
    return pieces


def _terms(text: str, pieces: Tokenizer | None) -> list[str]:
    if pieces is None:
        return words(text)
    found: list[str] = []
    for part, unsegmented in _parts(text):
        found += pieces.encode(part).tokens if unsegmented else [part]
    return found


def _parts(text: str) -> list[tuple[str, bool]]:
    """Return the words, cut where a script without spaces begins or ends, and whether each part is of one."""
    parts: list[tuple[str, bool]] = []
    for word in words(text):
        start, before = 0, _is_unsegmented(word[0])
        for place, letter in enumerate(word):
            # A mark belongs to the letter in front of it.
            if unicodedata.category(letter).startswith("M") or _is_unsegmented(letter) == before:
                continue
            parts.append((word[start:place], before))
            start, before = place, not before
        parts.append((word[start:], before))
    return parts


@cache
def _is_unsegmented(letter: str) -> bool:
    return letter.isalpha() and unicodedata.name(letter, "").startswith(_UNSEGMENTED)
