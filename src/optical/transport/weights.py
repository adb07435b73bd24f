"""Weights of tokens, to be normalised to marginals by `solve`."""

import torch
from torch import Tensor


def idf_weights(tokens: Tensor, document_frequency: Tensor, documents: int) -> Tensor:
    """Weigh tokens by how rare they are, so that the transport is about words that carry meaning.

        w_i = log(1 + (N - df_i + 0.5) / (df_i + 0.5))

    (the inverse document frequency of BM25 as in Lucene, which is positive for every token).

    Args:
        tokens: (...) token ids, int64.
        document_frequency: (V,) in how many of the documents each token of the vocabulary occurs.
        documents: N.

    Returns:
        (...) float32 weights.

    Raises:
        ValueError: a token id is not in the vocabulary, or a frequency not between 0 and N.
    """
    if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) < len(document_frequency):
        raise ValueError(
            f"tokens has ids from {int(tokens.min())} to {int(tokens.max())}; expected ids from 0 to "
            f"{len(document_frequency) - 1}, which document_frequency has"
        )
    if not ((document_frequency >= 0) & (document_frequency <= documents)).all():
        raise ValueError(
            f"document_frequency has values that are not between 0 and {documents}, the documents"
        )
    frequency = document_frequency.float()
    return torch.log1p((documents - frequency + 0.5) / (frequency + 0.5))[tokens]


def unit_and_norm(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Divide token vectors into directions, to be compared, and norms, to be the weights.

    The norm of a contextual token vector says how much it matters (Yokoi, Takahashi, Akama, Suzuki and Inui 2020, Word
    Rotator's Distance, section 4).

    Args:
        vectors: (B, n, d) before normalisation, floating point.

    Returns:
        (B, n, d) of unit norm (zeros stay zeros), and (B, n) the norms.
    """
    norms = torch.linalg.vector_norm(vectors, dim=-1)
    return vectors / torch.where(norms > 0, norms, 1).unsqueeze(-1), norms
