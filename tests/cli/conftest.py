import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from datasets.utils.logging import enable_progress_bar
from sentence_transformers import MultiVectorEncoder
from transformers.utils import logging as transformers_logging

from optical.cli import main

from ..distillation.toy import write_bitext


@dataclass(frozen=True)
class Outcome:
    """What a user sees of a command."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run ``optical`` with the given arguments in this process."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["optical", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as leaving:
            main()
        captured = capsys.readouterr()
        return Outcome(int(leaving.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Undo what the command line does to its process."""
    environment, package = dict(os.environ), logging.getLogger("optical")
    handlers, propagates = package.handlers, package.propagate
    below = [logging.getLogger(name) for name in ("sentence_transformers", "matplotlib")]
    end = signal.getsignal(signal.SIGTERM)
    levels, verbosity = [each.level for each in below], transformers_logging.get_verbosity()
    with warnings.catch_warnings():
        yield
    signal.signal(signal.SIGTERM, end)
    os.environ.clear()
    os.environ.update(environment)
    package.handlers, package.propagate = handlers, propagates
    for each, level in zip(below, levels, strict=True):
        each.setLevel(level)
    transformers_logging.set_verbosity(verbosity)
    transformers_logging.enable_progress_bar()
    enable_progress_bar()


@pytest.fixture
def bitext(tmp_path: Path) -> Path:
    return write_bitext(tmp_path / "toy.tsv")


@pytest.fixture
def teacher(tiny_teacher: MultiVectorEncoder, tmp_path: Path) -> Path:
    tiny_teacher.save_pretrained(str(tmp_path / "teacher"))
    return tmp_path / "teacher"
