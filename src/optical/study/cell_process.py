"""The process that makes one cell: ``python -m optical.study.cell_process CONFIG FOLDER TEACHER CELL``."""

import json
import os
import signal
import sys
import warnings
from pathlib import Path

import torch

from optical.study.cells import Cell, StudyFolder, make_cell
from optical.study.config import read_study


def main(config: str, folder: str, teacher: str, cell: str) -> None:
    """Make the cell that ``cell`` describes as JSON: [its fields, its identity]."""
    warnings.simplefilter("ignore")
    # An ordinary exit, so that nothing half-written stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    fields, made_of = json.loads(cell)
    make_cell(Cell(**fields), read_study(config, teacher=teacher), StudyFolder(Path(folder)), made_of)


if __name__ == "__main__":
    main(*sys.argv[1:])
