"""A picture of one sentence pair's transport plan: which token goes to which."""

import logging
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from optical.errors import OpticalError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

# In inches. A cell is as high as a line of label; a side is at least as long as the label of the colour bar.
_CELL = 0.26
_LEAST_SIDE = 1.8
_LETTER = 0.095
_BAR = 0.15
_RIGHT = 1.0
# In points.
_LABEL_SIZE = 9
_DOTS_PER_INCH = 150


def plot(plan: torch.Tensor | np.ndarray, tokens_x: Sequence[str], tokens_y: Sequence[str]) -> "Figure":
    """Draw the plan of one sentence pair as a heat map, a row for a teacher token, a column for a student token.

    Colour is the share of a student token's mass that comes from each teacher token: the plan with every
    column divided by its sum (a column without mass stays 0). Labels in scripts that the default font lacks
    get the installed fonts that have them; where there is none, a warning says so. Right-to-left and combining
    scripts are set properly by matplotlib 3.11 and later; earlier versions draw letter after letter.

    Args:
        plan: (n, m) non-negative, as `Transport.plan[pair]` without its padding.
        tokens_x: n labels of teacher tokens.
        tokens_y: m labels of student tokens.

    Returns:
        A figure that belongs to no window; `figure.savefig(path)` writes it.

    Raises:
        ValueError: the plan is no such matrix, or the labels are not as many as its rows and columns.
        OpticalError: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    shares = _shares(_checked(plan, tokens_x, tokens_y))
    height, width = (max(_CELL * size, _LEAST_SIDE) for size in shares.shape)
    left, top = (_LETTER * max(map(len, tokens)) for tokens in (tokens_x, tokens_y))
    figure = Figure(
        figsize=(left + width + max(_RIGHT, top / 2), top + height + 0.3),
        dpi=_DOTS_PER_INCH,
        layout="constrained",
    )
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=shares.max() or 1, aspect="auto")
    # A token may hold dollar signs, which are no formula.
    style: dict[str, Any] = {
        "fontfamily": _families("".join([*tokens_x, *tokens_y])),
        "fontsize": _LABEL_SIZE,
        "parse_math": False,
    }
    axes.set_yticks(range(len(tokens_x)), labels=tokens_x, **style)
    axes.set_xticks(
        range(len(tokens_y)),
        labels=tokens_y,
        rotation=60,
        ha="left",
        va="center",
        rotation_mode="anchor",
        **style,
    )
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    # Thin lines between the cells, so that the eye keeps to its row and column.
    axes.set_xticks(np.arange(0.5, len(tokens_y) - 1), minor=True)
    axes.set_yticks(np.arange(0.5, len(tokens_x) - 1), minor=True)
    axes.grid(which="minor", color="0.85", linewidth=0.5)
    axes.tick_params(which="minor", length=0)
    # Of a fixed width, and below the last labels, which lean over it.
    place = axes.inset_axes((1 + _BAR / width, 0, _BAR / width, 1))
    bar = figure.colorbar(image, cax=place, format=FuncFormatter(lambda share, _: f"{100 * share:g}%"))
    bar.set_label("share of the column's mass", fontsize=_LABEL_SIZE)
    bar.ax.tick_params(labelsize=_LABEL_SIZE - 1)
    return figure


def require_matplotlib() -> None:
    """Raise :class:`OpticalError` with the remedy if matplotlib, an optional dependency, is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise OpticalError(
            "Pictures of transport plans need matplotlib, which is not installed: pip install 'optical[plots]'"
        ) from error


def _checked(plan: torch.Tensor | np.ndarray, tokens_x: Sequence[str], tokens_y: Sequence[str]) -> np.ndarray:
    values = torch.as_tensor(plan).detach().cpu().double().numpy()
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(
            f"plan has shape {values.shape}; expected (n, m), the plan of one sentence pair with tokens on both sides"
        )
    if not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError(
            f"plan of shape {values.shape} has negative, infinite or NaN entries; expected finite ones of at least 0"
        )
    for name, tokens, axis in (("tokens_x", tokens_x, 0), ("tokens_y", tokens_y, 1)):
        if isinstance(tokens, str) or len(tokens) != values.shape[axis]:
            what = "is one string" if isinstance(tokens, str) else f"has {len(tokens)} labels"
            raise ValueError(
                f"{name} {what}; expected {values.shape[axis]}, one for each {('row', 'column')[axis]} of plan, "
                f"which has shape {values.shape}"
            )
    return values


def _shares(plan: np.ndarray) -> np.ndarray:
    sums = plan.sum(0)
    return plan / np.where(sums > 0, sums, 1)


def _families(text: str) -> list[str]:
    """Font families for ``text``: the user's own, then installed ones for the characters these lack."""
    from matplotlib import get_cachedir, rcParams
    from matplotlib.font_manager import FontProperties, findfont, fontManager

    families = list(rcParams["font.family"])
    missing = {character for character in text if not _is_invisible(character)}
    for family in families:
        missing -= _covered(findfont(FontProperties(family=[family])), missing)
    if not missing:
        return families
    # Of each family the upright face of normal weight, as labels are set in it; sans-serif families first. The
    # Last Resort font covers everything, with boxes.
    faces = {
        face.name: face.fname
        for face in fontManager.ttflist
        if face.style == "normal"
        and face.weight in (400, "normal")
        and not face.name.startswith("Last Resort")
    }
    covered = {
        name: _covered(faces[name], missing)
        for name in sorted(faces, key=lambda name: ("Sans" not in name, name))
    }
    while missing:
        best = max(covered, key=lambda name: len(covered[name] & missing), default="")
        if not best or not covered[best] & missing:
            break
        families.append(best)
        missing -= covered[best]
    if missing:
        shown = sorted(missing)
        logger.warning(
            "No installed font has the characters %s%s (%s): the picture shows boxes for them. Install a font that has "
            "them, such as Noto Sans, and delete fontlist-*.json in %s, from where matplotlib knows the fonts.",
            " ".join(shown[:10]),
            " ..." if len(shown) > 10 else "",
            ", ".join(sorted({unicodedata.name(each, "unnamed").split()[0].capitalize() for each in shown})),
            get_cachedir(),
        )
    return families


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp")


def _covered(font: str, characters: set[str]) -> set[str]:
    from matplotlib.font_manager import get_font

    try:
        face = get_font(font)
    except (OSError, RuntimeError):  # on matplotlib's list, but removed or broken since
        return set()
    return {character for character in characters if face.get_char_index(ord(character))}
