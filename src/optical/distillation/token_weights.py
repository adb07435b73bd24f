"""How much each token of the bitext weighs in the transport: the rarer, the more."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from optical.transport import idf_weights


class IdfWeights:
    """Inverse document frequencies of the tokens on one side of a bitext; its sentences are the documents.

    Args:
        sentences: token ids of each sentence, with all that the encoder adds: special tokens and query expansion, being
            everywhere, weigh next to nothing.
    """

    def __init__(self, sentences: Iterable[Sequence[int]]) -> None:
        kinds = [torch.tensor(list(set(tokens)), dtype=torch.int64) for tokens in sentences]
        frequency = torch.bincount(torch.cat(kinds))
        self._weights = idf_weights(torch.arange(len(frequency)), frequency, len(kinds))

    def __call__(self, tokens: Tensor) -> Tensor:
        """Return the weights (float32) of token ids that the sentences have, of the same shape."""
        return self._weights[tokens]
