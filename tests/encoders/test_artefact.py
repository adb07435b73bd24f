"""The saved result: both sides in one folder that needs nothing but sentence-transformers."""

import json
import string
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from optical.bitext import Bitext
from optical.encoders import (
    assemble,
    document_modules,
    fingerprint,
    load_encoder,
    make_student,
    query_modules,
    query_transformer,
    read_provenance,
    save_artefact,
    versions,
)
from optical.errors import OpticalError

from .conftest import MakeTeacher
from .languages import translate
from .processes import output_of, start_python

PASSAGES = ["Rice, fish and maize. The food of the village.", "Who is the president, and when?", "river"]
QUERIES = [translate("the president of the village"), translate("food of the farmer")]
PROVENANCE = {"teacher": "TEACHER", "kind": "graft", "pairs": 400, "seed": 7}


def same(one: list[torch.Tensor], other: list[torch.Tensor], tolerance: float = 1e-5) -> None:
    assert len(one) == len(other)
    for vectors, expected in zip(one, other, strict=True):
        np.testing.assert_allclose(vectors, expected, atol=tolerance, rtol=0)


def different(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(a.shape != b.shape or not np.allclose(a, b, atol=1e-3) for a, b in pairs)


@pytest.mark.parametrize("kind", ["graft", "transplant"])
def test_queries_run_the_student_and_passages_the_teacher(
    make_teacher: MakeTeacher, bitext: Bitext, kind: str
) -> None:
    teacher = make_teacher()
    student = make_student(kind, teacher, bitext).encoder.eval()
    artefact = assemble(student, teacher).eval()
    same(artefact.encode_query(QUERIES), student.encode_query(QUERIES), 0)
    same(artefact.encode_document(PASSAGES), teacher.encode_document(PASSAGES), 0)
    assert different(artefact.encode_query(QUERIES), teacher.encode_query(QUERIES))
    assert artefact.get_embedding_dimension() == 16


def test_a_fresh_process_without_this_package_makes_the_same_vectors(
    make_teacher: MakeTeacher, bitext: Bitext, tmp_path: Path
) -> None:
    """With everything that a teacher can have: marks, skipped words, query expansion, its own lengths."""
    teacher = make_teacher(skip=string.punctuation, prompts={"query": "a ", "document": "the "})
    teacher[0].query_expansion = {"strategy": "fixed", "attend": False, "length": 14}
    teacher[0].document_length = 9
    expected = {}
    for kind in ("graft", "transplant"):
        student = make_student(kind, teacher, bitext).encoder.eval()
        artefact = assemble(student, teacher).eval()
        save_artefact(artefact, tmp_path / kind, PROVENANCE)
        expected[f"{kind} queries"] = student.encode_query(QUERIES)
        expected[f"{kind} passages"] = teacher.encode_document(PASSAGES)
    assert {len(vectors) for vectors in expected["graft queries"]} == {14}
    program = """
import json, sys
import numpy as np
from sentence_transformers import MultiVectorEncoder
folder, queries, passages = sys.argv[1], *map(json.loads, sys.argv[2:])
for kind in ("graft", "transplant"):
    encoder = MultiVectorEncoder(f"{folder}/{kind}", device="cpu")
    for side, vectors in (
        ("queries", encoder.encode_query(queries)), ("passages", encoder.encode_document(passages))
    ):
        np.savez(f"{folder}/{kind} {side}.npz", *vectors)
assert "optical" not in sys.modules
"""
    output_of(start_python(program, str(tmp_path), json.dumps(QUERIES), json.dumps(PASSAGES)))
    for name, vectors in expected.items():
        same(list(np.load(tmp_path / f"{name}.npz").values()), vectors)
    assert "optical" in sys.modules  # the name that the other process looked for is the right one


@pytest.mark.parametrize("kind", ["graft", "transplant", "checkpoint"])
def test_words_that_the_teacher_skips_are_skipped(
    make_teacher: MakeTeacher, bitext: Bitext, kind: str, roberta_folder: Path, tmp_path: Path
) -> None:
    """The mask must look its words up in the teacher's vocabulary, not in the student's."""
    teacher = make_teacher(skip=".,?")
    student = make_student(str(roberta_folder) if kind == "checkpoint" else kind, teacher, bitext).encoder
    marks = query_transformer(teacher).tokenizer.convert_tokens_to_ids([".", ",", "?"])
    if kind != "graft":
        assert query_transformer(student).tokenizer.convert_tokens_to_ids([".", ",", "?"]) != marks
    expected = teacher.encode_document(PASSAGES)
    whole = make_teacher().encode_document(PASSAGES)
    assert [len(w) - len(e) for w, e in zip(whole, expected, strict=True)] == [3, 2, 0]
    artefact = assemble(student, teacher).eval()
    same(artefact.encode_document(PASSAGES), expected, 0)
    save_artefact(artefact, tmp_path, PROVENANCE)
    same(load_encoder(tmp_path).encode_document(PASSAGES), expected)
    same(teacher.encode_document(PASSAGES), expected, 0)


def test_marks_reach_the_side_they_belong_to(
    make_teacher: MakeTeacher, bitext: Bitext, tmp_path: Path
) -> None:
    teacher = make_teacher(prompts={"query": "[Q] ", "document": "[D] "})
    teacher.tokenizer.add_tokens(["[Q] ", "[D] "], special_tokens=True)
    teacher[0].auto_model.resize_token_embeddings(len(teacher.tokenizer), mean_resizing=False)
    student = make_student("graft", teacher, bitext).encoder.eval()
    marked_query = student.encode(["[Q] " + query for query in QUERIES], task="query", prompt="")
    marked_passages = teacher.encode(["[D] " + passage for passage in PASSAGES], task="document", prompt="")
    save_artefact(assemble(student, teacher), tmp_path, PROVENANCE)
    for artefact in (assemble(student, teacher).eval(), load_encoder(tmp_path)):
        assert {side: artefact.prompts[side] for side in ("query", "document")} == teacher.prompts
        same(artefact.encode_query(QUERIES), marked_query)
        same(artefact.encode_document(PASSAGES), marked_passages)
        assert different(artefact.encode_document(PASSAGES), artefact.encode_document(PASSAGES, prompt=""))
    names = query_transformer(teacher).tokenizer
    features = load_encoder(tmp_path).preprocess(PASSAGES[-1:], prompt="[D] ", task="document")
    assert names.convert_ids_to_tokens(features["input_ids"][0].tolist()) == [
        "[CLS]",
        "[D] ",
        "river",
        "[SEP]",
    ]


def test_a_student_without_marks_gets_none(
    make_teacher: MakeTeacher, bitext: Bitext, roberta_folder: Path
) -> None:
    teacher = make_teacher(prompts={"query": "the ", "document": "a "})
    student = make_student(str(roberta_folder), teacher, bitext).encoder.eval()
    artefact = assemble(student, teacher).eval()
    assert artefact.prompts == {"query": "", "document": "a "}
    same(artefact.encode_query(["maji"]), student.encode_query(["maji"]), 0)
    same(artefact.encode_document(PASSAGES), teacher.encode_document(PASSAGES), 0)


def test_the_sides_of_an_encoder(make_teacher: MakeTeacher, bitext: Bitext) -> None:
    teacher = make_teacher()
    student = make_student("graft", teacher, bitext).encoder
    artefact = assemble(student, teacher)
    assert query_modules(teacher) == document_modules(teacher) == list(teacher.children())
    assert query_modules(artefact) == list(student.children())
    assert document_modules(artefact) == list(teacher.children())


def test_all_artefacts_of_a_teacher_share_its_fingerprint(
    make_teacher: MakeTeacher, bitext: Bitext, roberta_folder: Path, tmp_path: Path
) -> None:
    teacher = make_teacher()
    expected = fingerprint(teacher)
    assert len(expected) == 32
    int(expected, 16)
    teacher.save_pretrained(str(tmp_path / "teacher"))
    assert fingerprint(load_encoder(tmp_path / "teacher")) == expected
    for number, kind in enumerate(["graft", "transplant", str(roberta_folder)]):
        artefact = assemble(make_student(kind, teacher, bitext).encoder, teacher)
        save_artefact(artefact, tmp_path / str(number), PROVENANCE)
        loaded = load_encoder(tmp_path / str(number))
        assert fingerprint(artefact) == fingerprint(loaded) == expected
        # An artefact is as good a teacher as the teacher it was made from.
        assert fingerprint(assemble(make_student(kind, teacher, bitext).encoder, loaded)) == expected


def _change_a_weight(teacher: MultiVectorEncoder) -> None:
    with torch.no_grad():
        weight = teacher[0].auto_model.encoder.layer[1].output.dense.bias
        weight[3] = torch.nextafter(weight[3], torch.tensor(1.0))


def _change_the_projection(teacher: MultiVectorEncoder) -> None:
    with torch.no_grad():
        teacher[1].linear.weight[0, 0] *= -1


def _round(teacher: MultiVectorEncoder) -> None:
    teacher.half()


def _add_a_token(teacher: MultiVectorEncoder) -> None:
    teacher.tokenizer.add_tokens(["maji"])


def _swap_two_tokens(teacher: MultiVectorEncoder) -> None:
    backend = json.loads(teacher.tokenizer.backend_tokenizer.to_str())
    words = backend["model"]["vocab"]
    words["river"], words["water"] = words["water"], words["river"]
    tokenizer = type(teacher.tokenizer.backend_tokenizer).from_str(json.dumps(backend))
    teacher[0].processor = type(teacher.tokenizer)(
        tokenizer_object=tokenizer, **teacher.tokenizer.special_tokens_map
    )


@pytest.mark.parametrize(
    "change", [_change_a_weight, _change_the_projection, _round, _add_a_token, _swap_two_tokens]
)
def test_any_change_of_the_teacher_changes_the_fingerprint(
    make_teacher: MakeTeacher, change: Callable[[MultiVectorEncoder], None]
) -> None:
    teacher = make_teacher()
    before = fingerprint(teacher)
    assert fingerprint(make_teacher()) == before
    change(teacher)
    assert fingerprint(teacher) != before


def test_what_made_it_is_saved_with_it(make_teacher: MakeTeacher, bitext: Bitext, tmp_path: Path) -> None:
    teacher = make_teacher()
    student = make_student("graft", teacher, bitext)
    provenance: dict[str, Any] = {
        **PROVENANCE,
        "bitext": ["mein | süß.tsv"],
        "loss": 0.123456789,
        "student": student.origin,
        "versions": versions(),
    }
    save_artefact(assemble(student.encoder, teacher), tmp_path, provenance)
    assert read_provenance(tmp_path) == provenance
    assert "süß" in (tmp_path / "optical.json").read_text(encoding="utf-8")
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\n")  # the Hub reads the metadata in front
    table = card.partition("\n## Provenance\n")[2]
    assert "| teacher | TEACHER |" in table
    assert "| loss | 0.1235 |" in table
    assert "mein \\| süß.tsv" in table
    assert f"kept {student.origin['kept']}, pieced {student.origin['pieced']} |" in table
    assert f"torch {versions()['torch']}" in table
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(provenance)
    assert {row.replace("\\|", "").count("|") for row in rows} == {3}


def test_versions_are_those_that_are_running() -> None:
    assert versions()["torch"] == torch.__version__
    assert versions()["numpy"] == np.__version__
    assert sys.version.startswith(versions()["python"])


def test_a_folder_that_is_no_artefact_is_named(bert_folder: Path) -> None:
    with pytest.raises(OpticalError, match=f"{bert_folder} has no optical.json"):
        read_provenance(bert_folder)
