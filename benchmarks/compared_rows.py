"""Results of one row a search: mean reciprocal ranks of what is compared, and whether one is better than another."""

import json
from pathlib import Path
from typing import Any

from machine import measured_on
from optical.evaluation import holm, paired_randomisation
from optical.files import replace_file


def row(said: dict[str, Any], found: dict[str, list[float]], better: str, than: str) -> dict[str, Any]:
    """Print and return what is said of a search, the mean of each of the reciprocal ranks found, and a p-value."""
    means = {name: sum(ranks) / len(ranks) for name, ranks in found.items()}
    made = {**said, **means, "p": paired_randomisation(found[better], found[than])}
    print(made, flush=True)
    return made


def write(file: Path, command: str, rows: list[dict[str, Any]], *, name: str, **facts: int) -> None:
    """Write rows, which their column ``name`` tells apart, with p-values by Holm's correction over all of them."""
    adjusted = holm({each[name]: each["p"] for each in rows})
    result = {
        "command": command,
        **facts,
        "rows": [{**each, "p": adjusted[each[name]]} for each in rows],
        **measured_on("optical", "sentence-transformers", "transformers", "tokenizers", "torch", "numpy"),
    }
    with replace_file(file) as temporary:
        temporary.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
