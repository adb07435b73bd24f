"""The losses of supervised training: to rank as the judgements say, or as the teacher does."""

from collections.abc import Iterable
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.util import maxsim
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, one_hot

from optical.errors import OpticalError
from optical.objectives import Objective


def contrastive(scores: Tensor, positive: Tensor, relevant: Tensor) -> Tensor:
    r"""Return the mean cross-entropy of finding each query's positive passage (InfoNCE).

    .. math:: L = - \frac{1}{B} \sum_{q=1}^{B} \log \frac{\exp s_{q p_q}}
              {\exp s_{q p_q} + \sum_{p \notin R_q} \exp s_{qp}}

    The sum is over the passages of the batch: the positives of the other queries and the negatives given for any of
    them, without :math:`R_q`, all that is judged relevant to the query, at whatever level.

    Args:
        scores: (B, P) of each query with each passage of the batch, divided by the temperature.
        positive: (B,) int64, the place of each query's positive :math:`p_q`.
        relevant: (B, P) bool, :math:`R_q`, the positive included.
    """
    others = relevant & ~one_hot(positive, scores.shape[1]).bool()
    return cross_entropy(scores.masked_fill(others, -torch.inf), positive)


def divergence(scores: Tensor, teacher_scores: Tensor) -> Tensor:
    r"""Return the mean Kullback-Leibler divergence of the student's ranking from the teacher's.

    .. math:: L = \frac{1}{B} \sum_{q=1}^{B} \sum_{p=1}^{P} t_{qp} \log \frac{t_{qp}}{u_{qp}}, \qquad
              t_q = \mathrm{softmax}(s'_q), \quad u_q = \mathrm{softmax}(s_q)

    Args:
        scores: (B, P) :math:`s`, the student's of each foreign query, divided by the temperature.
        teacher_scores: (B, P) :math:`s'`, the teacher's of its English version with the same passages, likewise.
    """
    student, teacher = scores.log_softmax(1), teacher_scores.log_softmax(1)
    return kl_div(student, teacher, log_target=True, reduction="batchmean")


def parse_terms(formula: str) -> tuple[str, ...]:
    """Return the terms of ``contrastive``, ``kl`` or ``contrastive + kl``.

    Raises:
        OpticalError: it is none of these.
    """
    terms = tuple(sorted(term.strip() for term in formula.split("+")))
    if terms not in (("contrastive",), ("kl",), ("contrastive", "kl")):
        raise OpticalError(
            f"There is no objective {formula!r} of supervision. Choose contrastive, kl or 'contrastive + kl'."
        )
    return terms


class RankingLoss(Objective):
    r"""Sum of :func:`contrastive` and :func:`divergence`, or one of them, on late interaction's scores.

    .. math:: s_{qp} = \frac{1}{\tau \sum_j w_{qj}} \sum_{j=1}^{m_q} w_{qj} \max_i \, x_{pi}^\top y_{qj}

    The tokens :math:`y` of the foreign query are the student's, those :math:`x` of the passage the teacher's, which are
    constant and so arrive as data. The weights :math:`w` are those that the student has, 1 where it has none. The score
    is a mean over the query's tokens, as in :class:`optical.objectives.ContrastiveLoss`, to mean the same for short and
    long queries and for the two languages, which differ in the number of tokens.

    Every query is compared with all passages of the batch, for both terms. As only the few vectors of queries are
    trained, a large batch needs no gradient caching.

    Inputs:
        +------------------------------------------------------+--------+
        | Inputs                                               | Labels |
        +======================================================+========+
        | (foreign queries, passages[, English queries])       | none   |
        +------------------------------------------------------+--------+

        Made by :class:`optical.supervision.batches.QueryCollator`. Those of the passages are ``token_embeddings``
        (P, n, d), ``attention_mask`` (P, n), ``positive`` (B,) and ``relevant`` (B, P); those of the English queries,
        which the term "kl" needs, ``token_embeddings`` (B, k, d) and ``attention_mask`` (B, k).

    Args:
        model: the student.
        objective: "contrastive", "kl" or "contrastive + kl".
        temperature: :math:`\tau`, in units of a cosine. The smaller, the more the nearest passages count.

    References:
        - van den Oord, Li and Vinyals: Representation Learning with Contrastive Predictive Coding, 2018,
          https://arxiv.org/abs/1807.03748
        - Khattab and Zaharia: ColBERT, SIGIR 2020, https://arxiv.org/abs/2004.12832
        - Santhanam, Khattab, Saad-Falcon, Potts and Zaharia: ColBERTv2, NAACL 2022, section 3.2 (distillation of
          scores by KL divergence, with in-batch negatives), https://arxiv.org/abs/2112.01488
        - Reddi et al.: RankDistil: Knowledge Distillation for Ranking, AISTATS 2021,
          https://proceedings.mlr.press/v130/reddi21a.html

    Raises:
        OpticalError: there is no such objective.
    """

    def __init__(self, model: MultiVectorEncoder, objective: str, *, temperature: float = 0.05) -> None:
        super().__init__(model)
        self.terms = parse_terms(objective)
        self.temperature = temperature

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None = None) -> Tensor:
        """Return the loss of a batch; ``labels`` are not used."""
        foreign, passages, *english = sentence_features
        student, mask = self.search_vectors(foreign)
        lengths = (torch.linalg.vector_norm(student, dim=-1) * mask).sum(1)
        student = student * (mask.sum(1) / lengths.clamp_min(1e-12))[:, None, None]
        # Mixed precision is for the student: in bfloat16, cosines of 0.999 and 1 are the same.
        with torch.autocast(student.device.type, enabled=False):
            scores = self._scores(student, mask, passages)
            loss = scores.new_zeros(())
            if "contrastive" in self.terms:
                loss = loss + contrastive(scores, passages["positive"], passages["relevant"])
            if "kl" in self.terms:
                (queries,) = english
                teacher_scores = self._scores(
                    queries["token_embeddings"], queries["attention_mask"], passages
                )
                loss = loss + divergence(scores, teacher_scores)
        return loss

    def _scores(self, vectors: Tensor, mask: Tensor, passages: dict[str, Tensor]) -> Tensor:
        scores: Tensor = maxsim(
            vectors, passages["token_embeddings"], mask, passages["attention_mask"], length_normalize=True
        )
        return scores / self.temperature

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings for the model card."""
        return {"terms": " + ".join(self.terms), "temperature": self.temperature}

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
@inproceedings{santhanam2022colbertv2,
    title={ColBERTv2: Effective and Efficient Retrieval via Lightweight Late Interaction},
    author={Keshav Santhanam and Omar Khattab and Jon Saad-Falcon and Christopher Potts and Matei Zaharia},
    booktitle={Proceedings of NAACL},
    year={2022},
    url={https://arxiv.org/abs/2112.01488}
}
"""
