"""What was found in bitext, to be shown, plotted or stored."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from optical.bitext.hygiene.rules import RULES


@dataclass(frozen=True)
class Example:
    """A pair that a rule finds; ``file`` and ``line`` are where its foreign side stands."""

    file: str
    line: int
    english: str
    foreign: str


@dataclass(frozen=True)
class Finding:
    """What is the matter with lines ``first_line`` to ``last_line`` of a source as a whole."""

    what: str
    first_line: int
    last_line: int


@dataclass(frozen=True)
class SourceReport:
    """One source: pairs read and kept, records that could not be read, and findings in the order of the lines.

    ``foreign_per_english`` is the usual ratio of lengths in characters, None for too few pairs to tell.
    """

    name: str
    pairs: int
    kept: int
    malformed: int
    scripts: list[str]
    foreign_per_english: float | None
    findings: list[Finding]


@dataclass(frozen=True)
class Histogram:
    """``counts`` (k,) of values from ``edges[i]`` to ``edges[i + 1]``; ``edges`` is (k + 1,)."""

    title: str
    edges: list[float]
    counts: list[int]

    @classmethod
    def of(cls, title: str, values: npt.NDArray[np.floating], edges: npt.NDArray[np.floating]) -> "Histogram":
        """Count ``values`` (n,), those outside in the first and the last bin."""
        counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
        return cls(title, [round(float(edge), 4) for edge in edges], counts.tolist())


@dataclass(frozen=True)
class Report:
    """What was found in bitext.

    Attributes:
        sources: a report for each source.
        found: pairs that each rule finds, by its name; one that several find counts for each.
        dropped: pairs left out (or that cleaning would leave out), by the first rule that says so.
        examples: some pairs of each rule, spread over the bitext.
        malformed: the first 20 notes on records that could not be read.
        histograms: of the length ratio and, where there was enough text to estimate it, of the alignment score.
    """

    sources: list[SourceReport]
    found: dict[str, int]
    dropped: dict[str, int]
    examples: dict[str, list[Example]]
    malformed: list[str]
    histograms: list[Histogram]

    @property
    def pairs(self) -> int:
        """The number of pairs read."""
        return sum(source.pairs for source in self.sources)

    @property
    def kept(self) -> int:
        """The number of pairs that cleaning keeps."""
        return sum(source.kept for source in self.sources)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as dictionaries, lists, numbers and strings, with what each rule means."""
        rules = {rule.name: rule.meaning for rule in RULES}
        return {"pairs": self.pairs, "kept": self.kept, "rules": rules, **asdict(self)}
