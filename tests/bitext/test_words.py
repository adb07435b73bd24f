import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from optical.bitext import words
from optical.bitext.words import spaced_words


def test_words_are_runs_of_letters_marks_and_numbers() -> None:
    assert words("Who founded FORD-Kenya in 1990?") == ["who", "founded", "ford", "kenya", "in", "1990"]


def test_vowel_signs_do_not_break_words() -> None:
    # Devanagari and Thai vowel signs are marks, no letters.
    assert words("हिन्दी में") == ["हिन्दी", "में"]
    assert words("ที่ไหน?") == ["ที่ไหน"]


def test_ethiopic_punctuation_parts_words() -> None:
    assert words("ውሃ፡ጠጣ፣ እሳት፤ አለ።") == ["ውሃ", "ጠጣ", "እሳት", "አለ"]


def test_a_text_without_words_has_none() -> None:
    assert words(" ... !") == []


def test_the_same_word_is_the_same_however_it_is_encoded() -> None:
    assert words("\u095e") == words("\u092b\u093c")  # nukta within the letter and after it
    assert words("क्\u200dष") == words("क्ष")  # with and without a joiner
    assert words("İstanbul") == ["istanbul"]
    assert words("o\u0300") == words("ò") == ["ò"]


@given(st.text() | st.text("aÉé\u0301İi\u0307\u200dक\u093cท่ , .'-²৩", max_size=12))
def test_as_looked_up_letter_by_letter(text: str) -> None:
    lower = unicodedata.normalize("NFC", text.lower().replace("i\u0307", "i"))
    visible = [letter for letter in lower if unicodedata.category(letter) != "Cf"]
    kept = (letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in visible)
    assert words(text) == "".join(kept).split()


@given(st.lists(st.text("aÉΣσ\u0301İi\u0307\u200dक\u093cท ,²", max_size=6), min_size=1, max_size=4))
def test_lines_are_taken_as_if_each_were_alone(texts: list[str]) -> None:
    together = spaced_words("\n".join(texts)).split("\n")
    assert [line.split() for line in together] == [words(text) for text in texts]
