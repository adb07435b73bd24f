"""The engines: ties, candidates, marks, and readers beside a writer."""

import threading
import time
from collections.abc import Callable, Iterator
from random import Random

import pytest
import torch

from optical.collections import Passage
from optical.index.centroids import Centroids
from optical.index.engine import Document, Engine, Place
from optical.index.manifest import FORMAT
from optical.index.places import place_of

from .documents import DIMENSION, brute_force, document, vectors


@pytest.fixture
def make(place: str) -> Iterator[Callable[[int], Engine]]:
    made: list[tuple[Place, Engine]] = []

    def make_engine(dimension: int) -> Engine:
        where = place_of(place)
        where.create(
            {"format": FORMAT, "teacher": "t", "dimension": dimension, "compact": False, "passages": None}
        )
        made.append((where, where.open(finished=False)[1]))
        return made[0][1]

    yield make_engine
    for where, engine in made:
        engine.close()
        where.close()


@pytest.fixture
def engine(make: Callable[[int], Engine]) -> Engine:
    return make(DIMENSION)


@pytest.mark.parametrize("queries", [1, 70])
def test_equal_scores_are_in_the_order_of_ids_wherever_the_cut_is(engine: Engine, queries: int) -> None:
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


@pytest.mark.parametrize("least_weight", [1.0, 0.1], ids=["unit vectors", "weighted tokens"])
def test_candidates_by_centroids_hold_most_of_the_best(
    make: Callable[[int], Engine], least_weight: float
) -> None:
    generator = torch.Generator().manual_seed(5)
    centres = torch.nn.functional.normalize(torch.randn(300, 32, generator=generator), dim=1)
    documents = {f"p{number}": clustered(generator, centres, 20) for number in range(800)}
    centroids = Centroids.train(torch.cat(list(documents.values())), 256, 800)
    engine = make(32)
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
        for number in range(0, 800, 40)
    ]
    queries = [query * torch.empty(6, 1).uniform_(least_weight, 1, generator=generator) for query in queries]
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
            truth = dict(brute_force(query, documents, 800))
            assert all(abs(each.score - truth[each.passage.id]) < 1e-4 for each in found)
    assert shared / (2 * 10 * len(queries)) > 0.75


def test_marks_may_be_replaced_without_touching_anything_else(engine: Engine) -> None:
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


def test_readers_beside_a_writer(engine: Engine) -> None:
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
