"""Other ways to search the same vectors, each called as its own documentation has it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import faiss
import lancedb
import numpy as np
import pyarrow as pa
import torch
from sentence_transformers.util.similarity import maxsim

from index_workload import DIMENSION, Passages
from optical.index.shard import bytes_on_disk

# A query (tokens, dimension) and k to the numbers of the best passages, best first.
Search = Callable[[torch.Tensor, int], list[int]]
# LanceDB's index of a million tokens takes minutes to build, and a loop over them seconds a query.
LARGEST = 20_000
FAISS_PROBES, FAISS_NEIGHBOURS, FAISS_RERANKED = 16, 1000, 400
SAMPLE = 64


def torch_exact(passages: Passages, folder: Path) -> tuple[Search, int]:
    """One product with all vectors as float32 in memory, and a maximum for each passage."""
    tokens = torch.from_numpy(passages.tokens.astype(np.float32))

    def search(query: torch.Tensor, k: int) -> list[int]:
        best = np.maximum.reduceat((query @ tokens.T).numpy(), passages.starts[:-1], axis=1)
        return torch.from_numpy(best.sum(0)).topk(k).indices.tolist()

    return search, 0


def sentence_transformers_maxsim(passages: Passages, folder: Path) -> tuple[Search, int]:
    """The library's own scoring of a list of passages."""
    documents = [torch.from_numpy(passages[number].astype(np.float32)) for number in range(len(passages))]
    return lambda query, k: maxsim([query], documents)[0].topk(k).indices.tolist(), 0


def faiss_rerank(passages: Passages, folder: Path) -> tuple[Search, int]:
    """Nearest tokens by an inverted file of 8-bit vectors, and MaxSim of the passages they vote for."""
    lists = int(2 ** np.floor(np.log2(max(1, np.sqrt(len(passages.tokens))))))
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(DIMENSION),
        DIMENSION,
        lists,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )
    chosen = np.random.default_rng(0).permutation(len(passages.tokens))[: SAMPLE * lists]
    index.train(passages.tokens[np.sort(chosen)].astype(np.float32))
    for first in range(0, len(passages.tokens), 2**16):
        index.add(passages.tokens[first : first + 2**16].astype(np.float32))
    index.nprobe = FAISS_PROBES
    owner = np.repeat(np.arange(len(passages)), np.diff(passages.starts))

    def search(query: torch.Tensor, k: int) -> list[int]:
        similarities, tokens = index.search(query.numpy(), FAISS_NEIGHBOURS)
        votes = np.zeros(len(passages), dtype=np.float32)
        for row, found in zip(similarities, tokens, strict=True):
            best = np.zeros(len(passages), dtype=np.float32)
            np.maximum.at(best, owner[found[found >= 0]], row[found >= 0])
            votes += best
        number = min(FAISS_RERANKED, len(votes))
        candidates = np.argpartition(-votes, number - 1)[:number]
        parts = [passages[candidate] for candidate in candidates]
        starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])[:-1]])
        products = query.numpy() @ np.concatenate(parts).astype(np.float32).T
        scores = np.maximum.reduceat(products, starts, axis=1).sum(0)
        return candidates[np.argsort(-scores)[:k]].tolist()

    file = folder / "faiss"
    faiss.write_index(index, str(file))
    # Reranking needs the float16 vectors, too.
    size = file.stat().st_size + passages.tokens.nbytes
    file.unlink()
    return search, size


def lance(passages: Passages, folder: Path) -> tuple[Search, int]:
    """Multi-vector search without an index."""
    table = _lance_table(passages, folder / "flat")
    return _lance_search(table, {}), bytes_on_disk(folder / "flat")


def lance_ivf_pq(passages: Passages, folder: Path) -> tuple[Search, int]:
    """Multi-vector search with its IVF_PQ index; the four-fold results are scored again."""
    table = _lance_table(passages, folder / "indexed")
    table.create_index(metric="cosine", index_type="IVF_PQ", vector_column_name="vectors")
    return _lance_search(table, {"nprobes": 32, "refine_factor": 4}), bytes_on_disk(folder / "indexed")


def _lance_table(passages: Passages, folder: Path) -> object:
    shutil.rmtree(folder, ignore_errors=True)
    schema = pa.schema([("number", pa.int64()), ("vectors", pa.list_(pa.list_(pa.float16(), DIMENSION)))])

    def batches() -> object:
        for first, last in passages.blocks(2**16):
            starts = passages.starts[first : last + 1]
            flat = pa.array(passages.tokens[starts[0] : starts[-1]].reshape(-1), pa.float16())
            vectors = pa.ListArray.from_arrays(
                pa.array(starts - starts[0], pa.int32()), pa.FixedSizeListArray.from_arrays(flat, DIMENSION)
            )
            yield pa.RecordBatch.from_arrays(
                [pa.array(range(first, last), pa.int64()), vectors], schema=schema
            )

    return lancedb.connect(folder).create_table("passages", batches(), schema=schema)


def _lance_search(table: object, settings: dict[str, int]) -> Search:
    def search(query: torch.Tensor, k: int) -> list[int]:
        request = table.search(query.numpy(), vector_column_name="vectors").distance_type("cosine")  # type: ignore[attr-defined]
        for name, value in settings.items():
            request = getattr(request, name)(value)
        return request.limit(k).select(["number"]).to_arrow()["number"].to_pylist()

    return search


RIVALS: dict[str, tuple[Callable[[Passages, Path], tuple[Search, int]], int]] = {
    "torch, all passages, float32 in memory": (torch_exact, LARGEST),
    "sentence-transformers maxsim": (sentence_transformers_maxsim, LARGEST),
    f"faiss IVF SQ8, nprobe {FAISS_PROBES}, {FAISS_RERANKED} scored again": (faiss_rerank, 10**9),
    "LanceDB, all passages": (lance, LARGEST),
    "LanceDB IVF_PQ, nprobes 32, refine 4": (lance_ivf_pq, LARGEST),
}
