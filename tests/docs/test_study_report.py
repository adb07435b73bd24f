"""The report of the study says what its results say."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from optical.distillation import Settings
from optical.study.config import read_study
from optical.study.trained_kinds import Distilled

STUDY = Path(__file__).parents[2] / "study"

REPORT = """# A study

- 4 of {expected} cells done, 0 failed, 0 missing.

| test | language | queries | passages | counts for the answer |
|---|--:|--:|--:|--:|
| a | sw | 295 | 5,362 | yes |

## Systems with all sentence pairs

|  | a | b | mean of 2 |
|---|--:|--:|--:|
| one | **0.500 ± 0.010** | 0.300 | **0.400** |
| two | 0.250 | - | 0.250 |

|  | share of ceiling | tests |
|---|--:|--:|
| one | 79.6% | 2 |

## Significance

|  | tests | seeds | MRR@10 difference | 95 % interval | p | p (Holm) | verdict |
|---|--:|--:|--:|--:|--:|--:|--:|
| one against two | a | 3 / 1 | +0.250 | [+0.100, +0.400] | 0.03 | 0.06 | not told apart |

|  | tests | seeds | MRR@10 difference | 95 % interval | p | p (Holm) | verdict |
|---|--:|--:|--:|--:|--:|--:|--:|
| one against two | all 4 | 3 / 1 | +0.150 | [+0.100, +0.200] | <0.0001 | 0.0002 | better |
| one against two | 2 with 5,362 passages | 3 / 1 | +0.250 | [+0.100, +0.400] | 0.001 | 0.003 | better |
| one against two | 2 with 2,067 passages | 3 / 1 | +0.050 | [-0.100, +0.200] | 0.5 | 0.5 | not told apart |

## Amount of bitext

|  | pairs; tests | seeds | MRR@10 difference | 95 % interval | p | p (Holm) | verdict |
|---|--:|--:|--:|--:|--:|--:|--:|
| one against two | 1,000; 1 | 3 / 1 | -0.050 | [-0.100, +0.000] | 0.05 | <0.0001 | not told apart |

### a, by amount

|  | 1,000 | all (49,230) |
|---|--:|--:|
| one | 0.100 ± 0.020 | 0.500 ± 0.010 |

## Training with all sentence pairs

|  | language | seeds | training, s | best step | chrF |
|---|--:|--:|--:|--:|--:|
| one | sw | 3 | 20 | 300 | 33.7 |
"""


@pytest.fixture
def write_report(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("study/write_report.py")


@pytest.mark.parametrize("name", ["report.md", "findings.md"])
def test_no_figure_is_older_than_the_results(write_report: ModuleType, name: str) -> None:
    page = STUDY / name
    assert page in write_report.PAGES
    assert write_report.written(page) == page.read_text(encoding="utf-8"), (
        f"run study/write_report.py: {name} is old"
    )


def test_every_figure_is_found_where_it_stands(
    write_report: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(write_report, "STUDY", tmp_path)
    cells = tmp_path / "results" / "x" / "cells"
    cells.mkdir(parents=True)
    (cells.parent / "report.md").write_text(REPORT.format(expected=4), encoding="utf-8")
    for seed, (pairs, step) in enumerate(((5000, 0), (5000, 300), ("all", 0))):
        made = {"best_step": step, "training_pairs": 2499 + seed}
        cell = {"system": "one", "language": "sw", "amount": pairs, "made": made}
        (cells / f"{seed}.json").write_text(json.dumps(cell), encoding="utf-8")
    of_an_earlier_plan = {**cell, "amount": 5000}
    (cells / "3.json").write_text(json.dumps(of_an_earlier_plan), encoding="utf-8")
    plan = {"cells": dict.fromkeys("012")}
    (cells.parent / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    study = write_report.Study("x")
    assert study.test("a", "queries") == "295"
    assert (study.mrr("one"), study.mrr("one", "a"), study.mrr("two", "a")) == ("0.400", "0.500", "0.250")
    assert (study.by_amount("one", "a", "1,000"), study.by_amount("one", "a", "all")) == ("0.100", "0.500")
    assert study.trained("chrF", "one", "sw") == "33.7"
    assert (study.rejected("one"), study.rejected("one", "all")) == ("1 of 2", "1 of 1")
    assert study.training_pairs("one", "sw") == "2,499"
    assert study.effect("one", "two", "better") == {
        "difference": "+0.150",
        "p": "= 0.0002",
        "verdict": "better",
    }
    assert study.effect("two", "one", "worse") == {
        "difference": "-0.150",
        "p": "= 0.0002",
        "verdict": "worse",
    }
    assert study.effect("two", "one", "not told apart", pairs="1,000")["difference"] == "+0.050"
    assert study.effect("one", "two", test="a")["p"] == "= 0.06"
    assert study.effect("one", "two", "not told apart", pairs="1,000")["p"] == "< 0.0001"
    assert study.effect("one", "two", "better", passages="5,362")["p"] == "= 0.003"
    assert study.effect("one", "two", passages="2,067")["difference"] == "+0.050"
    with pytest.raises(ValueError, match="two against one, all 4: worse, not better"):
        study.effect("two", "one", "better")
    with pytest.raises(ValueError, match="one against two, a: not told apart, not better"):
        study.effect("one", "two", "better", test="a")
    for absent in (
        lambda: study.mrr("three"),
        lambda: study.effect("one", "three"),
        lambda: study.effect("one", "two", test="b"),
        lambda: study.by_amount("one", "b", "all"),
        lambda: study.rejected("two"),
        lambda: study.training_pairs("one", "ha"),
        lambda: study.effect("one", "two", test="a", pairs="1,000"),
    ):
        with pytest.raises(ValueError, match=r"x: (0 rows|no|a difference)"):
            absent()
    (cells.parent / "report.md").write_text(REPORT.format(expected=5), encoding="utf-8")
    with pytest.raises(ValueError, match="x lacks cells"):
        write_report.Study("x")


def rates(settings: Settings) -> tuple[float, ...]:
    return settings.embedding_learning_rate, settings.learning_rate, settings.discriminator_learning_rate


@pytest.mark.parametrize(
    ("study", "tuning"),
    [
        ("weighted", "tuning"),
        ("all-pairs", "tuning"),
        ("reduced", "tuning"),
        ("vietnamese", "tuning"),
        ("amounts", "tuning"),
        ("without-questions", "tuning"),
        ("full", "tuning"),
        ("pretrained", "pretrained-tuning"),
    ],
)
def test_learning_rates_are_those_that_the_tuning_chose(study: str, tuning: str) -> None:
    best: dict[str, tuple[float, Settings]] = {}
    for file in (STUDY / "results" / tuning / "cells").glob("*.json"):
        cell = json.loads(file.read_text(encoding="utf-8"))
        if (settings := cell["made"].get("settings")) and "best_step" in cell["made"]:
            found = cell["tests"]["development-sw"]["figures"]["MRR@10"], Settings(**settings)
            best[settings["objective"]] = max(
                best.get(settings["objective"], found), found, key=lambda each: each[0]
            )
    systems = read_study(STUDY / f"{study}.toml").systems.values()
    distilled = [Settings(**system.settings) for system in systems if isinstance(system, Distilled)]
    for settings in distilled:
        _, chosen = best[settings.objective]
        if settings.student.removeprefix("accented-") == chosen.student:
            assert rates(settings) == rates(chosen), settings.objective
