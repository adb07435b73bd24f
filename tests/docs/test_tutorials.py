"""The tutorials, block by block, as their readers carry them out.

In a page with the line ``<!-- executed -->``, blocks of bash and python are run in order, in one folder; a block with a
title is a file. Commands of this package run in the process of the test, which saves each the time to load PyTorch.
What a page asks of a Qdrant server at port 6333 is answered by one of the tests.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sentence_transformers import MultiVectorEncoder

import optical.models
from optical.cli import main
from optical.models import TINY_EN, bundled_folder, write_checksums

from ..index.qdrant_server import FakeQdrant, running

ROOT = Path(__file__).parents[2]
PAGES = [
    page for page in sorted((ROOT / "docs").rglob("*.md")) if "<!-- executed -->" in page.read_text("utf-8")
]
BLOCK = re.compile(r'^```(bash|python|toml)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    environment = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(environment)


@pytest.fixture
def qdrant() -> Iterator[FakeQdrant]:
    with running() as server:
        yield server


def test_there_are_tutorials() -> None:
    assert {page.stem for page in PAGES} == {"amharic", "bitext", "cluster", "serve", "study", "swahili"}


@pytest.mark.parametrize("name", ["amharic", "bitext", "cluster", "serve", "swahili"])
def test_each_command_works(
    name: str,
    tiny_teacher: MultiVectorEncoder,
    tmp_path: Path,
    qdrant: FakeQdrant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a teacher that knows nothing, little bitext, and two steps of training."""
    folder = tmp_path / "teacher"
    tiny_teacher.save_pretrained(str(folder))
    write_checksums(folder)
    monkeypatch.setitem(optical.models._FOLDERS, TINY_EN, folder)
    carry_out(name, tmp_path / "work", qdrant, monkeypatch, short=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", [page.stem for page in PAGES])
def test_as_it_is_written(
    name: str,
    tmp_path: Path,
    qdrant: FakeQdrant,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bundled_folder(TINY_EN)
    carry_out(name, tmp_path, qdrant, monkeypatch)
    shown = capsys.readouterr().out
    if name == "swahili":
        assert "  1. " in shown
        assert shown.count("Keeping dairy goats") >= 3
    if name == "amharic":
        assert "Making water safe to drink" in shown


def carry_out(
    name: str, folder: Path, qdrant: FakeQdrant, monkeypatch: pytest.MonkeyPatch, short: bool = False
) -> None:
    """Run the blocks of a tutorial in a folder; if ``short``, with less bitext and training."""
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    # The commands of other processes are those of this Python and this source.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    text = (ROOT / "docs" / "tutorials" / f"{name}.md").read_text(encoding="utf-8")
    text = text.replace("8000", str(free_port())).replace(":6333", f":{qdrant.port}")
    if short:
        text = re.sub(r"--steps \d+", "--steps 2", text)
    services: list[subprocess.Popen[bytes]] = []
    try:
        for language, title, block in BLOCK.findall(text):
            if title:
                (folder / title).write_text(block, encoding="utf-8")
            elif language == "python":
                exec(compile(block, f"{name}.md", "exec"), {"__name__": "__main__"})
            else:
                run_bash(block, services, monkeypatch)
                if short:
                    for bitext in folder.glob("bitext.*.tsv"):
                        lines = bitext.read_text(encoding="utf-8").splitlines(keepends=True)
                        bitext.write_text("".join(lines[:120]), encoding="utf-8")
    finally:
        ends = [end(service) for service in services]
    assert all(code in (0, -signal.SIGTERM) for code in ends)


def run_bash(block: str, services: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch) -> None:
    for is_ours, lines in runs(block):
        if not is_ours:
            subprocess.run(["bash", "-euc", "\n".join(lines)], check=True)
            continue
        for line in lines:
            arguments = shlex.split(line)
            if arguments[-1] == "&":
                services.append(subprocess.Popen([sys.executable, "-m", *arguments[:-1]]))
                continue
            monkeypatch.setattr(sys, "argv", arguments)
            with pytest.raises(SystemExit) as leaving:
                main()
            assert not leaving.value.code, line


def runs(block: str) -> Iterator[tuple[bool, list[str]]]:
    """Yield the lines of a block, those that call this package apart from the others, which belong together."""
    lines = block.replace("\\\n", " ").splitlines()
    together: list[str] = []
    for line in lines:
        if line.startswith("optical "):
            if together:
                yield False, together
                together = []
            yield True, [line]
        else:
            together.append(line)
    if together:
        yield False, together


def end(service: subprocess.Popen[bytes]) -> int:
    service.send_signal(signal.SIGTERM)
    try:
        return service.wait(timeout=60)
    except subprocess.TimeoutExpired:
        service.kill()
        return service.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
