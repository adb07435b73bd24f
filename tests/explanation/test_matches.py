"""Which words answer which, against the encoder's own scores."""

import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from optical.encoders import load_encoder
from optical.explanation import Explanation, Word, explain
from optical.models import TINY_EN

from ..encoders.conftest import MakeTeacher, make_teacher

__all__ = ["make_teacher"]

PASSAGE = "Kenya's capital, Nairobi: zebras drink river water."


def shown(text: str, word: Word) -> str:
    assert text[word.start : word.end] == word.text
    return word.text


def word_pairs(explanation: Explanation) -> list[tuple[str, str]]:
    return [
        (shown(explanation.query, match.query), shown(explanation.passage, match.passage))
        for match in explanation.matches
    ]


@pytest.mark.parametrize("query", ["which river", "Zebra?", "who  drink, water", ""])
def test_matches_and_rest_sum_to_the_encoders_score(query: str, make_teacher: MakeTeacher) -> None:
    encoder = make_teacher()
    explanation = explain(query, PASSAGE, encoder)
    expected = encoder.similarity(encoder.encode_query([query]), encoder.encode_document([PASSAGE])).item()
    assert explanation.score == pytest.approx(expected, abs=1e-5)
    assert sum(match.score for match in explanation.matches) + explanation.rest == pytest.approx(
        expected, abs=1e-5
    )


def test_pieces_of_a_word_are_one_word_on_both_sides(make_teacher: MakeTeacher) -> None:
    sentence = "Zebras drink."
    encoder = make_teacher()
    explanation = explain(sentence, sentence, encoder)
    # Every token is nearest to itself.
    assert word_pairs(explanation) == [("Zebras", "Zebras"), ("drink", "drink"), (".", ".")]
    assert [match.score for match in explanation.matches] == pytest.approx([6, 1, 1], abs=1e-5)
    assert explanation.rest == pytest.approx(2, abs=1e-5)  # [CLS] and [SEP]


def test_tokens_of_one_word_may_be_answered_by_several(make_teacher: MakeTeacher) -> None:
    encoder = make_teacher()
    explanation = explain("zebra", "ze bra", encoder)
    query, passage = (encoder.encode_query("zebra"), encoder.encode_document("ze bra"))
    nearest = (query @ passage.T).max(1)
    words = [None, "ze", "ze", "bra", "bra", "bra", None]
    expected: dict[str, float] = {}
    for place, value in list(zip(nearest.indices.tolist(), nearest.values.tolist(), strict=True))[1:-1]:
        word = words[place]
        if word is not None:
            expected[word] = expected.get(word, 0) + value
    assert {match.passage.text: match.score for match in explanation.matches} == pytest.approx(expected)
    scores = [match.score for match in explanation.matches]
    assert scores == sorted(scores, reverse=True)


def test_a_prompt_is_no_word(make_teacher: MakeTeacher) -> None:
    encoder = make_teacher(prompts={"query": "what: ", "document": ""})
    explanation = explain("river", "river water", encoder)
    assert {match.query for match in explanation.matches} <= {Word("river", 0, 5)}


def test_a_word_is_not_split_at_its_vowel_signs() -> None:
    # The bundled tokenizer strips some of these signs, and makes tokens of others.
    text = "पीने का साफ़ पानी दिखने वाले"
    explanation = explain(text, text, load_encoder(TINY_EN))
    assert {shown(text, match.query) for match in explanation.matches} == set(text.split())
    assert {shown(text, match.passage) for match in explanation.matches} <= set(text.split())


def test_scripts_without_spaces_go_token_by_token(tiny_teacher: MultiVectorEncoder) -> None:
    text = "\u0e41\u0e21\u0e48\u0e19\u0e49\u0e33 river"
    encoder = tiny_teacher
    tokenizer = encoder[0].tokenizer
    tokenizer.add_tokens(["\u0e41\u0e21\u0e48", "\u0e19\u0e49\u0e33"])
    encoder[0].auto_model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with torch.no_grad():
        explanation = explain(text, text, encoder)
    assert word_pairs(explanation) == [
        ("\u0e41\u0e21\u0e48", "\u0e41\u0e21\u0e48"),
        ("\u0e19\u0e49\u0e33", "\u0e19\u0e49\u0e33"),
        ("river", "river"),
    ]
