"""What a word-alignment model knows, given to a translator before and during training."""

from collections.abc import Sequence

import torch
from torch import Tensor

from optical.bitext import estimate_translation_table

# Bounds the memory to some 600 MB; more sentences hardly change the likely translations of a subword.
_MOST_TOKEN_PAIRS = 10_000_000
_LEAST_MASS = 0.1
_LEAST_ATTENTION = 1e-6


class SubwordTranslations:
    """p(English subword | foreign subword) by IBM Model 1 on the training pairs.

    Args:
        foreign: subword ids of each foreign sentence.
        english: subword ids of the matching English sentences.
        size: of the vocabulary that both share.
    """

    def __init__(self, foreign: Sequence[Sequence[int]], english: Sequence[Sequence[int]], size: int) -> None:
        table = estimate_translation_table(foreign, english, most_token_pairs=_MOST_TOKEN_PAIRS)
        pairs = torch.from_numpy(table.foreign * size + table.english)
        self._size = size
        self._pairs, order = pairs.sort()
        self._probability = torch.from_numpy(table.probability).float()[order]
        counts = [torch.zeros(size) for _ in range(2)]
        for count, sentences in zip(counts, (foreign, english), strict=True):
            tokens = torch.tensor([token for sentence in sentences for token in sentence])
            count += torch.bincount(tokens, minlength=size)
        self._foreign_share = counts[0] / (counts[0] + counts[1]).clamp(min=1)

    def initialise(self, embeddings: Tensor) -> None:
        """Move each foreign subword to the mean of its translations, in place; lengths stay.

        A subword of both languages goes as far as it is foreign. Translating then begins as one linear map for
        all words, which a few hundred steps find, instead of one pair of words after another.

        Args:
            embeddings: (vocabulary, width), the same for both languages.
        """
        length = embeddings.norm(dim=1, keepdim=True)
        positions = torch.stack([self._pairs // self._size, self._pairs % self._size])
        table = torch.sparse_coo_tensor(
            positions, self._probability, (self._size, self._size), check_invariants=True
        )
        translated = torch.sparse.mm(table, embeddings)
        translated = translated / translated.norm(dim=1, keepdim=True).clamp(min=1e-9) * length
        # What has no likely translation stays where it is.
        known = torch.zeros(self._size).index_add_(0, positions[0], self._probability) > _LEAST_MASS
        share = (self._foreign_share * known)[:, None]
        mixed = (1 - share) * embeddings + share * translated
        embeddings.copy_(mixed / mixed.norm(dim=1, keepdim=True).clamp(min=1e-9) * length)

    def loss(self, foreign: Tensor, english: Tensor, attention: Tensor) -> Tensor:
        """Return the guided-alignment loss (Chen et al. 2016, arXiv 1607.01628), a scalar.

        The cross-entropy -sum over i of A_ji log a_ji of the attention a that foretells English subword j, against
        the alignment A_ji = p(y_j | x_i) / sum over k of p(y_j | x_k), averaged over the j that are aligned.

        Args:
            foreign: (batch, foreign subwords) ids x.
            english: (batch, English subwords) ids y, negative where there is none.
            attention: (batch, English subwords, foreign subwords), rows sum to 1.
        """
        self._pairs, self._probability = (
            part.to(attention.device) for part in (self._pairs, self._probability)
        )
        pairs = foreign[:, None, :] * self._size + english.clamp(min=0)[:, :, None]
        places = torch.searchsorted(self._pairs, pairs).clamp(max=len(self._pairs) - 1)
        wanted = self._probability[places] * (self._pairs[places] == pairs)
        mass = wanted.sum(2)
        aligned = (mass > _LEAST_MASS) & (english >= 0)
        each = -(wanted * attention.float().clamp(min=_LEAST_ATTENTION).log()).sum(2) / mass.clamp(
            min=_LEAST_MASS
        )
        return (each * aligned).sum() / aligned.sum().clamp(min=1)
