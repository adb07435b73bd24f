"""Load on ``optical serve`` over loopback: queries encoded in batches against one at a time; and a long mixed load.

Run: python benchmarks/serving.py [--passages 10000] [--seconds 10] [--clients 1 8 32] [--soak SECONDS]

The encoder is the bundled teacher, the passages and queries are words of its vocabulary drawn at random (20 to 60, and
4 to 12). Service and clients are processes of this machine, so that the clients take some of its time, too.

With --soak only the long load is made, with a Swahili encoder beside the teacher: searches, explanations, vectors,
languages and bad requests, each over a connection of its own. In the middle the encoders are loaded anew (SIGHUP), and
at the end the service is ended (SIGTERM) under the load.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil

from machine import measured_on
from optical.client import AsyncClient
from optical.models import TINY_EN

RESULTS = Path(__file__).parent / "results"
SERVE = """
import sys
import optical.serving.batching as batching
batching.LARGEST_BATCH = int(sys.argv.pop(1))
from optical.cli import main
main()
"""
LARGEST_BATCH = 32
SOAK_CLIENTS = 8
# How often the memory is looked at, and how much of it is shown.
SAMPLES = 400
SHOWN = 20


class Request(NamedTuple):
    """A kind of request: what is sent, what must come back, and how often it is made beside the others."""

    path: str
    body: dict[str, Any] | str | None
    status: int
    weight: int


def build(folder: Path, passages: int) -> list[str]:
    """Make the index; return queries."""
    from optical.collections import Passage
    from optical.encoders import load_encoder
    from optical.index import Index

    teacher = load_encoder(TINY_EN)
    vocabulary = teacher[0].tokenizer.get_vocab()
    words = sorted(word for word in vocabulary if word.isascii() and word.isalpha())
    generator = random.Random(0)

    def text(least: int, most: int) -> str:
        return " ".join(generator.choices(words, k=generator.randint(least, most)))

    made = [Passage(f"p{n}", text(20, 60), metadata={"year": 2000 + n % 20}) for n in range(passages)]
    Index.create(folder / "index", teacher, made, progress=True).close()
    return [text(4, 12) for _ in range(1000)]


@contextmanager
def serving(folder: Path, largest_batch: int, *options: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Serve the index with the teacher, and give the URL and the process."""
    command = ["serve", "--index", str(folder / "index"), "--teacher", TINY_EN, "--port", "0"]
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(largest_batch), *command, "--rate", "100000", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OPTICAL_KEYS": ""},
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1], process
        finally:
            process.send_signal(signal.SIGTERM)


async def ask(url: str, queries: list[str], clients: int, seconds: float) -> list[float]:
    """Return how long each answer took; every client asks again as soon as it has one."""
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        async with AsyncClient(url, retries=0) as asking:
            place = number * 31
            while (began := time.perf_counter()) < end:
                results = await asking.search(queries[place % len(queries)], "en", k=10)
                assert len(results.hits) == 10
                latencies.append(time.perf_counter() - began)
                place += 1

    await asyncio.gather(*(client(number) for number in range(clients)))
    return latencies


def asked(url: str, queries: list[str], clients: int, seconds: float) -> list[float]:
    return asyncio.run(ask(url, queries, clients, seconds))


def measure(
    folder: Path, queries: list[str], largest_batch: int, loads: list[int], seconds: float
) -> list[dict[str, float]]:
    rows = []
    with (
        serving(folder, largest_batch) as (url, _),
        multiprocessing.get_context("spawn").Pool(1) as pool,
    ):
        pool.apply(asked, (url, queries, 4, 1.0))  # warm
        for clients in loads:
            began = time.perf_counter()
            latencies = pool.apply(asked, (url, queries, clients, seconds))
            duration = time.perf_counter() - began
            cuts = statistics.quantiles(latencies, n=100)
            rows.append(
                {
                    "clients": clients,
                    "requests_a_second": len(latencies) / duration,
                    **{f"p{cut}_ms": 1000 * cuts[cut - 1] for cut in (50, 95, 99)},
                }
            )
            print(
                f"batches up to {largest_batch}:", {key: round(value, 1) for key, value in rows[-1].items()}
            )
    return rows


def requests() -> dict[str, Request]:
    """Return the kinds of request that a mixed load is made of; each gets its query when it is sent."""
    return {
        "search": Request("/search", {"k": 10}, 200, 8),
        "search with filter": Request("/search", {"filter": "year >= 2010", "lang": "en"}, 200, 3),
        "search in Swahili": Request("/search", {"lang": "sw"}, 200, 3),
        "explain": Request("/search", {"explain": True, "k": 3}, 200, 2),
        "encode": Request("/encode", {"lang": "en"}, 200, 3),
        "languages": Request("/languages", None, 200, 1),
        "page": Request("/", None, 200, 1),
        "empty query": Request("/search", {"text": " "}, 422, 1),
        "query too long": Request("/search", {"text": "rain " * 300}, 422, 1),
        "unknown language": Request("/search", {"lang": "xx"}, 422, 1),
        "wrong filter": Request("/search", {"filter": "year >"}, 422, 1),
        "no JSON": Request("/search", "{", 422, 1),
        "body too large": Request("/search", "x" * 100_000, 413, 1),
        "no such path": Request("/nothing", None, 404, 1),
    }


async def mix(url: str, queries: list[str], seconds: float) -> dict[str, Any]:
    """Ask until the service takes no more connections, or ``seconds`` are over; return what came back."""
    kinds = requests()
    names, weights = list(kinds), [kind.weight for kind in kinds.values()]
    answers: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    refused = 0
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        nonlocal refused
        generator = random.Random(number)
        while time.perf_counter() < end:
            (name,) = generator.choices(names, weights)
            path, body, expected, _ = kinds[name]
            if isinstance(body, dict):
                body = json.dumps({"text": generator.choice(queries), **body})
            try:
                answer = await http.request("GET" if body is None else "POST", path, content=body)
            except httpx.ConnectError:
                refused += 1
                return
            except httpx.HTTPError as error:
                errors[f"{name}: {type(error).__name__}"] += 1
                continue
            if answer.status_code == expected:
                answers[name] += 1
            else:
                errors[f"{name}: {answer.status_code} {answer.text[:80]}"] += 1

    headers = {"Connection": "close", "Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as http:
        await asyncio.gather(*(client(number) for number in range(SOAK_CLIENTS)))
    return {"answers": dict(answers), "errors": dict(errors), "refused_after_the_end": refused}


def mixed(url: str, queries: list[str], seconds: float) -> dict[str, Any]:
    return asyncio.run(mix(url, queries, seconds))


def soak(folder: Path, queries: list[str], seconds: float) -> dict[str, Any]:
    """Load the service for ``seconds``, with a reload in the middle; then end it under the load."""
    from optical.distillation import graft
    from optical.samples import sample

    graft(TINY_EN, sample("bitext.en-sw.tsv"), folder / "sw")
    with (
        serving(folder, LARGEST_BATCH, "--encoder", f"sw={folder / 'sw'}") as (url, process),
        multiprocessing.get_context("spawn").Pool(1) as pool,
    ):
        pool.apply(asked, (url, queries, 4, 1.0))  # warm
        watched = psutil.Process(process.pid)
        samples: list[dict[str, float]] = []
        began = time.perf_counter()
        load = pool.apply_async(mixed, (url, queries, seconds + 120))
        reloaded = False
        while (now := time.perf_counter() - began) < seconds:
            if now > seconds / 2 and not reloaded:
                process.send_signal(signal.SIGHUP)
                reloaded = True
            megabytes = watched.memory_info().rss / 1e6
            samples.append({"seconds": now, "megabytes": megabytes, "files": watched.num_fds()})
            time.sleep(seconds / SAMPLES)
        process.send_signal(signal.SIGTERM)
        outcome = load.get()
        process.wait()
    # The allocator has settled after the first quarter, and the old encoders are gone in the last.
    quarter = len(samples) // 4
    parts = [samples[n * quarter : (n + 1) * quarter] for n in range(4)]
    return {
        "seconds": seconds,
        "clients": SOAK_CLIENTS,
        **outcome,
        "ended_by_signal": process.returncode == -signal.SIGTERM,
        "median_megabytes_by_quarter": [
            statistics.median(each["megabytes"] for each in part) for part in parts
        ],
        "samples": samples[:: max(1, len(samples) // SHOWN)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--passages", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--soak", type=float, metavar="SECONDS", help="make a long mixed load instead")
    options = parser.parse_args()
    results: dict[str, Any] = {"command": f"python {' '.join(sys.argv)}", "passages": options.passages}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        queries = build(folder, options.passages)
        if options.soak:
            results |= soak(folder, queries, options.soak)
        else:
            results["seconds"] = options.seconds
            for label, largest in (("batches", LARGEST_BATCH), ("one at a time", 1)):
                results[label] = measure(folder, queries, largest, options.clients, options.seconds)
    on = measured_on("fastapi", "uvicorn", "sentence-transformers", "qdrant-edge-py")
    file = RESULTS / ("serving-soak.json" if options.soak else "serving.json")
    file.write_text(json.dumps({"measured_on": on, **results}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
