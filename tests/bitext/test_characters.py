"""Kinds of characters, seen of many texts at once, against a look at each character."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from optical.bitext.characters import AMPERSAND, COMPOSABLE, DIGIT, UNPRINTABLE, Lines, codes_of, text_of

_TEXTS = st.lists(st.text(st.characters(exclude_characters="\n")), min_size=1, max_size=6)


@given(_TEXTS)
def test_kinds(texts: list[str]) -> None:
    lines = Lines(texts)
    for kind, is_of_kind in {
        DIGIT: str.isdecimal,
        AMPERSAND: "&".__eq__,
        UNPRINTABLE: lambda sign: not sign.isprintable(),
        COMPOSABLE: lambda sign: ord(sign) >= 0x300,
    }.items():
        assert lines.have(kind).tolist() == [any(map(is_of_kind, text)) for text in texts]
        assert lines.only(kind) == ["".join(filter(is_of_kind, text)) for text in texts]


@given(_TEXTS)
def test_places_and_texts(texts: list[str]) -> None:
    lines = Lines(texts)
    rows = lines.rows_at(np.arange(len(lines.codes))).tolist()
    assert rows == [row for row, text in enumerate(texts) for _ in f"{text}\n"]
    assert text_of(lines.codes) == "".join(f"{text}\n" for text in texts)
    assert codes_of("aé").tolist() == [0x61, 0xE9]
