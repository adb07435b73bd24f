"""The language identifier on sentences of known languages."""

import pytest

from optical.bitext.hygiene.language import WrongLanguage
from optical.errors import OpticalError

SWAHILI = "Watoto walikwenda shuleni asubuhi na mapema kwa sababu walitaka kucheza mpira."
ENGLISH = "The children went to school early in the morning because they wanted to play ball."


def test_sentences_of_another_language_are_wrong() -> None:
    assert WrongLanguage("sw")(ENGLISH)
    assert not WrongLanguage("sw")(SWAHILI)
    assert WrongLanguage("so")(ENGLISH)


def test_too_little_text_is_not_judged() -> None:
    assert not WrongLanguage("sw")("The end.")


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(OpticalError, match="does not know tlh"):
        WrongLanguage("tlh")
