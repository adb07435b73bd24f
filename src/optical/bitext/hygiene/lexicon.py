"""How many words of a foreign sentence an English one translates, by the translation table of the bitext itself."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from optical.bitext.hygiene.scripts import script, script_name
from optical.bitext.translation_table import estimate_translation_table
from optical.bitext.words import SCRIPTS_WITHOUT_SPACES

Words = list[str]

_FEWEST_OCCURRENCES = 2
_FEWEST_KNOWN = 3
_TRANSLATIONS = 4
_LEAST_PROBABILITY = 0.08
_NAME_LETTERS = 4
_BINS = 10
_MOST_TOKEN_PAIRS = 1_500_000
_APART = 37
_ITERATIONS = 3
_FEWEST_RANDOM = 30


class Lexicon:
    """Translations of words, estimated twice: on every other pair of a sample, so that none is judged by itself.

    With a table estimated on the pair too, a rare word would be "translated" by whatever stands beside it, in
    misaligned lines as well.

    Args:
        sample: English and foreign words of pairs spread over the bitext.

    Attributes:
        evidence: (11,) log-likelihood ratio, aligned against random sentences, of a score of 0 to 0.1, 0.1 to 0.2 and
            so on; the last entry is 0, for pairs with too few known words. Aligned is what the bitext is, with the
            wrong pairs that are scattered in it.
        evidence_of_a_pair: (11,) the same without those wrong pairs, which would hide one another.
        scores: (n,) the score of each pair of the sample, by the table estimated without it; NaN for too few
            known words.
    """

    def __init__(self, sample: Sequence[tuple[Words, Words]]) -> None:
        text = " ".join(" ".join(foreign) for _, foreign in sample[:200])
        self._spaced = script_name(script(text)).upper() not in SCRIPTS_WITHOUT_SPACES
        split = [(english, self.units(foreign)) for english, foreign in sample]
        # A table for the even rows, estimated on the odd ones, and one for the odd rows.
        self._tables = [_translations(split[1::2]), _translations(split[::2])]
        english_sets = [frozenset(english) for english, _ in split]
        own = [self.score(english_sets[row], split[row][1], row) for row in range(len(split))]
        far = [
            self.score(english_sets[(row + _APART) % len(split)], split[row][1], row)
            for row in range(len(split))
        ]
        self.scores = np.array(own, dtype=np.float32)
        observed, random = (
            np.bincount(self.bins(np.array(s)), minlength=_BINS + 1)[:_BINS].astype(np.float64)
            for s in (own, far)
        )
        self.evidence = _evidence(observed, random)
        self.evidence_of_a_pair = _evidence(_without_random(observed, random), random)

    def units(self, foreign_words: Words) -> Words:
        """Return what is looked up of a foreign side: its words, or pairs of characters where none are marked."""
        if self._spaced:
            return foreign_words
        return [word[i : i + 2] for word in foreign_words for i in range(max(1, len(word) - 1))]

    def score(self, english: frozenset[str], units: Words, half: int) -> float:
        """Return the share of the known ``units`` that a word of ``english`` translates, rare ones counting more.

        An English word that stands in the foreign side as well counts as translated. It is NaN if fewer than 3 units
        are known, which is too little to judge by.
        """
        table = self._tables[half % 2]
        known = found = 0.0
        units_known = 0
        for unit in units:
            if unit in english and (len(unit) >= _NAME_LETTERS or unit.isdigit()):
                units_known += 1
                known += 5.0
                found += 5.0
            elif entry := table.get(unit):
                units_known += 1
                known += entry[0]
                if not entry[1].isdisjoint(english):
                    found += entry[0]
        return found / known if units_known >= _FEWEST_KNOWN else math.nan

    @staticmethod
    def bins(scores: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
        """Return the entries of ``evidence`` that (n,) scores belong to."""
        unknown = np.isnan(scores)
        bins = np.minimum(np.where(unknown, 0, scores) * _BINS, _BINS - 1).astype(np.int64)
        return np.where(unknown, _BINS, bins)


def _evidence(aligned: npt.NDArray[np.floating], random: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    ratio = np.log((aligned + 1) / (aligned.sum() + _BINS)) - np.log((random + 1) / (random.sum() + _BINS))
    # A better score never speaks against a pair.
    return np.append(np.maximum.accumulate(ratio), 0.0).clip(-4, 4).astype(np.float32)


def _without_random(
    observed: npt.NDArray[np.floating], random: npt.NDArray[np.floating]
) -> npt.NDArray[np.floating]:
    """Return how many pairs of each bin are aligned, when some of those ``observed`` are random.

    Observed scores are a mixture, p_observed = (1 - w) p_aligned + w p_random. As p_aligned is not negative, the share
    of the lowest scores among the observed is at least w times that among the random, and hardly more where aligned
    pairs hardly ever have such scores: w is the least ratio of both over all bounds of "lowest".
    """
    enough = random.cumsum() >= _FEWEST_RANDOM
    if not enough.any() or not observed.any():
        return observed
    lowest = [counts.cumsum()[enough] / counts.sum() for counts in (observed, random)]
    wrong = min(1.0, float((lowest[0] / lowest[1]).min()))
    return np.asarray(np.maximum(observed - wrong * observed.sum() * random / random.sum(), 0))


def _translations(pairs: Sequence[tuple[Words, Words]]) -> dict[str, tuple[float, frozenset[str]]]:
    """Return of each foreign unit its weight, log(sentences / sentences with it), and its likely translations."""
    english_ids = _numbered(english for english, _ in pairs)
    foreign_ids = _numbered(foreign for _, foreign in pairs)
    table = estimate_translation_table(
        [[foreign_ids[unit] for unit in foreign if unit in foreign_ids] for _, foreign in pairs],
        [[english_ids[word] for word in english if word in english_ids] for english, _ in pairs],
        iterations=_ITERATIONS,
        most_token_pairs=_MOST_TOKEN_PAIRS,
    )
    english_words, foreign_units = list(english_ids), list(foreign_ids)
    sentences = Counter(unit for _, foreign in pairs for unit in set(foreign))
    first = np.searchsorted(table.foreign, table.foreign)
    rank = np.arange(len(table.foreign)) - first
    likely = (rank < _TRANSLATIONS) & (table.probability >= _LEAST_PROBABILITY)
    found: dict[int, list[str]] = {}
    for unit, word in zip(table.foreign[likely].tolist(), table.english[likely].tolist(), strict=True):
        found.setdefault(unit, []).append(english_words[word])
    return {
        foreign_units[unit]: (math.log(1 + len(pairs) / sentences[foreign_units[unit]]), frozenset(words))
        for unit, words in found.items()
    }


def _numbered(sentences: Iterable[Words]) -> dict[str, int]:
    counts = Counter(word for sentence in sentences for word in sentence)
    frequent = [word for word, count in counts.items() if count >= _FEWEST_OCCURRENCES]
    return {word: number for number, word in enumerate(frequent)}
