"""An index under load, and the memory it takes: two threads search while one adds, replaces, deletes and optimises.

Run: python benchmarks/index_load.py [--seconds 300] [--passages 10000]

Vectors are synthetic, so that the index is what is measured and not an encoder. First indexes of three sizes are
opened, searched, added to and optimised, each in a process of its own, for the memory that each of these takes.
"""

import argparse
import contextlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from machine import measured_on
from optical.collections import Passage
from optical.encoders import load_encoder
from optical.index import Index
from optical.index.centroids import SAMPLE, number_of_centroids
from optical.index.parallel import Chunk, Encoded
from optical.index.searching import CANDIDATES
from optical.index.shard import bytes_on_disk
from optical.models import TINY_EN

RESULTS = Path(__file__).parent / "results"
SIZES = (500, 1000, 2000)
TOKENS, QUERY_TOKENS = 130, 12
TEXT = 600
CHANGED_TOGETHER = 256
# Token vectors that optimising marks at a time.
MARKED = 512 * TOKENS
MB = 2**20


class Synthetic:
    """Workers that make vectors up: clustered, as those of an encoder are."""

    def __init__(self, dimension: int) -> None:
        self._random = np.random.default_rng(0)
        self._centres = self._random.standard_normal((20_000, dimension), dtype=np.float32)

    def vectors(self, number: int) -> np.ndarray:
        words = self._random.zipf(1.2, number) % len(self._centres)
        noise = self._random.standard_normal((number, self._centres.shape[1]), dtype=np.float32)
        mixed = self._centres[words] + 0.6 * noise
        return mixed / np.linalg.norm(mixed, axis=1, keepdims=True)

    def encode(self, chunks: Iterable[Chunk], teacher: str, batch_size: int) -> Encoded:
        for chunk in chunks:
            yield chunk, [self.vectors(TOKENS) for _ in chunk]


def passage(number: int, version: int) -> Passage:
    text = f"{number} {version} ".ljust(TEXT, "x")
    return Passage(str(number), text, "", {"version": version, "last": number % 10})


def resident() -> dict[str, float]:
    """Megabytes of this process in memory: what it has for itself, and pages of files, which the system may drop."""
    lines = Path("/proc/self/status").read_text().splitlines()
    pages = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.startswith("Rss")}
    return {"anonymous": round(pages["RssAnon"], 1), "file": round(pages["RssFile"], 1)}


def size_of(folder: Path) -> int:
    """Megabytes of a folder on the disk; files that go away meanwhile are passed over."""
    while True:
        with contextlib.suppress(FileNotFoundError):
            return round(bytes_on_disk(folder) / MB)


@contextlib.contextmanager
def peak() -> Iterator[dict[str, float]]:
    """Yield the most that was resident within the block."""
    most = resident()
    over = threading.Event()

    def note() -> None:
        for kind, size in resident().items():
            most[kind] = max(most[kind], size)

    def watch() -> None:
        while not over.wait(0.01):
            note()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield most
    finally:
        over.set()
        watching.join()
        note()


def bound(
    dimension: int, centroids: int, k: int = 0, *, queries: int = 0, adding: int = 0, optimising: bool = False
) -> int:
    """The formula of docs/how-to/index.md: most anonymous megabytes that an open index adds to its process.

    Args:
        dimension: of the vectors.
        centroids: their number.
        k: passages that a query asks for.
        queries: searched at the same time.
        adding: token vectors in the chunk that is added.
        optimising: whether the index is.
    """
    size = 40 * MB + 4 * centroids * dimension
    size += queries * (1536 * max(CANDIDATES, 10 * k) + (TEXT + 8192) * k)
    blocks = 16 * round(centroids**0.5) * max(adding, MARKED)
    add = 32 * dimension * adding + blocks if adding else 0
    optimise = max(2 * SAMPLE * (dimension + 16) * centroids, 32 * dimension * MARKED) + blocks
    # One thread at a time changes the index.
    return round((size + max(add, optimise if optimising else 0)) / MB)


def measure_size(number: int) -> dict[str, object]:
    """What each use of an index of ``number`` passages adds to the memory of the process."""
    encoder = load_encoder(TINY_EN)
    dimension = len(encoder.encode_document(["a"], convert_to_numpy=True)[0][0])
    synthetic = Synthetic(dimension)
    query = [torch.from_numpy(synthetic.vectors(QUERY_TOKENS))]
    rows: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        program = f"import index_load; index_load.build({str(path)!r}, {number})"
        subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parent)
        before = resident()

        def step(name: str, act: Callable[[], object], most: int) -> None:
            with peak() as reached:
                act()
            added = {kind: round(reached[kind] - before[kind], 1) for kind in before}
            rows[name] = {**added, "formula_anonymous": most}

        opened = []
        step("open", lambda: opened.append(Index.open(path)), bound(dimension, 0))
        index = opened[0]
        info = index.info
        centroids = info["centroids"]
        for k in (10, 100):
            for exact in (True, False):
                step(
                    f"search, k={k}, {'all passages' if exact else 'candidates'}",
                    lambda k=k, exact=exact: [
                        index.search_vectors(query * 32, k, exact=exact) for _ in range(3)
                    ],
                    bound(dimension, centroids, k, queries=32),
                )
        more = [passage(number + each, 0) for each in range(512)]
        # What an earlier use has freed may still be the process's.
        uses = {"queries": 32, "adding": 512 * TOKENS}
        most = bound(dimension, centroids, 100, **uses)
        step("add 512", lambda: index.add(more, encoder, workers=synthetic), most)
        most = bound(dimension, number_of_centroids(TOKENS * index.count), 100, **uses, optimising=True)
        step("optimise", index.optimise, most)
        index.close()
    facts = {"passages": number, "token_vectors": info["token_vectors"], "dimension": dimension}
    return {**facts, "centroids": centroids, "megabytes_on_disk": round(info["bytes"] / MB), "uses": rows}


def build(path: str, number: int) -> None:
    encoder = load_encoder(TINY_EN)
    dimension = len(encoder.encode_document(["a"], convert_to_numpy=True)[0][0])
    passages = (passage(each, 0) for each in range(number))
    with Index.create(path, encoder, passages, workers=Synthetic(dimension)) as index:
        if not index.info["centroids"]:
            index.optimise()


class Load:
    """Two readers and a writer, until the time is over; what they did, and what went wrong."""

    def __init__(self, seconds: float) -> None:
        self.errors: list[str] = []
        self.times: list[float] = []
        self.done = dict.fromkeys(("added", "replaced", "deleted", "flushes", "optimised"), 0)
        self._seconds = seconds
        self._encoder = load_encoder(TINY_EN)
        dimension = len(self._encoder.encode_document(["a"], convert_to_numpy=True)[0][0])
        self._synthetic = [Synthetic(dimension) for _ in range(3)]

    def run(self, index: Index, folder: Path) -> list[dict[str, float]]:
        """Return the megabytes that were resident, and those of the folder on the disk, second by second."""
        self.index = index
        self.end = time.monotonic() + self._seconds
        acts = (self._search, self._search, self._change)
        threads = [threading.Thread(target=self._repeat, args=(act, seed)) for seed, act in enumerate(acts)]
        for thread in threads:
            thread.start()
        began, samples = time.monotonic(), []
        while working := [thread for thread in threads if thread.is_alive()]:
            second = round(time.monotonic() - began)
            samples.append({"second": second, **resident(), "folder": size_of(folder)})
            working[0].join(1)
        return samples

    def _repeat(self, act: Callable[[random.Random, Synthetic], Iterator[None]], seed: int) -> None:
        steps = act(random.Random(seed), self._synthetic[seed])
        while time.monotonic() < self.end:
            try:
                next(steps)
            except Exception as error:
                self.errors.append(f"{type(error).__name__}: {error}")
                steps = act(random.Random(seed), self._synthetic[seed])

    def _search(self, chance: random.Random, synthetic: Synthetic) -> Iterator[None]:
        while True:
            k, last = chance.choice((10, 100)), chance.choice((None, 3))
            query = torch.from_numpy(synthetic.vectors(QUERY_TOKENS))
            start = time.perf_counter()
            condition = None if last is None else f"last = {last}"
            (hits,) = self.index.search_vectors([query], k, filter=condition)
            self.times.append(1000 * (time.perf_counter() - start))
            scores = [hit.score for hit in hits]
            if scores != sorted(scores, reverse=True) or (last is None and len(hits) != k):
                self.errors.append(f"{len(hits)} hits for k={k}, scores {scores}")
            for hit in hits:
                number, version, _ = hit.text.split(" ", 2)
                stored = passage(int(number), int(version))
                if (hit.id, hit.text, hit.metadata) != (stored.id, stored.text, stored.metadata):
                    self.errors.append(f"{hit} is no passage that was stored")
                if last is not None and hit.metadata["last"] != last:
                    self.errors.append(f"{hit} does not meet {condition}")
            yield

    def _change(self, chance: random.Random, synthetic: Synthetic) -> Iterator[None]:
        ids = [int(id_) for id_ in self.index._engine.ids()]
        highest, rounds = max(ids), 0
        halfway = self.end - self._seconds / 2
        while True:
            rounds += 1
            half = CHANGED_TOGETHER // 2
            replaced = chance.sample(ids, half)
            new = range(highest + 1, highest + 1 + half)
            passages = [passage(each, rounds) for each in (*replaced, *new)]
            self.index.add(passages, self._encoder, workers=synthetic)
            ids += new
            highest += half
            self.done["replaced"] += half
            self.done["added"] += half
            yield
            gone = set(chance.sample(ids, half))
            self.index.delete(map(str, gone))
            ids = [each for each in ids if each not in gone]
            self.done["deleted"] += half
            if self.index.count != len(ids):
                self.errors.append(f"{self.index.count} passages, not {len(ids)}")
            if rounds % 5 == 0:
                self.index.flush()
                self.done["flushes"] += 1
            if not self.done["optimised"] and time.monotonic() > halfway:
                self.index.optimise()
                self.done["optimised"] += 1
            yield


def measure_load(number: int, seconds: float) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        program = f"import index_load; index_load.build({str(path)!r}, {number})"
        subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parent)
        load = Load(seconds)
        before = resident()
        with Index.open(path) as index:
            began = time.monotonic()
            samples = load.run(index, path)
            took = time.monotonic() - began
            info = index.info
    tokens = CHANGED_TOGETHER * TOKENS
    most = bound(info["dimension"], info["centroids"], 100, queries=2, adding=tokens, optimising=True)
    reached, in_files, on_disk = (
        max(sample[kind] for sample in samples) for kind in ("anonymous", "file", "folder")
    )
    reached -= before["anonymous"]
    third = len(samples) // 3
    return {
        "passages": number,
        "token_vectors": info["token_vectors"],
        "centroids": info["centroids"],
        "seconds": round(took, 1),
        "errors": len(load.errors),
        "first_errors": load.errors[:10],
        "searches": len(load.times),
        "searches_per_s": round(len(load.times) / took, 2),
        "search_p50_ms": round(statistics.median(load.times), 1),
        "search_p95_ms": round(statistics.quantiles(load.times, n=20)[-1], 1),
        "changes": load.done,
        "passages_changed_per_s": round(
            sum(load.done[each] for each in ("added", "replaced", "deleted")) / took, 1
        ),
        "megabytes": {
            "before_opening": before,
            "anonymous_added_at_most": round(reached, 1),
            "formula_anonymous": most,
            "within_formula": reached <= most,
            "file_added_at_most": round(in_files - before["file"], 1),
            "folder_at_most": on_disk,
            # A leak would go on; what the allocator keeps does not.
            "anonymous_mean_of_each_third": [
                round(statistics.mean(sample["anonymous"] for sample in part), 1)
                for part in (samples[:third], samples[third : 2 * third], samples[2 * third :])
            ],
            "samples": samples[:: max(1, len(samples) // 60)],
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--passages", type=int, default=10_000)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=RESULTS / "index-load.json")
    options = parser.parse_args()
    if options.size:
        print(json.dumps(measure_size(options.size)))
        return
    sizes = []
    for size in SIZES:
        print(f"{size} passages", file=sys.stderr, flush=True)
        measuring = [sys.executable, __file__, "--size", str(size)]
        done = subprocess.run(measuring, check=True, stdout=subprocess.PIPE)
        sizes.append(json.loads(done.stdout.splitlines()[-1]))
    print("load", file=sys.stderr, flush=True)
    result = {
        "command": " ".join(["python", "benchmarks/index_load.py", *sys.argv[1:]]),
        "workload": {
            "tokens_a_passage": TOKENS,
            "query_tokens": QUERY_TOKENS,
            "changed_together": CHANGED_TOGETHER,
        },
        "megabytes_added": sizes,
        "load": measure_load(options.passages, options.seconds),
    }
    result = {**measured_on("numpy", "optical", "qdrant-edge-py", "torch"), **result}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
