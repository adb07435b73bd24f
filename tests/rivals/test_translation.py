"""Translators of every family, small enough to be made here, and search with what they say."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    M2M100Config,
    M2M100ForConditionalGeneration,
    M2M100Tokenizer,
    MarianConfig,
    MarianMTModel,
    MarianTokenizer,
    NllbTokenizer,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from optical.collections import Run
from optical.errors import OpticalError
from optical.rivals import QueryTranslation, Translator

from .toy_language import to_toy, toy_bitext

SENTENCES = ["river fish", "farmer goat road", "book"]
# Large enough that an untrained model says different things of different inputs.
TINY = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "init_std": 1.0,
    "max_position_embeddings": 128,
}


def learn_sentencepiece(folder: Path) -> tuple[Path, dict[str, int]]:
    """Return the file of a SentencePiece model of English words, and its vocabulary."""
    text = folder / "text.txt"
    text.write_text("\n".join(toy_bitext(300).english) + "\nfarmer goat road river fish book\n")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(folder / "pieces"),
        vocab_size=36,
        model_type="unigram",
        minloglevel=3,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "pieces.model"))
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    names += [piece for piece in map(pieces.id_to_piece, range(len(pieces))) if piece not in names]
    return folder / "pieces.model", {name: number for number, name in enumerate(names)}


def make_nllb(folder: Path, tmp_path: Path) -> None:
    # Many letters, so that the model says others than the codes of some 200 languages.
    letters = [*"abcdefghiklmnorstuv▁", *map(chr, range(0x4E00, 0x4E00 + 1000))]
    names = ["<s>", "<pad>", "</s>", "<unk>", *letters]
    tokenizer = NllbTokenizer(vocab={name: number for number, name in enumerate(names)}, merges=[])
    tokenizer.save_pretrained(folder)
    M2M100ForConditionalGeneration(M2M100Config(vocab_size=len(tokenizer), **TINY)).save_pretrained(folder)


def make_m2m(folder: Path, tmp_path: Path) -> None:
    pieces, vocabulary = learn_sentencepiece(tmp_path)
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    tokenizer = M2M100Tokenizer(str(tmp_path / "vocab.json"), str(pieces))
    tokenizer.save_pretrained(folder)
    M2M100ForConditionalGeneration(M2M100Config(vocab_size=200, **TINY)).save_pretrained(folder)


def make_opus(folder: Path, tmp_path: Path, codes: tuple[str, ...] = ()) -> None:
    pieces, vocabulary = learn_sentencepiece(tmp_path)
    for code in codes:
        vocabulary[code] = len(vocabulary)
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    tokenizer = MarianTokenizer(str(pieces), str(pieces), str(tmp_path / "vocab.json"))
    tokenizer.save_pretrained(folder)
    config = MarianConfig(
        vocab_size=len(vocabulary),
        pad_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        forced_eos_token_id=None,
        **TINY,
    )
    MarianMTModel(config).save_pretrained(folder)


def make_opus_into_several(folder: Path, tmp_path: Path) -> None:
    make_opus(folder, tmp_path, (">>eng<<", ">>fra<<"))


def make_madlad(folder: Path, tmp_path: Path) -> None:
    words = ["<pad>", "</s>", "<unk>", "<2en>", "<2sw>", "<2de>", *" ".join(SENTENCES).split()]
    backend = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>")
    )
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    config = T5Config(
        vocab_size=len(words), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, initializer_factor=20.0
    )
    config.decoder_start_token_id = 0
    T5ForConditionalGeneration(config).save_pretrained(folder)


def made(family: str, tmp_path: Path) -> Path:
    makers: dict[str, Any] = {
        "nllb": make_nllb,
        "m2m": make_m2m,
        "opus": make_opus,
        "opus-mul": make_opus_into_several,
        "madlad": make_madlad,
    }
    torch.manual_seed(3)
    makers[family](tmp_path / family, tmp_path)
    return tmp_path / family


def expected(folder: Path, source: str | None, prefix: str, **generation: Any) -> list[str]:
    """Translate sentence by sentence as the documentation of transformers says."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForSeq2SeqLM.from_pretrained(folder)
    if source:
        tokenizer.src_lang = source
    translations = []
    for sentence in SENTENCES:
        encoded = tokenizer(prefix + sentence, return_tensors="pt")
        longest = 2 * encoded["input_ids"].shape[1] + 16
        ids = model.eval().generate(**encoded, num_beams=4, max_new_tokens=longest, **generation)
        translations.append(tokenizer.decode(ids[0], skip_special_tokens=True).strip())
    return translations


@pytest.mark.parametrize(
    ("family", "source", "target", "prefix"),
    [
        ("nllb", "swh_Latn", "eng_Latn", ""),
        ("nllb", "som_Latn", "fra_Latn", ""),
        ("m2m", "sw", "en", ""),
        ("opus", None, None, ""),
        ("opus-mul", None, "eng", ">>eng<< "),
        ("madlad", None, "en", "<2en> "),
    ],
)
def test_every_family_is_told_its_languages(
    family: str, source: str | None, target: str | None, prefix: str, tmp_path: Path
) -> None:
    folder = made(family, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    first = {
        "nllb": lambda: tokenizer.convert_tokens_to_ids(target),
        "m2m": lambda: tokenizer.get_lang_id(target),
    }
    generation = {"forced_bos_token_id": first[family]()} if family in first else {}
    translator = Translator(folder, source=source, target=target, batch_size=1)
    translations = translator.translate(SENTENCES)
    assert translations == expected(folder, source, prefix, **generation)
    assert any(translations)
    if source or target:
        assert translations != expected(folder, None, "")


@pytest.mark.parametrize(
    ("family", "codes", "says"),
    [
        ("nllb", {"target": "eng_Latn"}, "given no source.*such as eng_Latn"),
        ("nllb", {"source": "swh_Latn"}, "given no target.*such as eng_Latn"),
        ("nllb", {"source": "sw", "target": "eng_Latn"}, "no language 'sw', .*the source.*swh_Latn"),
        ("nllb", {"source": "swa_Latn", "target": "eng_Latn"}, "no language 'swa_Latn'.*swh_Latn"),
        ("nllb", {"source": "swh_Latn", "target": "river"}, "no language 'river'"),
        ("m2m", {"source": "swh_Latn", "target": "en"}, "no language 'swh_Latn'.* sw"),
        ("madlad", {}, "given no target.*such as en, de, sw"),
        ("madlad", {"target": "eng_Latn"}, "no language 'eng_Latn'.*such as en"),
        ("madlad", {"source": "sw", "target": "en"}, "asks for no source language"),
        ("opus-mul", {}, "given no target.*eng"),
        ("opus", {"source": "sw"}, "asks for no source language"),
        ("opus", {"target": "en"}, "into one language only"),
    ],
)
def test_wrong_codes_are_refused(family: str, codes: dict[str, str], says: str, tmp_path: Path) -> None:
    with pytest.raises(OpticalError, match=says):
        Translator(made(family, tmp_path), **codes)


def test_order_is_kept_and_empty_texts_stay_empty(toy_translator: Path) -> None:
    english = [*toy_bitext(30, seed=5).english, "river river river river"]
    texts = [to_toy(sentence) if place % 5 else "" for place, sentence in enumerate(english)]
    texts[7], texts[8] = "  \n", texts[9]
    translator = Translator(toy_translator, batch_size=4)
    translations = translator.translate(texts)
    assert [not each for each in translations] == [not text.strip() for text in texts]
    assert translations[8] == translations[9]
    assert translations == translator.translate(texts)
    assert translations == Translator(toy_translator, batch_size=100).translate(texts)
    alone = [translator.translate([text])[0] for text in texts]
    assert alone == translations
    right = sum(made == sentence for made, sentence in zip(translations, english, strict=True))
    assert right > 12
    assert translator.translate([]) == []


def test_texts_beyond_the_longest_input_are_cut(tmp_path: Path) -> None:
    translator = Translator(made("opus", tmp_path))
    assert len(translator.translate(["river " * 1000, "book"])) == 2


class WordSearch:
    """Finds the passages that share words with a query."""

    def __init__(self, passages: Mapping[str, str]) -> None:
        self.passages = passages

    def rank(self, queries: Mapping[str, str], depth: int = 100) -> Run:
        assert all(queries.values())
        run: Run = {}
        for query, text in queries.items():
            words = {
                name: len(set(text.split()) & set(passage.split())) for name, passage in self.passages.items()
            }
            best = sorted((name for name in words if words[name]), key=lambda name: -words[name])
            run[query] = {name: float(words[name]) for name in best[:depth]}
        return run


def test_queries_are_translated_and_passed_on(toy_translator: Path) -> None:
    passages = {str(number): english for number, english in enumerate(toy_bitext(50).english)}
    search, translator = WordSearch(passages), Translator(toy_translator)
    queries = {f"q{name}": to_toy(passages[name]) for name in ("3", "8", "21")}
    translations = dict(zip(queries, translator.translate(list(queries.values())), strict=True))
    system = QueryTranslation(translator, search)
    assert system.rank(queries, 7) == search.rank(translations, 7)
    assert any(system.rank(queries, 7).values())
    assert system.rank({"empty": " ", **queries}, 7) == {"empty": {}, **search.rank(translations, 7)}
    assert list(system.rank({"empty": " ", **queries}, 7)) == ["empty", *queries]
    assert system.rank({"empty": ""}) == {"empty": {}}
    assert system.rank({}) == {}


def test_what_is_no_translator_is_refused(bert_folder: Path, toy_translator: Path, tmp_path: Path) -> None:
    with pytest.raises(
        OpticalError, match=r"nowhere/translator could not be loaded.*Check the name and the network"
    ):
        Translator("nowhere/translator")
    with pytest.raises(OpticalError, match="holds no translator"):
        Translator(tmp_path)
    with pytest.raises(OpticalError, match=r"could not be loaded as a translator.*sequence-to-sequence"):
        Translator(bert_folder)
    damaged = made("opus", tmp_path)
    (damaged / "model.safetensors").write_bytes(b"half of it")
    with pytest.raises(OpticalError, match="could not be loaded as a translator"):
        Translator(damaged)
    with pytest.raises(OpticalError, match="batch_size is 0"):
        Translator(toy_translator, batch_size=0)


def test_a_tokenizer_without_its_package_says_what_to_install(tmp_path: Path) -> None:
    program = """
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "sentencepiece":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Without())
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "sentencepiece" else find_spec(name, *rest)
from optical.errors import OpticalError
from optical.rivals import Translator

try:
    Translator(sys.argv[1])
except OpticalError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(made("opus", tmp_path))],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "needs the package sentencepiece" in done.stdout, done.stderr
    assert "pip install 'optical[study]'" in done.stdout
