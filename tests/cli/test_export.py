"""An export and a search with it, as the user of the command line sees them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Outcome

pytest.importorskip("onnxruntime")

Command = Callable[..., Outcome]


def test_search_finds_the_same_with_an_export(command: Command, teacher: Path, tmp_path: Path) -> None:
    passages, index = tmp_path / "passages.tsv", tmp_path / "index"
    passages.write_text("a\tthe teacher read book\nb\tthe farmer buy fish\n", encoding="utf-8")
    assert command("index", "--encoder", teacher, "--passages", passages, "--output", index).code == 0
    search = ("search", index, "who buy fish", "--encoder", teacher, "-k", 2)
    before = command(*search)
    exported = command("export", teacher, "--onnx")
    assert exported.code == 0
    assert not exported.err
    assert f"Saved to {teacher / 'onnx-query'} (" in exported.out
    after = command(*search)
    assert after.code == 0
    assert not after.err
    assert after.out == before.out


def test_a_copy_with_an_export_leaves_the_encoder_as_it_is(
    command: Command, teacher: Path, tmp_path: Path
) -> None:
    def files(folder: Path) -> dict[Path, bytes]:
        return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}

    before, copy = files(teacher), tmp_path / "copy"
    exported = command("export", teacher, "--onnx", "--output", copy)
    assert exported.code == 0, exported.err
    assert f"Saved to {copy / 'onnx-query'} (" in exported.out
    assert files(teacher) == before
    added = {path for path in files(copy) if path not in before}
    assert {path.parts[0] for path in added} == {"onnx-query"}
    assert {path: content for path, content in files(copy).items() if path not in added} == before
    refused = command("export", teacher, "--onnx", "--output", copy)
    assert refused.code == 2
    assert "exists already" in " ".join(refused.err.split())


def test_refusals(command: Command, teacher: Path, tmp_path: Path) -> None:
    for arguments, message in (
        ((teacher,), "Give --onnx"),
        ((tmp_path / "none", "--onnx"), "none is not a folder"),
        ((tmp_path, "--onnx"), "holds no encoder"),
    ):
        refused = command("export", *arguments)
        assert refused.code == 2
        assert message in refused.err
