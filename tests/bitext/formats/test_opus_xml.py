"""Corpora of OPUS in XML: alignment and zips of documents."""

import gzip
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings

from optical.bitext import Malformed, Pair, read_pairs
from optical.errors import OpticalError

from .texts import notes, pairs, sides

DOCTYPE = '<!DOCTYPE cesAlign PUBLIC "-//CES//DTD XML cesAlign//EN" "">\n'


def alignment(links: str, *, documents: tuple[str, str] = ("en/2001/1.xml.gz", "sw/2001/1.xml.gz")) -> str:
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n{DOCTYPE}<cesAlign version="1.0">\n'
        f'<linkGrp targType="s" fromDoc="{documents[0]}" toDoc="{documents[1]}">\n{links}</linkGrp>\n</cesAlign>\n'
    )


def document(sentences: list[str]) -> str:
    made = "\n".join(
        f'<p><s id="{n}">\n <time id="T{n}" value="0"/>{text}</s></p>' for n, text in enumerate(sentences)
    )
    return f'<?xml version="1.0" encoding="utf-8"?>\n<letsmt version="1.0"><body>\n{made}\n</body></letsmt>'


def place(folder: Path, links: str, english: list[str], foreign: list[str]) -> Path:
    for name, path, sentences in (
        ("en.zip", "Toy/raw/en/2001/1.xml", english),
        ("Toy_latest_raw_sw.zip", "Toy/raw/sw/2001/1.xml", foreign),
    ):
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("Toy/LICENSE", "Free.")
            archive.writestr(path, document(sentences))
    (folder / "en-sw.xml.gz").write_bytes(gzip.compress(alignment(links).encode()))
    return folder / "en-sw.xml.gz"


@settings(deadline=None, max_examples=50)
@given(pairs)
def test_sentences_come_back(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]) -> None:
    links = "".join(f'<link id="SL{n}" xtargets="{n};{n}" certainty="1.0"/>\n' for n in range(len(pairs)))
    source = place(
        tmp_path_factory.mktemp("opus"),
        links,
        [escape(pair[0]) for pair in pairs],
        [escape(pair[1]) for pair in pairs],
    )
    # Documents are laid out in lines, so their white space says nothing.
    assert sides(source) == [tuple(" ".join(side.split()) for side in pair) for pair in pairs]


def test_links_of_several_words_and_sentences(tmp_path: Path) -> None:
    links = (
        '<link xtargets="0 1;0"/>\n<link xtargets="2;"/>\n<link xtargets="2;9"/>\n<link xtargets="2"/>\n'
        '<link xtargets="3;1" id="x"\n/>\n'
    )
    words = '<w id="1.1">It</w> <chunk><w id="1.2">rains</w></chunk><w id="1.3"> . </w>'
    source = place(tmp_path, links, ["One.", "Two.", "Three.", words], ["Moja, mbili.", "Inanyesha."])
    found = list(read_pairs(source))
    assert found[:2] == [
        Pair("One. Two.", "Moja, mbili.", str(source), 5),
        Pair("Three.", "", str(source), 6),
    ]
    assert found[2:4] == [
        Malformed(f"{source}:7: {tmp_path}/Toy_latest_raw_sw.zip/Toy/raw/sw/2001/1.xml has no sentence 9"),
        Malformed(f"{source}:8: a link without two sides"),
    ]
    assert found[4] == Pair("It rains .", "Inanyesha.", str(source), 9)


def test_the_english_document_may_come_second(tmp_path: Path) -> None:
    source = place(tmp_path, "", ["One."], ["Moja."])
    documents = ("sw/2001/1.xml.gz", "en/2001/1.xml.gz")
    (tmp_path / "sw-en.xml").write_text(alignment('<link xtargets="0;0"/>', documents=documents))
    assert sides(tmp_path / "sw-en.xml") == [("One.", "Moja.")]
    assert sides(f"{tmp_path}/sw-en.xml?english=sw&foreign=en") == [("Moja.", "One.")]
    with pytest.raises(
        OpticalError, match=r"in sw and en, of which not exactly one .* Add \?english=CODE&foreign=CODE"
    ):
        sides(f"{tmp_path}/sw-en.xml?foreign=fr")
    assert sides(source) == []


def test_what_is_missing(tmp_path: Path) -> None:
    source = place(tmp_path, '<link xtargets="0;0"/>', ["One."], ["Moja."])
    (tmp_path / "other.xml").write_text(alignment("", documents=("en/2002/1.xml.gz", "sw/2001/1.xml.gz")))
    with pytest.raises(OpticalError, match=r"en\.zip has no document en/2002/1\.xml\.gz"):
        sides(tmp_path / "other.xml")
    (tmp_path / "Toy_latest_xml_sw.zip").write_bytes((tmp_path / "Toy_latest_raw_sw.zip").read_bytes())
    with pytest.raises(
        OpticalError, match=r"one zip of the documents in sw, but has Toy_latest_raw_sw.zip, Toy_latest_xml"
    ):
        sides(source)
    for zipped in tmp_path.glob("*.zip"):
        zipped.unlink()
    with pytest.raises(
        OpticalError, match=r"documents in en, but has none. Fetch it from OPUS .* as en\.zip"
    ):
        sides(source)


def test_broken_xml_keeps_what_is_in_front_of_it(tmp_path: Path) -> None:
    source = place(tmp_path, '<link xtargets="0;0"/>\n<link xtargets="0;0">\n<link ', ["One."], ["Moja."])
    with pytest.raises(OpticalError, match=r"en-sw\.xml\.gz:7: broken XML \(not well-formed"):
        sides(source)
    *kept, note = read_pairs(source, skip_bad=True)
    assert [pair.line for pair in kept if isinstance(pair, Pair)] == [5, 6]
    assert isinstance(note, Malformed)
    endless = alignment('<link xtargets="0;0"/>\n<!-- ' + "x" * 3_000_000)
    source.write_bytes(gzip.compress(endless.encode()))
    assert notes(source, skip_bad=True) == [f"{source}:6: a tag or comment over 1048576 bytes"]


def test_broken_documents_and_entities(tmp_path: Path) -> None:
    source = place(tmp_path, '<link xtargets="0;0"/>', ["One & two."], ["Moja."])
    with pytest.raises(OpticalError, match=r"en\.zip/Toy/raw/en/2001/1\.xml:4: broken XML"):
        sides(source)
    bomb = alignment("").replace('"">', '"" [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>')
    source.write_bytes(gzip.compress(bomb.encode()))
    with pytest.raises(OpticalError, match=r"xml\.gz:2: the file defines XML entities, which are refused"):
        sides(source, skip_bad=True)
