"""Random changes and searches of an index, by processes that are killed.

Run: python -m tests.index.random_changes FOLDER ENCODER. Each line of input asks for one such process, with the last
arguments of :func:`killed`, and is answered by a line with what that returned. They are forked, so that only the first
waits for the imports.
"""

import functools
import itertools
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, TextIO

import torch
from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.index import Hit, Index
from optical.index.centroids import Centroids
from optical.index.engine import Document, Found
from optical.index.parallel import Chunk, Encoded

from .documents import assert_same, brute_force, vectors

# That of the teacher of tests/conftest.py.
DIMENSION = 16
IDS = [f"p{number}" for number in range(100)]
# Versions that each process may use.
EACH = 1000

Versions = dict[str, int]
"""The passages of an index: the version of each, by id."""


def passage(id_: str, version: int) -> Passage:
    """Return the passage of this id in this version; at times versions begin to have another metadata field."""
    metadata = {
        "version": version,
        "even": version % 2 == 0,
        "digits": tuple(id_[1:]),
        f"since{version // (5 * EACH)}": version,
    }
    return Passage(id_, f"{id_} {version}", f"title {version}", metadata)


def vectors_of(passage: Passage) -> torch.Tensor:
    # Stored as they are, so that a passage has the same centroids when it is added and when it is read.
    return vectors(passage.text, dimension=DIMENSION).half().float()


@functools.cache
def document(id_: str, version: int) -> Document:
    stored = passage(id_, version)
    return Document(stored, vectors_of(stored), None)


class Synthetic:
    """Workers that make vectors up."""

    def encode(self, chunks: Iterable[Chunk], teacher: str, batch_size: int) -> Encoded:
        for chunk in chunks:
            yield chunk, [vectors_of(each).numpy() for each in chunk]


def assert_holds(index: Index, versions: Versions) -> None:
    """Check that what is stored is of these versions in all its parts."""
    centroids = index._opened.place.centroids
    stored = list(index._engine.documents())
    assert sorted(each.passage.id for each in stored) == sorted(versions)
    assert index.count == len(versions)
    for each in stored:
        expected = document(each.passage.id, versions[each.passage.id])
        assert each.passage == expected.passage
        assert torch.equal(each.vectors.float(), expected.vectors)
    if centroids is not None:
        assert_marked(stored, centroids)


def assert_marked(documents: Sequence[Document], centroids: Centroids) -> None:
    tokens = torch.cat([each.vectors.float() for each in documents])
    similarities = tokens @ centroids.vectors.T
    nearest = torch.tensor([mark.indices for mark in centroids.of_passages(list(tokens.split(1)))])
    # Where float32 cannot tell two centroids apart, a token may have either.
    near = similarities >= similarities.gather(1, nearest) - 1e-5
    for document, its in zip(documents, near.split([len(each.vectors) for each in documents]), strict=True):
        assert document.sparse is not None
        marked = its[:, document.sparse.indices]
        assert marked.any(dim=0).all()
        assert marked.any(dim=1).all()


def assert_answers(index: Index, versions: Versions, random: Random) -> None:
    """Check searches over all passages, and over candidates if there are centroids, with a filter and without."""
    centroids = index._opened.place.centroids
    marks = {each.passage.id: each.sparse for each in index._engine.documents()}
    least = random.choice(list(versions.values()))
    field = random.choice(sorted(name for name in index.fields if name.startswith("since")))
    filters: list[tuple[str | None, Callable[[Mapping[str, Any]], bool]]] = [
        (None, lambda metadata: True),
        (f"version >= {least}", lambda metadata: metadata["version"] >= least),
        (
            'even = true and not digits = "3"',
            lambda metadata: metadata["even"] and "3" not in metadata["digits"],
        ),
        (f"{field} >= {least}", lambda metadata: metadata.get(field, -1) >= least),
    ]
    for expression, meets in filters:
        k = random.randint(1, 20)
        query = vectors(f"query {random.random()}", 5, DIMENSION)
        documents = {id_: document(id_, version) for id_, version in versions.items()}
        left = {id_: each for id_, each in documents.items() if meets(each.passage.metadata)}
        assert_found(index.search_vectors([query], k, filter=expression), query, left, k)
        if centroids is not None:
            asked = set(centroids.of_query(query).indices)
            near = {id_: each for id_, each in left.items() if asked & set(marks[id_].indices)}
            candidates = near if len(near) >= min(k, len(versions)) else left
            found = index.search_vectors([query], k, filter=expression, exact=False)
            assert_found(found, query, candidates, k)


def assert_found(
    results: list[list[Hit]], query: torch.Tensor, documents: Mapping[str, Document], k: int
) -> None:
    (hits,) = results
    found = [Found(Passage(hit.id, hit.text, hit.title, hit.metadata), hit.score) for hit in hits]
    assert_same(found, brute_force(query, {id_: each.vectors for id_, each in documents.items()}, k))
    assert all(each.passage == documents[each.passage.id].passage for each in found)
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))


def change(folder: Path, encoder: MultiVectorEncoder, seed: int, versions: Versions, output: TextIO) -> None:
    """Change and search the index until killed, saying what is to come and that it is done.

    Args:
        folder: of the index.
        encoder: its teacher.
        seed: decides what is done.
        versions: what it holds.
        output: gets two lines for each step: ``[name, {id: version, or None if it is deleted}]``, and ``"done"``.
    """
    random = Random(seed)

    @contextmanager
    def step(name: str, changes: Mapping[str, int | None] | None = None) -> Iterator[None]:
        print(json.dumps([name, changes or {}]), file=output, flush=True)
        yield
        print(json.dumps("done"), file=output, flush=True)

    with step("open"):
        index = Index.open(folder)
    for version in itertools.count(seed * EACH):
        (name,) = random.choices(["add", "delete", "optimise", "flush", "open", "search"], [6, 3, 2, 1, 1, 2])
        if name == "add":
            added = {
                id_: versions[id_] if id_ in versions and random.random() < 0.3 else version
                for id_ in random.sample(IDS, random.randint(1, 40))
            }
            with step(name, added):
                # The small batches make several chunks.
                passages = itertools.starmap(passage, added.items())
                index.add(passages, encoder, batch_size=1, workers=Synthetic())
            versions = {**versions, **added}
        elif name == "delete":
            unwanted = random.sample(sorted(versions), random.randint(0, min(20, len(versions) - 1)))
            with step(name, dict.fromkeys(unwanted)):
                index.delete(unwanted)
            versions = {id_: each for id_, each in versions.items() if id_ not in unwanted}
        elif name == "optimise":
            with step(name):
                index.optimise()
        elif name == "flush":
            with step(name):
                index.flush()
        elif name == "open":
            with step(name):
                index.close()
                index = Index.open(folder)
        else:
            with step(name):
                assert_answers(index, versions, random)


def killed(
    folder: Path, encoder: MultiVectorEncoder, seed: int, versions: Versions, lines: int, seconds: float
) -> tuple[int, list[Any]]:
    """Fork a process that does :func:`change`; return its exit status and the lines that it said.

    Args:
        folder: of the index.
        encoder: its teacher.
        seed: decides what is done.
        versions: what the index holds.
        lines: after so many of them it is killed.
        seconds: that it has to go on before.
    """
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.close(reading)
            with os.fdopen(writing, "w") as output:
                change(folder, encoder, seed, versions, output)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as output:
        said = list(itertools.islice(output, lines))
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
        said += output
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), [json.loads(line) for line in said]


def main(folder: str, teacher: str) -> None:
    encoder = MultiVectorEncoder(teacher, device="cpu")
    for line in sys.stdin:
        print(json.dumps(killed(Path(folder), encoder, *json.loads(line))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
