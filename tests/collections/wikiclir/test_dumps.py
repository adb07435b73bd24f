import bz2
import gzip
import io
import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optical.collections.wikiclir.dumps import BrokenDumpError, Page, read_pages, read_site
from optical.errors import OpticalError

from .handmade_dumps import WikiPage, export_xml, write_dump

PAGES = [
    WikiPage(12, "Mwanza & Ziwa", "'''Mwanza''' ni <mji> wa [[Tanzania|nchi]].\n\n== Historia ==\nNdefu."),
    WikiPage(13, "Kigezo:Mji", "{{{1}}}", namespace=10),
    WikiPage(14, "Jiji la Mwanza", "#REDIRECT [[Mwanza & Ziwa]]", redirect="Mwanza & Ziwa"),
    WikiPage(15, "Tupu"),
]
EXPECTED = [
    Page(12, "Mwanza & Ziwa", None, PAGES[0].text),
    Page(14, "Jiji la Mwanza", "Mwanza & Ziwa", "#REDIRECT [[Mwanza & Ziwa]]"),
    Page(15, "Tupu", None, ""),
]


def read(path: Path) -> list[Page]:
    with path.open("rb") as raw:
        return list(read_pages(path, raw))


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [(".bz2", bz2.compress), (".gz", gzip.compress), (".xz", lzma.compress), ("", bytes)],
)
def test_reads_articles_and_redirects(suffix, compress, tmp_path: Path) -> None:
    path = tmp_path / f"swwiki-20241101-pages-articles.xml{suffix}"
    path.write_bytes(compress(export_xml(PAGES, "swwiki").encode()))
    assert read(path) == EXPECTED


def test_reads_multistream(tmp_path: Path) -> None:
    # One stream for the head, then one for some pages each, as in pages-articles-multistream.xml.bz2.
    head, first, rest = export_xml(PAGES, "swwiki").partition("  <page>\n")
    path = tmp_path / "multistream.xml.bz2"
    middle = len(rest) // 2
    pieces = (head, first + rest[:middle], rest[middle:])
    path.write_bytes(b"".join(bz2.compress(piece.encode()) for piece in pieces))
    assert read(path) == EXPECTED


def test_tells_the_wiki(tmp_path: Path) -> None:
    site = read_site(write_dump(tmp_path / "d.xml.bz2", PAGES, "swwiki"))
    assert (site.database, site.language) == ("swwiki", "sw")
    assert {"picha", "jamii", "kigezo"} <= site.namespaces
    assert "" not in site.namespaces


@given(
    st.lists(
        st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), max_size=40).map(str.strip), max_size=5
    )
)
def test_gives_any_text_back(texts: list[str]) -> None:
    pages = [WikiPage(number, f"T{number}", text) for number, text in enumerate(texts, start=1)]
    raw = io.BytesIO(export_xml(pages).encode())
    assert [page.text for page in read_pages(Path("d.xml"), raw)] == texts


def test_the_latest_revision_counts(tmp_path: Path) -> None:
    xml = export_xml([WikiPage(1, "A", "old")])
    start = xml.index("    <revision>")
    end = xml.index("  </page>")
    path = tmp_path / "history.xml"
    path.write_text(xml[:end] + xml[start:end].replace(">old<", ">new<") + xml[end:])
    assert [page.text for page in read(path)] == ["new"]


@pytest.mark.parametrize("kept", [0.4, 0.8, 0.97])
def test_a_dump_cut_short_gives_its_pages_and_an_error(kept: float, tmp_path: Path) -> None:
    # Streams of their own, so that what is before the cut can be decompressed.
    xml = export_xml([WikiPage(n, f"Ukurasa {n}", "neno " * 200) for n in range(1, 400)])
    whole = b"".join(bz2.compress(xml[at : at + 20_000].encode()) for at in range(0, len(xml), 20_000))
    path = tmp_path / "enwiki.xml.bz2"
    path.write_bytes(whole[: int(len(whole) * kept)])
    found: list[int] = []
    with path.open("rb") as raw, pytest.raises(BrokenDumpError) as error:
        found.extend(page.id for page in read_pages(path, raw))
    assert str(path) in str(error.value)
    assert "cut short or damaged after page 'Ukurasa " in str(error.value)
    assert "--skip-bad" in str(error.value)


def test_a_dump_that_ends_between_streams_is_cut_short_too(tmp_path: Path) -> None:
    xml = export_xml(PAGES)
    path = tmp_path / "enwiki.xml.bz2"
    path.write_bytes(bz2.compress(xml[: xml.index("</mediawiki>")].encode()))
    with pytest.raises(BrokenDumpError, match="after page 'Tupu'"):
        read(path)


def test_damage_within_is_an_error(tmp_path: Path) -> None:
    path = write_dump(tmp_path / "d.xml.bz2", PAGES * 50)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(BrokenDumpError):
        read(path)


def test_entities_are_refused(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>\n'
    path = tmp_path / "d.xml"
    path.write_text(bomb + export_xml(PAGES))
    for reading in (read, read_site):
        with pytest.raises(OpticalError, match="document type declaration"):
            reading(path)


@pytest.mark.parametrize(
    ("content", "mention"),
    [
        (None, "does not exist"),
        (b"", "cannot be read as a dump"),
        (bz2.compress(b"not xml"), "cannot be read as a dump"),
        (bz2.compress(b"<html><body/></html>"), "no <siteinfo>"),
        (b"no bzip2", "cannot be read as a dump"),
    ],
)
def test_what_is_no_dump(content: bytes | None, mention: str, tmp_path: Path) -> None:
    path = tmp_path / "x.xml.bz2"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OpticalError, match=mention):
        read_site(path)


def test_an_id_that_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "d.xml"
    path.write_text(export_xml(PAGES).replace("<id>12</id>", "<id>12a</id>"))
    with pytest.raises(OpticalError, match=r"'Mwanza & Ziwa' has the id '12a'"):
        read(path)
