"""The comparison of all systems: declared in a file, run cell by cell, reported."""

from optical.study.config import Study, read_study
from optical.study.report import report_study
from optical.study.running import Progress, run_study

__all__ = ["Progress", "Study", "read_study", "report_study", "run_study"]
