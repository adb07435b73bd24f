"""Translators of a toy language, trained for real."""

from pathlib import Path
from typing import Any

import pytest
import torch
from sacrebleu.metrics import CHRF
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, Seq2SeqTrainer

from optical.bitext import Bitext
from optical.errors import OpticalError
from optical.rivals import Translator, read_translator_provenance, train_translator
from optical.rivals.subwords import learn_subwords

from .toy_language import to_toy, toy_bitext

TINY: dict[str, Any] = {
    "steps": 16,
    "seed": 1,
    "held_back": 20,
    "batch_size": 16,
    "width": 16,
    "heads": 2,
    "vocabulary": 100,
    "dropout": 0.1,
    "encoder_layers": 1,
    "decoder_layers": 1,
}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(AutoModelForSeq2SeqLM.from_pretrained(folder).state_dict())


def assert_same_translators(first: Path, second: Path) -> None:
    for name, weight in weights(first).items():
        assert torch.equal(weight, weights(second)[name]), name
    vocabularies = [(folder / "tokenizer.json").read_text(encoding="utf-8") for folder in (first, second)]
    assert vocabularies[0] == vocabularies[1]


def test_it_translates_sentences_that_it_has_not_seen(toy_translator: Path) -> None:
    seen = toy_bitext().english
    new = [sentence for sentence in toy_bitext(100, seed=9).english if sentence not in seen]
    assert len(new) > 30
    translations = Translator(toy_translator).translate([to_toy(sentence) for sentence in new])
    right = sum(made == sentence for made, sentence in zip(translations, new, strict=True))
    assert right > 0.5 * len(new)


def test_the_folder_says_what_made_it(toy_translator: Path) -> None:
    made, bitext = read_translator_provenance(toy_translator), toy_bitext()
    assert [each.name for each in toy_translator.parent.iterdir()] == ["translator"]
    assert {"optical", "torch", "transformers", "tokenizers", "python"} <= set(made["versions"])
    assert made["bitext"] == {"digest": bitext.digest(), "pairs": 400, "dropped": {}}
    assert made["settings"].items() >= {"steps": 200, "seed": 0, "width": 64, "label_smoothing": 0.1}.items()
    assert (made["training_pairs"], made["development"]["pairs"]) == (360, 40)
    assert made["best_step"] in (50, 100, 150, 200)
    assert made["subwords"] == len(AutoTokenizer.from_pretrained(toy_translator)) == 120
    assert made["parameters"] > 100_000

    _, development = bitext.split(40, 0)
    translations = Translator(toy_translator).translate(development.foreign)
    measure = CHRF(lowercase=True)
    expected = measure.corpus_score(translations, [development.english]).score
    assert made["development"]["chrf"] == pytest.approx(expected, abs=0.5)
    assert made["development"]["chrf"] > 60
    assert made["development"]["signature"] == str(measure.get_signature())


def test_seed_decides(tmp_path: Path) -> None:
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        train_translator(toy_bitext(120), tmp_path / name, **{**TINY, "steps": 4, "seed": seed})
        torch.rand(3)  # what else the process does with random numbers makes no difference
    assert_same_translators(tmp_path / "first", tmp_path / "again")
    first, other = weights(tmp_path / "first"), weights(tmp_path / "other")
    assert not torch.equal(first["model.shared.weight"], other["model.shared.weight"])


def test_a_stopped_run_goes_on_to_the_same_translator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bitext, output, work = toy_bitext(120), tmp_path / "translator", tmp_path / "translator.partial"
    train_translator(bitext, tmp_path / "straight", **TINY)

    class StoppedError(Exception):
        pass

    step = Seq2SeqTrainer.training_step

    def stop(self: Seq2SeqTrainer, *arguments: Any, **named: Any) -> torch.Tensor:
        if self.state.global_step == 10:
            raise StoppedError
        done: torch.Tensor = step(self, *arguments, **named)
        return done

    with monkeypatch.context() as patch:
        patch.setattr(Seq2SeqTrainer, "training_step", stop)
        with pytest.raises(StoppedError):
            train_translator(bitext, output, **TINY)
    assert not output.exists()

    kept = sorted(work.rglob("*"))
    for changed in ({"seed": 2}, {"dropout": 0.3}, {"steps": 17}):
        with pytest.raises(OpticalError, match=f"{work} holds something else, or an unfinished run"):
            train_translator(bitext, output, **{**TINY, **changed})
    with pytest.raises(OpticalError, match=f"{work} holds something else, or an unfinished run"):
        train_translator(toy_bitext(121), output, **TINY)
    assert sorted(work.rglob("*")) == kept

    done = []

    def count(self: Seq2SeqTrainer, *arguments: Any, **named: Any) -> torch.Tensor:
        done.append(self.state.global_step)
        return step(self, *arguments, **named)

    monkeypatch.setattr(Seq2SeqTrainer, "training_step", count)
    train_translator(bitext, output, **TINY)
    assert done == list(range(8, 16))
    assert not work.exists()
    assert_same_translators(tmp_path / "straight", output)
    made, straight = (read_translator_provenance(tmp_path / name) for name in ("translator", "straight"))
    assert made["best_step"] == straight["best_step"]
    assert made["development"] == straight["development"]


def test_bfloat16_and_long_pairs(tmp_path: Path) -> None:
    train_translator(
        toy_bitext(120), tmp_path / "translator", **{**TINY, "steps": 2, "max_tokens": 9, "bfloat16": True}
    )
    made = read_translator_provenance(tmp_path / "translator")
    assert 16 <= made["training_pairs"] < 100
    assert made["settings"]["bfloat16"]


@pytest.mark.parametrize(
    ("pairs", "settings", "says"),
    [
        (120, {"steps": 0}, "steps is 0"),
        (120, {"learning_rate": -1.0}, "learning_rate is -1.0"),
        (120, {"dropout": 1.0}, "dropout is 1.0"),
        (120, {"heads": 3}, "3 heads cannot share a width of 16"),
        (10, {}, "Of 10 sentence pairs, 8 for training and 2 held back"),
        (1, {"batch_size": 1}, "Of 1 sentence pairs, 1 for training and 0 held back"),
        (120, {"max_tokens": 1}, "0 for training and 0 held back have at most 1 subwords"),
    ],
)
def test_what_is_refused_leaves_nothing(
    pairs: int, settings: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(OpticalError, match=says):
        train_translator(toy_bitext(pairs), tmp_path / "made" / "translator", **{**TINY, **settings})
    assert list(tmp_path.iterdir()) == []


def test_output_that_exists_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("years of work")
    with pytest.raises(OpticalError, match=f"{tmp_path} exists already"):
        train_translator(toy_bitext(120), tmp_path, **TINY)
    assert (tmp_path / "precious.txt").read_text() == "years of work"


def test_provenance_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(OpticalError, match=r"has no optical\.json"):
        read_translator_provenance(tmp_path)


def test_subwords_spell_every_script_and_are_the_same_each_time(tmp_path: Path) -> None:
    sentences = ["Habari, rafiki!", "ሰላም፣ ዓለም። ቤት", "ภาษาไทย ง่าย", "नमस्ते दुनिया", "in 1984, don’t"]
    bitext = Bitext([f"Sentence {number}." for number in range(5)] * 3, sentences * 3)
    made = [learn_subwords(bitext, 200) for _ in range(3)]
    assert len({tokenizer.backend_tokenizer.to_str() for tokenizer in made}) == 1
    made[0].save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    for sentence in sentences:
        ids = tokenizer(sentence)["input_ids"]
        assert ids[-1] == tokenizer.eos_token_id
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids, skip_special_tokens=True) == sentence.lower()
    unseen = tokenizer("漢")["input_ids"]
    assert tokenizer.unk_token_id in unseen
