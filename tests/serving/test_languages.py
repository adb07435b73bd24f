"""Telling languages."""

import math

import pytest
from sentence_transformers import MultiVectorEncoder

from optical.serving.languages import SURE, LanguageRouting, by_vocabulary

from ..encoders.conftest import MakeTeacher
from .conftest import PAIRS, Made

SENTENCES = {
    "sw": "Wakulima walipanda mahindi kabla ya mvua kubwa kunyesha.",
    "ha": "Manoma sun shuka masara kafin ruwan sama mai yawa ya sauka.",
    "yo": "Àwọn àgbẹ̀ gbin àgbàdo kí òjò ńlá tó rọ̀.",
    "so": "Beeraleydu waxay galley beereen ka hor roobka badan.",
    "am": "ገበሬዎቹ ከከባድ ዝናብ በፊት በቆሎ ዘሩ።",
    "en": "The farmers planted maize before the heavy rain.",
}


@pytest.fixture(scope="module")
def encoders(made: Made) -> dict[str, MultiVectorEncoder]:
    return {
        language: MultiVectorEncoder(place, device="cpu").eval() for language, place in made.encoders.items()
    }


def test_sentences_are_told_among_the_loaded_languages(encoders: dict[str, MultiVectorEncoder]) -> None:
    routing = LanguageRouting(dict.fromkeys(SENTENCES, encoders["en"]))
    assert routing.method == "py3langid"
    for language, sentence in SENTENCES.items():
        decision = routing.decide(sentence)
        assert decision.languages == (language,)
        assert decision.confidence == decision.probabilities[language] >= SURE
        assert set(decision.probabilities) == set(SENTENCES)
        assert list(decision.probabilities.values()) == sorted(decision.probabilities.values(), reverse=True)
    few = LanguageRouting({"sw-KE": encoders["sw"], "en": encoders["en"]})
    assert few.decide(SENTENCES["sw"]).languages == ("sw-KE",)
    assert set(few.decide(SENTENCES["am"]).probabilities) == {"sw-KE", "en"}


def test_one_language_needs_no_telling(encoders: dict[str, MultiVectorEncoder]) -> None:
    decision = LanguageRouting({"qu": encoders["en"]}).decide(SENTENCES["am"])
    assert (decision.languages, decision.confidence) == (("qu",), 1.0)


def test_a_language_that_the_identifier_lacks_is_told_by_the_vocabularies(
    encoders: dict[str, MultiVectorEncoder],
) -> None:
    # bem, Bemba, is not among py3langid's; here its encoder is that of the made-up language.
    routing = LanguageRouting({"bem": encoders["sw"], "en": encoders["en"]})
    assert routing.method == "vocabulary"
    for english, foreign in PAIRS[:20]:
        assert routing.decide(foreign).languages == ("bem",)
        # The student has all English words, too.
        assert routing.decide(english).languages == ("en", "bem")


def test_vocabularies_count_what_they_do_not_know_by_the_letter(make_teacher: MakeTeacher) -> None:
    knowing, other = (make_teacher()[0].tokenizer for _ in range(2))
    knowing.add_tokens(["ገበሬ", "ዎቹ"])
    # Both have two tokens of it, but one of them only by giving up.
    assert len(other.tokenize("ገበሬዎቹ ዘሩ")) == 2
    told = by_vocabulary({"am": knowing, "en": other})("ገበሬዎቹ")
    assert told["am"] / told["en"] == pytest.approx(math.exp(len("ገበሬዎቹ") - 2))
