"""How sources of sentence pairs are written."""

from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optical.bitext.sources import Source
from optical.errors import OpticalError

values = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@given(values, values, st.integers(1, 10**9), st.floats(0, 1e6, exclude_min=True))
def test_any_value_can_be_written(english: str, foreign: str, cap: int, weight: float) -> None:
    options = urlencode({"weight": repr(weight), "english": english, "cap": cap, "foreign": foreign})
    for place in ("no such folder/t.tsv", "a.en,a.sw", "hf:owner/name/en-sw", "what? t.tsv"):
        assert Source.parse(f"{place}?{options}") == Source(place, english, foreign, None, cap, weight)


def test_without_options() -> None:
    assert Source.parse("t.tsv") == Source("t.tsv")
    assert Source.parse(Path("t.tsv?cap=3")) == Source("t.tsv?cap=3")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "caps=3",
            r"t\.tsv\?caps=3 does not exist, and 'caps' is no option .* english, foreign, split, cap, weight",
        ),
        ("place=x", "'place' is no option"),
        ("cap", "should give cap once, with a value"),
        ("3", "'3' is no option"),
        ("cap=", "should give cap once, with a value"),
        ("cap=1&cap=2", "should give cap once"),
        ("cap=0", "a cap of 0 is no number of pairs"),
        ("cap=1.5", "a cap of 1.5"),
        ("cap=-1", "a cap of -1"),
        ("weight=0", "0 is no weight. Give a number above 0"),
        ("weight=-1", "-1 is no weight"),
        ("weight=nan", "nan is no weight"),
        ("weight=inf", "inf is no weight"),
        ("weight=much", "much is no weight"),
    ],
)
def test_options_that_are_none(options: str, message: str) -> None:
    with pytest.raises(OpticalError, match=message):
        Source.parse(f"no such folder/t.tsv?{options}")
