from pathlib import Path

import pytest
from sentence_transformers import MultiVectorEncoder

from .toy import write_bitext


@pytest.fixture
def bitext(tmp_path: Path) -> Path:
    return write_bitext(tmp_path / "toy.tsv")


@pytest.fixture
def teacher_folder(tiny_teacher: MultiVectorEncoder, tmp_path: Path) -> Path:
    tiny_teacher.save_pretrained(str(tmp_path / "teacher"))
    return tmp_path / "teacher"
