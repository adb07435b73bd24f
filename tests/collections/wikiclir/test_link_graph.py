from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import optical.collections.wikiclir.link_graph as module
from optical.collections.wikiclir.link_graph import LinkGraph
from optical.collections.wikiclir.titles import linked_keys, normalise_title, title_key
from optical.errors import OpticalError


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("Lake Victoria", "Lake Victoria"),
        ("lake_Victoria", "Lake Victoria"),
        (" _ lake  Victoria#History ", "Lake Victoria"),
        (":Lake Victoria", "Lake Victoria"),
        ("R&amp;B", "R&B"),
        ("élan", "Élan"),
        ("e\u0301lan", "Élan"),
        ("ßeta", "ßeta"),
        ("#History", ""),
        ("", ""),
    ],
)
def test_titles_as_links_write_them(written: str, title: str) -> None:
    assert normalise_title(written) == title


def test_links_of_a_page() -> None:
    wikitext = (
        "[[a]] [[A|again]] [[b_c#d|e]] {{x|[[in template]]}} <!-- [[hidden]] --> <nowiki>[[quoted]]</nowiki> "
        "[[#here]] [[file:x.png|thumb|[[in picture]]]] [[broken [https://x.org]"
    )
    titles = ["A", "B c", "In template", "File:x.png", "In picture"]
    assert linked_keys(wikitext) == set(map(title_key, titles))


@st.composite
def wikis(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]], dict[int, int], set[int]]:
    """Articles 0..n-1, links between names (articles, redirects and nothing), redirects to a name, of interest."""
    articles = draw(st.integers(1, 12))
    names = st.integers(0, articles + 5)
    links = draw(st.lists(st.tuples(st.integers(0, articles - 1), names), max_size=80))
    redirects = {
        articles + each: draw(st.integers(0, articles + each - 1)) for each in range(draw(st.integers(0, 3)))
    }
    return articles, links, redirects, draw(st.sets(st.integers(0, articles - 1)))


@settings(max_examples=60, deadline=None)
@given(wikis(), st.sampled_from([1, 3, 1 << 20]))
def test_mutual_links_are_those_of_a_plain_search(wiki, links_at_once: int) -> None:
    articles, links, redirects, of_interest = wiki

    def article(name: int) -> int | None:
        while name in redirects:
            name = redirects[name]
        return name if name < articles else None

    direct = {(source, article(target)) for source, target in links}
    expected = {
        one: sorted(
            other for other in range(articles) if other != one and {(one, other), (other, one)} <= direct
        )
        for one in of_interest
    }
    before, module._LINKS_AT_ONCE = module._LINKS_AT_ONCE, links_at_once
    try:
        with TemporaryDirectory() as folder:
            graph = LinkGraph(Path(folder))
            for one in range(articles):
                linked = {title_key(f"T{target}") for source, target in links if source == one}
                graph.add_article(100 + one, f"T{one}", linked)
            for name, target in redirects.items():
                graph.add_redirect(f"T{name}", f"T{target}")
            graph.finish()
            mutual = graph.mutual_links(np.isin(np.arange(articles), list(of_interest)))
            assert list(Path(folder).iterdir()) == []
    finally:
        module._LINKS_AT_ONCE = before
    assert {one: mutual.neighbours(one).tolist() for one in of_interest} == expected
    assert set(mutual.all_neighbours().tolist()) == set().union(*expected.values())


def test_redirects_in_a_circle_lead_nowhere(tmp_path: Path) -> None:
    graph = LinkGraph(tmp_path)
    graph.add_article(7, "A", set())
    graph.add_redirect("B", "C")
    graph.add_redirect("C", "B")
    graph.finish()
    assert graph.resolve(np.array([title_key(each) for each in "ABCD"], dtype=np.uint64)).tolist() == [
        0,
        -1,
        -1,
        -1,
    ]


def test_a_page_id_that_occurs_twice(tmp_path: Path) -> None:
    graph = LinkGraph(tmp_path)
    graph.add_article(7, "A", set())
    graph.add_article(7, "B", set())
    with pytest.raises(OpticalError, match="page id 7 occurs twice"):
        graph.finish()
