"""How the format of a source is known, and how many of its pairs are read."""

from pathlib import Path

import pytest

from optical.bitext import Malformed, Pair, read_pairs
from optical.errors import OpticalError

from .texts import sides


@pytest.mark.parametrize("name", ["pairs.docx", "train.en", "pairs", "pairs.gz", "pairs.json"])
def test_an_unknown_format_names_those_that_are_known(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("one\tmoja\n")
    with pytest.raises(OpticalError, match=rf"{name} tells no known format") as caught:
        read_pairs(tmp_path / name)
    for known in (".tsv", "train.en,train.sw", ".jsonl", ".tmx", ".zip", ".xml", ".gz", ".xz", ".zst", "hf:"):
        assert known in str(caught.value)


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(OpticalError, match=rf"is a folder. Name a file, or hf:{tmp_path}"):
        read_pairs(tmp_path)


def test_only_datasets_have_splits(tmp_path: Path) -> None:
    with pytest.raises(OpticalError, match="only datasets"):
        read_pairs(f"{tmp_path}/t.tsv?split=train")


def test_a_cap_counts_pairs(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("one\tmoja\nbad\ntwo\tmbili\nbad\nthree\ttatu\n")
    found = list(read_pairs(f"{tmp_path}/t.tsv?cap=2"))
    assert [type(item) for item in found] == [Pair, Malformed, Pair]
    assert len(list(read_pairs(f"{tmp_path}/t.tsv?cap=9"))) == 5


def test_names_that_look_like_options(tmp_path: Path) -> None:
    odd = tmp_path / "what?cap=1.tsv"
    odd.write_text("one\tmoja\ntwo\tmbili\n")
    assert len(sides(odd)) == len(sides(str(odd))) == 2
    assert len(sides(f"{odd}?cap=1")) == 1
    (tmp_path / "UPPER.TSV").write_text("one\tmoja\n")
    assert sides(tmp_path / "UPPER.TSV") == [("one", "moja")]
