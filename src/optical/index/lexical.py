"""BM25 of English words, written as sparse vectors.

A passage has, for each of its words, how much it says of it, and a query how much it asks for it; the engine multiplies
the latter by the word's rarity. Their dot product then is BM25 (Robertson and Zaragoza: The probabilistic relevance
framework: BM25 and beyond, 2009), as it is in Lucene.

For the translations of a query this is a linear form of probabilistic structured queries
(:class:`optical.rivals.ProbabilisticStructuredQueries`). There the frequencies of a term's translations are summed
before they are saturated, and weighted by the rarity of all of them together, which no inverted index of words can do.
It finds less: MRR@10 0.49 for 0.54 with 295 Swahili questions on 5,362 passages and a table from 5,000 sentence pairs.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b

from optical.bitext import words
from optical.collections import Passage
from optical.index.centroids import Sparse

_K1 = 1.2
_B = 0.75


class LexicalVectors:
    r"""Makes the sparse vectors of an index whose passages have ``mean_length`` words on average.

    A word is the index of 32 bits of its BLAKE2b. In a passage of :math:`|D|` words it has the value

    .. math:: \frac{\mathrm{tf}}{\mathrm{tf} + 1.2\,(0.25 + 0.75\, |D| / \mathrm{mean})}.
    """

    def __init__(self, mean_length: float) -> None:
        self.mean_length = mean_length

    def of_passage(self, passage: Passage) -> Sparse:
        """Return the sparse vector of a passage's title and text."""
        counts = Counter(map(_index, words(passage.content)))
        norm = _K1 * (1 - _B + _B * counts.total() / self.mean_length)
        return Sparse(list(counts), [count / (count + norm) for count in counts.values()])

    def of_query(self, weights: Mapping[str, float]) -> Sparse:
        """Return the sparse vector of a query, given by the weights of its words."""
        values: dict[int, float] = {}
        for word, weight in weights.items():
            index = _index(word)
            values[index] = values.get(index, 0.0) + weight
        return Sparse(list(values), list(values.values()))


def mean_length(passages: Sequence[Passage]) -> float:
    """Return how many words passages have on average, and 1 if they have none."""
    # Few digits, which no way of storing them changes: indexes are told apart by them.
    return max(1.0, round(sum(len(words(passage.content)) for passage in passages) / len(passages), 2))


def _index(word: str) -> int:
    return int.from_bytes(blake2b(word.encode(), digest_size=4).digest(), "little")
