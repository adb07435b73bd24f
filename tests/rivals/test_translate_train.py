"""English queries put into the toy language, whole and in parts, by transformers and by CTranslate2."""

import importlib.util
import json
import logging
import shutil
from pathlib import Path

import pytest

from optical.collections import read_queries
from optical.errors import OpticalError
from optical.rivals import Translator, translate_queries

from .test_translation import SENTENCES, made
from .toy_language import to_toy, toy_bitext


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    """40 of them, of very different lengths and in no order; what is translated is the toy language."""
    texts = [to_toy(sentence) for sentence in toy_bitext(40, seed=7).english]
    texts[3] = " ".join(texts[:6])
    path = tmp_path / "queries.tsv"
    path.write_text("".join(f"q{number * 7 % 40}\t{text}\n" for number, text in enumerate(texts)))
    return path


def test_each_query_gets_its_translation(toy_translator: Path, queries: Path, tmp_path: Path) -> None:
    output = tmp_path / "made" / "translated.tsv"
    translate_queries(queries, toy_translator, output, batch_size=4)
    source, translated = read_queries(queries), read_queries(output)
    assert list(translated) == list(source)
    expected = Translator(toy_translator, batch_size=1).translate(list(source.values()))
    assert list(translated.values()) == expected
    assert sorted(each.name for each in output.parent.iterdir()) == [
        "translated.tsv",
        "translated.tsv.provenance.json",
    ]
    provenance = json.loads((tmp_path / "made" / "translated.tsv.provenance.json").read_text("utf-8"))
    assert provenance["model"] == str(toy_translator)
    assert (provenance["source"], provenance["target"], provenance["beams"]) == (None, None, 4)
    assert (provenance["queries"]["file"], provenance["queries"]["count"]) == (str(queries), 40)
    assert provenance["untranslated"] == 0
    assert {"optical", "transformers", "torch"} <= set(provenance["versions"])
    assert provenance["date"].startswith("20")

    as_json = tmp_path / "translated.jsonl"
    translate_queries(queries, toy_translator, as_json, batch_size=4)
    assert read_queries(as_json) == translated


class StoppedError(Exception):
    pass


def test_a_stopped_run_goes_on_and_writes_the_same(
    toy_translator: Path, queries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, work = tmp_path / "translated.tsv", tmp_path / "translated.tsv.partial"
    translate = Translator.translate
    asked: list[int] = []

    def stop_at_the_third_block(self: Translator, texts: list[str]) -> list[str]:
        asked.append(len(texts))
        if len(asked) == 3:
            raise StoppedError
        return translate(self, texts)

    monkeypatch.setattr(Translator, "translate", stop_at_the_third_block)
    with pytest.raises(StoppedError):
        translate_queries(queries, toy_translator, output, batch_size=2)
    assert not output.exists()
    assert len(list(work.glob("block-*.json"))) == 2
    with pytest.raises(OpticalError, match=f"{work} holds something else, or an unfinished run"):
        translate_queries(queries, toy_translator, output, batch_size=3)
    translate_queries(queries, toy_translator, output, batch_size=2)
    assert sum(asked[:2]) + sum(asked[3:]) == 40, "nothing is translated again"
    assert not work.exists()

    monkeypatch.undo()
    translate_queries(queries, toy_translator, tmp_path / "straight.tsv", batch_size=2)
    assert output.read_bytes() == (tmp_path / "straight.tsv").read_bytes()


def test_a_query_without_translation_stays_as_it_is(
    toy_translator: Path,
    queries: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.WARNING, logger="optical")
    # No tiny translator says nothing, or two lines, when it is to.
    said = {"mto": "", "soko": "big\tmarket\n place"}
    monkeypatch.setattr(Translator, "translate", lambda self, texts: [said[text] for text in texts])
    queries.write_text("1\tmto\n2\tsoko\n")
    translate_queries(queries, toy_translator, tmp_path / "translated.tsv")
    assert read_queries(tmp_path / "translated.tsv") == {"1": "mto", "2": "big market place"}
    assert "1 queries have an empty translation" in caplog.text
    provenance = json.loads((tmp_path / "translated.tsv.provenance.json").read_text("utf-8"))
    assert provenance["untranslated"] == 1


def test_refusals_leave_nothing(toy_translator: Path, queries: Path, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    for output, more, says in (
        ("a.tsv.gz", {}, "would not be compressed"),
        ("a.tsv", {"target": "swh_Latn"}, "translates into one language only"),
        ("a.tsv", {"batch_size": 0}, "batch_size is 0"),
    ):
        with pytest.raises(OpticalError, match=says):
            translate_queries(queries, toy_translator, folder / output, **more)
    with pytest.raises(OpticalError, match="holds no translator"):
        translate_queries(queries, folder, folder / "a.tsv")
    with pytest.raises(OpticalError, match="does not exist"):
        translate_queries(tmp_path / "none.tsv", toy_translator, folder / "a.tsv")
    assert list(folder.iterdir()) == []
    (folder / "a.tsv").write_text("precious")
    with pytest.raises(OpticalError, match="exists already"):
        translate_queries(queries, toy_translator, folder / "a.tsv")
    assert (folder / "a.tsv").read_text() == "precious"


def test_a_converted_folder_without_the_package_says_what_to_install(
    toy_translator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(toy_translator, tmp_path / "converted")
    (folder / "model.bin").write_bytes(b"weights")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None)
    with pytest.raises(OpticalError, match=r"is a CTranslate2 model.*pip install 'optical\[ctranslate2\]'"):
        Translator(folder)


def convert(checkpoint: Path, folder: Path) -> Path:
    converters = pytest.importorskip("ctranslate2.converters")
    tokenizer = [path.name for path in checkpoint.glob("*token*")]
    converters.TransformersConverter(str(checkpoint), copy_files=tokenizer).convert(str(folder))
    return folder


@pytest.mark.parametrize(
    ("family", "codes"),
    [("nllb", {"source": "swh_Latn", "target": "eng_Latn"}), ("madlad", {"target": "en"})],
)
def test_a_converted_translator_says_the_same(
    family: str, codes: dict[str, str], queries: Path, tmp_path: Path
) -> None:
    """Codes of languages stand at the head of the translation in one family, at that of the text in the other."""
    checkpoint = made(family, tmp_path)
    converted = convert(checkpoint, tmp_path / "converted")
    assert (converted / "model.bin").is_file()
    queries.write_text("".join(f"{number}\t{text}\n" for number, text in enumerate(SENTENCES)))
    for model, output in ((checkpoint, "torch.tsv"), (converted, "ctranslate2.tsv")):
        translate_queries(queries, model, tmp_path / output, **codes, batch_size=2)
    assert (tmp_path / "torch.tsv").read_text() == (tmp_path / "ctranslate2.tsv").read_text()
    provenance = json.loads((tmp_path / "ctranslate2.tsv.provenance.json").read_text("utf-8"))
    assert "ctranslate2" in provenance["versions"]
    assert (provenance["source"], provenance["target"]) == (codes.get("source"), codes["target"])


def test_a_damaged_or_incomplete_conversion(tmp_path: Path) -> None:
    converted = convert(made("madlad", tmp_path), tmp_path / "converted")
    (converted / "model.bin").write_bytes((converted / "model.bin").read_bytes()[:1000])
    with pytest.raises(OpticalError, match=r"is damaged or incomplete.*Convert the checkpoint again"):
        Translator(converted, target="en")
    (converted / "tokenizer_config.json").unlink()
    with pytest.raises(OpticalError, match="has no tokenizer"):
        Translator(converted, target="en")
