"""Random changes of an engine against a dictionary and brute force, across reopening."""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from optical.index.centroids import Centroids
from optical.index.engine import Document, Engine, Found
from optical.index.filters import Kind, parse_filter
from optical.index.local import LocalEngine
from optical.index.manifest import FORMAT
from optical.index.places import place_of

from .conftest import NO_SERVER
from .documents import DIMENSION, assert_same, brute_force, document, vectors
from .qdrant_server import running

FIELDS: dict[str, Kind] = {"version": "number", "digits": "string", "even": "boolean"}
FILTERS: list[tuple[str, Callable[[Any], bool]]] = [
    ("version > 3", lambda passage: passage.metadata["version"] > 3),
    ("even = true", lambda passage: passage.metadata["even"] is True),
    ('digits = "1"', lambda passage: "1" in passage.id),
    (
        'not (digits in ("0", "2") or version <= 2)',
        lambda passage: not ("0" in passage.id or "2" in passage.id or passage.metadata["version"] <= 2),
    ),
    ("version < 0", lambda passage: False),
]


def questions(seed: int, number: int) -> list[torch.Tensor]:
    return [vectors(f"query {seed} {each}", 5) for each in range(number)]


class Changes(RuleBasedStateMachine):
    """Random changes and searches, and what a dictionary says of them."""

    make: Callable[..., Engine]
    open: Callable[..., Engine]
    ids = st.sampled_from([f"p{number}" for number in range(13)])
    seeds = st.integers(0, 1000)

    @initialize()
    def begin(self) -> None:
        self.stack = ExitStack()
        self.engine = self.make()
        self.engine.declare({"version": "number"})
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
        self.engine = self.open()

    @rule(seed=seeds, k=st.integers(1, 14), queries=st.sampled_from([1, 3]))
    def search(self, seed: int, k: int, queries: int) -> None:
        self.check(self.engine.search(questions(seed, queries), k), seed, k, self.model)

    @rule(seed=seeds, k=st.integers(1, 14), chosen=st.sampled_from(FILTERS))
    def search_with_a_filter(self, seed: int, k: int, chosen: tuple[str, Callable[[Any], bool]]) -> None:
        expression, meets = chosen
        found = self.engine.search(questions(seed, 2), k, parse_filter(expression, FIELDS))
        left = {id_: each for id_, each in self.model.items() if meets(each.passage)}
        self.check(found, seed, k, left)

    @rule(seed=seeds)
    def search_candidates(self, seed: int) -> None:
        if not self.model:
            return
        centroids = Centroids.train(vectors(f"centroids {seed}", 40), 8, 0)
        marks = centroids.of_passages([each.vectors for each in self.model.values()])
        self.engine.mark(dict(zip(self.model, marks, strict=True)))
        sparse = [centroids.of_query(query) for query in questions(seed, 2)]
        # A candidate is what has a centroid in common with the query.
        for query, one in zip(questions(seed, 2), sparse, strict=True):
            near = {
                id_: each
                for (id_, each), mark in zip(self.model.items(), marks, strict=True)
                if set(mark.indices) & set(one.indices)
            }
            found = self.engine.search([query], 14, None, (100, [one]))[0]
            assert_same(found, brute_force(query, {id_: each.vectors for id_, each in near.items()}, 14))

    def check(self, results: list[list[Found]], seed: int, k: int, documents: Mapping[str, Document]) -> None:
        stored = {id_: each.vectors for id_, each in documents.items()}
        for query, found in zip(questions(seed, len(results)), results, strict=True):
            assert_same(found, brute_force(query, stored, k))
            assert all(each.passage == documents[each.passage.id].passage for each in found)

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
            self.stack.close()


class LocalChanges(Changes):
    def make(self) -> Engine:
        self.folder = Path(self.stack.enter_context(TemporaryDirectory())) / "index" / "shard"
        self.folder.parent.mkdir()
        return LocalEngine.create(self.folder, DIMENSION)

    def open(self) -> Engine:
        return LocalEngine.open(self.folder, DIMENSION)


class ClusterChanges(Changes):
    def make(self) -> Engine:
        self.address = f"{self.stack.enter_context(running()).url}/index"
        self.create()
        return self.open()

    def open(self) -> Engine:
        place = self.stack.enter_context(closing(place_of(self.address)))
        return place.open(finished=False)[1]

    def create(self) -> None:
        with closing(place_of(self.address)) as place:
            place.create({"format": FORMAT, "teacher": "t", "dimension": DIMENSION, "compact": False})


class ServerChanges(ClusterChanges):
    def make(self) -> Engine:
        self.address = f"{os.environ['QDRANT_URL']}/optical-test-{uuid4().hex}"
        self.stack.callback(self.remove)
        self.create()
        return self.open()

    def remove(self) -> None:
        with closing(place_of(self.address)) as place:
            place.remove()


TestLocalChanges = LocalChanges.TestCase
TestLocalChanges.settings = settings(max_examples=50, stateful_step_count=15, deadline=None)
TestClusterChanges = ClusterChanges.TestCase
TestClusterChanges.settings = settings(max_examples=10, stateful_step_count=15, deadline=None)
TestServerChanges = pytest.mark.skipif(not os.environ.get("QDRANT_URL"), reason=NO_SERVER)(
    ServerChanges.TestCase
)
TestServerChanges.settings = settings(max_examples=5, stateful_step_count=15, deadline=None)
