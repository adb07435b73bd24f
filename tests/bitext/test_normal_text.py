"""The quick way to normal text against the plain one."""

import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from optical.bitext.normal_text import are_normal, normal_text


@given(st.text() | st.text("a e\u0301\u00e9\u00a0\u200b\t\n", max_size=8))
@example("")
@example(" a")
@example("e\u0301")
def test_composed_with_single_spaces(text: str) -> None:
    assert normal_text(text) == " ".join(unicodedata.normalize("NFC", text).split())


@given(st.lists(st.text("a e\u0301\u00e9\u00a0\u200bሰ\t", max_size=5), min_size=1, max_size=6))
@example([" a", "a", "a ", "", "a  b"])
@example(["a" * 10_001, "b" * 10_001 + " "])
def test_seen_of_many_at_once(texts: list[str]) -> None:
    assert are_normal(texts).tolist() == [normal_text(text) == text for text in texts]
