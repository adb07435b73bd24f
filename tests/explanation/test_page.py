"""The page, read by another program."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from optical.explanation import Explanation, Match, Word, explanation_page


class Reader(HTMLParser):
    """Collects what a browser would show and fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.marks: list[tuple[str, str]] = []
        self.paragraph = ""
        self.addresses: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = dict(attributes)
        self.addresses += [str(named[name]) for name in ("src", "href") if name in named]
        self._inside.append(tag)
        if tag == "mark":
            self.marks.append(("", str(named["title"])))

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if "p" in self._inside:
            self.paragraph += data
        if "mark" in self._inside:
            word, asked = self.marks[-1]
            self.marks[-1] = (word + data, asked)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def test_words_are_marked_with_what_they_answer() -> None:
    passage = "The <b>river</b> & the sea"
    river, sea = Word("river", 7, 12), Word("sea", 23, 26)
    matches = [
        Match(Word("mto", 0, 3), river, 0.9),
        Match(Word("maji", 4, 8), river, 0.4),
        Match(Word("maji", 4, 8), sea, 0.2),
    ]
    reader = read(explanation_page([Explanation("mto maji", passage, 1.6, matches, 0.1)]))
    assert reader.paragraph == passage
    assert reader.marks == [("river", "mto, maji"), ("sea", "maji")]
    assert not reader.addresses


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_text_is_shown_as_text(query: str, passage: str) -> None:
    plain = passage.replace("\r", " ").replace("\0", " ")
    match = Match(Word(query, 0, len(query)), Word(plain, 0, len(plain)), 1.0)
    hostile = [Explanation(query, plain, 1.0, [match], 0.0)]
    quiet = [Explanation("q", "p", 1.0, [Match(Word("q", 0, 1), Word("p", 0, 1), 1.0)], 0.0)]
    reader = read(explanation_page(hostile))
    assert reader.tags == read(explanation_page(quiet)).tags
    assert reader.paragraph == plain


def test_nothing_found() -> None:
    assert "article" not in read(explanation_page([])).tags
