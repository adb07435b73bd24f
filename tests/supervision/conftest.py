from pathlib import Path

import pytest
from sentence_transformers import MultiVectorEncoder

from .collection import Collection, write_collection


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return write_collection(tmp_path)


@pytest.fixture
def teacher_folder(tiny_teacher: MultiVectorEncoder, tmp_path: Path) -> Path:
    tiny_teacher.save_pretrained(str(tmp_path / "teacher"))
    return tmp_path / "teacher"
