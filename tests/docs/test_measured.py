"""The tables that people read are those of the results that are kept."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def write_tables(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("benchmarks/write_tables.py")


def test_no_table_is_older_than_its_results(write_tables: ModuleType) -> None:
    for page in write_tables.PAGES:
        text = page.read_text(encoding="utf-8")
        assert "<!-- table: " in text
        assert write_tables.with_tables(text) == text, f"run benchmarks/write_tables.py: {page} is old"


def test_every_table_has_its_place_among_all(write_tables: ModuleType) -> None:
    text = (BENCHMARKS.parent / "docs" / "measured.md").read_text(encoding="utf-8")
    asked = [name for _, name, _ in write_tables.ASKED.findall(text)]
    assert sorted(asked) == sorted(write_tables.TABLES)
