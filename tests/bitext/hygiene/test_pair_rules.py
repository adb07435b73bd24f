"""Rules that judge one pair, on pairs with and without the fault."""

import html
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optical.bitext.characters import Lines
from optical.bitext.hygiene.markup import has_entity, has_markup, may_have_markup
from optical.bitext.hygiene.numbers import numbers_differ
from optical.bitext.hygiene.swapped import english_on_the_right
from optical.bitext.hygiene.untranslated import is_hardly_translated


@pytest.mark.parametrize(
    "text",
    [
        "A <b>bold</b> word",
        'See <a href="x">here</a>',
        "Line<br/>break",
        "b'cafe and more'",
        'b"cafe"',
        "https://example.org/page?x=1",
        "www.example.org",
        "a bell \x07 rings",
        "lost \ufffd letter",
        "na\u00efve caf\u00e9".encode().decode("cp1252"),
        "it\u2019s so".encode().decode("cp1252"),
    ],
)
def test_debris(text: str) -> None:
    assert has_markup(text)
    assert may_have_markup(Lines(["text", text, ""])).tolist() == [False, True, False]


@pytest.mark.parametrize(
    "text",
    [
        "Less than: a < b, and b > c.",
        "Write to <me@example.org> today",
        "See https://example.org for more.",
        "\u00c2ngela \u00c3o p\u00e3o S\u00c3O PAULO \u00c3o",
        "Ch\u00e2teau \u00e2ge n\u00e2t",
        "zero\u200dwidth joiners \u200c stay",
        "B'z is a band",
        "'b' is a letter",
        "ሰላም ለዓለም።",
    ],
)
def test_no_debris(text: str) -> None:
    assert not has_markup(text)


@given(st.text("b'\"whtTpP:/.< ã\u00c3\u00a9\u20ac\ufffd\x07a>"))
def test_all_markup_has_a_sign_of_it(text: str) -> None:
    assert may_have_markup(Lines([text]))[0] or not has_markup(text)


@given(st.text(st.characters(whitelist_categories=("L", "M", "N"), max_codepoint=0x2FFF), min_size=1))
def test_letters_of_any_language_are_no_debris_unless_their_bytes_could_be(text: str) -> None:
    if not {"\u00c3", "\u00c2", "\u00e2"} & set(text):
        assert not has_markup(text)
        assert not has_entity(text)


@pytest.mark.parametrize("sign", ['"', "<", "&"])
def test_entities(sign: str) -> None:
    assert has_entity(f"so {html.escape(sign)} it is")
    assert not has_entity(f"so {sign} it is; & so on")


@pytest.mark.parametrize(
    ("english", "foreign"),
    [
        ("It was 1998.", "Mwaka 1989."),
        ("There are 1,500 of them", "Wako 1,600"),
        ("In 2019 there were 45", "Mwaka 2019 walikuwa 54"),
        ("From 1998", "ከ ፲፱ ۱۹۸۹"),
    ],
)
def test_numbers_that_differ(english: str, foreign: str) -> None:
    assert numbers_differ(english, foreign)


@pytest.mark.parametrize(
    ("english", "foreign"),
    [
        ("It was 1998.", "Mwaka wa elfu moja mia tisa"),
        ("Five of 20", "5 kati ya 20"),
        ("There are 1,500.25 of them", "Wako 1 500,25"),
        ("In 1998", "۱۹۹۸ میں"),
        ("In 1998", "१९९८ में"),
        ("At 7 o'clock", "Saa 1"),
        ("On 12/03/2020", "Tarehe 12.03.2020"),
        ("In 2020 and 30", "Mwaka 2020"),
        ("no number", "hakuna"),
    ],
)
def test_numbers_that_do_not(english: str, foreign: str) -> None:
    assert not numbers_differ(english, foreign)


@given(st.integers(0, 10**9), st.sampled_from("٠०০௦፩๐၀០0"))
def test_a_number_in_other_digits_is_the_same(number: int, zero: str) -> None:
    if unicodedata.decimal(zero, None) != 0:
        return
    written = "".join(chr(ord(zero) + int(digit)) for digit in str(number))
    assert not numbers_differ(f"we saw {number:,} birds", f"tuliona {written} ndege")


@given(st.text("0129٣., /a"), st.text("., /a"), st.integers(0, 9))
def test_the_same_digits_in_the_same_order_do_not_differ(text: str, others: str, place: int) -> None:
    digits = "".join(filter(str.isdecimal, text))
    assert not numbers_differ(text, digits[:place] + others + digits[place:])


_FEW_WORDS = st.lists(st.sampled_from("na wa ya Anna an 12".lower().split()), max_size=12)


@given(_FEW_WORDS, _FEW_WORDS)
def test_hardly_translated(english: list[str], foreign: list[str]) -> None:
    shared = sum(word in english for word in foreign)
    expected = len(foreign) >= 5 and shared >= 0.8 * len(foreign)
    assert is_hardly_translated(" ".join(english), foreign) == expected


def test_english_on_the_right() -> None:
    english, foreign = "they said that it was the end of the year", "walisema ulikuwa mwisho wa mwaka"
    assert english_on_the_right(english, foreign.split()) == -1
    assert english_on_the_right(foreign, english.split()) == 3
    assert english_on_the_right("name", ["jina"]) == 0
