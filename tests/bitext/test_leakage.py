import random

from hypothesis import given
from hypothesis import strategies as st

from optical.bitext import Bitext, without_near_copies, words


def left(texts: list[str], bitext: Bitext) -> list[tuple[str, str]]:
    kept = without_near_copies(bitext, texts)
    return list(zip(kept.english, kept.foreign, strict=True))


def test_copies_on_either_side_go_whatever_their_case_and_punctuation() -> None:
    bitext = Bitext(["WHO is he", "Rain fell.", "Sun."], ["nani", "Nani aliandika kitabu", "jua"])
    assert left(["Who is he?", "nani aliandika kitabu?"], bitext) == [("Sun.", "jua")]


def test_what_was_left_out_is_counted_beside_what_reading_dropped() -> None:
    bitext = Bitext(["a b", "c d"], ["x", "y"], {"duplicate": 3}, ["file:1: odd"])
    kept = without_near_copies(bitext, ["A, b!"])
    assert kept.dropped == {"duplicate": 3, "near copies of test questions": 1}
    assert kept.malformed == ["file:1: odd"]


def test_the_share_of_common_words_decides() -> None:
    question = "one two three four five six seven eight nine ten"
    near, far = "one two three four five six", "one two three four five"
    assert left([question], Bitext([near, far], ["x", "y"])) == [(far, "y")]


def test_a_text_without_words_is_no_copy_of_anything() -> None:
    assert left(["...", ""], Bitext(["...", "a"], ["!", "b"])) == [("...", "!"), ("a", "b")]


sentences = st.lists(st.sampled_from("abcdefghij"), max_size=10).map(" ".join)


@given(st.lists(sentences, max_size=6), st.lists(st.tuples(sentences, sentences), max_size=10))
def test_the_same_pairs_go_as_when_all_are_compared_with_all(
    texts: list[str], pairs: list[tuple[str, str]]
) -> None:
    def near(first: str, second: str) -> bool:
        one, other = set(words(first)), set(words(second))
        return bool(one) and 10 * len(one & other) >= 6 * len(one | other)

    expected = [pair for pair in pairs if not any(near(text, side) for text in texts for side in pair)]
    assert left(texts, Bitext([e for e, _ in pairs], [f for _, f in pairs])) == expected


def test_long_texts_are_found_by_any_of_their_words() -> None:
    generator = random.Random(0)
    vocabulary = [f"w{number}" for number in range(500)]
    question = generator.sample(vocabulary, 50)
    changed = ["other"] * 5 + question[5:]  # 45 of 51 words in common
    assert left([" ".join(question)], Bitext([" ".join(changed)], ["x"])) == []
