"""The picture of a transport plan: what it shows, in which fonts, and what it refuses."""

import io
import logging
import sys
import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fontTools.fontBuilder import FontBuilder
from fontTools.ttLib.tables._g_l_y_f import Glyph
from matplotlib._pylab_helpers import Gcf
from matplotlib.font_manager import FontEntry, fontManager
from PIL import Image

from optical.errors import OpticalError
from optical.transport.plotting import plot

PLAN = torch.tensor([[0.2, 0.0, 0.0], [0.05, 0.0, 0.5]])
ENGLISH, FOREIGN = ["good", "morning"], ["habari", "za", "asubuhi"]


@pytest.fixture
def plain_fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FontEntry]]:
    """Let only matplotlib's own fonts be installed, whatever the machine has."""
    own = [face for face in fontManager.ttflist if face.name.startswith(("DejaVu Sans", "Last Resort"))]
    monkeypatch.setattr(fontManager, "ttflist", own)
    yield own
    fontManager._findfont_cached.cache_clear()


def font_with(characters: str, family: str, path: Path) -> Path:
    """Write a font that has ``characters``, without a shape, and no others."""
    names = {ord(character): f"glyph{position}" for position, character in enumerate(characters)}
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder([".notdef", *names.values()])
    font.setupCharacterMap(names)
    font.setupGlyf({name: Glyph() for name in font.font.getGlyphOrder()})
    font.setupHorizontalMetrics(dict.fromkeys(font.font.getGlyphOrder(), (600, 0)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": family, "styleName": "Regular"})
    font.setupOS2(usWeightClass=400)
    font.setupPost()
    font.save(path)
    return path


def shown(figure: Any) -> np.ndarray:
    return np.asarray(figure.axes[0].images[0].get_array())


def labels(figure: Any) -> tuple[list[str], list[str]]:
    axes = figure.axes[0]
    rows, columns = axes.get_yticklabels(), axes.get_xticklabels()
    return [label.get_text() for label in rows], [label.get_text() for label in columns]


def test_colour_is_the_share_of_each_column() -> None:
    figure = plot(PLAN, ENGLISH, FOREIGN)
    np.testing.assert_allclose(shown(figure), [[0.8, 0, 0], [0.2, 0, 1]], rtol=1e-6)
    image = figure.axes[0].images[0]
    assert image.get_clim() == (0, 1)
    assert "share" in image.colorbar.ax.get_ylabel()


def test_a_plan_without_mass_is_blank() -> None:
    image = plot(torch.zeros(2, 3), ENGLISH, FOREIGN).axes[0].images[0]
    assert not image.get_array().any()
    assert image.get_clim() == (0, 1)


def test_labels_stand_at_their_rows_and_columns() -> None:
    figure = plot(PLAN, ENGLISH, FOREIGN)
    axes = figure.axes[0]
    assert labels(figure) == (ENGLISH, FOREIGN)
    assert list(axes.get_yticks()) == [0, 1]
    assert list(axes.get_xticks()) == [0, 1, 2]
    assert axes.yaxis_inverted(), "the first teacher token is at the top"


@pytest.mark.parametrize(
    "plan",
    [PLAN.numpy(), PLAN.double(), PLAN.clone().requires_grad_(), PLAN.to(torch.bfloat16)],
    ids=["numpy", "float64", "gradient", "bfloat16"],
)
def test_kinds_of_plan(plan: torch.Tensor | np.ndarray) -> None:
    np.testing.assert_allclose(
        shown(plot(plan, ENGLISH, FOREIGN)), shown(plot(PLAN, ENGLISH, FOREIGN)), atol=0.01
    )


@pytest.mark.parametrize(("file_format", "kind"), [("png", "PNG"), ("svg", None), ("pdf", None)])
def test_saved(file_format: str, kind: str | None) -> None:
    file = io.BytesIO()
    plot(PLAN, ENGLISH, FOREIGN).savefig(file, format=file_format)
    if kind is not None:
        with Image.open(file) as opened:
            assert opened.format == kind
            assert min(opened.size) > 200
    assert not Gcf.get_all_fig_managers(), "no window is open"


def test_forty_tokens_a_side_are_readable() -> None:
    sizes = []
    for tokens in (4, 40):
        figure = plot(torch.eye(tokens) / tokens, ["kilianzishwa"] * tokens, ["internationally"] * tokens)
        figure.draw_without_rendering()
        axes = figure.axes[0]
        rows = [label.get_window_extent() for label in axes.get_yticklabels()]
        assert all(upper.y0 > lower.y1 for upper, lower in pairwise(rows))
        # Columns lean at 60 degrees, so that the lines are closer than the cells by sin(60).
        pitch = axes.get_window_extent().width / tokens * 0.86
        assert pitch > rows[0].height
        bounds = figure.bbox
        for box in (*rows, *(label.get_window_extent() for label in axes.get_xticklabels())):
            assert bounds.x0 <= box.x0 < box.x1 <= bounds.x1
            assert bounds.y0 <= box.y0 < box.y1 <= bounds.y1
        sizes.append(figure.get_size_inches())
    assert (sizes[1] > sizes[0] + 5).all()


def test_dollar_signs_are_text() -> None:
    tokens = ["$", "$x_1$ ^", r"\frac"]
    figure = plot(PLAN, ENGLISH, tokens)
    figure.savefig(io.BytesIO(), format="png")
    assert labels(figure)[1] == tokens
    assert not any(label.get_parse_math() for label in figure.axes[0].get_xticklabels())


def test_an_installed_font_stands_in(
    plain_fonts: list[FontEntry], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Removed since matplotlib made its list; and one that has only a part.
    plain_fonts.append(FontEntry(fname=str(tmp_path / "gone.ttf"), name="A Sans", weight=400, style="normal"))
    fontManager.addfont(font_with("ሰ", "Some Sans", tmp_path / "some.ttf"))
    fontManager.addfont(font_with("ሰላም", "Whole Serif", tmp_path / "whole.ttf"))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph")
        figure = plot(PLAN, ENGLISH, ["ሰላም", "##ላም", "za"])
        figure.savefig(io.BytesIO(), format="png")
    for label in figure.axes[0].get_xticklabels():
        assert label.get_fontfamily() == ["sans-serif", "Whole Serif"]
    assert not caplog.records


def test_a_warning_when_no_font_has_a_script(
    plain_fonts: list[FontEntry], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        plot(PLAN, ["नमस्ते", "é"], ["ሰላም", "ሰላም", "za"])
    (record,) = caplog.records
    assert record.name == "optical.transport.plotting"
    message = record.getMessage()
    for mention in ("ሰ", "न", "Devanagari", "Ethiopic", "Noto", "fontlist-"):
        assert mention in message
    assert "é" not in message
    assert "Latin" not in message


def test_no_warning_for_latin_cyrillic_and_arabic(
    plain_fonts: list[FontEntry], caplog: pytest.LogCaptureFixture
) -> None:
    figure = plot(PLAN, ["ɓoɗe", "Привет"], ["مرحبا", "za\u200d", "ñ\u00a0"])
    assert not caplog.records
    assert figure.axes[0].get_xticklabels()[0].get_fontfamily() == ["sans-serif"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"plan": PLAN[None]}, r"plan has shape \(1, 2, 3\); expected \(n, m\)"),
        ({"plan": PLAN[:0], "tokens_x": []}, r"plan has shape \(0, 3\); expected \(n, m\)"),
        ({"plan": PLAN * torch.nan}, r"plan of shape \(2, 3\) has .*NaN"),
        ({"plan": PLAN / 0}, r"plan of shape \(2, 3\) has .*infinite"),
        ({"plan": -PLAN}, r"plan of shape \(2, 3\) has negative"),
        ({"tokens_x": FOREIGN}, r"tokens_x has 3 labels; expected 2, one for each row .* \(2, 3\)"),
        ({"tokens_y": ENGLISH}, r"tokens_y has 2 labels; expected 3, one for each column .* \(2, 3\)"),
        ({"tokens_x": "go"}, r"tokens_x is one string; expected 2"),
    ],
)
def test_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        plot(**{"plan": PLAN, "tokens_x": ENGLISH, "tokens_y": FOREIGN, **arguments})


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(OpticalError, match=r"pip install 'optical\[plots\]'"):
        plot(PLAN, ENGLISH, FOREIGN)
