"""Token vectors of many texts in one file, mapped from disk."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


class VectorFile:
    """Token vectors of texts, which are numbered from 0, on disk as float16.

    ``vectors[number]`` gives those of a text, (n, d) float32.
    """

    def __init__(self, folder: Path) -> None:
        """Open what :meth:`write` wrote into ``folder``."""
        dimension = int(json.loads((folder / "shape.json").read_text(encoding="utf-8"))["dimension"])
        self._starts = np.load(folder / "starts.npy")
        self._vectors = np.memmap(folder / "vectors.f16", dtype=np.float16, mode="r").reshape(-1, dimension)

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self._starts) - 1

    def __getitem__(self, number: int) -> Tensor:
        return torch.from_numpy(self._vectors[self.span(number)].astype(np.float32))

    def span(self, number: int) -> slice:
        """Return where the vectors of a text are among those of all."""
        return slice(int(self._starts[number]), int(self._starts[number + 1]))

    @staticmethod
    def write(folder: Path, vectors: Iterable[Tensor], dimension: int) -> None:
        """Write the vectors (n, ``dimension``) of one text after the other into an existing folder."""
        lengths: list[int] = []
        with (folder / "vectors.f16").open("wb") as file:
            for tokens in vectors:
                file.write(tokens.cpu().to(torch.float16).numpy().tobytes())
                lengths.append(len(tokens))
        np.save(folder / "starts.npy", np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))))
        (folder / "shape.json").write_text(json.dumps({"dimension": dimension}), encoding="utf-8")


def pad_vectors(vectors: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the vectors of several texts as one batch (B, n, d), and which of it are theirs, (B, n) bool."""
    mask = pad_sequence([torch.ones(len(v), dtype=torch.bool) for v in vectors], batch_first=True)
    return pad_sequence(list(vectors), batch_first=True), mask
