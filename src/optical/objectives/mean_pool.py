"""Pooled mean squared error: the control that knows nothing of tokens."""

from torch import Tensor

from optical.objectives.distillation_loss import DistillationLoss, TokenPairs


class MeanPoolLoss(DistillationLoss):
    r"""Squared distance between the mean token vectors of the two sentences.

    .. math:: L = \frac{1}{B} \sum_{p=1}^{B}
              \Big\lVert \frac{1}{n_p} \sum_i x_{pi} - \frac{1}{m_p} \sum_j y_{pj} \Big\rVert_2^2

    This is the mean squared error of Reimers and Gurevych with the sum over the dimensions in place of their
    mean, so that its size is comparable with that of a transport cost.

    References:
        - Reimers and Gurevych: Making Monolingual Sentence Embeddings Multilingual using Knowledge
          Distillation, EMNLP 2020, section 2, https://arxiv.org/abs/2004.09813

    Relations:
        - :class:`OptimalTransportLoss` compares token with token; this loss is 0 as soon as the sums agree.

    Example:
        ::

            from optical import distill

            encoder = distill("TEACHER", ["en-sw.tsv"], "sw-encoder", objective="mean-pool")
    """

    def compare(self, pairs: TokenPairs) -> Tensor:
        """Return the mean squared distance of the pooled vectors."""
        return (_mean(pairs.x, pairs.x_mask) - _mean(pairs.y, pairs.y_mask)).square().sum(-1).mean()

    @property
    def citation(self) -> str:
        """BibTeX entry for the model card."""
        return """
@inproceedings{reimers2020making,
    title={Making Monolingual Sentence Embeddings Multilingual using Knowledge Distillation},
    author={Nils Reimers and Iryna Gurevych},
    booktitle={Proceedings of the 2020 Conference on Empirical Methods in Natural Language Processing},
    year={2020},
    url={https://arxiv.org/abs/2004.09813}
}
"""


def _mean(vectors: Tensor, mask: Tensor) -> Tensor:
    weight = mask.to(vectors.dtype)
    return (vectors * weight.unsqueeze(-1)).sum(1) / weight.sum(1, keepdim=True).clamp_min(1)
