"""The recipe of study/pretraining, small and on text of our own, up to a student that starts from the encoder."""

import importlib
import json
import math
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM, Trainer

from optical.distillation import distill
from optical.encoders import read_provenance
from optical.errors import OpticalError

from ..distillation.toy import make_pairs

RECIPE = Path(__file__).parents[2] / "study" / "pretraining"
TEXT = """
bitext = "bitext/*/en-{language}.tsv"
english = ["passages.tsv"]
apart_from = ["questions.tsv"]

[texts]
en = 1000
aa = 1000
bb = 40
"""
SETTINGS = {
    "vocabulary": 300,
    "layers": 1,
    "width": 32,
    "steps": 12,
    "batch-size": 4,
    "learning-rate": 0.01,
    "held-back": 20,
    "save-every": 5,
}


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(RECIPE))
    return importlib.import_module("pretrain")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """English in two files of pairs, a language with all of them, one with a part, and two questions of a test."""
    pairs = make_pairs(120)
    files = {
        "bitext/one/en-aa.tsv": [f"{english}\t{foreign}" for english, foreign in pairs],
        "bitext/one/en-bb.tsv": [f"{english}\t{foreign[::-1]}" for english, foreign in pairs[:70]],
        "passages.tsv": ["1\tA river\tThe river is long.\u00a0It is old.", "2\t\tThe market  is big."],
        "questions.tsv": [f"1\t{pairs[0][0].upper()}?", f"2\t{pairs[1][1]}"],
        "text.toml": TEXT.splitlines(),
    }
    for name, lines in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return tmp_path


def run(
    recipe: ModuleType,
    data: Path,
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
    /,
    *flags: str,
    **changed: object,
) -> None:
    options = {**SETTINGS, "data": data, "output": output, "text": data / "text.toml", **changed}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    monkeypatch.setattr("sys.argv", ["pretrain.py", *words, *flags])
    recipe.main()


def test_a_student_starts_from_the_encoder(
    recipe: ModuleType,
    data: Path,
    tiny_teacher: MultiVectorEncoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "pretrained"
    run(recipe, data, folder, monkeypatch)
    assert not folder.with_name("pretrained.partial").exists()
    made = json.loads((folder / "pretraining.json").read_text("utf-8"))
    languages = made["languages"]
    counts = ("there", "near_copies_left_out", "held_back", "texts")
    assert {name: tuple(each[count] for count in counts) for name, each in languages.items()} == {
        "en": (122, 2, 12, 108),
        "aa": (120, 2, 11, 107),
        "bb": (70, 1, 6, 40),
    }
    assert made["settings"]["seed"] == 0
    assert {"torch", "transformers", "tokenizers"} <= made["versions"].keys()

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, loading = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert not loading["missing_keys"]
    assert json.loads((folder / "config.json").read_text("utf-8"))["architectures"] == ["BertForMaskedLM"]
    assert (len(tokenizer), model.config.hidden_size, model.config.num_hidden_layers) == (
        model.config.vocab_size,
        32,
        1,
    )
    sentence = make_pairs(3)[2][1]
    encoded = tokenizer(sentence.upper())
    assert tokenizer.unk_token_id not in encoded["input_ids"]
    assert tokenizer.decode(encoded["input_ids"], skip_special_tokens=True).strip() == sentence
    assert encoded["input_ids"][0] == tokenizer.cls_token_id
    assert encoded["input_ids"][-1] == tokenizer.sep_token_id
    # Better than chance already: which tokens are frequent.
    assert all(each["loss"] < math.log(len(tokenizer)) for each in languages.values())

    tiny_teacher.save_pretrained(str(tmp_path / "teacher"))
    bitext = data / "bitext" / "one" / "en-aa.tsv"
    small: dict[str, Any] = {"steps": 3, "batch_size": 16, "held_back": 20, "evaluations": 1}
    distill(tmp_path / "teacher", bitext, tmp_path / "student", student=str(folder), **small)
    assert read_provenance(tmp_path / "student")["student"]["kind"] == str(folder)
    vectors = MultiVectorEncoder(str(tmp_path / "student")).encode_query(sentence)
    assert vectors.shape == (len(encoded["input_ids"]), 16)


def test_predicting_the_masked_tokens_only_is_the_same_training(recipe: ModuleType) -> None:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    model, whole = recipe.MaskedTokensModel(config).eval(), BertForMaskedLM(config).eval()
    whole.load_state_dict(model.state_dict())
    tokens = torch.randint(0, 50, (3, 9))
    batch = {
        "input_ids": tokens,
        "attention_mask": torch.arange(9).expand(3, 9).lt(torch.tensor([[9], [7], [8]])).long(),
        "labels": torch.where(torch.rand(3, 9) < 0.3, tokens, -100),
    }
    losses = [each(**batch).loss for each in (model, whole)]
    assert torch.allclose(*losses)
    for loss in losses:
        loss.backward()
    expected = dict(whole.named_parameters())
    for name, parameter in model.named_parameters():
        assert torch.allclose(parameter.grad, expected[name].grad, atol=1e-7), name


class StoppedError(Exception):
    pass


def test_a_stopped_run_goes_on_to_the_same_encoder(
    recipe: ModuleType, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(recipe, data, tmp_path / "straight", monkeypatch)
    step = Trainer.training_step
    taken = 0

    def stop(*arguments: Any, **named: Any) -> Any:
        nonlocal taken
        taken += 1
        if taken == 8:
            raise StoppedError
        return step(*arguments, **named)

    output = tmp_path / "stopped"
    run(recipe, data, output, monkeypatch, "--prepare-only")
    assert not output.exists()
    # From here on text is neither gathered nor read again.
    for name in ("gather", "load"):
        monkeypatch.setattr(recipe, name, None)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "training_step", stop)
        with pytest.raises(StoppedError):
            run(recipe, data, output, patch)
    assert not output.exists()
    with pytest.raises(SystemExit) as refusal:
        run(recipe, data, output, monkeypatch, seed=1)
    assert refusal.value.code == 2
    questions = (data / "questions.tsv").stat()
    os.utime(data / "questions.tsv", ns=(0, 0))
    with pytest.raises(SystemExit) as refusal:
        run(recipe, data, output, monkeypatch)
    assert refusal.value.code == 2
    os.utime(data / "questions.tsv", ns=(0, questions.st_mtime_ns))
    torch.rand(7)  # what else the process does with random numbers makes no difference
    run(recipe, data, output, monkeypatch)
    straight, stopped = (
        AutoModelForMaskedLM.from_pretrained(tmp_path / name).state_dict() for name in ("straight", "stopped")
    )
    assert straight.keys() == stopped.keys()
    assert all(torch.equal(straight[name], stopped[name]) for name in straight)
    first, second = (
        json.loads((tmp_path / name / "pretraining.json").read_text("utf-8"))
        for name in ("straight", "stopped")
    )
    assert first == second


def test_small_languages_have_more_of_the_vocabulary_than_of_the_text(recipe: ModuleType, data: Path) -> None:
    text = recipe.Text(training=["big"] * 900, held_back=[], there=900, near_copies=0)
    small = recipe.Text(training=["one", "two", "three"], held_back=[], there=3, near_copies=0)
    seen = list(importlib.import_module("vocabulary").smoothed({"en": text, "aa": small}))
    share = 3**0.3 / (900**0.3 + 3**0.3)
    assert abs((len(seen) - seen.count("big")) / len(seen) - share) < 0.01
    assert abs(seen.count("one") - seen.count("three")) <= 1


def test_windows_hold_every_token_once(recipe: ModuleType, data: Path) -> None:
    gathering = importlib.import_module("gathering")
    texts = gathering.gather(gathering.read_declared(data / "text.toml"), data, 10, 0)
    tokenizer = recipe.learn_vocabulary(texts, 300)
    sentences = texts["aa"].training
    pieces = [
        piece["input_ids"] for piece in recipe.windows(tokenizer, recipe.token_stream(tokenizer, sentences))
    ]
    assert {len(piece) for piece in pieces[:-1]} == {recipe.WINDOW}
    assert all(piece[0] == tokenizer.cls_token_id and piece[-1] == tokenizer.sep_token_id for piece in pieces)
    stream = [token for piece in pieces for token in piece[1:-1]]
    expected = [tokenizer(sentence)["input_ids"][1:] for sentence in sentences]
    assert [*stream, tokenizer.sep_token_id] == [token for sentence in expected for token in sentence]


def test_text_is_drawn_alike_and_is_not_held_back_too(recipe: ModuleType, data: Path) -> None:
    gathering = importlib.import_module("gathering")
    texts = {f"sentence number {number} of many" for number in range(100)}
    left_out = {"sentence number 7 of many", "another"}
    first = gathering.draw("aa", texts, left_out, 50, 20, 0)
    assert first == gathering.draw("aa", set(texts), left_out, 50, 20, 0)
    assert first != gathering.draw("aa", texts, left_out, 50, 20, 1)
    assert (len(first.training), len(first.held_back)) == (50, 9)
    assert (first.there, first.near_copies) == (101, 2)
    assert not left_out & {*first.training, *first.held_back}
    assert not set(first.training) & set(first.held_back)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("apart_from", "apart", "must have apart_from, bitext, english, texts"),
        ("en = 1000", "en = 0", "texts must be whole numbers from 1 up"),
        ("en = 1000", "", "texts must name en and another language"),
        ("en = 1000", "en =", "cannot be read as TOML"),
    ],
)
def test_a_slip_in_what_is_to_be_read(recipe: ModuleType, data: Path, old: str, new: str, said: str) -> None:
    gathering = importlib.import_module("gathering")
    file = data / "text.toml"
    file.write_text(TEXT.replace(old, new), "utf-8")
    with pytest.raises(OpticalError) as refusal:
        gathering.read_declared(file)
    assert said in str(refusal.value)
    assert str(file) in str(refusal.value)


def test_slips_are_named_on_the_command_line(
    recipe: ModuleType,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for changed, said in (
        ({"width": 33}, "--width 33 is no multiple of 32"),
        ({"data": data / "bitext"}, "questions.tsv does not exist"),
        ({"output": data}, "exists already"),
    ):
        with pytest.raises(SystemExit) as refusal:
            run(recipe, data, tmp_path / "pretrained", monkeypatch, **changed)
        assert refusal.value.code == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "pretrained.partial").exists()
