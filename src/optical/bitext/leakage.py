"""Test questions, and near copies of them, in bitext."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable

from optical.bitext.bitext import Bitext
from optical.bitext.words import words

NEAR_COPY = 0.6
"""From this share of common words on, a sentence is a near copy of another."""


def without_near_copies(bitext: Bitext, texts: Iterable[str]) -> Bitext:
    """Return ``bitext`` without the pairs of which either side is a near copy of one of ``texts``.

    Two texts with sets of words A and B are near copies if :math:`|A \\cap B| \\ge 0.6 |A \\cup B|` and A is not
    empty. How many pairs are gone is added to the counts of those dropped.
    """
    copies = NearCopies(texts)
    kept = [
        pair
        for pair in zip(bitext.english, bitext.foreign, strict=True)
        if not any(words(side) in copies for side in pair)
    ]
    dropped = {**bitext.dropped, "near copies of test questions": len(bitext) - len(kept)}
    return Bitext(
        [english for english, _ in kept], [foreign for _, foreign in kept], dropped, bitext.malformed
    )


class NearCopies:
    """Finds near copies of ``texts`` without comparing all with all: ``words(sentence) in NearCopies(texts)``.

    A set that shares a part p of the words with A lacks at most (1 - p) |A| of A's words, so that it has one of any
    floor((1 - p) |A|) + 1 of them: it is looked for under the rarest of these only (prefix filtering: Chaudhuri, Ganti
    and Kaushik, A primitive operator for similarity joins in data cleaning, ICDE 2006).
    """

    def __init__(self, texts: Iterable[str]) -> None:
        sets = {frozenset(words(text)) for text in texts} - {frozenset()}
        frequency = Counter(word for one in sets for word in one)
        self._by_word: dict[str, list[frozenset[str]]] = defaultdict(list)
        for one in sets:
            rarest = sorted(one, key=lambda word: (frequency[word], word))
            # Rounding must not cost a candidate that is on the line.
            for word in rarest[: math.floor((1 - NEAR_COPY) * len(one) + 1e-9) + 1]:
                self._by_word[word].append(one)

    def __contains__(self, sentence_words: Iterable[str]) -> bool:
        sentence = frozenset(sentence_words)
        return any(
            len(sentence & one) >= NEAR_COPY * len(sentence | one)
            for word in sentence
            for one in self._by_word.get(word, ())
        )
