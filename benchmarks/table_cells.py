"""How figures are written in tables."""

from collections.abc import Iterable


def joined(parts: Iterable[object]) -> str:
    return " / ".join(map(str, parts))


def figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"
