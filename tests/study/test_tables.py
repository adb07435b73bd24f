"""The tables of a report, cell by cell."""

from pathlib import Path

import pytest

from optical.study.results import read_results
from optical.study.tables import (
    amounts_table,
    details_table,
    main_table,
    markdown_table,
    mean_and_deviation,
    p_value,
    plain,
    shares_table,
    training_table,
)

from .handmade_cells import content, write


def rows(table: str) -> dict[str, list[str]]:
    """The rows of a table by their first cell, the header's being empty."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {first: others for first, *others in cells}


def test_deviation_is_that_of_a_sample() -> None:
    # Mean 0.3, squared differences 0.01, 0 and 0.01 over two degrees of freedom.
    assert mean_and_deviation([0.2, 0.3, 0.4]) == "0.300 ± 0.100"
    assert mean_and_deviation([0.25]) == "0.250"
    assert mean_and_deviation([]) == "-"


@pytest.mark.parametrize(
    ("value", "shown"), [(1.0, "1"), (0.0321, "0.032"), (0.00012, "0.00012"), (0.00001, "<0.0001")]
)
def test_p_values(value: float, shown: str) -> None:
    assert p_value(value) == shown


def test_names_are_no_markup() -> None:
    assert plain("0.1*a | <b> `c` [d]") == r"0.1\*a \| \<b> \`c\` \[d]"
    assert plain("adversarial-alternating + 0.1") == "adversarial-alternating + 0.1"


def test_a_table_has_as_many_columns_everywhere() -> None:
    lines = markdown_table(["", "a", "b"], [["x", "1", "2"]]).splitlines()
    assert lines == ["|  | a | b |", "|---|--:|--:|", "| x | 1 | 2 |"]


def test_main_table_shows_the_best_below_the_ceiling_in_bold(tmp_path: Path) -> None:
    results = read_results(
        write(
            tmp_path,
            content("ceiling", {"one": [0.9], "two": [0.8], "pool": [0.7]}),
            content("a|b", {"one": [0.5], "two": [0.25], "pool": [0.1]}, amount="all", seed=0),
            content("a|b", {"one": [0.3], "two": [0.25], "pool": [0.1]}, amount="all", seed=1),
            content("bm25", {"one": [0.2], "two": [0.2504], "pool": [0.3]}),
            content("some", {"one": [0.1]}, amount="all"),
            content("some", {"one": [0.89]}, amount=10),
        )
    )
    order = ["ceiling", "a|b", "bm25", "some", "none"]
    table = main_table(results, "all", order, ["two", "one"], "ceiling").replace(r"a\|b", "a/b")
    assert rows(table) == {
        "": ["two", "one", "pool", "mean of 2"],
        "---": ["--:"] * 4,
        "ceiling": ["0.800", "0.900", "0.700", "0.850"],
        # 0.2504 reads 0.250 as well, so both are best.
        "a/b": ["**0.250 ± 0.000**", "**0.400 ± 0.141**", "0.100 ± 0.000", "**0.325**"],
        "bm25": ["**0.250**", "0.200", "**0.300**", "0.225"],
        "some": ["-", "0.100", "-", "-"],
        "none": ["-", "-", "-", "-"],
    }


def test_shares_are_averaged_over_main_tests_that_have_both(tmp_path: Path) -> None:
    results = read_results(
        write(
            tmp_path,
            content("ceiling", {"one": [0.8], "two": [0.5], "zero": [0.0], "pool": [0.1]}),
            content("bm25", {"one": [0.2], "two": [0.25], "zero": [0.1], "pool": [0.1]}),
            content("part", {"one": [0.6]}),
        )
    )
    order, tests = ["ceiling", "bm25", "part", "none"], ["one", "two", "zero", "not measured"]
    assert rows(shares_table(results, None, order, tests, "ceiling")) == {
        "": ["share of ceiling", "tests"],
        "---": ["--:"] * 2,
        "ceiling": ["100.0%", "2"],
        "bm25": ["37.5%", "2"],
        "part": ["75.0%", "1"],
        "none": ["-", "0"],
    }


def test_details_have_all_measures_and_the_number_of_seeds(tmp_path: Path) -> None:
    cells = [
        content("optical", {"one": [value]}, amount=5, seed=seed) for seed, value in enumerate((0.4, 0.6))
    ]
    results = read_results(write(tmp_path, *cells))
    assert rows(details_table(results, "one", 5, ["optical", "none"])) == {
        "": ["seeds", "MRR@10", "nDCG@10", "R@10", "R@100"],
        "---": ["--:"] * 5,
        "optical": ["2", "0.500 ± 0.141", "0.450 ± 0.127", "0.400 ± 0.113", "0.350 ± 0.099"],
        "none": ["0", "-", "-", "-", "-"],
    }


def test_amounts_have_a_column_each(tmp_path: Path) -> None:
    results = read_results(
        write(
            tmp_path,
            content("bm25", {"one": [0.1]}),
            content("optical", {"one": [0.3]}, amount=1000, seed=0),
            content("optical", {"one": [0.5]}, amount="all", seed=0, made={"bitext": {"pairs": 34567}}),
            content("optical", {"two": [0.5]}, amount=30, seed=0, language="yo"),
            content("psq", {"one": [0.2]}, amount="all"),
        )
    )
    assert rows(amounts_table(results, "one", ["bm25", "optical", "psq"])) == {
        "": ["1,000", "all (34,567)"],
        "---": ["--:"] * 2,
        "bm25": ["0.100", "0.100"],
        "optical": ["0.300", "0.500"],
        "psq": ["-", "0.200"],
    }


def test_training_is_averaged_over_seeds_of_the_largest_amount(tmp_path: Path) -> None:
    def student(seed: int, amount: int | str, objective: dict[str, float]) -> dict[str, object]:
        made = {
            "seconds": 1000 + 100 * seed,
            "best_step": 200 + 20 * seed,
            "development_before": {"translation_mrr": 0.1, "teacher_overlap": 0.2, "language_probe": 0.7},
            "development_after": {
                "translation_mrr": 0.5 + 0.2 * seed,
                "teacher_overlap": 0.25 + 0.1 * seed,
                "language_probe": 0.6 - 0.1 * seed,
            },
            "objective": {"formula": "optical", **objective},
        }
        return content("student", {"one": [0.5]}, amount=amount, seed=seed, made=made)

    accuracies = [{"adversarial_discriminator_accuracy": value} for value in (0.5, 0.75)]
    results = read_results(
        write(
            tmp_path,
            student(0, "all", accuracies[0]),
            student(1, "all", accuracies[1]),
            student(5, 100, {}),
            content("translator", {"one": [0.5]}, amount="all", seed=0, made={"chrF": 21.26}),
            content("graft", {"one": [0.5]}, amount="all", made={"seconds": 9.0}),
            content("bm25", {"one": [0.5]}),
        )
    )
    order = ["bm25", "graft", "translator", "student"]
    table = training_table(results, "all", order)
    assert table is not None
    columns, found = rows(table)[""], rows(table)
    assert list(found) == ["", "---", "translator", "student"]
    assert dict(zip(columns, found["student"], strict=True)) == {
        "language": "sw",
        "seeds": "2",
        "training, s": "1,050",
        "whole cell, s": "1,800",
        "best step": "210",
        "teacher overlap before": "0.200",
        "teacher overlap after": "0.300",
        "translation MRR before": "0.100",
        "translation MRR after": "0.600",
        "language probe before": "0.700",
        "language probe after": "0.550",
        "discriminator accuracy": "0.625",
        "chrF": "-",
    }
    assert found["translator"] == ["sw", "1", "-", "1,800", *["-"] * 8, "21.3"]
    alone = training_table(results, "all", ["student"])
    assert alone is not None
    assert rows(alone)[""] == [column for column in columns if column != "chrF"]
    assert training_table(results, 7, order) is None
