"""Sentence pairs that formats have to bring back as they are."""

from pathlib import Path

from hypothesis import strategies as st

from optical.bitext import Malformed, read_pairs

# Without what ends lines and columns, and without what XML cannot hold.
sentences = st.text(
    st.characters(
        codec="utf-8", categories=("L", "M", "N", "P", "S", "Zs"), exclude_characters="\ufeff\ufffd"
    ),
    max_size=20,
)
pairs = st.lists(st.tuples(sentences, sentences), min_size=1, max_size=8)


def sides(source: str | Path, *, skip_bad: bool = False) -> list[tuple[str, str]]:
    """Return (English, foreign) of a source in which nothing is malformed."""
    found = list(read_pairs(source, skip_bad=skip_bad))
    assert not [item for item in found if isinstance(item, Malformed)]
    return [item[:2] for item in found]


def notes(source: str | Path, *, skip_bad: bool = False) -> list[str]:
    """Return what is malformed in a source."""
    return [item.note for item in read_pairs(source, skip_bad=skip_bad) if isinstance(item, Malformed)]
