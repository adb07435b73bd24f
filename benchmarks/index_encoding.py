"""Passages a second into an index: encoded by the process that stores them, and by 1, 2, ... processes beside it.

Run: python benchmarks/index_encoding.py --passages-from FILE [--encoder optical-tiny-en] [--workers 1 2]

The time that workers take to start is included, as it is for a user.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from pathlib import Path

from machine import measured_on
from optical.collections import read_passages
from optical.encoders import load_encoder
from optical.index import Index, LocalWorkers
from optical.models import TINY_EN

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--passages-from", type=Path, required=True)
    parser.add_argument("--passages", type=int, default=5000)
    parser.add_argument("--encoder", default=TINY_EN)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--output", type=Path, default=RESULTS / "index-encoding.json")
    options = parser.parse_args()
    passages = list(itertools.islice(read_passages(options.passages_from), options.passages))
    encoder = load_encoder(options.encoder)
    encoder.encode_document([each.content for each in passages[:32]])
    builds = {}
    for number in (None, *options.workers):
        workers = None if number is None else LocalWorkers(options.encoder, number)
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            with Index.create(Path(folder) / "index", encoder, passages, workers=workers) as index:
                took = time.perf_counter() - began
                tokens = index.info["token_vectors"]
        name = "this process" if number is None else f"{number} workers"
        builds[name] = {"seconds": round(took, 1), "passages_per_s": round(len(passages) / took, 1)}
        print(name, builds[name], file=sys.stderr, flush=True)
    result = {
        **measured_on("optical", "qdrant-edge-py", "sentence-transformers", "torch"),
        "command": f"python benchmarks/index_encoding.py --passages-from {options.passages_from.name}",
        "encoder": Path(options.encoder).name,
        "passages": len(passages),
        "token_vectors": tokens,
        "builds": builds,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
