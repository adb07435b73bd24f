"""Probabilistic structured queries: English text searched through a translation table."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TypeAlias

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from optical.bitext import Bitext, estimate_translation_table, words
from optical.collections import Passage, Run

_K1 = 1.2
_B = 0.75
_MOST_TRANSLATIONS = 20
_CUMULATIVE_PROBABILITY = 0.97  # what is left is mostly chance
_LEARNED_TERMS = 8000
_UNSEGMENTED = ("THAI", "LAO", "KHMER", "MYANMAR", "CJK", "HIRAGANA", "KATAKANA")

Segmentation: TypeAlias = Callable[[str], list[str]]


class ProbabilisticStructuredQueries:
    r"""BM25 in which each foreign term stands for all its translations at once, weighted by their probability.

    For a foreign term :math:`f` and a passage :math:`D`,

    .. math:: \mathrm{tf}(f, D) = \sum_e p(e \mid f)\, \mathrm{tf}(e, D), \qquad
              \mathrm{df}(f) = \sum_e p(e \mid f)\, \mathrm{df}(e),

    and a passage scores, with :math:`|D|` its length in words and :math:`\overline{|D|}` the mean,

    .. math:: \sum_{f} \log\!\left(1 + \frac{N - \mathrm{df}(f) + 0.5}{\mathrm{df}(f) + 0.5}\right)
              \frac{\mathrm{tf}(f, D)}{\mathrm{tf}(f, D) + 1.2\,(0.25 + 0.75\, |D| / \overline{|D|})}

    over the terms of the query, as often as they stand in it. The translations of a term are the likeliest that reach
    a probability of 0.97 together, 20 at the most, scaled to sum to 1. A term that the bitext lacks translates itself:
    names and numbers are often the same.

    The table comes from IBM Model 1 on the words of the bitext
    (:func:`optical.bitext.estimate_translation_table`). Where most letters of the foreign side belong to scripts
    without spaces between words, its terms are the pieces of a unigram model learned on what it has in such scripts.
    Numbers and words of other scripts are whole terms there too, so that they can still translate themselves.

    Args:
        bitext: sentence pairs.
        passages: title and text are searched.

    References:
        - Darwish and Oard: Probabilistic structured query methods, SIGIR 2003
        - Robertson and Zaragoza: The probabilistic relevance framework: BM25 and beyond, 2009
    """

    def __init__(self, bitext: Bitext, passages: Iterable[Passage]) -> None:
        self._terms = _segmentation(bitext.foreign)
        self._translations = _translations(
            [self._terms(sentence) for sentence in bitext.foreign], [words(text) for text in bitext.english]
        )
        self._passages = _InvertedIndex(passages)

    def rank(self, queries: Mapping[str, str], depth: int = 100) -> Run:
        """See :meth:`optical.rivals.System.rank`; only passages with a translation of a term are returned."""
        return {
            query: self._passages.search(
                [self._translations.get(term, {term: 1.0}) for term in self._terms(text)], depth
            )
            for query, text in queries.items()
        }


def _translations(
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


class _InvertedIndex:
    """Where each word stands, and how often."""

    def __init__(self, passages: Iterable[Passage]) -> None:
        self._ids: list[str] = []
        lengths: list[int] = []
        places: dict[str, list[int]] = {}
        counts: dict[str, list[int]] = {}
        # In the order of ids, so that a stable sort breaks ties as `ranked` does.
        for passage in sorted(passages, key=lambda passage: passage.id):
            found = Counter(words(passage.content))
            for word, count in found.items():
                places.setdefault(word, []).append(len(self._ids))
                counts.setdefault(word, []).append(count)
            self._ids.append(passage.id)
            lengths.append(found.total())
        length = np.asarray(lengths, dtype=np.float64)
        self._norm = _K1 * (1 - _B + _B * length / max(length.mean(), 1.0)) if len(length) else length
        self._postings = {word: (np.asarray(places[word]), np.asarray(counts[word])) for word in places}

    def search(self, terms: Sequence[Mapping[str, float]], depth: int) -> dict[str, float]:
        """Return the best passages for terms given by their weighted translations."""
        scores = np.zeros(len(self._ids))
        for translations in terms:
            frequency, documents = np.zeros(len(self._ids)), 0.0
            for word, probability in translations.items():
                if word in self._postings:
                    places, counts = self._postings[word]
                    frequency[places] += probability * counts
                    documents += probability * len(places)
            rarity = np.log1p((len(self._ids) - documents + 0.5) / (documents + 0.5))
            scores += rarity * frequency / (frequency + self._norm)
        best = np.argsort(-scores, kind="stable")[:depth]
        return {self._ids[place]: float(scores[place]) for place in best if scores[place] > 0}


def _segmentation(sentences: Sequence[str]) -> Segmentation:
    letters = Counter(
        unicodedata.name(letter, "").split(" ")[0]
        for sentence in sentences
        for letter in sentence
        if letter.isalpha()
    )
    if 2 * sum(letters[script] for script in _UNSEGMENTED) <= letters.total():
        return words
    pieces = Tokenizer(models.Unigram())
    pieces.normalizer = normalizers.NFC()
    pieces.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    pieces.train_from_iterator(
        (" ".join(part for part, unsegmented in _parts(sentence) if unsegmented) for sentence in sentences),
        trainers.UnigramTrainer(
            vocab_size=_LEARNED_TERMS, show_progress=False, unk_token="<unk>", special_tokens=["<unk>"]
        ),
    )

    def terms(text: str) -> list[str]:
        found: list[str] = []
        for part, unsegmented in _parts(text):
            found += pieces.encode(part).tokens if unsegmented else [part]
        return found

    return terms


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
