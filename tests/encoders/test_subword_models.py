"""Vocabularies that are no WordPiece, extended: what stays and what is added."""

import json
import random
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from optical.encoders.vocabulary import extend_vocabulary, spell_in
from optical.encoders.vocabulary.choice import LEAST_WORD_COUNT
from optical.encoders.vocabulary.merges import continue_merges
from optical.errors import OpticalError

from .languages import lexicon, made_up_bitext
from .subwords import ALL, byte_level, english_sentences, unigram

AMHARIC = "ሰላም ለዓለም ውሃ ነው። ትልቅ ከተማ መጽሐፍ ትምህርት ቤት".split()
HINDI = "कुल कल किताब हिन्दी पानी शहर".split()
LANGUAGES = ["made-up", "am", "hi"]


def foreign_texts(language: str) -> list[str]:
    if language == "made-up":
        return made_up_bitext().foreign
    words = AMHARIC if language == "am" else HINDI
    generator = random.Random(6)
    rare = "ጸሐፊ፣ አንድ" if language == "am" else "ऋषि ठंड"
    return [*(" ".join(generator.choices(words, k=5)) for _ in range(40)), rare]


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, PreTrainedTokenizerFast]:
    return {name: make() for name, make in ALL.items()}


@pytest.fixture(params=list(ALL))
def old(
    request: pytest.FixtureRequest, tokenizers: dict[str, PreTrainedTokenizerFast]
) -> PreTrainedTokenizerFast:
    return tokenizers[request.param]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_old_token_keeps_its_id(old: PreTrainedTokenizerFast, language: str) -> None:
    extended, added = extend_vocabulary(old, foreign_texts(language))
    before, after = old.get_vocab(), extended.get_vocab()
    assert {token: after[token] for token in before} == before
    assert [after[token] for token in added] == list(range(len(before), len(before) + len(added)))
    assert len(after) == len(before) + len(added)
    assert extended.special_tokens_map == old.special_tokens_map
    assert extended("<mask>")["input_ids"] == old("<mask>")["input_ids"]
    assert extended.model_max_length == old.model_max_length
    assert extended.model_input_names == old.model_input_names


@pytest.mark.parametrize("language", LANGUAGES)
def test_frequent_words_get_one_token(old: PreTrainedTokenizerFast, language: str) -> None:
    texts = foreign_texts(language)
    extended, _ = extend_vocabulary(old, texts)
    counts = Counter(
        text for sentence in texts for text in sentence.split() if text.isalpha() or language == "hi"
    )
    frequent = [word for word, count in counts.items() if count >= 2 * LEAST_WORD_COUNT]
    assert len(frequent) >= len(lexicon() if language == "made-up" else HINDI) - 1
    # Behind another word: at the beginning of a text a word of byte-level tokenizers is another token.
    for word in frequent:
        assert len(extended.tokenize(f"{frequent[0]} {word}")) == 2, word


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_unknown_and_text_comes_back(old: PreTrainedTokenizerFast, language: str) -> None:
    texts = foreign_texts(language)
    extended, _ = extend_vocabulary(old, texts)
    for text in texts:
        ids = extended(text)["input_ids"]
        assert extended.unk_token_id not in ids
        decoded = extended.decode(ids, skip_special_tokens=True)
        # The decoder of "end of word" puts a space before punctuation.
        assert "".join(decoded.split()) == "".join(text.split())
        assert (decoded == text) or extended.backend_tokenizer.model.end_of_word_suffix
    seen = {letter for text in texts for letter in text if letter.isalpha()}
    for letter in seen:
        assert extended.unk_token_id not in extended(letter)["input_ids"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_english_is_split_as_before(old: PreTrainedTokenizerFast, language: str) -> None:
    extended, added = extend_vocabulary(old, foreign_texts(language))
    before, new = old.get_vocab(), set(added)
    changed = 0
    for sentence in english_sentences(150, seed=8):
        tokens = extended.tokenize(sentence)
        # A new token stands where old ones stood side by side that spell it, and nowhere else.
        spelled = spell_in(old, extended, tokens)
        expected = [
            i
            for token, ids in zip(tokens, spelled, strict=True)
            for i in (ids if token in new else [before[token]])
        ]
        assert expected == old(sentence, add_special_tokens=False)["input_ids"], sentence
        changed += bool(new.intersection(tokens))
    assert changed <= (15 if language == "made-up" else 0)


def test_a_new_piece_goes_no_further_than_its_margin() -> None:
    """Unigram: the best split of an English word cuts through a foreign piece, which has to stay out of it."""
    model = models.Unigram(
        [("<unk>", 0.0), ("▁", -3.0), ("▁ab", -2.0), ("cd", -2.0), *((c, -4.0) for c in "abcde")], 0
    )
    old = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model), unk_token="<unk>")
    extended, added = extend_vocabulary(old, ["▁abc"] * 5)
    assert added == ["▁abc"]
    assert extended.tokenize("▁abc") == ["▁abc"]
    assert extended.tokenize("▁abcd") == old.tokenize("▁abcd") == ["▁ab", "cd"]
    assert extended.tokenize("▁abce") == ["▁abc", "e"]


def test_tokens_added_after_training_stay_whole() -> None:
    for make in (unigram, byte_level):
        old = make()
        old.add_tokens(["[Q] ", "[D] "], special_tokens=True)
        extended, _ = extend_vocabulary(old, foreign_texts("am"))
        before, after = old.get_vocab(), extended.get_vocab()
        assert {token: after[token] for token in before} == before
        assert extended("[Q] river", add_special_tokens=False) == old("[Q] river", add_special_tokens=False)
        assert sorted(after.values()) == list(range(len(after)))


def test_the_normaliser_of_the_file_is_kept(old: PreTrainedTokenizerFast) -> None:
    extended, _ = extend_vocabulary(old, foreign_texts("made-up"))
    before, after = (json.loads(each.backend_tokenizer.to_str()) for each in (old, extended))
    for part in ("normalizer", "post_processor", "decoder", "added_tokens"):
        assert after[part] == before[part], part
    if "ByteLevel" not in str(before["pre_tokenizer"]):
        assert after["pre_tokenizer"] == before["pre_tokenizer"]


def test_saved_and_loaded_it_is_the_same(old: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    texts = foreign_texts("am")
    extended, _ = extend_vocabulary(old, texts)
    extended.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    sentences = [*texts, *english_sentences(20)]
    assert loaded(sentences)["input_ids"] == extended(sentences)["input_ids"]
    assert loaded.get_vocab() == extended.get_vocab()
    assert loaded.model_input_names == extended.model_input_names


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_byte_level_keeps_vowel_signs_in_the_word_but_no_accents(form: str) -> None:
    old = byte_level()
    old.backend_tokenizer.normalizer = None
    extended, _ = extend_vocabulary(old, foreign_texts("hi"))
    for text in ("cafés don't  café,\tcafé 12 naïve\n", "Hồ nước ngọt", "  the (river) 's x"):
        given = unicodedata.normalize(form, text)
        assert extended(given)["input_ids"] == old(given)["input_ids"]
        words = [word for word, _ in old.backend_tokenizer.pre_tokenizer.pre_tokenize_str(given)]
        assert [word for word, _ in extended.backend_tokenizer.pre_tokenizer.pre_tokenize_str(given)] == words
    assert len(extended.backend_tokenizer.pre_tokenizer.pre_tokenize_str("हिन्दी किताब")) == 2
    assert len(old.backend_tokenizer.pre_tokenizer.pre_tokenize_str("हिन्दी किताब")) > 2


def test_other_models_are_refused() -> None:
    words = Tokenizer(models.WordLevel({"<unk>": 0, "the": 1}, unk_token="<unk>"))
    marked = Tokenizer(models.BPE({"a": 0, "##b": 1}, [], continuing_subword_prefix="##"))
    for model, name in ((words, "WordLevel"), (marked, "BPE with a mark on pieces inside words")):
        with pytest.raises(OpticalError, match=rf"this one is {name}\. Use `--student transplant`"):
            extend_vocabulary(PreTrainedTokenizerFast(tokenizer_object=model), ["maji"])


def test_merges_go_on_where_the_old_ones_end() -> None:
    words = {("a", "b", "c"): 3, ("a", "b"): 2, ("x", "y"): 9, ("p", "q"): 2}
    assert continue_merges(words, {}, 3) == [("x", "y"), ("a", "b"), ("ab", "c")]
    # An old merge of what new ones made is carried out, but not learned again.
    assert continue_merges(words, {("ab", "c"): 0}, 3) == [("x", "y"), ("a", "b")]


@pytest.mark.parametrize("seed", range(5))
def test_merges_do_what_a_bpe_tokenizer_does_with_them(seed: int) -> None:
    generator = random.Random(seed)
    words = Counter("".join(generator.choices("abcd", k=generator.randint(1, 7))) for _ in range(300))
    merges = continue_merges({tuple(word): count for word, count in words.items()}, {}, 3)
    vocabulary = dict.fromkeys([*"abcd", *("".join(pair) for pair in merges)])
    model = models.BPE({token: place for place, token in enumerate(vocabulary)}, merges)
    tokens = {word: [token.value for token in model.tokenize(word)] for word in words}
    assert all(len(tokens[word]) == 1 for word, count in words.items() if count >= 3)
    adjacent: Counter[tuple[str, str]] = Counter()
    for word, split in tokens.items():
        for pair in set(pairwise(split)):
            adjacent[pair] += words[word]
    assert max(adjacent.values()) < 3
