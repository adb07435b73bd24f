"""Cells read back: what is found where, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from optical.errors import OpticalError
from optical.study.results import read_results

from .handmade_cells import content, failed, write


def test_a_cell_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = {"best_step": 40}
    cell = content("optical", {"small": [1.0, 0.5, 0.0]}, amount=300, seed=1, made=made)
    (read,) = read_results(write(tmp_path, cell)).cells
    assert (read.language, read.system, read.amount, read.seed) == ("sw", "optical", 300, 1)
    assert (read.seconds, read.versions, read.made, read.error) == (1800, {"optical": "0.1.0"}, made, None)
    test = read.tests["small"]
    assert (test.queries, test.passages, test.judgements, test.run) == (3, 5362, "of small", "11")
    assert test.per_query == [1.0, 0.5, 0.0]
    assert test.figures["R@100"] == pytest.approx(0.7 * 0.5)
    assert read.name == "sw, optical, 300 pairs, seed 1"


def test_seeds_are_found_by_test_system_and_amount(tmp_path: Path) -> None:
    results = read_results(
        write(
            tmp_path,
            *(
                content("optical", {"small": [amount / 1000 + seed / 2]}, amount=amount, seed=seed)
                for amount in (100, 200)
                for seed in (1, 0)
            ),
            content("greedy", {"small": [0.7]}, amount=100, seed=0),
            content("optical", {"other": [0.9]}, amount=100, seed=0, language="yo"),
        )
    )
    assert [test.per_query for test in results.seeds("small", "optical", 200)] == [[0.2], [0.7]]
    assert results.per_query("small", "optical", 200) == pytest.approx([0.45])
    assert results.seeds("small", "greedy", 200) == []
    assert len(results.per_query("small", "greedy", 200)) == 0
    assert results.tests == ["other", "small"]
    assert (results.language("other"), results.language("small")) == ("yo", "sw")


def test_a_cell_without_amount_is_of_every_amount(tmp_path: Path) -> None:
    results = read_results(
        write(
            tmp_path,
            content("bm25", {"small": [0.1]}),
            content("optical", {"small": [0.2]}, amount=100, seed=0),
            content("optical", {"small": [0.3]}, amount="all", seed=0),
        )
    )
    for amount in (100, "all", None):
        assert [test.per_query for test in results.seeds("small", "bm25", amount)] == [[0.1]]
    assert results.seeds("small", "optical", None) == []


def test_amounts_rise_and_all_comes_last(tmp_path: Path) -> None:
    cells = [content("optical", {"small": [0.5]}, amount=amount, seed=0) for amount in ("all", 1000, 30, 200)]
    elsewhere = content("optical", {"other": [0.5]}, amount=30, seed=0, language="yo")
    results = read_results(write(tmp_path, *cells, elsewhere))
    assert results.amounts == [30, 200, 1000, "all"]
    assert results.amounts_of("other") == [30]
    assert results.largest_amount == "all"


def test_without_bitext_there_is_no_amount(tmp_path: Path) -> None:
    assert read_results(write(tmp_path, content("bm25", {"small": [0.1]}))).largest_amount is None


def test_what_all_pairs_number_is_taken_from_training(tmp_path: Path) -> None:
    recorded = content("optical", {"small": [0.5]}, amount="all", seed=0, made={"bitext": {"pairs": 4321}})
    results = read_results(write(tmp_path, recorded, content("psq", {"small": [0.5]}, amount="all")))
    assert results.pairs("sw", "all") == 4321
    assert results.pairs("sw", 17) == 17
    assert results.pairs("yo", "all") is None


def test_failed_cells_are_kept_apart(tmp_path: Path) -> None:
    results = read_results(
        write(tmp_path, content("bm25", {"small": [0.1]}), failed("optical", "RuntimeError: no", seed=0))
    )
    assert [cell.system for cell in results.done] == ["bm25"]
    assert [(cell.system, cell.error) for cell in results.failed] == [("optical", "RuntimeError: no")]


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OpticalError, match="has no results"):
        read_results(tmp_path)


@pytest.mark.parametrize("text", ["{", "", "\x80"])
def test_broken_json_is_named(tmp_path: Path, text: str) -> None:
    write(tmp_path, content("bm25", {"small": [0.1]}))
    broken = tmp_path / "broken.json"
    broken.write_text(text, encoding="latin-1")
    with pytest.raises(OpticalError, match=r"broken\.json cannot be read as JSON"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    "field",
    ["language", "system", "amount", "seed", "seconds", "versions", "machine", "made", "tests"],
)
def test_a_missing_field_is_named(tmp_path: Path, field: str) -> None:
    cell = content("bm25", {"small": [0.1]})
    file = next(write(tmp_path, cell).glob("*.json"))
    del cell[field]
    file.write_text(json.dumps(cell), encoding="utf-8")
    with pytest.raises(OpticalError, match=f"{file.name}: {field} is missing"):
        read_results(tmp_path)


@pytest.mark.parametrize("field", ["queries", "passages", "judgements", "run", "figures", "per_query"])
def test_a_missing_field_of_a_test_is_named(tmp_path: Path, field: str) -> None:
    cell = content("bm25", {"small": [0.1]})
    del cell["tests"]["small"][field]
    with pytest.raises(OpticalError, match=f"json: test small: {field} is missing"):
        read_results(write(tmp_path, cell))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"amount": "some"}, "amount is 'some'"),
        ({"seed": True}, "seed is True"),
        ({"seconds": "long"}, "seconds is 'long'"),
        ({"tests": []}, "tests is"),
        ({"tests": {"small": 1}}, "test small: 1 is no table"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(OpticalError, match=complaint):
        read_results(write(tmp_path, content("bm25", {"small": [0.1]}) | change))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"queries": 3}, "2 values of 3 queries"),
        ({"per_query": [0.1, float("nan")]}, "has nan"),
        ({"per_query": [0.1, None]}, "has None"),
        ({"figures": {"nDCG@10": 0.5}}, "MRR@10 is missing"),
        ({"queries": 0, "per_query": []}, "0 values of 0 queries"),
    ],
)
def test_figures_that_cannot_be_are_refused(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    cell = content("bm25", {"small": [0.1, 0.2]})
    cell["tests"]["small"] |= change
    with pytest.raises(OpticalError, match=complaint):
        read_results(write(tmp_path, cell))


def test_a_cell_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    cell = content("bm25", {"small": [0.1]})
    write(tmp_path, cell)
    (tmp_path / "copy.json").write_text(json.dumps(cell), encoding="utf-8")
    with pytest.raises(OpticalError, match="sw, bm25 is there twice"):
        read_results(tmp_path)


@pytest.mark.parametrize("change", [{"judgements": "other"}, {"passages": 7}])
def test_cells_measured_on_different_tests_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    other = content("optical", {"small": [0.1]}, amount="all", seed=0)
    other["tests"]["small"] |= change
    with pytest.raises(OpticalError, match=r"sw, bm25 and sw, optical, all pairs, seed 0 .* small"):
        read_results(write(tmp_path, content("bm25", {"small": [0.1]}), other))
