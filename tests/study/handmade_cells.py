"""Results of cells as a study would have written them, with figures of our choice."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def content(
    system: str,
    tests: Mapping[str, Sequence[float]],
    *,
    language: str = "sw",
    amount: int | str | None = None,
    seed: int | None = None,
    questions: str = "",
    **others: Any,
) -> dict[str, Any]:
    """Return a cell; ``tests`` has the MRR@10 of each query, of which the other measures are multiples."""
    return {
        "language": language,
        "system": system,
        "amount": amount,
        "seed": seed,
        "identity": {"code": "00"},
        "date": "2026-01-01T00:00:00+00:00",
        "seconds": 1800,
        "versions": {"optical": "0.1.0"},
        "machine": "a processor, 1 thread(s)",
        "made": {},
        "tests": {
            name: {
                "queries": len(values),
                "passages": 5362,
                "questions": questions or f"asked in {name}",
                "judgements": f"of {name}",
                "run": "11",
                "figures": {
                    measure: factor * sum(values) / len(values)
                    for measure, factor in (
                        ("MRR@10", 1.0),
                        ("nDCG@10", 0.9),
                        ("R@10", 0.8),
                        ("R@100", 0.7),
                        ("MAP", 0.6),
                    )
                },
                "per_query": list(values),
            }
            for name, values in tests.items()
        },
        **others,
    }


def failed(system: str, error: str, **others: Any) -> dict[str, Any]:
    cell = content(system, {}, **others)
    for name in ("seconds", "made", "tests"):
        del cell[name]
    return {**cell, "error": error}


def write(folder: Path, *cells: dict[str, Any]) -> Path:
    """Write each cell to a file of its own; return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for cell in cells:
        name = f"{cell['language']}-{cell['system']}-{cell['amount']}-{cell['seed']}".replace("/", "_")
        (folder / f"{name}.json").write_text(json.dumps(cell), encoding="utf-8")
    return folder


def plan_of(folder: Path) -> dict[str, dict[str, str]]:
    """Return a plan to which all cells in ``folder`` belong."""
    return {
        file.stem: json.loads(file.read_text(encoding="utf-8"))["identity"] for file in folder.glob("*.json")
    }
