"""Contrastive learning on bitext: the translation is to score higher than the other English sentences."""

import math
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder
from torch import Tensor

from optical.objectives.distillation_loss import DistillationLoss, TokenPairs

_BELOW_ANY_COSINE = -2.0


class ContrastiveLoss(DistillationLoss):
    r"""Cross-entropy of finding the translation among the English sentences of the batch by MaxSim.

    .. math:: L = - \frac{1}{B} \sum_{p=1}^{B} \log \frac{\exp(s_{pp} / \tau)}
              {\sum_{q \in N_p} \exp(s_{pq} / \tau)}, \qquad
              s_{pq} = \frac{1}{m_p} \sum_j \max_i \, x_{qi}^\top y_{pj}

    The student's tokens of the foreign sentence are the query, the teacher's token vectors of each English sentence
    are a passage, and the score is late interaction's, as a mean over the query's tokens. :math:`N_p` is the
    translation itself and all English sentences of the batch that differ from it: a repeated one is not its own
    negative. Two are the same if the teacher's vectors are, which takes together what the teacher cannot tell apart.
    Pairs where a side has no tokens do not count. All tokens count the same, also where the student's have weights.

    Where several processes train together, each compares with the English sentences of its own batch only.

    Args:
        model: the student.
        temperature: :math:`\tau`, in units of a cosine. The smaller, the more the nearest negatives count.

    References:
        - van den Oord, Li and Vinyals: Representation Learning with Contrastive Predictive Coding, 2018,
          https://arxiv.org/abs/1807.03748
        - Khattab and Zaharia: ColBERT: Efficient and Effective Passage Search via Contextualized Late Interaction
          over BERT, SIGIR 2020, https://arxiv.org/abs/2004.12832

    Relations:
        - :class:`HardMaxLoss` pulls the tokens of the translation nearer, whatever other sentences score.

    Example:
        ::

            from optical import distill

            encoder = distill("TEACHER", ["en-sw.tsv"], "sw-encoder", objective="optical + 0.1*contrastive")
    """

    def __init__(self, model: MultiVectorEncoder, *, temperature: float = 0.05) -> None:
        super().__init__(model)
        if not 0 < temperature < math.inf:
            raise ValueError(f"temperature is {temperature}; expected a positive number such as 0.05")
        self.temperature = temperature

    def compare(self, pairs: TokenPairs) -> Tensor:
        """Return the mean cross-entropy of the batch; pairs where a side has no tokens do not count."""
        valid = pairs.x_mask.any(1) & pairs.y_mask.any(1)
        positive = torch.eye(len(valid), dtype=torch.bool, device=valid.device)
        # A row without any candidate would be NaN; its positive stays, and the row is left out below.
        candidates = positive | (~_same_sentence(pairs) & pairs.x_mask.any(1))
        logits = (_mean_maxsim(pairs) / self.temperature).masked_fill(~candidates, -torch.inf)
        entropy = torch.where(valid, -logits.log_softmax(1).diagonal(), 0)
        return entropy.sum() / valid.sum().clamp_min(1)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings for the model card."""
        return {"temperature": self.temperature}

    @property
    def citation(self) -> str:
        """BibTeX entries for the model card."""
        return """
@misc{oord2018representation,
    title={Representation Learning with Contrastive Predictive Coding},
    author={Aaron van den Oord and Yazhe Li and Oriol Vinyals},
    year={2018},
    url={https://arxiv.org/abs/1807.03748}
}
@inproceedings{khattab2020colbert,
    title={ColBERT: Efficient and Effective Passage Search via Contextualized Late Interaction over BERT},
    author={Omar Khattab and Matei Zaharia},
    booktitle={Proceedings of the 43rd International ACM SIGIR Conference},
    year={2020},
    url={https://arxiv.org/abs/2004.12832}
}
"""


def _mean_maxsim(pairs: TokenPairs) -> Tensor:
    """Return the score (B, B) of every foreign sentence with every English one."""
    similarity = torch.einsum("pjd,qid->pqji", pairs.y, pairs.x)
    best = similarity.masked_fill(~pairs.x_mask[None, :, None, :], _BELOW_ANY_COSINE).max(3).values
    real = pairs.y_mask.unsqueeze(1)
    return torch.where(real, best, 0).sum(2) / real.sum(2).clamp_min(1)


def _same_sentence(pairs: TokenPairs) -> Tensor:
    """Say which English sentences of the batch are equal, (B, B) bool."""
    tokens = torch.where(pairs.x_mask.unsqueeze(2), pairs.x, 0).flatten(1)
    sentence: Tensor = torch.unique(tokens, dim=0, return_inverse=True)[1]
    return sentence.unsqueeze(1) == sentence.unsqueeze(0)
