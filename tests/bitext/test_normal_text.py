"""The quick way to normal text against the plain one."""

import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from optical.bitext.normal_text import normal_text


@given(st.text() | st.text("a e\u0301\u00e9\u00a0\u200b\t\n", max_size=8))
@example("")
@example(" a")
@example("e\u0301")
def test_composed_with_single_spaces(text: str) -> None:
    assert normal_text(text) == " ".join(unicodedata.normalize("NFC", text).split())
