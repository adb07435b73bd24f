"""The teacher's token vectors of the English sentences, computed once and mapped from disk."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import MultiVectorEncoder
from torch import Tensor

from optical.encoders import query_transformer
from optical.files import create_folder

_CHUNK = 4096


class TeacherVectors:
    """Token vectors of sentences on disk: float16, one after the other, with the place where each begins.

    ``vectors[k]`` gives sentence k's vectors (n, d) float32 and which of them are special (n,) bool.
    """

    def __init__(self, folder: Path) -> None:
        self.dimension = int(json.loads((folder / "shape.json").read_text(encoding="utf-8"))["dimension"])
        self._starts = np.load(folder / "starts.npy")
        self._special = np.load(folder / "special.npy")
        self._vectors = np.memmap(folder / "vectors.f16", dtype=np.float16, mode="r").reshape(
            -1, self.dimension
        )

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, sentence: int) -> tuple[Tensor, Tensor]:
        start, stop = self._starts[sentence : sentence + 2]
        vectors = torch.from_numpy(self._vectors[start:stop].astype(np.float32))
        return vectors, torch.from_numpy(self._special[start:stop])

    def lengths(self) -> list[int]:
        """Return the number of tokens of each sentence."""
        return [int(length) for length in np.diff(self._starts)]

    @classmethod
    def compute(
        cls,
        teacher: MultiVectorEncoder,
        sentences: Sequence[str],
        folder: Path,
        *,
        batch_size: int = 64,
        progress: Callable[[int], None] = lambda done: None,
    ) -> "TeacherVectors":
        """Encode ``sentences`` through the teacher's query path into ``folder``, all or nothing.

        Args:
            teacher: any late-interaction encoder.
            sentences: English text.
            folder: must not exist.
            batch_size: sentences encoded at once.
            progress: called with the number of sentences done so far.
        """
        special_ids = torch.tensor(query_transformer(teacher).tokenizer.all_special_ids)
        lengths: list[int] = []
        special: list[np.ndarray] = []
        with create_folder(folder) as temporary:
            with (temporary / "vectors.f16").open("wb") as file:
                for start in range(0, len(sentences), _CHUNK):
                    chunk = list(sentences[start : start + _CHUNK])
                    for features in teacher.encode_query(chunk, batch_size=batch_size, output_value=None):
                        scored = features["attention_mask"].bool().cpu()
                        vectors = features["token_embeddings"].cpu()[scored]
                        file.write(vectors.to(torch.float16).numpy().tobytes())
                        lengths.append(len(vectors))
                        special.append(special_mask(features, special_ids)[scored].numpy())
                    progress(start + len(chunk))
            np.save(temporary / "starts.npy", np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))))
            np.save(temporary / "special.npy", np.concatenate(special))
            shape = {"dimension": teacher.get_embedding_dimension()}
            (temporary / "shape.json").write_text(json.dumps(shape), encoding="utf-8")
        return cls(folder)


def special_mask(features: dict[str, Tensor], special_ids: Tensor) -> Tensor:
    """Say which tokens are special tokens or query-expansion tokens: bool, of the shape of ``input_ids``."""
    special = torch.isin(features["input_ids"].cpu(), special_ids)
    expansion = features.get("query_expansion_positions")
    return special if expansion is None else special | expansion.bool().cpu()
