"""BM25 of English words, written as sparse vectors.

A passage has, for each of its words, how much it says of it, and a query how much it asks for it; the engine multiplies
the latter by the word's rarity. Their dot product then is BM25 (Robertson and Zaragoza: The probabilistic relevance
framework: BM25 and beyond, 2009), as it is in Lucene. For the translations of a query it finds candidates
(:mod:`optical.index.word_search`).
"""

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

from optical.bitext import length_norm, words
from optical.collections import Passage
from optical.index.centroids import Sparse


class LexicalVectors:
    """Makes the sparse vectors of an index whose passages have ``mean_length`` words on average.

    In a passage a word has the value :math:`tf / (tf + n)`, with its frequency and :func:`optical.bitext.length_norm`.
    """

    def __init__(self, mean_length: float) -> None:
        self.mean_length = mean_length

    def of_passage(self, passage: Passage) -> Sparse:
        """Return the sparse vector of a passage's title and text."""
        counts = Counter(map(word_index, words(passage.content)))
        norm = length_norm(float(counts.total()), self.mean_length)
        return Sparse(list(counts), [count / (count + norm) for count in counts.values()])


def word_index(word: str) -> int:
    """Return the index of a word: the 32 bits of its BLAKE2b."""
    return int.from_bytes(blake2b(word.encode(), digest_size=4).digest(), "little")


def relative_frequency(value: float) -> float:
    """Return the frequency of a word divided by the norm of its passage, where it has this value."""
    return value / (1 - value)


def mean_length(passages: Sequence[Passage]) -> float:
    """Return how many words passages have on average, and 1 if they have none."""
    # Few digits, which no way of storing them changes: indexes are told apart by them.
    return max(1.0, round(sum(len(words(passage.content)) for passage in passages) / len(passages), 2))
