"""Tokenizers for a new language: what they keep of the teacher's, and what they add."""

import json
import random
import unicodedata
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from optical.encoders.vocabulary import extend_vocabulary, learn_vocabulary
from optical.encoders.vocabulary.choice import LEAST_PIECE_LETTERS, LEAST_WORD_COUNT

from ..conftest import ENGLISH_WORDS
from .languages import lexicon, made_up_bitext

# Three times each, so that whole words are added. The vowel sign of कुल ("total") is a combining mark; without
# it the word is कल ("yesterday").
HINDI = ["कुल किताब", "कल हिन्दी", "किताब कुल", "हिन्दी कल", "कुल कल किताब हिन्दी"]


@pytest.fixture
def tokenizer(bert_folder: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(bert_folder)


def test_english_is_tokenised_as_before(tokenizer: PreTrainedTokenizerBase) -> None:
    extended, _ = extend_vocabulary(tokenizer, made_up_bitext().foreign)
    generator = random.Random(0)
    sentences = [" ".join(generator.choices([*ENGLISH_WORDS, "?", ","], k=9)).title() for _ in range(50)]
    assert extended(sentences)["input_ids"] == tokenizer(sentences)["input_ids"]


def test_every_old_token_keeps_its_id(tokenizer: PreTrainedTokenizerBase) -> None:
    extended, added = extend_vocabulary(tokenizer, made_up_bitext().foreign)
    old, new = tokenizer.get_vocab(), extended.get_vocab()
    assert {token: new[token] for token in old} == old
    assert {token: new[token] for token in added} == {token: len(old) + at for at, token in enumerate(added)}
    assert len(new) == len(old) + len(added)
    assert extended.special_tokens_map == tokenizer.special_tokens_map
    assert extended.model_max_length == tokenizer.model_max_length


def test_frequent_words_get_one_token(tokenizer: PreTrainedTokenizerBase) -> None:
    texts = ["mbwana mkubwa", "mbwana", "Mbwana mkubwa", "xyq"]
    assert LEAST_WORD_COUNT == 3
    extended, _ = extend_vocabulary(tokenizer, texts)
    assert extended.tokenize("mbwana") == ["mbwana"]
    assert "mbwana" in extended.tokenize("the MBWANA of the river")
    assert extended.tokenize("xyq") == tokenizer.tokenize("xyq")  # seen once


def test_rare_words_are_no_pieces_but_made_of_those_that_others_are_made_of(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    texts = ["kitabuxo kitabuvi kitabuzu kitabuvi"]
    extended, added = extend_vocabulary(tokenizer, texts)
    assert "kitabuvi" not in added  # seen twice
    assert extended.tokenize("kitabuvi")[0] == "kitabu"
    assert extended.tokenize("kitabuqa")[0] == "kitabu"  # never seen


def test_added_pieces_are_long_enough_to_leave_names_alone(tokenizer: PreTrainedTokenizerBase) -> None:
    foreign = made_up_bitext().foreign
    _, added = extend_vocabulary(tokenizer, foreign)
    seen = " ".join(foreign).split()
    assert set(lexicon().values()) <= set(added)
    for token in added:
        spelling = token.removeprefix("##")
        assert len(spelling) >= LEAST_PIECE_LETTERS or seen.count(spelling) >= LEAST_WORD_COUNT
        assert any(spelling in word for word in seen)
    assert len(added) == len(set(added))


def test_combining_marks_of_other_scripts_are_spelling(tokenizer: PreTrainedTokenizerBase) -> None:
    extended, _ = extend_vocabulary(tokenizer, HINDI)
    for word in {word for sentence in HINDI for word in sentence.split()}:
        assert extended.tokenize(word) == [word]
        assert extended.decode(extended(word, add_special_tokens=False)["input_ids"]) == word
    assert extended.tokenize("कुल") != extended.tokenize("कल")
    # The very thing the teacher's normaliser would have made one word of.
    normalize = tokenizer.backend_tokenizer.normalizer.normalize_str
    assert normalize("कुल") == normalize("कल")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_latin_accents_are_stripped_as_the_teacher_does(
    tokenizer: PreTrainedTokenizerBase, form: str
) -> None:
    extended, _ = extend_vocabulary(tokenizer, HINDI)
    for text in ("Náiròbi rivër", "schöol", "cìtý ?", "Hồ nước ngọt", "ǖ ę́ ṩ"):
        given = unicodedata.normalize(form, text)
        old, new = (each.backend_tokenizer.normalizer for each in (tokenizer, extended))
        assert new.normalize_str(given) == old.normalize_str(given)
    assert extended.tokenize(unicodedata.normalize(form, "Náiròbi rivër")) == ["nairobi", "river"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_both_unicode_forms_of_a_word_are_one_word(tokenizer: PreTrainedTokenizerBase, form: str) -> None:
    extended, _ = extend_vocabulary(tokenizer, ["мой йод"] * 3)  # й composes, and is no и
    assert extended.tokenize(unicodedata.normalize(form, "МОЙ йод")) == ["мой", "йод"]


def test_a_teacher_that_keeps_accents_goes_on_keeping_them(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.backend_tokenizer.normalizer.strip_accents = False
    extended, _ = extend_vocabulary(tokenizer, ["café"] * 3)
    assert extended.tokenize("café") == ["café"]
    assert extended.tokenize("cafe") != ["café"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_are_kept_on_request(tokenizer: PreTrainedTokenizerBase, form: str) -> None:
    texts = [unicodedata.normalize(form, text) for text in ["mạ mã", "mà ma"] * 3]
    extended, _ = extend_vocabulary(tokenizer, texts, accents=True)
    for word in ("mạ", "mã", "mà", "ma", "MẠ"):
        assert extended.tokenize(unicodedata.normalize(form, word)) == [word.lower()]
    assert extended.tokenize("River") == ["river"]
    assert extended.tokenize("\u0130") == extended.tokenize("i")  # Turkish İ
    plain, _ = extend_vocabulary(tokenizer, texts)
    assert {tuple(plain.tokenize(word)) for word in ("mạ", "mã", "mà", "ma")} == {("ma",)}


@pytest.mark.parametrize("accents", [True, False])
def test_unseen_words_of_seen_letters_are_known(tokenizer: PreTrainedTokenizerBase, accents: bool) -> None:
    texts = ["ƙạ mã", "ọƙ ạm"] * 3  # ƙ is no k with an accent
    extended, _ = extend_vocabulary(tokenizer, texts, accents=accents)
    assert extended.unk_token not in extended.tokenize("ạƙọ ƙƙ mạọã rivạr")


def test_the_graft_of_a_graft_may_keep_accents(tokenizer: PreTrainedTokenizerBase) -> None:
    first, _ = extend_vocabulary(tokenizer, ["mạ mã"] * 3)
    assert first.tokenize("mạ") == ["ma"]
    second, _ = extend_vocabulary(first, ["mạ mã"] * 3, accents=True)
    assert second.tokenize("mạ mã") == ["mạ", "mã"]


def test_padding_and_truncation_of_the_file_are_ignored(
    tokenizer: PreTrainedTokenizerBase, padding_folder: Path
) -> None:
    texts = made_up_bitext().foreign
    padding = AutoTokenizer.from_pretrained(padding_folder)
    for make in (lambda old: extend_vocabulary(old, texts)[0], lambda old: learn_vocabulary(old, texts)):
        plain, made = make(tokenizer), make(padding)
        assert made.get_vocab() == plain.get_vocab()
        assert json.loads(made.backend_tokenizer.to_str())["padding"] is None
        assert json.loads(made.backend_tokenizer.to_str())["truncation"] is None
        assert made(texts[:5])["input_ids"] == plain(texts[:5])["input_ids"]


@pytest.mark.parametrize("special", [True, False])
def test_tokens_added_after_training_stay_whole(tokenizer: PreTrainedTokenizerBase, special: bool) -> None:
    """A late-interaction checkpoint's "[Q] " and "[D] " have ids behind the vocabulary of the model."""
    tokenizer.add_tokens(["[Q] ", "[D] "], special_tokens=special)
    texts = made_up_bitext().foreign
    word = texts[0].split()[-1]
    extended, _ = extend_vocabulary(tokenizer, texts)
    for made in (extended, learn_vocabulary(tokenizer, texts)):
        ids = made.get_vocab()
        assert sorted(ids.values()) == list(range(len(ids)))
        for mark in ("[Q] ", "[D] "):
            assert tokenizer(mark + "river", add_special_tokens=False)["input_ids"] == [
                tokenizer.get_vocab()[mark],
                tokenizer.get_vocab()["river"],
            ]
            assert made(mark + word, add_special_tokens=False)["input_ids"] == [ids[mark], ids[word]]
    assert {token: extended.get_vocab()[token] for token in tokenizer.get_vocab()} == tokenizer.get_vocab()


def test_a_learned_vocabulary_knows_its_texts_alone(tokenizer: PreTrainedTokenizerBase) -> None:
    texts = made_up_bitext().foreign
    learned = learn_vocabulary(tokenizer, texts)
    assert set(lexicon().values()) <= set(learned.get_vocab())
    assert not {"president", "hospital", "medicine"} & set(learned.get_vocab())
    unknown = learned.unk_token_id
    assert all(unknown not in ids for ids in learned(texts)["input_ids"])


@pytest.mark.parametrize("folder", ["bert_folder", "roberta_folder"])
def test_a_learned_vocabulary_keeps_the_conventions_of_the_teacher(
    folder: str, request: pytest.FixtureRequest
) -> None:
    old = AutoTokenizer.from_pretrained(request.getfixturevalue(folder))
    learned = learn_vocabulary(old, HINDI)
    assert learned.special_tokens_map == old.special_tokens_map
    by_id = sorted(set(old.all_special_tokens), key=old.convert_tokens_to_ids)
    assert learned.convert_tokens_to_ids(by_id) == list(range(5))
    assert learned.pad_token_id == old.pad_token_id  # position ids of RoBERTa count from it
    ids = learned("कुल किताब")["input_ids"]
    assert (ids[0], ids[-1]) == (learned.cls_token_id, learned.sep_token_id)
    assert learned.tokenize("कुल किताब") == ["कुल", "किताब"]


@pytest.mark.parametrize("make", ["extend", "learn"])
def test_text_without_spaces_is_no_unknown_word(tokenizer: PreTrainedTokenizerBase, make: str) -> None:
    # A Thai sentence is one word to a WordPiece tokenizer, however long.
    text = "ทีมรับของแพนเธอร์ส" * 12
    made = (
        extend_vocabulary(tokenizer, [text] * 3)[0]
        if make == "extend"
        else learn_vocabulary(tokenizer, [text])
    )
    assert len(text) > 200
    assert tokenizer.unk_token not in made.tokenize(text)


def test_other_scripts_are_spelt_down_to_the_letter(tokenizer: PreTrainedTokenizerBase) -> None:
    extended, added = extend_vocabulary(tokenizer, ["ทีมรับ", "ของแพน"] * 3)
    assert "##ก" not in added
    assert tokenizer.unk_token not in extended.tokenize("พรมของทีม")  # a word that was never seen


@pytest.mark.parametrize("make", ["extend", "learn"])
def test_composed_and_decomposed_letters_are_one(tokenizer: PreTrainedTokenizerBase, make: str) -> None:
    apart, composed = "डिफ\u093cेंस", "डि\u095eेंस"  # a nukta of its own, and part of the letter
    made = (
        extend_vocabulary(tokenizer, [apart] * 3)[0]
        if make == "extend"
        else learn_vocabulary(tokenizer, [apart])
    )
    assert made.tokenize(composed) == made.tokenize(apart) != [tokenizer.unk_token]
