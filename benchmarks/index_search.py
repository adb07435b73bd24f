"""Search in an index: candidates by centroids, all passages, and rivals, side by side.

Run: python benchmarks/index_search.py [--passages 10000] [--queries 200]
         [--data FOLDER [--teacher optical-tiny-en] [--student FOLDER]]
         [--form float16|compact] [--few 40]

Without --data the vectors are synthetic. With it they are those of AfriQA's and SQuAD's English passages and of
AfriQA's questions, encoded by the teacher, all-MiniLM-L6-v2 if none is named (10,586 passages; more are mixed from
their vectors), and with --student also of the Swahili questions, encoded by that artefact.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from index_rivals import RIVALS
from index_workload import DIMENSION, TEACHERS, Passages, Queries, Workload, real, synthetic
from machine import measured_on
from optical.collections import Passage
from optical.index.engine import Document
from optical.index.folder import FolderPlace
from optical.index.local import LocalEngine
from optical.index.searching import CANDIDATES, CentroidSearch
from optical.index.shard import bytes_on_disk

K = 100
RESULTS = Path(__file__).parent / "results"
STORED_TOGETHER = 512
FORMS = ("float16", "compact")


def exact(passages: Passages, queries: Sequence[torch.Tensor]) -> list[list[int]]:
    """The best passages by MaxSim in float32."""
    tokens = torch.cat(list(queries))
    starts = np.cumsum([0, *map(len, queries)])[:-1]
    scores = np.empty((len(queries), len(passages)), dtype=np.float32)
    for first, last in passages.blocks(2**16):
        begins = passages.starts[first : last + 1]
        vectors = torch.from_numpy(passages.tokens[begins[0] : begins[-1]].astype(np.float32))
        best = np.maximum.reduceat((tokens @ vectors.T).numpy(), begins[:-1] - begins[0], axis=1)
        scores[:, first:last] = np.add.reduceat(best, starts, axis=0)
    return torch.from_numpy(scores).topk(min(K, len(passages)), dim=1).indices.tolist()


def agreement(found: Sequence[Sequence[int]], truth: Sequence[Sequence[int]], k: int) -> float:
    shared = [len(set(some[:k]) & set(all_[:k])) / k for some, all_ in zip(found, truth, strict=True)]
    return round(statistics.mean(shared), 4)


def mrr(found: Sequence[Sequence[int]], relevant: Sequence[set[int]]) -> float:
    """Mean of 1 / rank of the first relevant passage, 0 beyond rank 10."""
    ranks = [
        next((1 / rank for rank, number in enumerate(some[:10], start=1) if number in right), 0)
        for some, right in zip(found, relevant, strict=True)
    ]
    return statistics.mean(ranks)


def answered(
    search: Callable[[torch.Tensor], list[int]], queries: Queries, truth: Sequence[Sequence[int]]
) -> dict[str, object]:
    """Time and quality of a system that is asked one question after the other."""
    search(queries.vectors[0])
    found, times = [], []
    for query in queries.vectors:
        start = time.perf_counter()
        found.append(search(query))
        times.append(1000 * (time.perf_counter() - start))
    return {
        "p50_ms": round(statistics.median(times), 2),
        "p95_ms": round(statistics.quantiles(times, n=20)[-1], 2),
        "R@10": agreement(found, truth, 10),
        "R@100": agreement(found, truth, 100),
        "MRR@10": round(mrr(found, queries.relevant), 4),
        "MRR@10_minus_exact": round(mrr(found, queries.relevant) - mrr(truth, queries.relevant), 4),
    }


def anonymous_megabytes() -> float | None:
    """What this process holds in memory that is no file, where the system tells."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except FileNotFoundError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), None)


def measure_index(
    workload: Workload, truth: dict[str, list[list[int]]], form: str, few: int, folder: Path
) -> dict[str, dict[str, object]]:
    passages = workload.passages
    before = anonymous_megabytes()
    began = time.perf_counter()
    engine = LocalEngine.create(folder / "shard", DIMENSION, compact=form == "compact")
    for first in range(0, len(passages), STORED_TOGETHER):
        numbers = range(first, min(first + STORED_TOGETHER, len(passages)))
        # Text takes space, too: as much as a passage of Wikipedia has.
        engine.put(
            [
                Document(
                    Passage(str(number), "x" * 600),
                    torch.from_numpy(passages[number].astype(np.float32)),
                    None,
                )
                for number in numbers
            ]
        )
    engine.flush()
    stored = time.perf_counter()
    search = CentroidSearch(engine, FolderPlace(folder))
    search.optimise()
    optimised = time.perf_counter()
    after = anonymous_megabytes()
    size, log = bytes_on_disk(folder), bytes_on_disk(folder / "shard" / "wal")
    assert search.centroids is not None
    facts = {
        "build_s": round(optimised - began, 2),
        "of_which_centroids_s": round(optimised - stored, 2),
        "bytes_per_token": round(size / len(passages.tokens), 1),
        "of_which_log": round(log / len(passages.tokens), 1),
        "centroids": len(search.centroids.vectors),
        "memory_mb": None if before is None or after is None else round(after - before),
    }
    print(f"  built in {optimised - began:.0f} s", file=sys.stderr, flush=True)
    systems = {}
    for how, all_ in (("candidates by centroids", False), ("all passages", True)):
        for language, queries in workload.queries.items():

            def ask(vectors: Sequence[torch.Tensor], all_: bool = all_) -> list[list[int]]:
                return [[int(hit.id) for hit in hits] for hits in search.search(vectors, K, None, all_)]

            asked = beginning(queries, few) if all_ else queries
            row = answered(
                lambda query, ask=ask: ask([query])[0], asked, truth[language][: len(asked.vectors)]
            )
            start = time.perf_counter()
            ask(asked.vectors)
            row["batch_queries_per_s"] = round(len(asked.vectors) / (time.perf_counter() - start), 1)
            systems[f"optical, {form}, {how}, {language}"] = {**row, **facts, "queries": len(asked.vectors)}
    engine.close()
    return systems


def measure_rivals(
    workload: Workload, truth: dict[str, list[list[int]]], without: Sequence[str], few: int, folder: Path
) -> dict[str, dict[str, object]]:
    passages = workload.passages
    language, queries = next(iter(workload.queries.items()))
    systems = {}
    for name, (make, largest) in RIVALS.items():
        if len(passages) > largest or name.startswith(tuple(without)):
            continue
        print(name, file=sys.stderr, flush=True)
        start = time.perf_counter()
        search, size = make(passages, folder)
        built = time.perf_counter() - start
        asked = queries if name.startswith("faiss") else beginning(queries, few)
        row = answered(
            lambda query, search=search: search(query, K), asked, truth[language][: len(asked.vectors)]
        )
        systems[f"{name}, {language}"] = {
            **row,
            "build_s": round(built, 2),
            "bytes_per_token": round(size / len(passages.tokens), 1),
            "queries": len(asked.vectors),
        }
    return systems


def beginning(queries: Queries, number: int) -> Queries:
    return Queries(queries.vectors[:number], queries.relevant[:number])


def tokens_of(queries: Queries) -> float:
    return round(statistics.mean(map(len, queries.vectors)), 1)


def without_folder(argument: str) -> str:
    # Where data lie on one machine says nothing on another.
    return "FOLDER" if "/" in argument else argument


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--passages", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--teacher", choices=TEACHERS, default="all-MiniLM-L6-v2")
    parser.add_argument("--student")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "optical-index-search")
    parser.add_argument(
        "--without", action="append", default=[], help="leave out rivals whose names begin so"
    )
    parser.add_argument("--form", choices=FORMS, help="of the index; both by default, one after the other")
    parser.add_argument(
        "--few", type=int, default=40, help="queries for what takes long: scoring all, and slow rivals"
    )
    parser.add_argument("--output", type=Path, help="JSON file; by default in benchmarks/results")
    options = parser.parse_args()
    if options.data is None:
        workload = synthetic(options.passages, options.queries)
    else:
        workload = real(
            options.data, options.teacher, options.passages, options.queries, options.student, options.cache
        )
    passages = workload.passages
    truth = {language: exact(passages, queries.vectors) for language, queries in workload.queries.items()}
    systems: dict[str, dict[str, object]] = {}
    for form in FORMS if options.form is None else [options.form]:
        print(f"optical, {form}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            systems |= measure_index(workload, truth, form, options.few, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        systems |= measure_rivals(workload, truth, options.without, options.few, Path(folder))
    result = {
        **measured_on(
            "faiss-cpu", "lancedb", "numpy", "optical", "qdrant-edge-py", "sentence-transformers", "torch"
        ),
        "command": " ".join(["python", "benchmarks/index_search.py", *map(without_folder, sys.argv[1:])]),
        "workload": {
            "vectors": workload.name,
            "passages": len(passages),
            "token_vectors": len(passages.tokens),
            "dimension": DIMENSION,
            "query_tokens": {language: tokens_of(queries) for language, queries in workload.queries.items()},
            "k": K,
            "candidates": CANDIDATES,
        },
        "systems": systems,
    }
    kind = "synthetic" if options.data is None else options.teacher
    file = options.output or RESULTS / f"index-search-{kind}-{len(passages)}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
