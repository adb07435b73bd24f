"""How much each token of a foreign query counts: the rarer and the surer its translation, the more."""

from collections import Counter
from collections.abc import Collection, Sequence

import torch
from sentence_transformers.sentence_transformer.modules import WordWeights
from torch import Tensor

from optical.encoders.initialisation import Initialisation
from optical.transport import idf_weights

_LEAST = 1e-3  # a vector of no length would have no direction, which is what training compares
_DECIMALS = 4


def term_weights(
    foreign: Sequence[Sequence[int]],
    english: Sequence[Sequence[int]],
    own: Sequence[int | None],
    initialisation: Initialisation,
    everywhere: Collection[int],
) -> Tensor:
    r"""Return the weight of each token of a student, by which its unit vector is multiplied.

    Late interaction counts all tokens of a query alike,

    .. math:: s(q, d) = \sum_j w_{q_j} \max_i x_i^\top y_j

    with :math:`w = 1` (Khattab and Zaharia 2020, ColBERT, section 3.2). Within one language, idf for :math:`w` finds
    more (Archish S, Garg, Shiragur and Kayal 2026, Incorporating Token Importance in Multi-Vector Retrieval,
    https://arxiv.org/abs/2511.16106). Across languages the pieces that a rare word is spelled in mean nothing sure, and
    the weight says that, too:

    .. math:: w_t = \frac{\log \frac{N + 1}{n_t + 1/2}}{\log 2 (N + 1)} \, c_t

    where :math:`n_t` of the :math:`N` foreign sentences have token t, and the certainty :math:`c_t` is

    - that of its translation (see :class:`optical.encoders.initialisation.Initialisation`),
    - for a token that keeps the teacher's embedding :math:`(k_t + r) / (n_t + 1)`: in :math:`k_t` of the sentences that
      have it, the English side has it, too; r is the mean of :math:`k / n` of such tokens, where they occur,
    - for another token that occurs but has no translation the mean of those that have one: of much bitext the table
      sees only a part (see :func:`optical.bitext.estimate_translation_table`),
    - 0 for all others: pieces of words that were seen only as a whole.

    Args:
        foreign: token ids of each foreign sentence, without special tokens.
        english: the teacher's token ids of the matching English sentences.
        own: for each student token the teacher's id of the same token, or None.
        initialisation: of the student's embeddings.
        everywhere: tokens that stand in every query (special ones, prompt) and so tell nothing.

    Returns:
        (student tokens,) float32 from 0.001, the least, to 1, rounded to 4 decimals.
    """
    frequency, shared = Counter[int](), Counter[int]()
    for sentence, translation in zip(foreign, english, strict=True):
        seen, there = set(sentence), set(translation)
        frequency.update(seen)
        shared.update(token for token in seen if own[token] in there)
    shares = [shared[token] / count for token, count in frequency.items() if bool(initialisation.kept[token])]
    usual = sum(shares) / max(1, len(shares))
    tokens, sentences = range(len(own)), len(foreign)
    occurring = torch.tensor([frequency[token] for token in tokens])
    counts = torch.tensor([sentences if token in everywhere else frequency[token] for token in tokens])
    names_itself = torch.tensor([(shared[token] + usual) / (frequency[token] + 1) for token in tokens])
    translated = initialisation.certainty > 0
    mean = initialisation.certainty[translated].mean() if bool(translated.any()) else torch.tensor(0.0)
    certainty = torch.where((occurring > 0) & ~translated, mean, initialisation.certainty)
    certainty = torch.where(initialisation.kept, names_itself, certainty)
    rarity = idf_weights(torch.arange(len(own)), counts, sentences)
    rarest = idf_weights(torch.tensor([0]), torch.tensor([0]), sentences)
    return (rarity / rarest * certainty).clamp_min(_LEAST).round(decimals=_DECIMALS)


def weighting(tokens: Sequence[str], weights: Tensor) -> WordWeights:
    """Return the module that multiplies the vectors of a query's tokens by their weights.

    Args:
        tokens: names of all tokens, in the order of their ids.
        weights: (tokens,) of :func:`term_weights`.
    """
    values = [round(weight, _DECIMALS) for weight in weights.tolist()]
    return WordWeights(vocab=list(tokens), word_weights=dict(zip(tokens, values, strict=True)))
