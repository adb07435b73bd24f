"""The exported query side against the encoder that it was exported from."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Transformer
from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling
from torch import nn
from torch.nn.functional import normalize

from optical.bitext import Bitext
from optical.encoders import (
    assemble,
    encode_tokens,
    export_onnx,
    fingerprint,
    load_encoder,
    load_query_encoder,
    make_student,
    query_limit,
    save_artefact,
)
from optical.errors import OpticalError
from optical.models import TINY_EN

from .conftest import MakeTeacher
from .languages import translate
from .processes import start_python

pytest.importorskip("onnxruntime")

QUERIES = [translate(text) for text in ("the president of the village", "food", "where is the sick doctor")]
PASSAGE = "Rice, fish and maize. The food of the village."
LOADERS = (load_encoder, load_query_encoder)
EXPANSION = {"strategy": "fixed", "length": 16, "attend": False}


@pytest.fixture(scope="module")
def artefact(make_teacher: MakeTeacher, bitext: Bitext, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved graft with a prompt, query expansion, and its export beside it."""
    teacher = make_teacher(prompts={"query": "who ", "document": ""})
    student = make_student("graft", teacher, bitext).encoder
    student[0].query_expansion = EXPANSION
    folder = tmp_path_factory.mktemp("artefact") / "encoder"
    save_artefact(assemble(student, teacher), folder, {})
    export_onnx(folder)
    return folder


@pytest.fixture
def copied(artefact: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(artefact, tmp_path / "encoder"))


@pytest.fixture
def pytorch_fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("PyTorch's model was asked")

    return lambda: monkeypatch.setattr("transformers.BertModel.forward", fail)


def test_vectors_are_the_encoders_own_without_its_model(
    artefact: Path, pytorch_fails: Callable[[], None]
) -> None:
    plain, exported = load_encoder(artefact), load_query_encoder(artefact)
    expected = plain.encode_query(QUERIES)
    passage = plain.encode_document(PASSAGE)
    assert torch.equal(exported.encode_document(PASSAGE), passage)
    assert fingerprint(exported) == fingerprint(plain)
    assert query_limit(exported) == query_limit(plain) == 16
    pytorch_fails()
    with pytest.raises(AssertionError, match="PyTorch"):
        plain.encode_query(QUERIES)
    for found in (
        exported.encode_query(QUERIES),
        [exported.encode_query(query) for query in QUERIES],
        [exported.encode_query([query], batch_size=2)[0] for query in QUERIES],
        map(torch.from_numpy, exported.encode_query(QUERIES, convert_to_numpy=True)),
        [torch.from_numpy(exported.encode_query(query, convert_to_numpy=True)) for query in QUERIES],
    ):
        for vectors, own in zip(found, expected, strict=True):
            torch.testing.assert_close(normalize(vectors), normalize(own), atol=1e-4, rtol=0)
            torch.testing.assert_close(vectors.norm(dim=1), own.norm(dim=1), atol=1e-5, rtol=0)


def test_tokens_are_told_as_before(artefact: Path) -> None:
    plain, exported = (encode_tokens(load(artefact), QUERIES[0], "query") for load in LOADERS)
    assert exported.labels == plain.labels
    assert exported.spans == plain.spans
    torch.testing.assert_close(exported.vectors, plain.vectors, atol=1e-4, rtol=0)


def test_the_folder_stays_an_ordinary_one(copied: Path) -> None:
    found = MultiVectorEncoder(str(copied), device="cpu").encode_query(QUERIES[0])
    shutil.rmtree(copied / "onnx-query")
    assert torch.equal(found, MultiVectorEncoder(str(copied), device="cpu").encode_query(QUERIES[0]))


def test_int8_replaces_the_earlier_export_and_comes_close(
    copied: Path, pytorch_fails: Callable[[], None]
) -> None:
    expected = load_encoder(copied).encode_query(QUERIES)
    before = (copied / "onnx-query" / "query.onnx").read_bytes()
    assert export_onnx(copied, int8=True) == copied / "onnx-query"
    assert (copied / "onnx-query" / "query.onnx").read_bytes() != before
    assert {each.name for each in (copied / "onnx-query").iterdir()} == {"query.onnx", "query.json"}
    assert not list(copied.glob(".onnx*"))
    description = json.loads((copied / "onnx-query" / "query.json").read_text(encoding="utf-8"))
    assert description["arithmetic"] == "int8"
    exported = load_query_encoder(copied)
    pytorch_fails()
    for vectors, own in zip(exported.encode_query(QUERIES), expected, strict=True):
        assert torch.nn.functional.cosine_similarity(vectors, own).min() > 0.98


def test_a_stale_export_is_told_and_not_used(copied: Path, caplog: pytest.LogCaptureFixture) -> None:
    encoder = load_encoder(copied)
    with torch.no_grad():
        encoder[0].sub_modules["query"][1].linear.weight.neg_()
    encoder.save_pretrained(str(copied))
    found = load_query_encoder(copied).encode_query(QUERIES[0])
    assert torch.equal(found, encoder.encode_query(QUERIES[0]))
    assert "was exported from another query side" in caplog.text
    assert f"optical export {copied} --onnx" in caplog.text


@pytest.mark.parametrize("file", ["query.onnx", "query.json"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:99])])
def test_a_damaged_export_is_refused(copied: Path, file: str, damage: Callable[[Path], object]) -> None:
    damage(copied / "onnx-query" / file)
    with pytest.raises(OpticalError, match=r"onnx-query is damaged .*\. Remove it, or export again"):
        load_query_encoder(copied)


def test_without_onnxruntime_pytorch_is_used(artefact: Path) -> None:
    program = """
import importlib.util, logging, sys
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name.startswith("onnx") else find_spec(name, *rest)
from optical.encoders import export_onnx, load_query_encoder
from optical.errors import OpticalError
print(type(load_query_encoder(sys.argv[1])).__name__)
try:
    export_onnx(sys.argv[1])
except OpticalError as error:
    print(error)
"""
    process = start_python(program, str(artefact))
    output, errors = process.communicate(timeout=300)
    assert "MultiVectorEncoder\nThis needs the package onnxruntime. " in output, errors
    assert "pip install 'optical[onnx]'" in output
    assert "onnxruntime is not installed, so PyTorch is used" in errors


def test_an_encoder_with_one_side_for_both(make_teacher: MakeTeacher, tmp_path: Path) -> None:
    teacher = make_teacher(skip=".,")
    teacher.save_pretrained(str(tmp_path / "teacher"))
    export_onnx(tmp_path / "teacher")
    exported = load_query_encoder(tmp_path / "teacher")
    assert torch.equal(exported.encode_document(PASSAGE), teacher.encode_document(PASSAGE))
    torch.testing.assert_close(
        exported.encode_query(PASSAGE), teacher.encode_query(PASSAGE), atol=1e-4, rtol=0
    )


def test_a_module_that_cannot_be_exported_is_named(bert_folder: Path, tmp_path: Path) -> None:
    modules: list[nn.Module] = [Transformer(str(bert_folder)), HierarchicalTokenPooling(pool_factor=2)]
    MultiVectorEncoder(modules=modules, device="cpu").save_pretrained(str(tmp_path / "pooled"))
    with pytest.raises(OpticalError, match=r"has a HierarchicalTokenPooling module.*Choose an encoder"):
        export_onnx(tmp_path / "pooled")
    assert not list((tmp_path / "pooled").glob("*onnx*"))


def test_a_bundled_encoder_is_exported_into_a_copy(tmp_path: Path) -> None:
    copied = tmp_path / "tiny"
    with pytest.raises(OpticalError, match="or a bundled one with --output"):
        export_onnx(TINY_EN)
    assert export_onnx(TINY_EN, output=copied) == copied / "onnx-query"
    original, exported = load_encoder(TINY_EN), load_query_encoder(copied)
    assert fingerprint(exported) == fingerprint(original)
    expected = original.encode_query("Who built the railway?")
    assert torch.allclose(exported.encode_query("Who built the railway?"), expected, atol=1e-4)
    assert (
        json.loads((copied / "onnx-query" / "query.json").read_text(encoding="utf-8"))["arithmetic"]
        == "float32"
    )
    (tmp_path / "nothing").mkdir()
    with pytest.raises(OpticalError, match="nothing holds no encoder"):
        export_onnx(tmp_path / "nothing", output=tmp_path / "copy")
    (tmp_path / "nothing").rmdir()
    with pytest.raises(OpticalError, match="tiny exists already"):
        export_onnx(TINY_EN, output=copied)
    assert [each.name for each in tmp_path.iterdir()] == ["tiny"]


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(OpticalError, match=r"nothing is not a folder.*Give a saved encoder"):
        export_onnx(tmp_path / "nothing")
