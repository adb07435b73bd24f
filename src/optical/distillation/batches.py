"""Batches of sentence pairs: of similar length, with the teacher's vectors from disk."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from datasets import Dataset
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.sampler import DefaultBatchSampler
from torch.nn.utils.rnn import pad_sequence

from optical.distillation.teacher_vectors import TeacherVectors, special_ids, special_mask
from optical.distillation.token_weights import IdfWeights
from optical.distillation.vector_file import pad_vectors

_BATCHES_SORTED_TOGETHER = 50
_CHUNK = 1024
_EPOCHS = 10_000  # more than any run has


class BitextCollator:
    """Turns rows of (foreign sentence, English sentence) into what the objectives expect.

    Each side goes through its own tokenizer: the foreign sentence through the student's, the English one went
    through the teacher's when its vectors were computed.

    Args:
        student: whose tokenizer it is.
        vectors: the teacher's, of every English sentence.
        weights: of the teacher's tokens and of the student's, to be the marginals of the transport; None = none.
    """

    valid_label_columns: Sequence[str] = ()

    def __init__(
        self,
        student: MultiVectorEncoder,
        vectors: TeacherVectors,
        weights: tuple[IdfWeights, IdfWeights] | None = None,
    ) -> None:
        self._student = student
        self._special_ids = special_ids(student)
        self._vectors = vectors
        self._weights = weights

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the features of a batch, their names prefixed with ``foreign_`` and ``english_``."""
        foreign = preprocess(self._student, [row["foreign"] for row in rows])
        foreign["special_mask"] = special_mask(foreign, self._special_ids)
        sentences = [self._vectors[row["english"]] for row in rows]
        padded, mask = pad_vectors([vectors for vectors, _ in sentences])
        english = {
            # The trainer finds the columns of a batch by their input_ids; nothing else reads these.
            "input_ids": torch.zeros(len(rows), 1, dtype=torch.long),
            "token_embeddings": padded,
            "attention_mask": mask,
            "special_mask": pad_sequence([special for _, special in sentences], batch_first=True),
        }
        if self._weights is not None:
            of_english, of_foreign = self._weights
            english["weights"] = pad_sequence(
                [of_english(self._vectors.tokens(row["english"])) for row in rows], batch_first=True
            )
            foreign["weights"] = of_foreign(foreign["input_ids"])
        columns = {"foreign": foreign, "english": english}
        return {
            f"{side}_{key}": value for side, features in columns.items() for key, value in features.items()
        }


def foreign_tokens(student: MultiVectorEncoder, sentences: Sequence[str]) -> Iterator[list[int]]:
    """Yield the token ids of each sentence as a batch of :class:`BitextCollator` holds them, padding included."""
    for start in range(0, len(sentences), _CHUNK):
        yield from preprocess(student, sentences[start : start + _CHUNK])["input_ids"].tolist()


def preprocess(
    encoder: MultiVectorEncoder, texts: Sequence[str], side: Literal["document", "query"] = "query"
) -> dict[str, Any]:
    """Return the features that one side of an encoder wants of a batch of texts."""
    prompt = encoder.prompts.get(side) or None
    return dict(encoder.preprocess(list(texts), prompt=prompt, task=side))


class LengthBatchSampler(DefaultBatchSampler):
    """Batches of sentences of similar length, epoch after epoch in an order that the seed alone decides.

    All epochs are one sequence, so that the trainer need not say which epoch it is in: told through several
    layers in a distributed run, it would not arrive. A resumed run skips as many batches as were done and so
    sees those that an uninterrupted one would have seen.

    Args:
        dataset: rows with their number of tokens in the column ``length``.
        **settings: those of every sampler of sentence-transformers; ``drop_last`` leaves out the rows that do not
            fill a batch (several processes need batches of one size).
    """

    def __init__(self, dataset: Dataset, **settings: Any) -> None:
        super().__init__(dataset, **settings)
        self._lengths: list[int] = list(dataset["length"])

    def __len__(self) -> int:
        full, rest = divmod(len(self._lengths), self.batch_size)
        return int(full + (rest > 0 and not self.drop_last)) * _EPOCHS

    def __iter__(self) -> Iterator[list[int]]:
        for epoch in range(_EPOCHS):
            yield from self._epoch(epoch)

    def _epoch(self, epoch: int) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        order = torch.randperm(len(self._lengths), generator=generator).tolist()
        window = self.batch_size * _BATCHES_SORTED_TOGETHER
        batches: list[list[int]] = []
        for start in range(0, len(order), window):
            similar = sorted(order[start : start + window], key=self._lengths.__getitem__)
            batches += [similar[at : at + self.batch_size] for at in range(0, len(similar), self.batch_size)]
        if self.drop_last:
            batches = [batch for batch in batches if len(batch) == self.batch_size]
        for position in torch.randperm(len(batches), generator=generator).tolist():
            yield batches[position]
