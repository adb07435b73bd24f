"""The transport solver against POT, GeomLoss and OTT-JAX: time, accuracy and peak memory on the CPU.

Run: python benchmarks/transport.py

All solve the same ragged batches of made-up pairs for C = 1 - x.y, which each computes itself within its time.
"""

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch.nn.functional import normalize

from machine import measured_on
from transport_rivals import CONTENDERS, EXACT, ITERATIONS, NO_GRADIENT, OPTICAL, Pairs

RESULT = Path(__file__).parent / "results" / "transport-cpu.json"
DIMENSION, NOISE = 128, 1.5
# Of each solver in each cell: at most so many times, at least twice, and in between for about so long.
REPEATS, LEAST_REPEATS, BUDGET_SECONDS = 7, 2, 3.0
# Enough to tell accuracies apart.
CHECKED_PAIRS = 256
RESET_PEAK, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


@dataclasses.dataclass(frozen=True)
class Grid:
    pairs: tuple[int, ...] = (64, 256, 1024)
    tokens: tuple[int, ...] = (16, 32, 64, 128)
    eps: tuple[float, ...] = (0.05, 0.01)
    repeats: int = REPEATS
    memory_pairs: int = 256
    memory_tokens: tuple[int, ...] = (32, 128)
    memory_eps: float = 0.01


QUICK = Grid(pairs=(256,), tokens=(16, 32), repeats=2, memory_tokens=(32,))


def ragged(pairs: int, tokens: int) -> Pairs:
    """Students that are shuffled, noisy copies of their teachers, each side at least half as long as the batch."""
    generator = torch.Generator().manual_seed(tokens)
    x = normalize(torch.randn(pairs, tokens, DIMENSION, generator=generator), dim=-1)
    # The longest always occurs in a padded batch.
    lengths = torch.randint((tokens + 1) // 2, tokens + 1, (2, pairs, 1), generator=generator)
    lengths[:, 0] = tokens
    x_mask, y_mask = torch.arange(tokens) < lengths
    choice = torch.rand(pairs, tokens, generator=generator).argsort(1) % lengths[0]
    y = x.gather(1, choice[:, :, None].expand_as(x))
    y = normalize(y + NOISE * torch.randn(y.shape, generator=generator) / DIMENSION**0.5, dim=-1)
    return Pairs(x * x_mask[:, :, None], y * y_mask[:, :, None], x_mask, y_mask)


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def affordable(pairs: int, before: dict[str, Any] | None) -> int:
    """How many of the pairs of a batch to time a solver for, by its row for a smaller batch.

    Too slow for the budget, it is timed for that smaller batch again and its time scaled up, which flatters it:
    per pair, large batches take longer, as they do not fit in the processor's cache.
    """
    if before is None:
        return pairs
    likely = before["milliseconds"]["min"] / 1000 * pairs / before["pairs"]
    return pairs if LEAST_REPEATS * likely <= BUDGET_SECONDS else before["pairs_measured"]


def cell(
    pairs: Pairs, eps: float, exact: np.ndarray, counts: dict[str, int], repeats: int
) -> list[dict[str, Any]]:
    """Rows of all solvers for one batch, timed in turns so that a busy moment of the machine meets all alike."""
    accuracies = {
        name: accuracy(name, pairs.first(min(count, CHECKED_PAIRS)), eps, exact)
        for name, count in counts.items()
    }
    calls = {
        name: CONTENDERS[name].costs(pairs.first(count), eps, NO_GRADIENT) for name, count in counts.items()
    }
    times: dict[str, list[float]] = {name: [] for name in counts}
    for turn in range(repeats):
        for name, call in calls.items():
            if turn < LEAST_REPEATS or sum(times[name]) * (turn + 1) / turn <= BUDGET_SECONDS:
                times[name].append(seconds(call))
    scale = {name: 1000 * len(pairs) / count for name, count in counts.items()}
    median = {name: statistics.median(each) * scale[name] for name, each in times.items()}
    return [
        {
            "pairs": len(pairs),
            "tokens": pairs.x.shape[1],
            "eps": eps,
            "contender": name,
            "milliseconds": {
                "median": rounded(median[name]),
                "min": rounded(min(each) * scale[name]),
                "max": rounded(max(each) * scale[name]),
            },
            "times_slower_than_optical": rounded(median[name] / median[OPTICAL]),
            "repeats": len(each),
            "pairs_measured": counts[name],
            **accuracies[name],
        }
        for name, each in times.items()
    ]


def exact_costs(pairs: Pairs) -> np.ndarray:
    return costs_of(CONTENDERS[EXACT].plans(pairs, 0), pairs)


def costs_of(plans: np.ndarray, pairs: Pairs) -> np.ndarray:
    return (plans * (1 - pairs.x.double() @ pairs.y.double().mT).numpy()).sum((1, 2))


def accuracy(name: str, pairs: Pairs, eps: float, exact: np.ndarray) -> dict[str, Any]:
    """How far plans are from the exact optimum <P, C> and from the marginals; pairs with NaN are left out."""
    plan = np.asarray(CONTENDERS[name].plans(pairs, eps), dtype=np.float64)
    cost = costs_of(plan, pairs)
    good = np.isfinite(cost)
    gap = (cost - exact[: len(pairs)])[good]
    rows = np.abs(plan.sum(2) - pairs.a.double().numpy()).sum(1)[good]
    columns = np.abs(plan.sum(1) - pairs.b.double().numpy()).sum(1)[good]
    figures = {
        "gap_mean": gap.mean,
        "gap_max": gap.max,
        "gap_absolute_mean": np.abs(gap).mean,
        "row_violation_mean": rows.mean,
        "row_violation_max": rows.max,
        "column_violation_mean": columns.mean,
        "column_violation_max": columns.max,
    }
    known = {figure: rounded(float(value())) if good.any() else None for figure, value in figures.items()}
    return {**known, "pairs_checked": len(pairs), "nan_pairs": int((~good).sum())}


def rounded(value: float) -> float:
    return float(f"{value:.4g}")


def peak_memory(name: str, pairs: Pairs, eps: float, gradient: str) -> float:
    """Megabytes by which one call exceeds, at its peak, what the process held before; to be run in a new one."""

    def prepared(pairs: Pairs) -> Callable[[], Any]:
        y = pairs.y.clone().requires_grad_(gradient != NO_GRADIENT)
        call = CONTENDERS[name].costs(dataclasses.replace(pairs, y=y), eps, gradient)
        return call if gradient == NO_GRADIENT else lambda: call().sum().backward()

    # So small that it leaves nothing behind but the threads and the code.
    prepared(pairs.first(1))()
    run = prepared(pairs)
    RESET_PEAK.write_text("5")
    before = status_megabytes("VmRSS")
    run()
    return status_megabytes("VmHWM") - before


def status_megabytes(field: str) -> float:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1000


def peak_memories(grid: Grid, threads: int) -> Iterator[dict[str, Any]]:
    # Freed blocks go back to the system at once; else the allocator would hide memory that it keeps for later.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    for tokens in grid.memory_tokens:
        for name, contender in CONTENDERS.items():
            for gradient in (NO_GRADIENT, *contender.gradients):
                asked = [
                    "--peak-memory",
                    name,
                    gradient,
                    str(grid.memory_pairs),
                    str(tokens),
                    str(grid.memory_eps),
                ]
                command = [sys.executable, __file__, "--threads", str(threads), *asked]
                child = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                yield {
                    "contender": name,
                    "pairs": grid.memory_pairs,
                    "tokens": tokens,
                    "eps": grid.memory_eps,
                    "gradient": None if gradient == NO_GRADIENT else gradient,
                    "megabytes": rounded(float(child.stdout.split()[-1])),
                }


def measure(grid: Grid, threads: int) -> dict[str, Any]:
    # Of other processes alone. They matter: torch's threads wait for one another in every step.
    load_before = os.getloadavg()[0]
    cells: list[dict[str, Any]] = []
    for tokens in grid.tokens:
        batch = ragged(max(grid.pairs), tokens)
        exact = exact_costs(batch.first(CHECKED_PAIRS))
        for eps in grid.eps:
            before: dict[str, dict[str, Any]] = {}
            for pairs in grid.pairs:
                counts = {name: affordable(pairs, before.get(name)) for name in CONTENDERS}
                rows = cell(batch.first(pairs), eps, exact, counts, grid.repeats)
                before = {row["contender"]: row for row in rows}
                cells += rows
                print(f"{pairs} pairs of {tokens} tokens at eps {eps} done", file=sys.stderr)
    memories = list(peak_memories(grid, threads)) if RESET_PEAK.exists() else []
    packages = ("geomloss", "jax", "jaxlib", "numpy", "optical", "ott-jax", "pot", "torch")
    return {
        **measured_on(*packages),
        "load_average_at_start": load_before,
        "threads": threads,
        "settings": {
            "iterations": ITERATIONS,
            "dimension": DIMENSION,
            "noise": NOISE,
            "lengths": "uniform from n/2 to n on either side, padded to n",
            "repeats": grid.repeats,
            "budget_seconds": BUDGET_SECONDS,
            "contenders": {name: contender.settings for name, contender in CONTENDERS.items()},
        },
        "cells": cells,
        "peak_memory": memories,
    }


def use_threads(threads: int) -> None:
    torch.set_num_threads(threads)
    threadpool_limits(threads)
    # XLA has no setting for it: it starts as many threads as there are cores that it may run on.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def lines(result: dict[str, Any]) -> str:
    """JSON with one row of the tables a line."""
    parts = []
    for key, value in result.items():
        rows = isinstance(value, list) and ",\n".join(f"    {json.dumps(row)}" for row in value)
        parts.append(f"  {json.dumps(key)}: " + (f"[\n{rows}\n  ]" if rows else json.dumps(value)))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a small grid, to see that all runs")
    # With more, problems this small spend much of their time in threads that wait for one another.
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, help=f"JSON file; {RESULT}, or none with --quick")
    parser.add_argument("--peak-memory", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    use_threads(arguments.threads)
    if arguments.peak_memory:
        name, gradient, pairs, tokens, eps = arguments.peak_memory
        print(peak_memory(name, ragged(int(pairs), int(tokens)), float(eps), gradient))
        return
    written = lines(measure(QUICK if arguments.quick else Grid(), arguments.threads))
    output = arguments.output or (None if arguments.quick else RESULT)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(written, encoding="utf-8")
    print(written)


if __name__ == "__main__":
    main()
