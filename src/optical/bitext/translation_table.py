"""Which token of one language translates which of another, estimated from bitext alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_Integers = npt.NDArray[np.int64]
_Reals = npt.NDArray[np.float64]

_NULL = 0  # the empty word: it explains tokens of one side that nothing on the other side translates
_LEAST_PROBABILITY = 1e-3


@dataclass(frozen=True)
class TranslationTable:
    """Sparse p(english token | foreign token).

    Entries of one foreign token are adjacent, foreign tokens ascending, the likeliest translation first.

    Attributes:
        foreign: (entries,) int64 token ids.
        english: (entries,) int64 token ids.
        probability: (entries,) float64 in (0, 1]; those of one foreign token sum to 1, less what was pruned.
    """

    foreign: _Integers
    english: _Integers
    probability: _Reals

    def translations(self, foreign: int, most: int) -> tuple[_Integers, _Reals]:
        """Return the ``most`` likeliest English tokens of a foreign token, and their probabilities."""
        start, stop = np.searchsorted(self.foreign, [foreign, foreign + 1])
        stop = min(stop, start + most)
        return self.english[start:stop], self.probability[start:stop]


def estimate_translation_table(
    foreign: Sequence[Sequence[int]],
    english: Sequence[Sequence[int]],
    *,
    iterations: int = 5,
    most_token_pairs: int = 60_000_000,
) -> TranslationTable:
    r"""Estimate p(english token | foreign token) by IBM Model 1 in both directions.

    Each direction maximises the likelihood of one side given the other by expectation maximisation,

    .. math:: \max_t \prod_{(f, e)} \prod_{j} \frac{1}{|f| + 1} \sum_{i=0}^{|f|} t(e_j \mid f_i),

    with :math:`f_0` the empty word (Brown et al. 1993, section 4.1). The two are combined as
    :math:`p(e \mid f) \propto \sqrt{t(e \mid f)\, t(f \mid e)}`, so that a rare word cannot collect the
    leftovers of every sentence it stands in.

    Args:
        foreign: token ids of each foreign sentence, 0 or more.
        english: token ids of the matching English sentences.
        iterations: rounds of expectation maximisation.
        most_token_pairs: bound on memory (about 60 bytes a token pair at the peak). Of more bitext than that,
            sentence pairs drawn at random are used, the same ones every time.

    Raises:
        ValueError: the sides differ in length.
    """
    if len(foreign) != len(english):
        raise ValueError(f"{len(foreign)} foreign sentences, but {len(english)} English ones")
    sizes = np.array(
        [(len(f) + 1) * (len(e) + 1) for f, e in zip(foreign, english, strict=True)], dtype=np.int64
    )
    order = np.random.default_rng(0).permutation(len(sizes))
    kept = np.sort(order[np.cumsum(sizes[order]) <= most_token_pairs])
    cooccurrence = _Cooccurrence.of([foreign[pair] for pair in kept], [english[pair] for pair in kept])
    there = cooccurrence.model_1(generated="english", iterations=iterations)
    back = cooccurrence.model_1(generated="foreign", iterations=iterations)
    real = (cooccurrence.foreign != _NULL) & (cooccurrence.english != _NULL)
    f, e, believed = cooccurrence.foreign[real], cooccurrence.english[real], np.sqrt(there * back)[real]
    mass = np.bincount(f, believed)
    probability = believed / np.maximum(mass[f], np.finfo(np.float64).tiny)
    likely = probability > _LEAST_PROBABILITY
    f, e, probability = f[likely] - 1, e[likely] - 1, probability[likely]
    order = np.lexsort((e, -probability, f))
    return TranslationTable(f[order], e[order], probability[order])


@dataclass(frozen=True)
class _Cooccurrence:
    """Every token pair of every sentence pair, the empty word (id 0, all others shifted by 1) on both sides.

    ``foreign`` and ``english`` (entries,) list the distinct pairs; ``entry``, ``english_position`` and
    ``foreign_position`` (occurrences,) say which pair stands where in the text.
    """

    foreign: _Integers
    english: _Integers
    entry: npt.NDArray[np.int32]
    foreign_position: npt.NDArray[np.int32]
    english_position: npt.NDArray[np.int32]

    @classmethod
    def of(cls, foreign: Sequence[Sequence[int]], english: Sequence[Sequence[int]]) -> "_Cooccurrence":
        width = 2 + max((max(e, default=0) for e in english), default=0)
        keys, foreign_positions, english_positions = [], [], []
        foreign_start = english_start = 0
        for f, e in zip(foreign, english, strict=True):
            f_ids = np.concatenate(([_NULL], np.asarray(f, dtype=np.int64) + 1))
            e_ids = np.concatenate(([_NULL], np.asarray(e, dtype=np.int64) + 1))
            keys.append((f_ids[:, None] * width + e_ids[None, :]).ravel())
            f_at = np.arange(foreign_start, foreign_start + len(f_ids), dtype=np.int32)
            e_at = np.arange(english_start, english_start + len(e_ids), dtype=np.int32)
            foreign_positions.append(np.repeat(f_at, len(e_ids)))
            english_positions.append(np.tile(e_at, len(f_ids)))
            foreign_start += len(f_ids)
            english_start += len(e_ids)
        if not keys:
            nothing = np.empty(0, np.int64)
            return cls(nothing, nothing, *[np.empty(0, np.int32)] * 3)
        distinct, entry = np.unique(np.concatenate(keys), return_inverse=True)
        return cls(
            foreign=distinct // width,
            english=distinct % width,
            entry=entry.astype(np.int32),
            foreign_position=np.concatenate(foreign_positions),
            english_position=np.concatenate(english_positions),
        )

    def model_1(self, *, generated: str, iterations: int) -> _Reals:
        """Return t(generated | other side) of each distinct pair; 0 where the generated token is the empty word."""
        if generated == "english":
            target, source, position = self.english, self.foreign, self.english_position
        else:
            target, source, position = self.foreign, self.english, self.foreign_position
        probability: _Reals = (target != _NULL).astype(np.float64)
        tiny = np.finfo(np.float64).tiny
        for _ in range(iterations):
            weight = probability[self.entry]
            total = np.bincount(position, weight)
            weight /= np.maximum(total, tiny)[position]
            counts = np.bincount(self.entry, weight, minlength=len(probability))
            mass = np.bincount(source, counts)
            probability = counts / np.maximum(mass, tiny)[source]
        return probability
