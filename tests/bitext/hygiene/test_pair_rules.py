"""Rules that judge one pair, on pairs with and without the fault."""

import html
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optical.bitext.hygiene.markup import has_entity, has_markup
from optical.bitext.hygiene.numbers import numbers_differ
from optical.bitext.hygiene.rules import Sides
from optical.bitext.hygiene.survey import sides_of
from optical.bitext.hygiene.swapped import english_on_the_right
from optical.bitext.hygiene.untranslated import is_hardly_translated, is_untranslated
from optical.bitext.pairs import Pair


def sides(english: str, foreign: str) -> Sides:
    return sides_of(Pair(english, foreign, "test.tsv", 1))


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
    assert has_markup(text, "text")
    assert has_markup("text", text)


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
    assert not has_markup(text, text)


@given(st.text(st.characters(whitelist_categories=("L", "M", "N"), max_codepoint=0x2FFF), min_size=1))
def test_letters_of_any_language_are_no_debris_unless_their_bytes_could_be(text: str) -> None:
    if not {"\u00c3", "\u00c2", "\u00e2"} & set(text):
        assert not has_markup(text, text)
        assert not has_entity(text, text)


@pytest.mark.parametrize("sign", ['"', "<", "&"])
def test_entities(sign: str) -> None:
    assert has_entity(f"so {html.escape(sign)} it is", "text")
    assert has_entity("text", f"so {html.escape(sign)} it is")
    assert not has_entity(f"so {sign} it is; & so on", "text")


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


def test_untranslated() -> None:
    assert is_untranslated(sides("Hello, World!", "hello world"))
    assert not is_untranslated(sides("Hello, World!", "hello worlds"))
    assert is_hardly_translated(sides("Anna, Ben, Carl, Dora and Eve", "Anna Ben Carl Dora na Eve"))
    assert not is_hardly_translated(sides("Anna met Ben in Accra today", "Anna alikutana na Ben Accra leo"))
    assert not is_hardly_translated(sides("COVID-19", "COVID-19"))


def test_english_on_the_right() -> None:
    straight = sides("They said that it was the end of the year", "Walisema ulikuwa mwisho wa mwaka")
    assert english_on_the_right(straight) == -1
    assert (
        english_on_the_right(
            straight._replace(english_words=straight.foreign_words, foreign_words=straight.english_words)
        )
        == 3
    )
    assert english_on_the_right(sides("Name", "Jina")) == 0
