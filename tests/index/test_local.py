"""The engine against a dictionary and brute force, across reopening and kill -9."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from optical.collections import Passage
from optical.index.centroids import Centroids
from optical.index.local import Document, Found, LocalEngine

DIMENSION = 8


def vectors(seed: str, most: int = 12) -> torch.Tensor:
    generator = torch.Generator().manual_seed(Random(seed).randrange(2**40))
    tokens = 1 + int(torch.randint(most, (1,), generator=generator))
    return torch.nn.functional.normalize(torch.randn(tokens, DIMENSION, generator=generator), dim=1)


def document(id_: str, version: int) -> Document:
    return Document(
        Passage(id_, f"{id_} {version}", metadata={"version": version}), vectors(f"{id_} {version}"), None
    )


def brute_force(
    query: torch.Tensor, documents: Mapping[str, torch.Tensor], k: int
) -> list[tuple[str, float]]:
    """MaxSim in float64 of the float16 vectors; equal scores in the order of ids."""
    exact = query.half().double().numpy()
    scores = {
        id_: float((exact @ each.half().double().numpy().T).max(1).sum()) for id_, each in documents.items()
    }
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:k]


def assert_same(found: Sequence[Found], expected: Sequence[tuple[str, float]]) -> None:
    assert len(found) == len(expected)
    assert [each.score for each in found] == pytest.approx([score for _, score in expected], abs=1e-5)
    # Where float32 cannot tell two scores apart, either may be first.
    for each, (id_, _), (_, before), (_, after) in zip(
        found,
        expected,
        [("", np.inf), *expected],
        [*expected[1:], ("", -np.inf)],
        strict=False,
    ):
        if before - each.score > 1e-5 and each.score - after > 1e-5:
            assert each.passage.id == id_


class Changes(RuleBasedStateMachine):
    """Random changes and searches, and what a dictionary says of them."""

    ids = st.sampled_from([f"p{number}" for number in range(12)])

    @initialize()
    def begin(self) -> None:
        self.temporary = TemporaryDirectory()
        self.folder = Path(self.temporary.name) / "index" / "shard"
        self.folder.parent.mkdir()
        self.engine = LocalEngine.create(self.folder, DIMENSION)
        self.model: dict[str, Document] = {}
        self.version = 0

    @rule(ids=st.lists(ids, min_size=1, max_size=6, unique=True))
    def put(self, ids: list[str]) -> None:
        self.version += 1
        documents = [document(id_, self.version) for id_ in ids]
        self.engine.put(documents)
        self.model |= {each.passage.id: each for each in documents}

    @rule(ids=st.lists(ids, min_size=1, max_size=4))
    def delete(self, ids: list[str]) -> None:
        self.engine.delete(ids)
        for id_ in ids:
            self.model.pop(id_, None)

    @rule()
    def flush(self) -> None:
        self.engine.flush()

    @rule()
    def merge(self) -> None:
        self.engine.merge()

    @rule()
    def reopen(self) -> None:
        self.engine.close()
        self.engine = LocalEngine.open(self.folder, DIMENSION)

    @rule(seed=st.integers(0, 1000), k=st.integers(1, 14), queries=st.sampled_from([1, 3, 70]))
    def search(self, seed: int, k: int, queries: int) -> None:
        asked = [vectors(f"query {seed} {number}", 5) for number in range(queries)]
        documents = {id_: each.vectors for id_, each in self.model.items()}
        for query, found in zip(asked, self.engine.search(asked, k), strict=True):
            assert_same(found, brute_force(query, documents, k))
            assert all(each.passage == self.model[each.passage.id].passage for each in found)

    @rule(ids=st.lists(ids, max_size=5))
    def fetch(self, ids: list[str]) -> None:
        expected = {id_: self.model[id_].passage for id_ in ids if id_ in self.model}
        assert self.engine.fetch(ids) == expected

    @invariant()
    def holds_what_the_dictionary_holds(self) -> None:
        if hasattr(self, "engine"):
            assert self.engine.count == len(self.model)
            assert set(self.engine.ids()) == set(self.model)
            assert self.engine.token_count == sum(len(each.vectors) for each in self.model.values())

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.engine.close()
            self.temporary.cleanup()


TestChanges = Changes.TestCase
TestChanges.settings = settings(max_examples=50, stateful_step_count=20, deadline=None)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    (tmp_path / "index").mkdir()
    made = LocalEngine.create(tmp_path / "index" / "shard", DIMENSION)
    yield made
    made.close()


@pytest.mark.parametrize("queries", [1, 70])
def test_equal_scores_are_in_the_order_of_ids_wherever_the_cut_is(engine: LocalEngine, queries: int) -> None:
    same, best = vectors("same"), vectors("best")
    documents = [Document(Passage(f"p{number:02}", "text"), same, None) for number in range(60)]
    Random(3).shuffle(documents)
    engine.put([*documents, Document(Passage("best", "text"), best, None)])
    for k in (1, 2, 7, 40, 61):
        for found in engine.search([best] * queries, k):
            expected = ["best", *(f"p{number:02}" for number in range(60))][:k]
            assert [each.passage.id for each in found] == expected


def clustered(generator: torch.Generator, centres: torch.Tensor, tokens: int) -> torch.Tensor:
    nearest = centres[torch.randint(len(centres), (tokens,), generator=generator)]
    return torch.nn.functional.normalize(
        nearest + 0.15 * torch.randn(tokens, centres.shape[1], generator=generator), dim=1
    )


def test_candidates_by_centroids_hold_most_of_the_best(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(5)
    centres = torch.nn.functional.normalize(torch.randn(300, 32, generator=generator), dim=1)
    documents = {f"p{number}": clustered(generator, centres, 20) for number in range(1500)}
    centroids = Centroids.train(torch.cat(list(documents.values())), 256, 1500)
    engine = LocalEngine.create(tmp_path / "shard", 32)
    sparse = centroids.of_passages(list(documents.values()))
    engine.put(
        [
            Document(Passage(id_, "text"), each, mark)
            for (id_, each), mark in zip(documents.items(), sparse, strict=True)
        ]
    )
    # A query is part of a passage, with noise, as a question is of its answer.
    queries = [
        torch.nn.functional.normalize(
            documents[f"p{number}"][:6] + 0.05 * torch.randn(6, 32, generator=generator), dim=1
        )
        for number in range(0, 1500, 50)
    ]
    marks = [centroids.of_query(query) for query in queries]
    shared = 0
    for merged in (False, True):
        if merged:
            engine.merge()
        narrowed = engine.search(queries, 10, None, (150, marks))
        for query, found, exact in zip(queries, narrowed, engine.search(queries, 10), strict=True):
            assert found[0].passage.id == exact[0].passage.id
            shared += len({each.passage.id for each in found} & {each.passage.id for each in exact})
            # Whatever is found has its true score.
            truth = dict(brute_force(query, documents, 1500))
            assert all(abs(each.score - truth[each.passage.id]) < 1e-4 for each in found)
    assert shared / (2 * 10 * len(queries)) > 0.75
    engine.close()


def test_marks_may_be_replaced_without_touching_anything_else(engine: LocalEngine) -> None:
    documents = {f"p{number}": vectors(str(number)) for number in range(50)}
    engine.put([Document(Passage(id_, f"text of {id_}"), each, None) for id_, each in documents.items()])
    query = vectors("query", 3)
    for seed in (1, 2):
        centroids = Centroids(
            torch.nn.functional.normalize(
                torch.randn(8, DIMENSION, generator=torch.Generator().manual_seed(seed)), dim=1
            ),
            50,
        )
        engine.mark(dict(zip(documents, centroids.of_passages(list(documents.values())), strict=True)))
        found = engine.search([query], 50, None, (50, [centroids.of_query(query)]))[0]
        expected = dict(brute_force(query, documents, 50))
        assert {each.passage.id: each.score for each in found} == pytest.approx(
            {each.passage.id: expected[each.passage.id] for each in found}, abs=1e-5
        )
        assert len(found) > 20
        assert all(each.passage.text == f"text of {each.passage.id}" for each in found)


WRITER = """
import sys
from pathlib import Path
from random import Random
sys.path.insert(0, sys.argv[1])
from test_local import document
from optical.index.local import LocalEngine
engine = LocalEngine.open(Path(sys.argv[2]), 8)
random = Random(int(sys.argv[3]))
version = int(sys.argv[4])
while True:
    version += 1
    ids = random.sample([f"p{number}" for number in range(300)], 40)
    if random.random() < 0.3:
        print("delete", version, *ids, flush=True)
        engine.delete(ids)
    else:
        print("put", version, *ids, flush=True)
        engine.put([document(id_, version) for id_ in ids])
    print("done", flush=True)
"""


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "index" / "shard"
    folder.parent.mkdir()
    LocalEngine.create(folder, DIMENSION).close()
    here = str(Path(__file__).parent)
    random = Random(1)
    model: dict[str, int] = {}
    version = 0
    for attempt in range(4):
        arguments = [sys.executable, "-c", WRITER, here, str(folder), str(attempt), str(version)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            lines = [writer.stdout.readline()]
            # From its first change on, at a moment that no line of output tells.
            killing = threading.Timer(random.uniform(0, 0.6), writer.kill)
            killing.start()
            lines += writer.stdout.readlines()
        steps = [line.split() for line in lines]
        pending: tuple[str, int, list[str]] | None = None
        for name, *rest in steps:
            if name == "done":
                assert pending is not None
                action, version, ids = pending
                model = {id_: each for id_, each in model.items() if id_ not in ids}
                if action == "put":
                    model |= dict.fromkeys(ids, version)
                pending = None
            elif rest:
                pending = (name, int(rest[0]), rest[1:])
        engine = LocalEngine.open(folder, DIMENSION)
        held = {
            id_: int(passage.metadata["version"])
            for id_, passage in engine.fetch([f"p{n}" for n in range(300)]).items()
        }
        touched = set(pending[2]) if pending else set()
        assert {id_: each for id_, each in held.items() if id_ not in touched} == {
            id_: each for id_, each in model.items() if id_ not in touched
        }
        for id_ in touched:
            allowed = {model.get(id_), pending[1] if pending and pending[0] == "put" else None}
            assert held.get(id_) in allowed
        model, version = held, version + 1
        # The vectors of a passage are those of its text.
        for id_, stored in engine.vectors():
            assert torch.equal(stored, document(id_, held[id_]).vectors.half())
        engine.close()
    assert len(model) > 50


def test_readers_beside_a_writer(engine: LocalEngine) -> None:
    engine.put([document(f"p{number}", 0) for number in range(200)])
    failures: list[BaseException] = []
    stop = time.monotonic() + 3

    def read(seed: int) -> None:
        try:
            while time.monotonic() < stop:
                for found in engine.search([vectors(f"q{seed}", 4)] * 2, 10):
                    assert len(found) == 10
                    assert [each.score for each in found] == sorted(
                        (each.score for each in found), reverse=True
                    )
                    assert all(
                        each.passage.text == f"{each.passage.id} {each.passage.metadata['version']}"
                        for each in found
                    )
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read, args=(seed,)) for seed in (1, 2)]
    for reader in readers:
        reader.start()
    version = 0
    while time.monotonic() < stop:
        version += 1
        engine.put([document(f"p{number}", version) for number in range(version % 5, 200, 5)])
        engine.delete([f"p{number}" for number in range(version % 7, 100, 7)])
    for reader in readers:
        reader.join()
    assert not failures
