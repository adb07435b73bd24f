"""The files of the exact engine: half-precision vectors in segments, and a manifest that commits them."""

import json
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from optical.errors import OpticalError
from optical.files import replace_file

BYTES_PER_NUMBER = 2


@dataclass
class Segment:
    """One file of token vectors: ``rows`` documents after each other, ``tokens`` vectors in all."""

    name: str
    rows: int
    tokens: int
    vectors: torch.Tensor
    """float16 (tokens, dimension), mapped from the file."""


@dataclass
class State:
    """All documents in the order of insertion, dead ones included: aligned arrays over rows."""

    generation: int
    dimension: int
    segments: list[Segment]
    ids: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    alive: npt.NDArray[np.bool_]


def empty_state(dimension: int) -> State:
    """A state of no documents, not yet on disk."""
    nothing = np.empty(0, dtype=np.int64)
    return State(0, dimension, [], nothing, nothing, np.empty(0, dtype=np.bool_))


def map_segment(folder: Path, name: str, rows: int, tokens: int, dimension: int) -> Segment:
    """Map the vectors of a segment file that holds at least ``tokens`` vectors."""
    numbers = tokens * dimension
    mapped = torch.from_file(str(folder / name), shared=False, size=numbers, dtype=torch.float16)
    return Segment(name, rows, tokens, mapped.view(tokens, dimension))


def load_state(folder: Path) -> State:
    """Read the state of the last commit.

    Raises:
        OpticalError: the manifest or a file that it names is missing, truncated or corrupt.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        dimension = int(manifest["dimension"])
        with np.load(folder / manifest["rows"]) as rows:
            ids, lengths, alive = rows["ids"], rows["lengths"], rows["alive"]
        if not len(ids) == len(lengths) == len(alive) == sum(each["rows"] for each in manifest["segments"]):
            raise ValueError("the number of rows differs")
        segments = []
        first = 0
        for each in manifest["segments"]:
            size = (folder / each["name"]).stat().st_size
            tokens = int(lengths[first : first + each["rows"]].sum())
            if size != tokens * dimension * BYTES_PER_NUMBER:
                raise ValueError(f"{each['name']} has {size} bytes")
            segments.append(map_segment(folder, each["name"], each["rows"], tokens, dimension))
            first += each["rows"]
        return State(int(manifest["generation"]), dimension, segments, ids, lengths, alive)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise OpticalError(
            f"The vectors in {folder} are damaged ({error}). Restore the index from a copy, or rebuild it."
        ) from error


def commit(folder: Path, state: State) -> None:
    """Write ``state`` so that :func:`load_state` returns it; renaming the manifest is the commit point.

    Files that the new manifest does not name are removed afterwards. Mapped segments stay readable.

    Raises:
        OSError: the disk refused; the previous commit stays in force.
    """
    manifest_path = folder / "manifest.json"
    generation = state.generation + 1
    rows = f"{generation:06d}-rows.npz"
    with replace_file(folder / rows) as temporary, temporary.open("wb") as file:
        np.savez(file, ids=state.ids, lengths=state.lengths, alive=state.alive)
        os.fsync(file.fileno())
    segments = [{"name": each.name, "rows": each.rows} for each in state.segments]
    manifest = {
        "generation": generation,
        "dimension": state.dimension,
        "rows": rows,
        "segments": segments,
    }
    with replace_file(manifest_path) as temporary, temporary.open("w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    state.generation = generation
    wanted = {"manifest.json", rows, *(each.name for each in state.segments)}
    for path in folder.iterdir():
        if path.name not in wanted:
            path.unlink()


class SegmentWriter:
    """A segment file that grows by batches; a batch that fails half-way is cut off again."""

    def __init__(self, path: Path, dimension: int) -> None:
        """Start an empty file at ``path``."""
        self._path = path
        self._dimension = dimension
        # Unbuffered: after a failed write nothing may be left that a later close would write again.
        self._file = path.open("wb", buffering=0)
        self._rows = 0
        self._tokens = 0

    def write(self, documents: Sequence[torch.Tensor]) -> Segment:
        """Append documents, each (tokens, dimension), as float16, and return the segment as it is now.

        Raises:
            OSError: the disk refused; the file is as it was before.
        """
        end = self._file.tell()
        vectors = torch.cat([document.detach().to("cpu", torch.float16) for document in documents])
        rest = memoryview(vectors.numpy().tobytes())
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except BaseException:
            self._file.seek(end)
            self._file.truncate()
            raise
        self._rows += len(documents)
        self._tokens += len(vectors)
        return map_segment(self._path.parent, self._path.name, self._rows, self._tokens, self._dimension)

    def finish(self) -> None:
        """Make the file durable and close it."""
        os.fsync(self._file.fileno())
        self._file.close()

    def discard(self) -> None:
        """Close and remove the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def blocks(lengths: npt.NDArray[np.int64], limit: int) -> Iterator[tuple[int, int]]:
    """Cut rows into consecutive ranges of at most ``limit`` tokens; a longer row has a range to itself."""
    ends = np.cumsum(lengths)
    first = 0
    while first < len(lengths):
        before = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + limit, side="right")))
        yield first, last
        first = last
