"""The three kinds of student: what they are made of, and that they search before any training."""

import json
import os
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from optical.bitext import Bitext, estimate_translation_table
from optical.encoders import (
    assemble,
    fingerprint,
    load_encoder,
    make_student,
    query_transformer,
    save_artefact,
)
from optical.errors import OpticalError

from .conftest import MakeTeacher
from .languages import lexicon, made_up_bitext, translate
from .processes import output_of, start_python

KINDS = ["graft", "accented-graft", "transplant"]


def embeddings(encoder: MultiVectorEncoder) -> torch.Tensor:
    weight: torch.Tensor = query_transformer(encoder).auto_model.get_input_embeddings().weight
    return weight.detach()


def vocabulary(encoder: MultiVectorEncoder) -> dict[str, int]:
    return dict(query_transformer(encoder).tokenizer.get_vocab())


def best_english(query: torch.Tensor, passages: list[torch.Tensor]) -> int:
    """MaxSim by its definition."""
    return int(torch.stack([(query @ passage.T).amax(1).sum() for passage in passages]).argmax())


@pytest.mark.parametrize("kind", KINDS)
def test_an_untrained_student_finds_translations(
    make_teacher: MakeTeacher, bitext: Bitext, kind: str
) -> None:
    teacher = make_teacher()
    student = make_student(kind, teacher, bitext).encoder.eval()
    english = list(dict.fromkeys(made_up_bitext(40, seed=9).english))
    passages = teacher.encode_document(english)
    found = [best_english(query, passages) for query in student.encode_query([translate(e) for e in english])]
    untouched = [best_english(q, passages) for q in teacher.encode_query([translate(e) for e in english])]
    assert np.mean(np.array(found) == np.arange(len(english))) > 0.9
    assert np.mean(np.array(untouched) == np.arange(len(english))) < 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_are_those_of_the_translations(
    make_teacher: MakeTeacher, bitext: Bitext, kind: str
) -> None:
    teacher = make_teacher()
    student = make_student(kind, teacher, bitext).encoder
    old, new = query_transformer(teacher).tokenizer, query_transformer(student).tokenizer
    table = estimate_translation_table(
        new(bitext.foreign, add_special_tokens=False)["input_ids"],
        old(bitext.english, add_special_tokens=False)["input_ids"],
    )
    before, after = embeddings(teacher).double(), embeddings(student).double()
    for english, foreign in list(lexicon().items())[:20]:
        ids, probability = table.translations(vocabulary(student)[foreign], 4)
        assert ids[0] == vocabulary(teacher)[english]
        weight = torch.from_numpy(probability / probability.sum())
        mean = weight @ before[ids.tolist()]
        expected = mean / mean.norm() * (weight @ before[ids.tolist()].norm(dim=1))
        torch.testing.assert_close(after[vocabulary(student)[foreign]], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_are_counted_by_origin(make_teacher: MakeTeacher, bitext: Bitext, kind: str) -> None:
    teacher = make_teacher()
    student = make_student(kind, teacher, bitext)
    origin = dict(student.origin)
    tokens = origin.pop("tokens")
    assert set(origin) == {"translated", "replaced", "kept", "pieced"}
    assert (
        sum(origin.values()) == tokens == len(vocabulary(student.encoder)) == len(embeddings(student.encoder))
    )
    known = set(vocabulary(teacher)) & set(vocabulary(student.encoder))
    assert origin["kept"] + origin["replaced"] == len(known)
    if kind == "graft":
        frequent = [word for word, count in Counter(" ".join(bitext.foreign).split()).items() if count >= 60]
        assert origin["replaced"] == len(set(frequent) & set(vocabulary(teacher))) > 0


def test_a_graft_leaves_the_embeddings_of_the_teacher_alone(
    make_teacher: MakeTeacher, bitext: Bitext
) -> None:
    teacher = make_teacher()
    student = make_student("graft", teacher, bitext).encoder
    often = {token for token, count in Counter(" ".join(bitext.foreign).split()).items() if count >= 60}
    for token, position in vocabulary(teacher).items():
        if token not in often:
            assert torch.equal(embeddings(student)[position], embeddings(teacher)[position]), token


def test_a_graft_understands_english_as_before(make_teacher: MakeTeacher) -> None:
    teacher = make_teacher()
    student = make_student("graft", teacher, made_up_bitext(50), weighted=False).encoder.eval()
    text = "Who is the president of Nairobi?"
    np.testing.assert_allclose(student.encode_query(text), teacher.encode_query(text), atol=1e-6)


@pytest.mark.parametrize("kind", [*KINDS, "checkpoint"])
def test_the_teacher_is_left_untouched_and_everything_can_be_trained(
    make_teacher: MakeTeacher, bitext: Bitext, kind: str, bert_folder: Path
) -> None:
    teacher = make_teacher()
    teacher.requires_grad_(False)
    before = fingerprint(teacher)
    student = make_student(str(bert_folder) if kind == "checkpoint" else kind, teacher, bitext).encoder
    assert all(weight.requires_grad for weight in student.parameters())
    with torch.no_grad():
        for weight in student.parameters():
            weight.add_(1)
    assert fingerprint(teacher) == before
    assert not any(weight.requires_grad for weight in teacher.parameters())


def test_two_processes_make_the_same_students(
    bert_folder: Path, roberta_folder: Path, tmp_path: Path
) -> None:
    """Sets and hash maps are ordered by another hash seed there."""
    pairs = made_up_bitext(150)
    (tmp_path / "bitext.json").write_text(json.dumps([pairs.english, pairs.foreign]))
    program = """
import json, sys
import torch
from optical.bitext import Bitext
from optical.encoders import load_encoder, make_student
checkpoint, folder, *kinds = sys.argv[1:]
english, foreign = json.load(open(f"{folder}/bitext.json"))
for place, kind in enumerate(kinds):
    teacher = load_encoder(checkpoint, dimension=16)
    student = make_student(kind, teacher, Bitext(english=english, foreign=foreign))
    made = (student.encoder.tokenizer.get_vocab(), student.origin, student.encoder.state_dict())
    torch.save(made, f"{folder}/{place}.pt")
"""
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    kinds = [*KINDS, f"graft:{roberta_folder}"]
    elsewhere = start_python(program, str(bert_folder), str(tmp_path), *kinds, PYTHONHASHSEED=seed)
    here = [make_student(kind, load_encoder(bert_folder, dimension=16), pairs) for kind in kinds]
    output_of(elsewhere)
    for place, student in enumerate(here):
        tokens, origin, weights = torch.load(tmp_path / f"{place}.pt")
        assert tokens == vocabulary(student.encoder)
        assert origin == student.origin
        own = student.encoder.state_dict()
        assert own.keys() == weights.keys()
        assert [name for name in own if not torch.equal(own[name], weights[name])] == []


@pytest.mark.parametrize("kind", KINDS)
def test_padding_stored_in_the_teachers_tokenizer_is_ignored(
    make_teacher: MakeTeacher, bitext: Bitext, padding_folder: Path, kind: str
) -> None:
    plain = make_student(kind, make_teacher(), bitext)
    padded = make_student(kind, make_teacher(padding_folder), bitext)
    assert padded.origin == plain.origin
    assert vocabulary(padded.encoder) == vocabulary(plain.encoder)
    torch.testing.assert_close(embeddings(padded.encoder), embeddings(plain.encoder), rtol=0, atol=0)


def test_a_vocabulary_with_gaps_is_grafted_all_the_same(
    make_teacher: MakeTeacher, bert_folder: Path, bitext: Bitext, tmp_path: Path
) -> None:
    """A vocab.txt with a word twice leaves an id without a token."""
    folder = tmp_path / "gaps"
    shutil.copytree(bert_folder, folder)
    state = json.loads((folder / "tokenizer.json").read_text())
    gap = state["model"]["vocab"].pop("tanzania")
    (folder / "tokenizer.json").write_text(json.dumps(state))
    teacher = make_teacher(folder)
    assert gap not in vocabulary(teacher).values()
    assert gap < max(vocabulary(teacher).values())
    student = make_student("graft", teacher, bitext).encoder
    assert len(embeddings(student)) == max(vocabulary(student).values()) + 1
    weights = {
        each: float(student[-1].emb_layer.weight.detach()[vocabulary(student)[each]])
        for each in ("[UNK]", "[SEP]")
    }
    assert weights == pytest.approx({"[UNK]": 1e-3, "[SEP]": 1e-3})  # not those of the id without a token
    for token in ("village", "who", "z", "##z", "-"):
        position = vocabulary(teacher)[token]
        assert torch.equal(embeddings(student)[position], embeddings(teacher)[position])
    for english, foreign in list(lexicon().items())[:20]:
        own = embeddings(student)[vocabulary(student)[foreign]]
        cosines = torch.cosine_similarity(own, embeddings(teacher), dim=1)
        assert int(cosines.argmax()) == vocabulary(teacher)[english]


@pytest.mark.parametrize("kind", KINDS)
def test_a_teacher_with_other_special_tokens_keeps_their_ways(
    make_teacher: MakeTeacher, roberta_folder: Path, bitext: Bitext, kind: str
) -> None:
    student = make_student(kind, make_teacher(roberta_folder), bitext, weighted=False).encoder.eval()
    assert query_transformer(student).auto_model.get_input_embeddings().padding_idx == 1
    # Padded beside a long sentence, a short one gets the same vectors.
    short, long = bitext.foreign[0], " ".join(bitext.foreign[:4])
    together = student.encode_query([short, long], batch_size=2)[0]
    np.testing.assert_allclose(together, student.encode_query(short), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_a_teacher_that_marks_its_queries_passes_the_mark_on(
    make_teacher: MakeTeacher, bitext: Bitext
) -> None:
    """PyLate adds "[Q] " and "[D] " behind the vocabulary, with embeddings of their own."""
    teacher = make_teacher(prompts={"query": "[Q] ", "document": "[D] "})
    teacher.tokenizer.add_tokens(["[Q] ", "[D] "], special_tokens=True)
    torch.manual_seed(0)
    teacher[0].auto_model.resize_token_embeddings(len(teacher.tokenizer))
    mark = embeddings(teacher)[vocabulary(teacher)["[Q] "]]
    for kind in KINDS:
        student = make_student(kind, teacher, bitext).encoder
        assert student.prompts["query"] == "[Q] "
        word = lexicon()["hospital"]
        ids = student.preprocess([word], prompt="[Q] ", task="query")["input_ids"][0].tolist()
        expected = ["[CLS]", "[Q] ", word, "[SEP]"]
        assert ids == [vocabulary(student)[token] for token in expected]
        assert torch.equal(embeddings(student)[ids[1]], mark)
        cosines = torch.cosine_similarity(embeddings(student)[ids[2]], embeddings(teacher), dim=1)
        assert int(cosines.argmax()) == vocabulary(teacher)["hospital"]


def test_any_checkpoint_gets_the_dimension_of_the_teacher(
    make_teacher: MakeTeacher, bert_folder: Path, bitext: Bitext
) -> None:
    teacher = make_teacher()
    student = make_student(str(bert_folder), teacher, bitext)
    assert student.kind == str(bert_folder)
    assert student.origin == {}
    assert student.encoder.get_embedding_dimension() == 16
    assert student.encoder.encode_query("the river").shape == (4, 16)
    again = make_student(str(bert_folder), teacher, bitext).encoder[1].linear.weight
    other = make_student(str(bert_folder), teacher, bitext, seed=1).encoder[1].linear.weight
    torch.testing.assert_close(again, student.encoder[1].linear.weight)
    assert not torch.allclose(other, again, atol=0.1)


def test_a_student_of_another_dimension_is_refused(
    make_teacher: MakeTeacher,
    bert_folder: Path,
    bitext: Bitext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load_encoder(bert_folder, dimension=8).save_pretrained(str(tmp_path / "graft-8"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        OpticalError, match=r"graft-8 makes vectors of 8 dimensions, the teacher of 16"
    ) as refused:
        make_student("graft-8", make_teacher(), bitext)
    assert "Did you mean" not in str(refused.value)  # the folder is there


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("graf", " Did you mean the student graft?"),
        ("acented-graft", " Did you mean the student accented-graft?"),
        ("graf:no-such-owner/no-such-model", " Did you mean the student graft:no-such-owner/no-such-model?"),
        ("no-such-owner/no-such-model", ""),
    ],
)
def test_a_student_that_does_not_exist_is_refused(
    make_teacher: MakeTeacher, bitext: Bitext, name: str, meant: str
) -> None:
    with pytest.raises(OpticalError, match=rf"{name} could not be loaded.*\){re.escape(meant)}$"):
        make_student(name, make_teacher(), bitext)


def test_a_saved_artefact_can_be_trained_further(
    make_teacher: MakeTeacher, bitext: Bitext, tmp_path: Path
) -> None:
    """Its query side becomes the student; its document side is not looked at."""
    teacher = make_teacher()
    grafted = make_student("graft", teacher, bitext).encoder
    artefact: Any = assemble(grafted, teacher)
    save_artefact(artefact, tmp_path, {})
    student = make_student(str(tmp_path), teacher, bitext)
    assert student.encoder.get_embedding_dimension() == 16
    grafted.eval()
    text = bitext.foreign[0]
    again = assemble(student.encoder, teacher).eval()
    np.testing.assert_allclose(again.encode_query(text), grafted.encode_query(text), atol=1e-5)
    assert fingerprint(again) == fingerprint(teacher)


@pytest.mark.parametrize(("foreign", "warned"), [("ልጆች ውሃ ይጠጣሉ", True), ("watoto wanakunywa maji", False)])
def test_a_script_that_a_checkpoint_never_saw_is_told(
    bert_folder: Path,
    tiny_teacher: MultiVectorEncoder,
    caplog: pytest.LogCaptureFixture,
    foreign: str,
    warned: bool,
) -> None:
    make_student(str(bert_folder), tiny_teacher, Bitext(["children drink water"], [foreign]))
    assert (f"Choose the student graft:{bert_folder}" in caplog.text) == warned
    assert ("100 % of what" in caplog.text) == warned


def in_accents(english: list[str]) -> list[str]:
    """A language that has one syllable for every six English words, and an accent for each of them."""
    words = sorted({word for sentence in english for word in sentence.split()})
    accents = ["", "\u0301", "\u0300", "\u0303", "\u0309", "\u0323"]
    spelled = {
        word: f"z{'aeiouy'[n // 6 % 6]}{accents[n % 6]}{'bdg' * (n // 36)}" for n, word in enumerate(words)
    }
    assert len(set(spelled.values())) == len(words)
    return [" ".join(spelled[word] for word in sentence.split()) for sentence in english]


def test_words_that_accents_tell_apart(make_teacher: MakeTeacher, caplog: pytest.LogCaptureFixture) -> None:
    teacher, english = make_teacher(), made_up_bitext().english
    foreign = in_accents(english)
    others = list(dict.fromkeys(english))[:40]
    passages = teacher.encode_document(others)

    def found(kind: str) -> float:
        student = make_student(kind, teacher, Bitext(english, foreign)).encoder.eval()
        queries = student.encode_query([foreign[english.index(each)] for each in others])
        return float(np.mean([best_english(query, passages) == n for n, query in enumerate(queries)]))

    assert found("accented-graft") > 0.9
    assert not caplog.messages
    assert found("graft") < 0.8
    assert "cannot be told from others" in caplog.text
    assert "accented-graft" in caplog.text


def test_few_words_that_accents_tell_apart_are_no_news(
    make_teacher: MakeTeacher, bitext: Bitext, caplog: pytest.LogCaptureFixture
) -> None:
    word = bitext.foreign[0].split()[0]
    pairs = Bitext([*bitext.english, "water"], [*bitext.foreign, f"{word[0]}\u0301{word[1:]}"])
    make_student("graft", make_teacher(), pairs)
    assert not caplog.messages
