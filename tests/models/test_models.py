import shutil
import subprocess
from pathlib import Path

import pytest

from optical.errors import OpticalError
from optical.models import bundled_folder, verify, write_checksums


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "encoder"
    (folder / "1_Dense").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "1_Dense" / "model.safetensors").write_bytes(b"weights")
    write_checksums(folder)
    return folder


def test_checksums_are_those_of_sha256sum(folder: Path) -> None:
    verify(folder, "tiny")
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True)


@pytest.mark.parametrize("damage", ["changed", "missing", "no checksums", "empty", "no text"])
def test_damage_is_told(folder: Path, damage: str) -> None:
    weights = folder / "1_Dense" / "model.safetensors"
    if damage == "changed":
        weights.write_bytes(b"weightz")
    elif damage in ("empty", "no text"):
        (folder / "SHA256SUMS").write_bytes(b"" if damage == "empty" else b"\xff\xfe\x00")
    else:
        (weights if damage == "missing" else folder / "SHA256SUMS").unlink()
    with pytest.raises(OpticalError, match=r"missing or damaged\. Install the package again"):
        verify(folder, "tiny")


def test_git_leaves_line_ends_of_what_is_checked_alone() -> None:
    root = Path(__file__).parents[2]
    asked = ["git", "check-attr", "text", "src/optical/models/tiny_en/1_Dense/config.json"]
    told = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=False)
    if told.returncode:
        pytest.skip("no checkout")
    assert told.stdout.strip().endswith("text: unset")


def test_other_names_are_not_bundled() -> None:
    assert bundled_folder("some/model") is None
