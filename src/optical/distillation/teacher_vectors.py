"""The teacher's token vectors of English sentences, computed once and mapped from disk."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from sentence_transformers import MultiVectorEncoder
from torch import Tensor

from optical.distillation.progress import count_progress
from optical.encoders import fingerprint, query_transformer
from optical.files import create_folder

_CHUNK = 4096
_FORMAT = 2  # of the files in a folder; a cache may hold those of earlier versions


class TeacherVectors:
    """Token vectors of English sentences through the teacher's query path, on disk as float16.

    ``vectors[sentence]`` gives its token vectors (n, d) float32, and which of them belong to special or
    query-expansion tokens (n,) bool.
    """

    def __init__(self, folder: Path, sentences: Sequence[str]) -> None:
        """Open what :meth:`compute` wrote into ``folder`` for the same sentences."""
        dimension = int(json.loads((folder / "shape.json").read_text(encoding="utf-8"))["dimension"])
        self._place = {sentence: place for place, sentence in enumerate(dict.fromkeys(sentences))}
        self._starts = np.load(folder / "starts.npy")
        self._special = np.load(folder / "special.npy")
        self._tokens = np.load(folder / "tokens.npy")
        self._vectors = np.memmap(folder / "vectors.f16", dtype=np.float16, mode="r").reshape(-1, dimension)

    def __getitem__(self, sentence: str) -> tuple[Tensor, Tensor]:
        start, stop = self._span(sentence)
        vectors = torch.from_numpy(self._vectors[start:stop].astype(np.float32))
        return vectors, torch.from_numpy(self._special[start:stop])

    def __contains__(self, sentence: str) -> bool:
        return sentence in self._place

    def length(self, sentence: str) -> int:
        """Return the number of token vectors of a sentence."""
        start, stop = self._span(sentence)
        return stop - start

    def tokens(self, sentence: str) -> Tensor:
        """Return the teacher's token id of each vector of a sentence, (n,) int64."""
        start, stop = self._span(sentence)
        return torch.from_numpy(self._tokens[start:stop].astype(np.int64))

    def _span(self, sentence: str) -> tuple[int, int]:
        place = self._place[sentence]
        return int(self._starts[place]), int(self._starts[place + 1])

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
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                cls.compute(teacher, distinct, folder, progress=progress)
        return cls(folder, distinct)

    @staticmethod
    def compute(
        teacher: MultiVectorEncoder, sentences: Sequence[str], folder: Path, *, progress: bool = False
    ) -> None:
        """Encode distinct ``sentences`` through the teacher's query path into ``folder``, all or nothing."""
        added = special_ids(teacher)
        lengths: list[int] = []
        special: list[np.ndarray] = []
        tokens: list[np.ndarray] = []
        with create_folder(folder) as temporary:
            with (
                (temporary / "vectors.f16").open("wb") as file,
                count_progress("Teacher vectors", len(sentences), shown=progress) as advance,
            ):
                for start in range(0, len(sentences), _CHUNK):
                    chunk = list(sentences[start : start + _CHUNK])
                    for features in teacher.encode_query(chunk, batch_size=64, output_value=None):
                        scored = features["attention_mask"].bool().cpu()
                        vectors = features["token_embeddings"].cpu()[scored]
                        file.write(vectors.to(torch.float16).numpy().tobytes())
                        lengths.append(len(vectors))
                        special.append(special_mask(features, added)[scored].numpy())
                        tokens.append(features["input_ids"].cpu()[scored].to(torch.int32).numpy())
                    advance(start + len(chunk))
            np.save(temporary / "starts.npy", np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))))
            np.save(temporary / "special.npy", np.concatenate(special))
            np.save(temporary / "tokens.npy", np.concatenate(tokens))
            shape = {"dimension": teacher.get_embedding_dimension()}
            (temporary / "shape.json").write_text(json.dumps(shape), encoding="utf-8")


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
