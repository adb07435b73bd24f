"""The pictures of a study: what they show, and that the files are sound and always the same."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from PIL import Image

from optical.study.effects import bootstrap_interval
from optical.study.plots import bars, lines, write_plots
from optical.study.results import Results, read_results

from .handmade_cells import content, write

ORDER = ["ceiling", "bm25", r"cost $\x$ & <y>", "optical", "never"]
TESTS = ["one", "two"]


def optical(amount: int | str, seed: int) -> list[float]:
    return [0.5 + seed / 10, 0.1 if amount == "all" else 0.0, 1.0, 0.3]


@pytest.fixture
def results(tmp_path: Path) -> Results:
    whole = {"bitext": {"pairs": 5000}}
    return read_results(
        write(
            tmp_path / "cells",
            content("ceiling", {"one": [0.9] * 4, "two": [0.8] * 3}),
            content("bm25", {"one": [0.2, 0.0, 0.1, 0.0], "two": [0.3, 0.5, 0.1]}),
            content(ORDER[2], {"one": [0.25, 0.5, 0.0, 1.0]}, amount="all"),
            *(
                content("optical", {"one": optical(amount, seed)}, amount=amount, seed=seed, made=whole)
                for amount in (100, 1000, "all")
                for seed in (0, 1, 2)
            ),
        )
    )


def labelled(axes: Any) -> dict[str, Any]:
    handles, labels = axes.get_legend_handles_labels()
    return dict(zip(labels, handles, strict=True))


def test_bars_are_means_with_bootstrap_intervals(results: Results) -> None:
    figure = bars(results, tests=TESTS, order=ORDER, ceiling="ceiling")
    first, second = figure.axes
    # "never" has no cells, and the ceiling is a line.
    assert [label.get_text() for label in first.get_yticklabels()] == ORDER[1:4]
    per_query = [
        np.array([0.2, 0.0, 0.1, 0.0]),
        np.array([0.25, 0.5, 0.0, 1.0]),
        np.mean([optical("all", seed) for seed in (0, 1, 2)], axis=0),
    ]
    bars_shown = {round(bar.get_y() + bar.get_height() / 2): bar.get_width() for bar in first.patches}
    assert bars_shown == pytest.approx({place: values.mean() for place, values in enumerate(per_query)})
    whiskers = [container.lines[2][0].get_segments()[0][:, 0] for container in error_bars(first)]
    assert np.array(whiskers) == pytest.approx(
        np.array([bootstrap_interval([values]) for values in per_query])
    )
    assert [bar.get_width() for bar in second.patches] == pytest.approx([0.3])
    assert [labelled(axes)["ceiling"].get_xdata()[0] for axes in figure.axes] == pytest.approx([0.9, 0.8])
    assert [axes.get_title() for axes in figure.axes] == TESTS
    assert first.get_xlim()[0] == 0


def error_bars(axes: Any) -> list[Any]:
    return [bar.errorbar for bar in axes.containers if getattr(bar, "errorbar", None) is not None]


def test_lines_run_over_the_numbers_of_pairs(results: Results) -> None:
    figure = lines(results, tests=["one"], order=ORDER, ceiling="ceiling")
    (axes,) = figure.axes
    shown = labelled(axes)
    assert list(shown) == [*ORDER[1:4], "ceiling"]
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["100", "1,000", "all (5,000)"]
    means = [np.mean([optical(amount, seed) for seed in (0, 1, 2)]) for amount in (100, 1000, "all")]
    assert shown["optical"].get_xdata() == pytest.approx([100, 1000, 5000])
    assert shown["optical"].get_ydata() == pytest.approx(means)
    # A system that reads no bitext is level; one with the whole bitext only is a point.
    assert shown["bm25"].get_xdata() == pytest.approx([100, 1000, 5000])
    assert shown["bm25"].get_ydata() == pytest.approx([0.075] * 3)
    assert shown[ORDER[2]].get_xdata() == pytest.approx([5000])
    assert shown["ceiling"].get_ydata()[0] == pytest.approx(0.9)
    # Means of seeds are 0.025 apart, so one standard deviation to either side is twice that in all.
    (band,) = [each for each in axes.collections if isinstance(each, PolyCollection)]
    heights = band.get_paths()[0].vertices[:, 1]
    for mean in means:
        assert np.abs(heights - (mean - 0.025)).min() == pytest.approx(0)
        assert np.abs(heights - (mean + 0.025)).min() == pytest.approx(0)


def test_all_of_unknown_number_is_put_beyond_the_largest_amount(tmp_path: Path) -> None:
    cells = [content("psq", {"one": [0.1]}, amount=amount) for amount in (10, 300, "all")]
    results = read_results(write(tmp_path, *cells))
    (axes,) = lines(results, tests=["one"], order=["psq"], ceiling=None).axes
    assert labelled(axes)["psq"].get_xdata() == pytest.approx([10, 300, 600])
    assert axes.get_xticklabels()[-1].get_text() == "all"


def test_twelve_systems_look_different(tmp_path: Path) -> None:
    names = [f"system {number}" for number in range(12)]
    cells = [content(name, {"one": [0.1]}, amount=amount) for name in names for amount in (10, "all")]
    results = read_results(write(tmp_path, *cells))
    (axes,) = lines(results, tests=["one"], order=names, ceiling=None).axes
    looks = {(line.get_color(), line.get_linestyle()) for line in axes.lines}
    assert len(looks) == len({line.get_marker() for line in axes.lines}) == 12


def test_files_are_sound_and_the_same_each_time(results: Results, tmp_path: Path) -> None:
    def written(folder: Path) -> dict[str, bytes]:
        names = write_plots(folder, results, tests=TESTS, order=ORDER, ceiling="ceiling")
        assert names == ["systems", "amounts"]
        return {file.name: file.read_bytes() for file in folder.iterdir()}

    first = written(tmp_path / "first")
    assert sorted(first) == ["amounts.png", "amounts.svg", "systems.png", "systems.svg"]
    # Nor does it matter what the caller likes to see.
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": "other"}):
        assert written(tmp_path / "second") == first
    for name in ("systems", "amounts"):
        with Image.open(tmp_path / "first" / f"{name}.png") as picture:
            assert picture.format == "PNG"
            picture.load()
            assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 3
        root = ElementTree.fromstring(first[f"{name}.svg"])
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert not [each for each in root.iter() if each.tag.endswith("}date")]
        # No formula, which this one could not be. Letters are shapes, each text with itself in a comment.
        assert rb"<!-- cost $\x$ &amp; &lt;y&gt; -->" in first[f"{name}.svg"]


def test_one_amount_needs_no_picture_of_amounts(tmp_path: Path) -> None:
    results = read_results(write(tmp_path / "cells", content("psq", {"one": [0.1]}, amount="all")))
    assert write_plots(tmp_path / "plots", results, tests=["one"], order=["psq"], ceiling=None) == ["systems"]


def test_a_test_that_has_all_pairs_only_and_no_record_of_how_many(tmp_path: Path) -> None:
    cells = [
        content("psq", {"one": [0.1]}, amount=10),
        content("psq", {"two": [0.2]}, language="th", amount="all"),
    ]
    results = read_results(write(tmp_path / "cells", *cells))
    written = write_plots(tmp_path / "figures", results, tests=["one", "two"], order=["psq"], ceiling=None)
    assert sorted(written) == ["amounts", "systems"]
