"""Datasets in the layout of the Hugging Face Hub, read from folders."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from optical.bitext import Malformed, Pair, read_pairs
from optical.errors import OpticalError

from .texts import sides


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A dataset of two configurations, the second with two splits."""
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: en-so\n  data_files: so.parquet\n- config_name: en-sw\n  data_files:\n"
        "  - split: train\n    path: sw.parquet\n  - split: test\n    path: test.parquet\n---\n"
    )
    english, foreign = ["one", "two", "three\t."], ["kow", None, "saddex"]
    pq.write_table(pa.table({"english": english, "non_english": foreign}), tmp_path / "so.parquet")
    for name, rows in (("sw", [("one", "moja"), ("two", "mbili")]), ("test", [("three", "tatu")])):
        table = pa.table({"translation": [{"sw": foreign, "en": english} for english, foreign in rows]})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    return tmp_path


def test_configurations_and_splits(dataset: Path) -> None:
    place = f"hf:{dataset}/en-so"
    assert list(read_pairs(place)) == [
        Pair("one", "kow", place, 1),
        Malformed(f"{place}:2: english and non_english are not both text"),
        Pair("three .", "saddex", place, 3),
    ]
    assert sides(f"hf:{dataset}/en-sw") == [("one", "moja"), ("two", "mbili")]
    assert sides(f"hf:{dataset}/en-sw?english=sw&foreign=en&cap=1") == [("moja", "one")]
    assert sides(f"hf:{dataset}/en-sw?split=test") == [("three", "tatu")]


def test_a_folder_without_configurations(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"question": "one", "swali": "moja"}\n')
    assert sides(f"hf:{tmp_path}?english=question&foreign=swali") == [("one", "moja")]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OpticalError, match=r"none/at-all: there is no such folder"):
        sides(f"hf:{tmp_path}/none/at-all")


@pytest.mark.parametrize(
    ("place", "mentions"),
    [
        ("{}/en-xx", ("en-xx", "en-so")),
        ("{}/en-sw?split=nonsense", ("nonsense", "test")),
        ("some-owner/some-name/en-sw", ("some-owner/some-name", "OfflineModeIsEnabled")),
    ],
)
def test_what_cannot_be_loaded(
    place: str, mentions: tuple[str, ...], dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets
    import huggingface_hub

    # What the environment variable HF_HUB_OFFLINE=1 does, had it been set when this process began.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(OpticalError) as caught:
        sides(f"hf:{place.format(dataset)}")
    for mention in (*mentions, "cannot be read", "download the dataset and name its folder (hf:folder)"):
        assert mention in str(caught.value)
