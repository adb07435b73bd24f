"""Adversarial training by gradient reversal: the student's tokens are to pass for English ones."""

from dataclasses import replace
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder
from torch import Tensor

from optical.objectives.discriminator import Discriminator
from optical.objectives.distillation_loss import DistillationLoss, TokenPairs

_GAMMA = 10.0


class AdversarialLoss(DistillationLoss):
    r"""Cross-entropy of a token-level language discriminator, with its gradient reversed for the student.

    With :math:`D(v)` the probability that the discriminator gives to token :math:`v` being foreign,

    .. math:: L = - \frac{1}{2} \operatorname*{mean}_{p, j} \log D(y_{pj})
              - \frac{1}{2} \operatorname*{mean}_{p, i} \log (1 - D(x_{pi}))

    over all real tokens of the batch. The discriminator (:class:`Discriminator`) descends this loss; the student gets
    :math:`-\lambda_p` times its gradient and so climbs it, with

    .. math:: \lambda_p = \frac{2}{1 + \exp(-10 p)} - 1

    where :math:`p` rises from 0 to 1 in the course of training, so that the student does not follow a discriminator
    that has not learned anything yet. The loss therefore need not fall: at :math:`\log 2` the discriminator knows
    nothing.

    This makes the student's tokens as a whole look like English ones and is blind to which token means what; for that
    add an anchor, as in ``adversarial + mean-pool``.

    The discriminator's weights are parameters of the loss, which the trainers of sentence-transformers give to their
    optimiser; they and the course of training belong to the state of the loss (``own_state``).

    Args:
        model: the student.
        steps: number of training batches over which p goes from 0 to 1; it stays at 1 after them. A batch counts if
            the student is in training mode.
        hidden: width of the discriminator.
        seed: of the discriminator's initial weights.

    References:
        - Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand and Lempitsky: Domain-Adversarial
          Training of Neural Networks, JMLR 17(59), 2016, https://arxiv.org/abs/1505.07818 (there on one vector an
          input and beside a classifier of labels)

    Relations:
        - :class:`AlternatingAdversarialLoss` gives the student flipped labels in place of the reversed gradient.

    Example:
        ::

            from optical import distill

            encoder = distill("TEACHER", ["en-sw.tsv"], "sw-encoder", objective="adversarial + mean-pool")
    """

    batches: Tensor

    def __init__(self, model: MultiVectorEncoder, *, steps: int, hidden: int = 500, seed: int = 0) -> None:
        super().__init__(model)
        if steps < 1:
            raise ValueError(f"steps is {steps}; expected the number of training batches, at least 1")
        self.steps = steps
        self.hidden = hidden
        self.seed = seed
        self.discriminator = Discriminator(model.get_embedding_dimension(), hidden, seed)
        self.register_buffer("batches", torch.tensor(0))

    def compare(self, pairs: TokenPairs) -> Tensor:
        """Return the discriminator's cross-entropy; what flows back to the student's vectors is reversed."""
        learning = self.model.training
        foreign: Tensor = _Reversed.apply(pairs.y, self.strength())  # type: ignore[no-untyped-call]
        self.batches += int(learning)
        return self.discriminator.entropy(replace(pairs, y=foreign), watch=learning)

    def strength(self) -> Tensor:
        r"""Return :math:`\lambda_p` of the next batch."""
        progress = (self.batches / self.steps).clamp_max(1)
        return 2 / (1 + torch.exp(-_GAMMA * progress)) - 1

    def figures(self) -> dict[str, float]:
        """Return the running accuracy of the discriminator."""
        return {"discriminator_accuracy": float(self.discriminator.accuracy)}

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings for the model card."""
        return {"steps": self.steps, "hidden": self.hidden, "seed": self.seed}

    @property
    def citation(self) -> str:
        """BibTeX entry for the model card."""
        return """
@article{ganin2016domain,
    title={Domain-Adversarial Training of Neural Networks},
    author={Yaroslav Ganin and Evgeniya Ustinova and Hana Ajakan and Pascal Germain and Hugo Larochelle and
            Fran{\\c{c}}ois Laviolette and Mario Marchand and Victor Lempitsky},
    journal={Journal of Machine Learning Research},
    volume={17},
    number={59},
    pages={1--35},
    year={2016},
    url={https://arxiv.org/abs/1505.07818}
}
"""


class _Reversed(torch.autograd.Function):
    """The identity, whose gradient is multiplied by minus ``strength``."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, strength: Tensor) -> Tensor:
        ctx.save_for_backward(strength)
        return vectors.view_as(vectors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        (strength,) = ctx.saved_tensors
        return -strength * gradient, None
