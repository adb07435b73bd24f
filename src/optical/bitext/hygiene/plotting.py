"""Histograms of a report as a picture."""

from pathlib import Path

from optical.bitext.hygiene.report import Report
from optical.errors import OpticalError
from optical.files import replace_file
from optical.packages import require_package


def require_matplotlib(path: Path) -> None:
    """Check that a picture can be written to ``path``, before the work that it shows.

    Raises:
        OpticalError: matplotlib is not installed, or ``path`` does not end in .png.
    """
    if path.suffix.lower() != ".png":
        raise OpticalError(f"{path} is no name for a picture. Choose one that ends in .png.")
    require_package("matplotlib", extra="plots")


def plot_histograms(report: Report, path: Path) -> None:
    """Write the histograms of a report side by side, as PNG.

    Raises:
        OpticalError: as :func:`require_matplotlib`.
    """
    require_matplotlib(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(report.histograms), 3.2), layout="constrained")
    panels = figure.subplots(1, len(report.histograms), squeeze=False)[0]
    for axes, histogram in zip(panels, report.histograms, strict=True):
        axes.stairs(histogram.counts, histogram.edges, fill=True)
        axes.set_xlabel(histogram.title)
        axes.set_ylabel("pairs")
    with replace_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
