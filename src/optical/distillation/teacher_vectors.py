"""The teacher's token vectors of English sentences, computed once and mapped from disk."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import MultiVectorEncoder
from torch import Tensor

from optical.distillation.vector_file import VectorFile
from optical.encoders import fingerprint, query_transformer
from optical.files import folder_once
from optical.progress import count_progress

_CHUNK = 4096
_FORMAT = 2  # of the files in a folder; a cache may hold those of earlier versions


class TeacherVectors:
    """Token vectors of English sentences through the teacher's query path, on disk as float16.

    ``vectors[sentence]`` gives its token vectors (n, d) float32, and which of them belong to special or
    query-expansion tokens (n,) bool.
    """

    def __init__(self, folder: Path, sentences: Sequence[str]) -> None:
        """Open what :meth:`cached` wrote into ``folder`` for the same sentences."""
        self._place = {sentence: place for place, sentence in enumerate(dict.fromkeys(sentences))}
        self._special = np.load(folder / "special.npy")
        self._tokens = np.load(folder / "tokens.npy")
        self._vectors = VectorFile(folder)

    def __getitem__(self, sentence: str) -> tuple[Tensor, Tensor]:
        place = self._place[sentence]
        return self._vectors[place], torch.from_numpy(self._special[self._vectors.span(place)])

    def __contains__(self, sentence: str) -> bool:
        return sentence in self._place

    def length(self, sentence: str) -> int:
        """Return the number of token vectors of a sentence."""
        span = self._vectors.span(self._place[sentence])
        return int(span.stop - span.start)

    def tokens(self, sentence: str) -> Tensor:
        """Return the teacher's token id of each vector of a sentence, (n,) int64."""
        span = self._vectors.span(self._place[sentence])
        return torch.from_numpy(self._tokens[span].astype(np.int64))

    @classmethod
    def cached(
        cls, teacher: MultiVectorEncoder, sentences: Sequence[str], cache: Path, *, progress: bool = False
    ) -> "TeacherVectors":
        """Open the vectors of ``sentences`` in the folder ``cache``, after computing them if they are not there.

        They lie in a sub-folder named by the teacher's query side and the sentences, so that runs with the same
        teacher and bitext can share a cache.
        """
        distinct = list(dict.fromkeys(sentences))
        content = json.dumps([_FORMAT, fingerprint(teacher, "query"), distinct]).encode()
        folder = cache / f"teacher-vectors-{hashlib.blake2b(content, digest_size=8).hexdigest()}"
        folder_once(folder, lambda temporary: cls._fill(temporary, teacher, distinct, progress))
        return cls(folder, distinct)

    @staticmethod
    def _fill(folder: Path, teacher: MultiVectorEncoder, sentences: Sequence[str], progress: bool) -> None:
        added = special_ids(teacher)
        special: list[np.ndarray] = []
        tokens: list[np.ndarray] = []

        def encoded() -> Iterator[Tensor]:
            with count_progress("Teacher vectors", "sentences", len(sentences), shown=progress) as advance:
                for start in range(0, len(sentences), _CHUNK):
                    chunk = list(sentences[start : start + _CHUNK])
                    for features in teacher.encode_query(chunk, batch_size=64, output_value=None):
                        scored = features["attention_mask"].bool().cpu()
                        special.append(special_mask(features, added)[scored].numpy())
                        tokens.append(features["input_ids"].cpu()[scored].to(torch.int32).numpy())
                        yield features["token_embeddings"].cpu()[scored]
                    advance(len(chunk))

        VectorFile.write(folder, encoded(), teacher.get_embedding_dimension())
        np.save(folder / "special.npy", np.concatenate(special))
        np.save(folder / "tokens.npy", np.concatenate(tokens))


def special_ids(encoder: MultiVectorEncoder) -> Tensor:
    """Return the ids of the tokens that the query side's tokenizer adds to a text, such as [CLS] and [SEP]."""
    tokenizer = query_transformer(encoder).tokenizer
    # The unknown token is on the tokenizer's list, but stands for a word of the text.
    return torch.tensor([token for token in tokenizer.all_special_ids if token != tokenizer.unk_token_id])


def special_mask(features: dict[str, Tensor], added: Tensor) -> Tensor:
    """Say which tokens are no text: bool, of the shape of ``input_ids``.

    Args:
        features: what the encoder's tokenizer made of sentences.
        added: ids of special tokens, see :func:`special_ids`; query-expansion tokens are known from the features.
    """
    special = torch.isin(features["input_ids"].cpu(), added)
    expansion = features.get("query_expansion_positions")
    return special if expansion is None else special | expansion.bool().cpu()
