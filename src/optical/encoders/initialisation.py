"""Input embeddings of new tokens from those of the teacher's tokens that translate them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from optical.bitext import TranslationTable

TRANSLATIONS = 4
REPLACED_FROM = 60


@dataclass(frozen=True)
class InitialisationReport:
    """Where the input embeddings of a student come from, in tokens.

    Attributes:
        translated: new tokens initialised from the translation table.
        replaced: tokens that the teacher has too, frequent enough in the foreign text to be taken from there.
        kept: tokens that the teacher has too, left as they are.
        pieced: new tokens that nothing translates: the mean of the teacher's pieces of their spelling.
    """

    translated: int
    replaced: int
    kept: int
    pieced: int

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


@dataclass(frozen=True)
class Initialisation:
    r"""The input embeddings of a student.

    Attributes:
        embeddings: (student tokens, width), on the teacher's device and of its dtype.
        certainty: (student tokens,) float32 from 0 to 1, how sure the translation is. With the probabilities p as they
            stand in the table it is :math:`\sum_i p(e_i \mid f) / \lambda`: small where the likeliest translations are
            not likely or differ in meaning. 0 where nothing translates.
        kept: (student tokens,) bool, True where the teacher's embedding of the same token is left as it is.
        report: numbers of tokens.
    """

    embeddings: Tensor
    certainty: Tensor
    kept: Tensor
    report: InitialisationReport


def initialise_embeddings(
    teacher_embeddings: Tensor,
    table: TranslationTable,
    *,
    occurrences: Counter[int],
    own: Sequence[int | None],
    pieces: Sequence[Sequence[int]],
) -> Initialisation:
    r"""Make an input embedding for each token of a student.

    A token :math:`f` with likeliest translations :math:`e_1 \dots e_4` gets

    .. math:: v_f = \lambda \sum_i p(e_i \mid f)\, v_{e_i}, \qquad
              \lambda = \frac{\sum_i p(e_i \mid f) \lVert v_{e_i} \rVert}{\lVert \sum_i p(e_i \mid f)\, v_{e_i} \rVert}

    with the probabilities of the four scaled to sum to 1; :math:`\lambda` restores the length that averaging
    takes away. A token that the teacher has too keeps the teacher's embedding unless it occurs
    ``REPLACED_FROM`` times or more in the foreign text: then it is a word of that language as well.

    Args:
        teacher_embeddings: (teacher tokens, width) float.
        table: translations of student tokens into teacher tokens.
        occurrences: how often each student token occurs in the foreign text.
        own: for each student token the teacher's id of the same token, or None.
        pieces: for each student token the teacher's ids of its spelling; used where nothing translates it.
    """
    embeddings = teacher_embeddings.new_zeros(len(own), teacher_embeddings.shape[1])
    certainty, kept = torch.zeros(len(own)), torch.zeros(len(own), dtype=torch.bool)
    lengths = teacher_embeddings.norm(dim=1)
    translated = replaced = pieced = 0
    for token, same in enumerate(own):
        if same is not None and occurrences[token] < REPLACED_FROM:
            embeddings[token], kept[token] = teacher_embeddings[same], True
            continue
        english, probability = table.translations(token, TRANSLATIONS)
        if same is not None and len(english) == 0:
            embeddings[token], kept[token] = teacher_embeddings[same], True
        elif len(english) > 0:
            ids = torch.from_numpy(english)
            weight = torch.from_numpy(probability / probability.sum()).to(teacher_embeddings)
            mean, length = weight @ teacher_embeddings[ids], weight @ lengths[ids]
            embeddings[token] = mean * length / mean.norm().clamp_min(1e-12)
            certainty[token] = float(probability.sum()) * float(mean.norm() / length.clamp_min(1e-12))
            translated, replaced = translated + (same is None), replaced + (same is not None)
        else:
            embeddings[token] = teacher_embeddings[list(pieces[token])].mean(dim=0)
            pieced += 1
    report = InitialisationReport(translated, replaced, int(kept.sum()), pieced)
    return Initialisation(embeddings, certainty.clamp_max(1), kept, report)
