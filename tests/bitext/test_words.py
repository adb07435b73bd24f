from optical.bitext import words


def test_words_are_runs_of_letters_marks_and_numbers() -> None:
    assert words("Who founded FORD-Kenya in 1990?") == ["who", "founded", "ford", "kenya", "in", "1990"]


def test_vowel_signs_do_not_break_words() -> None:
    # Devanagari and Thai vowel signs are marks, no letters.
    assert words("हिन्दी में") == ["हिन्दी", "में"]
    assert words("ที่ไหน?") == ["ที่ไหน"]


def test_a_text_without_words_has_none() -> None:
    assert words(" ... !") == []
