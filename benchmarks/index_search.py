"""Exact search: a loop over documents, sentence-transformers' maxsim, and optical's engine, side by side.

Run: python benchmarks/index_search.py
"""

import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from sentence_transformers.util.similarity import maxsim

from machine import measured_on
from optical.index import ExactEngine

PASSAGES, MEAN_TOKENS, DIMENSION, QUERY_TOKENS, BATCH, K = 5_600, 130, 128, 11, 20, 10
REPEATS = 7
RESULT = Path(__file__).parent / "results" / "index-search.json"


def clustered(generator: torch.Generator, centres: torch.Tensor, tokens: int) -> torch.Tensor:
    nearest = centres[torch.randint(len(centres), (tokens,), generator=generator)]
    noise = torch.randn(tokens, centres.shape[1], generator=generator)
    return torch.nn.functional.normalize(nearest + 0.05 * noise, dim=1)


def peak_rss_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def measure() -> dict[str, object]:
    generator = torch.Generator().manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(2048, DIMENSION, generator=generator), dim=1)
    lengths = (MEAN_TOKENS + 40 * torch.randn(PASSAGES, generator=generator)).clamp(8, 254).int().tolist()
    queries = [clustered(generator, centres, QUERY_TOKENS) for _ in range(BATCH)]
    with tempfile.TemporaryDirectory() as folder:
        # Built and searched once before the rivals copy the vectors to memory, for the memory figure.
        built = ExactEngine.create(Path(folder) / "vectors", DIMENSION)
        for first in range(0, PASSAGES, 400):
            part = lengths[first : first + 400]
            built.add(range(first, first + len(part)), [clustered(generator, centres, each) for each in part])
        built.flush()
        built.close()
        engine = ExactEngine.open(Path(folder) / "vectors")
        engine.search_many(queries, K)
        peak = peak_rss_gb()
        stored = torch.from_file(
            str(next(Path(folder).rglob("*.f16"))), size=sum(lengths) * DIMENSION, dtype=torch.float16
        )
        on_disk = list(stored.view(-1, DIMENSION).split(lengths))
        documents = list(stored.view(-1, DIMENSION).float().split(lengths))

        def loop(query: torch.Tensor) -> list[int]:
            scores = torch.stack([(query @ document.T).amax(dim=1).sum() for document in documents])
            return scores.topk(K).indices.tolist()

        def loop_on_disk(query: torch.Tensor) -> list[int]:
            scores = torch.stack([(query @ document.float().T).amax(dim=1).sum() for document in on_disk])
            return scores.topk(K).indices.tolist()

        contenders: dict[str, Callable[[], list[list[int]]]] = {
            "loop, one query": lambda: [loop(queries[0])],
            "loop over the float16 file, one query": lambda: [loop_on_disk(queries[0])],
            "maxsim, one query": lambda: maxsim(queries[:1], documents).topk(K).indices.tolist(),
            "optical, one query": lambda: [[id_ for id_, _ in engine.search(queries[0], K)]],
            "maxsim, 20 queries": lambda: maxsim(queries, documents).topk(K).indices.tolist(),
            "optical, 20 queries": lambda: [
                [i for i, _ in found] for found in engine.search_many(queries, K)
            ],
        }
        answers = {name: contender() for name, contender in contenders.items()}
        # The loop gains nothing from many queries, so it runs for one: 20 of it would only take longer.
        for load, reference in (("one query", "loop, one query"), ("20 queries", "maxsim, 20 queries")):
            expected = [set(each) for each in answers[reference]]
            for rival in ("maxsim", "optical"):
                assert [set(each) for each in answers[f"{rival}, {load}"]] == expected, (rival, load)
        times: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(REPEATS):
            for name, contender in contenders.items():
                start = time.perf_counter()
                contender()
                times[name].append(1000 * (time.perf_counter() - start) / (BATCH if "20" in name else 1))
    median = {name: statistics.median(each) for name, each in times.items()}
    return {
        **measured_on("numpy", "optical", "sentence-transformers", "torch"),
        "workload": {
            "passages": PASSAGES,
            "token_vectors": sum(lengths),
            "dimension": DIMENSION,
            "query_tokens": QUERY_TOKENS,
            "k": K,
        },
        "repeats": REPEATS,
        "milliseconds_per_query": {
            name: {"median": round(median[name], 2), "min": round(min(each), 2), "max": round(max(each), 2)}
            for name, each in times.items()
        },
        "times_faster_than": {
            "loop, one query": round(median["loop, one query"] / median["optical, one query"], 2),
            "loop, 20 queries": round(median["loop, one query"] / median["optical, 20 queries"], 2),
            "loop over the float16 file, one query": round(
                median["loop over the float16 file, one query"] / median["optical, one query"], 2
            ),
            "loop over the float16 file, 20 queries": round(
                median["loop over the float16 file, one query"] / median["optical, 20 queries"], 2
            ),
            "maxsim, one query": round(median["maxsim, one query"] / median["optical, one query"], 2),
            "maxsim, 20 queries": round(median["maxsim, 20 queries"] / median["optical, 20 queries"], 2),
        },
        "peak_rss_gb_building_and_searching": round(peak, 2),
        "peak_rss_gb_with_rivals": round(peak_rss_gb(), 2),
    }


if __name__ == "__main__":
    result = measure()
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
