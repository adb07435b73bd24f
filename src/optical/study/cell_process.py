"""The process that makes cells, one after another, for the process with the number STUDY.

``python -m optical.study.cell_process CONFIG FOLDER TEACHER STUDY`` reads a line of JSON for each cell, [its fields,
its identity], and answers with the cell's name when it is made. All else that is written meanwhile goes to the log of
the cell. An error ends the process: nobody knows what it left behind.
"""

import gc
import json
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import torch

from optical.study.cells import Cell, StudyFolder, make_cell
from optical.study.config import read_study


def main(config: str, output: str, teacher: str, study: str) -> None:
    """Make the cells that standard input describes, until it ends, or the process with the number ``study`` does."""
    warnings.simplefilter("ignore")
    # An ordinary exit, so that nothing half-written stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    threading.Thread(target=_end_without, args=(int(study),), daemon=True).start()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    fresh = torch.initial_seed()
    folder = StudyFolder(Path(output))
    with (
        os.fdopen(os.dup(sys.stdin.fileno()), encoding="utf-8") as cells,
        os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as answers,
    ):
        with Path(os.devnull).open(encoding="utf-8") as nothing:
            os.dup2(nothing.fileno(), sys.stdin.fileno())
        for line in cells:
            fields, made_of = json.loads(line)
            cell = Cell(**fields)
            _write_to(folder.log(cell))
            # What was made before leaves no trace in what is made now.
            torch.manual_seed(fresh)
            make_cell(cell, read_study(config, teacher=teacher), folder, made_of)
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            print(cell.name, file=answers, flush=True)


def _end_without(study: int) -> None:
    """End this process when that of the study is gone, killed perhaps: the next one would make the same cell."""
    while os.getppid() == study:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


def _write_to(log: Path) -> None:
    """Let what this process and its libraries write go to ``log``."""
    with log.open("a", encoding="utf-8") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())


if __name__ == "__main__":
    main(*sys.argv[1:])
