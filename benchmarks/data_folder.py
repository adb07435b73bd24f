"""The command line of a benchmark that wants a folder of data and nothing else."""

import argparse
from pathlib import Path


def data_folder(description: str | None) -> Path:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    data: Path = parser.parse_args().data
    return data
