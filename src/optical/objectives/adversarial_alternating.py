"""Adversarial training by turns: the discriminator learns the labels, the student their opposite."""

import math
from dataclasses import replace
from typing import Any

from sentence_transformers import MultiVectorEncoder
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import softplus

from optical.objectives.discriminator import Discriminator, token_mean
from optical.objectives.distillation_loss import DistillationLoss, TokenPairs


class AlternatingAdversarialLoss(DistillationLoss):
    r"""A token-level language discriminator and a student that learns flipped labels from it, by turns.

    With :math:`D(v)` the probability that the discriminator gives to token :math:`v` being foreign, and bars over what
    is held constant,

    .. math:: L = \underbrace{- \frac{1}{2} \operatorname*{mean}_{p, j} \log D(\bar y_{pj})
              - \frac{1}{2} \operatorname*{mean}_{p, i} \log (1 - D(x_{pi}))}_{\text{the discriminator's turn}}
              \; \underbrace{- \, w \operatorname*{mean}_{p, j} \log (1 - \bar D(y_{pj}))}_{\text{the student's turn}}

    over all real tokens of the batch. The student's turn comes first: it moves against the discriminator as the last
    step left it, and then the discriminator learns from the tokens that the student had in this step. Neither turn
    changes what the gradient of the other depends on, so one backward pass and one step of the optimiser take both.
    The two may still have learning rates of their own; how strongly the discriminator learns does not depend on w, nor
    on the weight of the whole in a sum where the optimiser is Adam.

    Unlike a reversed gradient, that of flipped labels does not vanish where the discriminator is sure of itself.

    This makes the student's tokens as a whole look like English ones and is blind to which token means what; for that
    add an anchor, as in ``adversarial-alternating + mean-pool``.

    The discriminator's weights are parameters of the loss, which the trainers of sentence-transformers give to their
    optimiser; they belong to the state of the loss (``own_state``).

    Args:
        model: the student.
        generator_weight: w.
        hidden: width of the discriminator.
        seed: of the discriminator's initial weights.

    References:
        - Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville and Bengio: Generative Adversarial
          Nets, NeurIPS 2014, https://arxiv.org/abs/1406.2661 (turns, and the gradient that does not vanish)
        - Lample, Conneau, Ranzato, Denoyer and Jégou: Word Translation Without Parallel Data, ICLR 2018,
          https://arxiv.org/abs/1710.04087 (flipped labels for word vectors of two languages)

    Relations:
        - :class:`AdversarialLoss` reverses the gradient of one loss, with a strength that grows.

    Example:
        ::

            from optical import distill

            encoder = distill(
                "TEACHER", ["en-sw.tsv"], "sw-encoder", objective="adversarial-alternating + mean-pool"
            )
    """

    def __init__(
        self, model: MultiVectorEncoder, *, generator_weight: float = 0.01, hidden: int = 500, seed: int = 0
    ) -> None:
        super().__init__(model)
        if not 0 < generator_weight < math.inf:
            raise ValueError(
                f"generator_weight is {generator_weight}; expected a positive number such as 0.01"
            )
        self.generator_weight = generator_weight
        self.hidden = hidden
        self.seed = seed
        self.discriminator = Discriminator(model.get_embedding_dimension(), hidden, seed)

    def compare(self, pairs: TokenPairs) -> Tensor:
        """Return the sum of both turns, each with gradients for its own side only."""
        fixed = {name: weight.detach() for name, weight in self.discriminator.named_parameters()}
        foreign = functional_call(self.discriminator, fixed, (pairs.y,))
        student = token_mean(softplus(foreign), pairs.y_mask)
        told_apart = self.discriminator.entropy(replace(pairs, y=pairs.y.detach()), watch=self.model.training)
        return told_apart + self.generator_weight * student

    def figures(self) -> dict[str, float]:
        """Return the running accuracy of the discriminator."""
        return {"discriminator_accuracy": float(self.discriminator.accuracy)}

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings for the model card."""
        return {"generator_weight": self.generator_weight, "hidden": self.hidden, "seed": self.seed}

    @property
    def citation(self) -> str:
        """BibTeX entries for the model card."""
        return """
@inproceedings{goodfellow2014generative,
    title={Generative Adversarial Nets},
    author={Ian J. Goodfellow and Jean Pouget-Abadie and Mehdi Mirza and Bing Xu and David Warde-Farley and
            Sherjil Ozair and Aaron Courville and Yoshua Bengio},
    booktitle={Advances in Neural Information Processing Systems 27},
    year={2014},
    url={https://arxiv.org/abs/1406.2661}
}
@inproceedings{lample2018word,
    title={Word Translation Without Parallel Data},
    author={Guillaume Lample and Alexis Conneau and Marc'Aurelio Ranzato and Ludovic Denoyer and Herv{\\'e} J{\\'e}gou},
    booktitle={International Conference on Learning Representations},
    year={2018},
    url={https://arxiv.org/abs/1710.04087}
}
"""
