"""The report as a whole: what it says, what it leaves out, and that it is the same each time."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optical.errors import OpticalError
from optical.evaluation import holm, paired_randomisation
from optical.study.report import write_report

from .handmade_cells import content, failed, plan_of, write

RANKS = [0.0, *(1 / rank for rank in range(1, 11))]
SIZES = {"afriqa": 60, "ciral": 25, "afriqa-large": 60}
LEVELS = {"ceiling": 1.0, "bm25": 0.1, "optical": 0.7, "greedy": 0.3}
TRAINED = ("optical", "greedy")
SETTINGS: dict[str, Any] = {
    "title": "All against all",
    "main_tests": {"afriqa": "wikipedia", "ciral": "news"},
    "comparisons": [("optical", "greedy"), ("bm25", "optical"), ("optical", "translated")],
    "order": ["ceiling", "bm25", "greedy", "optical", "translated"],
    "ceiling": "ceiling",
    "command": "optical study report all.toml --output all",
}
Values = dict[tuple[str, str, int], list[float]]


@pytest.fixture(scope="module")
def values() -> Values:
    generator = np.random.default_rng(1)
    return {
        (test, system, seed): np.where(
            generator.random(size) < level,
            generator.choice(RANKS[1:4], size),
            generator.choice(RANKS[4:], size),
        ).tolist()
        for test, size in SIZES.items()
        for system, level in LEVELS.items()
        for seed in (0, 1)
    }


@pytest.fixture
def folder(tmp_path: Path, values: Values) -> Path:
    return fill(tmp_path, values)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory, values: Values) -> str:
    """The report of the study below."""
    return report(fill(tmp_path_factory.mktemp("study"), values))


def plan(folder: Path) -> dict[str, dict[str, str]]:
    """All cells of :func:`fill` but the last, and one that is missing."""
    cells = plan_of(folder / "cells")
    return {name: made_of for name, made_of in cells.items() if "former" not in name} | {
        "missing": {"code": "00"}
    }


def report(folder: Path, **changed: Any) -> str:
    return write_report(folder, **SETTINGS | {"plan": plan(folder)} | changed).read_text(encoding="utf-8")


def fill(folder: Path, values: Values) -> Path:
    """Two trained systems with two seeds at two amounts, two others, one failure, and one cell of another study."""
    cells = [content(name, {test: values[test, name, 0] for test in SIZES}) for name in ("ceiling", "bm25")]
    cells += [
        content(name, {test: values[test, name, seed] for test in SIZES}, amount=amount, seed=seed)
        for name in TRAINED
        for seed in (0, 1)
        for amount in (50, "all")
    ]
    error = "RuntimeError: `cuda` is gone\nand more"
    write(folder / "cells", *cells, failed("translated", error, amount="all", seed=0))
    write(folder / "cells", content("former", {"afriqa": values["afriqa", "bm25", 0]}))
    return folder


def averaged(values: Values, test: str, system: str) -> Any:
    seeds = (0, 1) if system in TRAINED else (0,)
    return np.mean([values[test, system, seed] for seed in seeds], axis=0)


def section(report: str, heading: str) -> str:
    """The text under a heading, up to the next of the same level."""
    return report.split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]


def test_cells_are_counted_and_failures_named(text: str) -> None:
    assert text.startswith("# All against all\n")
    assert "```sh\noptical study report all.toml --output all\n```" in text
    cells = section(text, "Cells")
    assert "- 10 of 12 cells done, 1 failed, 1 missing." in cells
    assert "- Failed: sw, translated, all pairs, seed 0: `RuntimeError: 'cuda' is gone`\n" in cells
    assert "and more" not in text
    assert "code or data than the study is now: sw-former-None-None." in cells
    assert "- Versions: optical 0.1.0." in cells
    assert "- Machines: a processor, 1 thread(s) (10 cells)." in cells
    assert "- Computing: 5.00 hours in all." in cells
    assert "| ciral | sw | 25 | 5,362 | yes |" in cells
    assert "| afriqa-large | sw | 60 | 5,362 | no |" in cells


def test_a_system_that_is_not_declared_stands_in_no_table(text: str) -> None:
    assert "| former |" not in text
    assert "| optical |" in text


def test_the_answer_is_the_mean_over_the_main_tests(text: str, values: Values) -> None:
    sentences = re.findall(r"^- (.*)$", section(text, "Answer"), re.MULTILINE)
    assert len(sentences) == 2  # the third comparison has no cells
    for sentence, (first, second, verdict) in zip(
        sentences, [("optical", "greedy", "better"), ("bm25", "optical", "worse")], strict=True
    ):
        difference = np.mean(
            [
                (averaged(values, test, first) - averaged(values, test, second)).mean()
                for test in ("afriqa", "ciral")
            ]
        )
        assert sentence.startswith(
            f"{first} against {second}: {difference:+.3f} MRR@10 over the 2 tests (95 % "
        )
        assert sentence.endswith(f"): **{verdict}**.")


def test_each_family_is_corrected_for_its_own_number(text: str, values: Values) -> None:
    significance = section(text, "Significance")
    pairs = [("optical", "greedy"), ("bm25", "optical")]
    p_values = {
        f"{first} against {second} | {test}": paired_randomisation(
            averaged(values, test, first).tolist(), averaged(values, test, second).tolist()
        )
        for first, second in pairs
        for test in ("afriqa", "ciral")
    }
    assert "for all 4 rows of this table" in significance
    assert "for the 2 rows of this table" in significance
    adjusted = holm(p_values)
    for name, p_value in p_values.items():
        (row,) = re.findall(rf"^\| {re.escape(name)} \|.*$", significance, re.MULTILINE)
        *_, shown, shown_adjusted, verdict, _ = [cell.strip() for cell in row.split("|")]
        for figure, expected in ((shown, p_value), (shown_adjusted, adjusted[name])):
            assert figure == ("<0.0001" if expected < 1e-4 else f"{expected:.2g}")
        assert (verdict == "not told apart") == (adjusted[name] >= 0.05)
    assert significance.count("| all 2 |") == 2
    assert "afriqa-large" not in significance


def test_differences_stand_seed_by_seed_where_there_are_several(
    folder: Path, text: str, values: Values
) -> None:
    each = [
        np.mean(
            [
                np.mean(values[test, "optical", seed]) - np.mean(values[test, "greedy", seed])
                for test in ("afriqa", "ciral")
            ]
        )
        for seed in (0, 1)
    ]
    shown = ", ".join(f"{difference:+.3f}" for difference in each)
    assert f"; seeds: 2 and 2, one by one {shown}): **better**" in section(text, "Answer")
    assert f"| {shown} |" in section(text, "Significance")
    for file in (folder / "cells").glob("*-1.json"):
        file.unlink()
    single = report(folder)
    assert "; seeds: 1 and 1): **" in section(single, "Answer")
    assert "seed by seed" in text
    assert "seed by seed" not in single


def test_tests_with_the_same_passages_are_a_collection(folder: Path, text: str) -> None:
    assert "5,362 passages" not in text
    tests = {"afriqa": "wikipedia", "ciral": "wikipedia", "afriqa-large": "news"}
    for heading, wanted in (
        ("Answer", "over 2 tests with 5,362 passages"),
        ("Significance", "| 2 with 5,362 passages |"),
    ):
        assert section(report(folder, main_tests=tests), heading).count(wanted) == 2


def test_missing_comparisons_are_named(text: str) -> None:
    significance = section(text, "Significance")
    assert "- optical against translated on afriqa: no cell of translated" in significance
    assert "- optical against translated on ciral: no cell of translated" in significance


def test_a_main_test_without_results_is_not_passed_over(folder: Path) -> None:
    text = report(folder, main_tests={"afriqa": "wikipedia", "ciral": "news", "yoruba": "wikipedia"})
    assert "over 2 of the 3 tests" in section(text, "Answer")
    assert "Tests without results: yoruba." in section(text, "Cells")


def test_the_report_is_the_same_each_time(folder: Path) -> None:
    def written() -> dict[str, bytes]:
        report(folder)
        files = [folder / "report.md", *(folder / "figures").iterdir()]
        return {file.name: file.read_bytes() for file in files}

    first = written()
    assert sorted(first) == ["amounts.png", "amounts.svg", "report.md", "systems.png", "systems.svg"]
    assert written() == first


def test_all_pictures_in_the_report_are_there(folder: Path) -> None:
    text = report(folder)
    linked = re.findall(r"\((figures/[^)]*)\)", text)
    assert sorted(linked) == sorted(f"figures/{file.name}" for file in (folder / "figures").iterdir())


def test_smaller_amounts_are_compared_in_a_family_of_their_own(folder: Path, values: Values) -> None:
    # At 50 pairs optical is what it is with all; greedy has gone beyond it.
    for seed in (0, 1):
        file = next(path for path in (folder / "cells").glob(f"*greedy*50*{seed}*"))
        cell = json.loads(file.read_text(encoding="utf-8"))
        for result in cell["tests"].values():
            result["per_query"] = [1.0] * len(result["per_query"])
        file.write_text(json.dumps(cell), encoding="utf-8")
    amounts = section(report(folder), "Amount of bitext")
    assert "Holm's correction is for the 2 rows of this table" in amounts
    (row,) = re.findall(r"^\| optical against greedy \| 50; 2 \|.*$", amounts, re.MULTILINE)
    difference = np.mean([averaged(values, test, "optical").mean() - 1 for test in ("afriqa", "ciral")])
    assert f"| {difference:+.3f} |" in row
    assert row.endswith("| worse |")
    assert "| bm25 against optical | 50; 2 |" in amounts


def test_with_one_amount_there_is_nothing_about_amounts(folder: Path) -> None:
    for file in (folder / "cells").glob("*-50-*.json"):
        file.unlink()
    text = report(folder)
    assert "## Amount of bitext" not in text
    assert not (folder / "figures" / "amounts.png").exists()


def test_with_several_amounts_the_largest_decides(folder: Path, values: Values) -> None:
    small = {test: [0.0] * size for test, size in SIZES.items()}
    write(folder / "cells", *(content("optical", small, amount=50, seed=seed) for seed in (0, 1)))
    text = report(folder)
    mean = averaged(values, "ciral", "optical").mean()
    (row,) = re.findall(r"^\| optical \|.*$", section(text, "Amount of bitext").split("### ciral")[1], re.M)[
        :1
    ]
    assert row.startswith("| optical | 0.000 ± 0.000 | ")
    assert f"{mean:.3f} ±" in row
    (row, *_) = re.findall(r"^\| optical \|.*$", section(text, "Systems with all sentence pairs"), re.M)
    assert f"{mean:.3f} ±" in row


def test_without_a_ceiling_there_are_no_shares(folder: Path, text: str) -> None:
    without = report(folder, ceiling=None)
    assert "Share of ceiling" in text
    assert "Share of" not in without
    assert "dashed: the ceiling" in text
    assert "dashed" not in without
    assert re.search(r"^\| ceiling \| \*\*", without, re.M)
    assert not re.search(r"^\| ceiling \| \*\*", text, re.M)


def test_without_any_finished_cell_there_is_no_report(tmp_path: Path) -> None:
    write(tmp_path / "cells", failed("optical", "no", seed=0))
    with pytest.raises(OpticalError, match="of a declared system was measured"):
        report(tmp_path)


def test_without_matplotlib_the_remedy_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(OpticalError, match=re.escape("pip install 'optical[study]'")):
        report(folder)
    assert not (folder / "report.md").exists()


def test_a_cell_that_was_made_of_something_else_does_not_count(folder: Path) -> None:
    before = plan(folder)
    (changed,) = (name for name in before if "bm25" in name)
    text = report(folder, plan={**before, changed: {"code": "01"}})
    assert "- 9 of 12 cells done, 1 failed, 2 missing." in text
    assert f"{changed}, sw-former-None-None." in text
    assert "| bm25 | - |" in text
