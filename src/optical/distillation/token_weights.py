"""How much each token of the bitext weighs in the transport: the rarer, the more."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from optical.transport import idf_weights


class IdfWeights:
    """Inverse document frequencies of the tokens on one side of a bitext; its sentences are the documents.

    Args:
        sentences: token ids of each sentence, special tokens included (which, being everywhere, weigh next to nothing).
        vocabulary: number of token ids that may be asked for, if there are more than the sentences show.
    """

    def __init__(self, sentences: Iterable[Sequence[int]], vocabulary: int = 0) -> None:
        kinds = [torch.tensor(list(set(tokens))) for tokens in sentences]
        self._documents = len(kinds)
        self._frequency = torch.bincount(torch.cat(kinds), minlength=vocabulary)

    def __call__(self, tokens: Tensor) -> Tensor:
        """Return the weights (float32) of token ids, of the same shape."""
        return idf_weights(tokens, self._frequency, self._documents)
