"""Sets of ir_datasets, registered here: nothing is fetched."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from optical.collections import (
    Passage,
    open_collection,
    read_judgements,
    read_passages,
    read_queries,
)
from optical.errors import OpticalError

ir_datasets = pytest.importorskip("ir_datasets")


class TranslatedQuery(NamedTuple):
    query_id: str
    title: str
    ht_title: str
    translation_lang: str

    def default_text(self) -> str:
        return self.title


class TitledDocument(NamedTuple):
    doc_id: str
    title: str
    text: str

    def default_text(self) -> str:
        return f"{self.title} {self.text}"


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[str]:
    """A set with everything, under a name of its own; its files are TSV and TREC."""
    (tmp_path / "docs.tsv").write_text("d1\tA river floods.\nd2\tTeff is a grain.\nd3\tBoats of papyrus.\n")
    (tmp_path / "queries.tsv").write_text("q1\tmto\nq2\tnafaka\n")
    (tmp_path / "qrels").write_text("q1 0 d1 1\nq1 0 d3 0\nq2 0 d2 1\nq2 0 d2 2\n")
    (tmp_path / "pairs.tsv").write_text("q1\td1\td2\nq2\td2\td3\nq9\td2\td3\nq2\td2\td9\nq2\td8\td3\n")
    formats, download = ir_datasets.formats, ir_datasets.util.LocalDownload
    dataset = ir_datasets.Dataset(
        formats.TsvDocs(download(tmp_path / "docs.tsv")),
        formats.TsvQueries(download(tmp_path / "queries.tsv"), lang="sw"),
        formats.TrecQrels(download(tmp_path / "qrels"), {}),
        formats.TsvDocPairs(download(tmp_path / "pairs.tsv")),
    )
    yield from registered("optical-toy/train", dataset)


def registered(name: str, dataset: object) -> Iterator[str]:
    ir_datasets.registry.register(name, dataset)
    yield name
    del ir_datasets.registry._registered[name]


def test_everything(toy: str) -> None:
    source = f"ir_datasets:{toy}"
    assert list(read_passages(source))[:2] == [
        Passage("d1", "A river floods."),
        Passage("d2", "Teff is a grain."),
    ]
    assert read_queries(source) == read_queries(f"{source}#sw") == {"q1": "mto", "q2": "nafaka"}
    with pytest.raises(OpticalError, match="query 1 is not there in 'en'"):
        read_queries(f"{source}#en")
    assert read_judgements(source) == {"q1": {"d1": 1, "d3": 0}, "q2": {"d2": 2}}


def test_triples_and_the_store(toy: str, tmp_path: Path) -> None:
    collection = open_collection(f"ir_datasets:{toy}")
    triples = collection.triples()
    assert triples is not None
    assert list(triples)[:2] == [("q1", "d1", "d2"), ("q2", "d2", "d3")]
    stored = collection.contents({"d2", "d9"})
    assert (stored["d2"], stored.get("d9")) == ("Teff is a grain.", None)
    (tmp_path / "english.tsv").write_text("d1\tone\nd2\ttwo\n")
    assert open_collection(tmp_path / "english.tsv").triples() is None


def test_titles_and_translations() -> None:
    class Docs(ir_datasets.formats.BaseDocs):
        def docs_iter(self) -> Iterator[TitledDocument]:
            yield TitledDocument("39#0", "Mto", "Mto ni maji.")

    class Queries(ir_datasets.formats.BaseQueries):
        def queries_iter(self) -> Iterator[TranslatedQuery]:
            yield TranslatedQuery("1", "river floods", "سیل رودخانه", "fa")

    for name in registered("optical-titled", ir_datasets.Dataset(Docs(), Queries())):
        assert list(read_passages(f"ir_datasets:{name}")) == [Passage("39#0", "Mto ni maji.", "Mto")]
        assert read_queries(f"ir_datasets:{name}") == {"1": "river floods"}
        assert read_queries(f"ir_datasets:{name}#fa") == {"1": "سیل رودخانه"}
        with pytest.raises(OpticalError, match="query 1 is not there in 'ru'"):
            read_queries(f"ir_datasets:{name}#ru")
        with pytest.raises(OpticalError, match=r"optical-titled .* has no judgements\. Name another source"):
            read_judgements(f"ir_datasets:{name}")


def test_real_ids_are_known() -> None:
    for name in ("msmarco-passage/train/triples-small", "mmarco/v2/de/train", "miracl/sw/dev"):
        assert ir_datasets.registry[name].has_queries()
        assert open_collection(f"ir_datasets:{name}").source == name
    assert ir_datasets.registry["msmarco-passage/train/triples-small"].has_docpairs()


def test_unknown_ids() -> None:
    with pytest.raises(
        OpticalError, match=r"ir_datasets knows no mmarco/v2/dee/train\. Perhaps: mmarco/v2/de/train"
    ):
        read_queries("ir_datasets:mmarco/v2/dee/train")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    docs = ir_datasets.formats.TsvDocs(ir_datasets.util.LocalDownload(tmp_path / "not-there.tsv"))
    for name in registered("optical-missing", ir_datasets.Dataset(docs)):
        with pytest.raises(OpticalError, match=r"cannot read optical-missing \(FileNotFoundError: .*by hand"):
            list(read_passages(f"ir_datasets:{name}"))


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    with pytest.raises(OpticalError, match=r"not installed\. Run: pip install 'optical\[data\]'"):
        read_queries("ir_datasets:mmarco/v2/de/train")
