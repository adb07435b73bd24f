"""Translation memories: what TMX allows, and what breaks it."""

import gzip
import tracemalloc
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

from optical.bitext import Malformed, Pair, read_pairs
from optical.errors import OpticalError

from .texts import notes, pairs, sides

HEADER = (
    '<?xml version="1.0"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n<tmx version="1.4">\n'
    '<header srclang="en" segtype="sentence" datatype="plaintext"/>\n<body>\n'
)
FOOTER = "</body>\n</tmx>\n"


def unit(english: str, foreign: str) -> str:
    return (
        f'<tu>\n<tuv xml:lang="en"><seg>{english}</seg></tuv>\n'
        f'<tuv xml:lang="sw"><seg>{foreign}</seg></tuv>\n</tu>\n'
    )


def memory(folder: Path, *units: str, footer: str = FOOTER) -> Path:
    (folder / "t.tmx").write_text(HEADER + "".join(units) + footer, encoding="utf-8")
    return folder / "t.tmx"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig", "us-ascii", "iso-8859-1"])
@settings(deadline=None, max_examples=25)
@given(pairs=pairs)
def test_units_of_another_writer_come_back(
    encoding: str, pairs: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = ElementTree.Element("tmx", version="1.4")
    ElementTree.SubElement(root, "header", srclang="sw")
    body = ElementTree.SubElement(root, "body")
    for pair in pairs:
        made = ElementTree.SubElement(body, "tu", tuid="1")
        ElementTree.SubElement(made, "note").text = "no text of the pair"
        for language, text in zip(("EN-gb", "sw"), pair, strict=True):
            variant = ElementTree.SubElement(made, "tuv", {"xml:lang": language})
            ElementTree.SubElement(variant, "prop", type="x").text = "nor is this"
            ElementTree.SubElement(variant, "seg").text = text
    source = tmp_path_factory.mktemp("tmx") / "t.tmx"
    if encoding == "utf-8-sig":
        source.write_bytes(b"\xef\xbb\xbf" + ElementTree.tostring(root, encoding="utf-8"))
    else:
        source.write_bytes(ElementTree.tostring(root, encoding=encoding, xml_declaration=True))
    assert sides(source) == pairs


def test_inline_markup(tmp_path: Path) -> None:
    english = (
        'Press <bpt i="1">&lt;b></bpt>the <hi type="term">red</hi><ept i="1">&lt;/b></ept> button<ph x="1">&lt;a="'
        '<sub>a picture</sub>"/></ph> now<it pos="end">\\b</it><ut>{x}</ut><ph/>.'
    )
    foreign = "Bonyeza <![CDATA[<kitufe> & <tu> </tu>]]> <!-- <tu> si -- -->chekundu &amp; &#x41;"
    source = memory(tmp_path, unit(english, foreign.replace(" si --", " si")))
    assert sides(source) == [("Press the red button now.", "Bonyeza <kitufe> & <tu> </tu> chekundu & A")]


def test_the_first_level_and_lines_of_units(tmp_path: Path) -> None:
    units = [
        "<!-- a unit\n left out: <tu><tuv lang='en'><seg>no</seg></tuv></tu> -->\n",
        "<tu><tuv lang='SW'><seg>maji\n\t ya\n moto</seg></tuv><tuv lang='EN-US'><seg>hot water</seg></tuv></tu>",
        "<tu \n tuid='2'><tuv lang='EN'><seg>fire</seg></tuv><tuv lang='SW'><seg>moto</seg></tuv></tu >\n",
    ]
    source = memory(tmp_path, *units)
    assert list(read_pairs(source)) == [
        Pair("hot water", "maji ya moto", str(source), 8),
        Pair("fire", "moto", str(source), 10),
    ]


def test_units_of_several_languages(tmp_path: Path) -> None:
    variants = {"fr": "eau", "en-GB": "water", "sw-KE": "maji", "en-US": "watah", "sw": "majiji"}
    made = "".join(f'<tuv xml:lang="{code}"><seg>{text}</seg></tuv>' for code, text in variants.items())
    source = memory(tmp_path, f"<tu>{made}</tu>\n", "<tu><tuv xml:lang='en'><seg>sun</seg></tuv></tu>\n")
    assert sides(f"{source}?foreign=sw") == [("water", "maji"), ("sun", "")]
    assert sides(f"{source}?foreign=fr&english=en-US") == [("watah", "eau"), ("", "")]
    assert notes(source) == [
        f"{source}:6: several languages (fr, sw-KE, sw); add ?foreign=fr to the source to choose"
    ]
    assert notes(memory(tmp_path, "<tu><tuv><seg>x</seg></tuv></tu>")) == [
        f"{source}:6: a variant without xml:lang"
    ]


# What stands in place of the second of three units, the line of the error, and what is said of it.
BROKEN = {
    "ampersand": (unit("this & that", "hii"), 12, "broken XML (not well-formed"),
    "less than": (unit("this < that", "hii"), 12, "broken XML (not well-formed"),
    "wrong tag": (unit("this</tuv>", "hii"), 12, "broken XML (mismatched tag"),
    "control character": (unit("this&#x1f;", "hii"), 12, "broken XML (reference to invalid character number"),
    "no end": (unit("this", "hii").replace("</tu>", ""), 11, "a translation unit without </tu>"),
    "half an end": (unit("this", "hii").replace("</tu>", "</tu"), 11, "a translation unit without </tu>"),
    "no start": (
        unit("this", "hii").replace("<tu>", "<t"),
        11,
        "text or broken XML between translation units",
    ),
    "open comment": (unit("this <!--", "hii"), 12, "broken XML (unclosed token"),
    "open comment between": ("<!-- gone\n", 11, "a comment without end"),
    "open section": (unit("this <![CDATA[", "hii"), 14, "broken XML (unclosed"),
    "open quote": (unit("this", "hii").replace('"en"', '"en'), 12, "broken XML (not well-formed"),
    "unknown entity": (unit("this&nbsp;", "hii"), 12, "broken XML (undefined entity"),
    "endless unit": (unit("x" * (1 << 21), "hii"), 11, "a translation unit longer than 1048576 characters"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_xml_stops_with_its_line_or_costs_one_unit(case: str, tmp_path: Path) -> None:
    broken, line, problem = BROKEN[case]
    units = [
        unit("one", "moja"),
        "\n",
        broken,
        unit("three", "tatu <!-- a comment -->"),
        unit("four", "<![CDATA[nne]]>"),
    ]
    source = memory(tmp_path, *units)
    read = []
    with pytest.raises(OpticalError) as caught:
        read.extend(read_pairs(source))
    assert str(caught.value).startswith(f"{source}:{line}: {problem}")
    assert "Mend the file, or skip" in str(caught.value)
    found = list(read_pairs(source, skip_bad=True))
    kept = [(item.english, item.foreign.strip(), item.line) for item in found if isinstance(item, Pair)]
    last = HEADER.count("\n") + "".join(units[:3]).count("\n") + 1
    assert kept == [("one", "moja", 6), ("three", "tatu", last), ("four", "nne", last + 4)]
    assert any(
        isinstance(item, Malformed) and item.note.startswith(f"{source}:{line}: {problem}") for item in found
    )


@pytest.mark.parametrize(
    ("footer", "problem"),
    [
        ("", "the file ends without </body>"),
        ("</body>", "the file ends without </tmx>"),
        ("<tu><tuv xml:lang='en'><seg>two", "the file ends within a translation unit"),
    ],
)
def test_a_memory_cut_short(footer: str, problem: str, tmp_path: Path) -> None:
    source = memory(tmp_path, unit("one", "moja"), footer=footer)
    with pytest.raises(OpticalError, match=f":10: {problem}"):
        sides(source)
    pair, note, *_ = read_pairs(source, skip_bad=True)
    assert pair[:2] == ("one", "moja")
    assert note.note == f"{source}:10: {problem}"


def test_an_archive_cut_short(tmp_path: Path) -> None:
    text = (
        HEADER + "".join(unit(f"sentence {n * 7919 % 10007}", f"sentensi {n}") for n in range(4000)) + FOOTER
    )
    source = tmp_path / "t.tmx.gz"
    source.write_bytes(gzip.compress(text.encode())[:-2000])
    with pytest.raises(OpticalError, match=r"t\.tmx\.gz:\d+: broken gzip from here on"):
        sides(source)
    *kept, note = read_pairs(source, skip_bad=True)
    assert len(kept) > 3000
    assert [pair[1] for pair in kept] == [f"sentensi {n}" for n in range(len(kept))]
    assert note.note.startswith(f"{source}:{kept[-1].line + 4}: broken gzip")


def test_bytes_of_another_encoding_cost_one_unit(tmp_path: Path) -> None:
    source = memory(tmp_path, unit("one", "moja"), unit("caf\u00e9", "kahawa"), unit("three", "tatu"))
    source.write_bytes(source.read_bytes().replace("\u00e9".encode(), b"\xe9"))
    assert [item.english for item in read_pairs(source) if isinstance(item, Pair)] == ["one", "three"]
    assert notes(source) == [f"{source}:10: text that is not in the encoding of the file"]


BOMB = (
    '<!DOCTYPE tmx [\n<!ENTITY a "aaaaaaaaaa">\n'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">\n' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>"
)


@pytest.mark.parametrize(
    "doctype",
    [
        BOMB,
        '<!DOCTYPE tmx [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE tmx [<!ENTITY % a SYSTEM "file:///etc/hostname"> %a;]>',
    ],
)
@pytest.mark.parametrize("skip_bad", [False, True])
def test_entities_are_refused(doctype: str, skip_bad: bool, tmp_path: Path) -> None:
    source = memory(tmp_path, unit("&i;", "&a;"))
    source.write_text(source.read_text().replace('<!DOCTYPE tmx SYSTEM "tmx14.dtd">', doctype))
    with pytest.raises(OpticalError, match=r"t\.tmx:\d+: the file defines XML entities, which are refused"):
        sides(source, skip_bad=skip_bad)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no <body>"),
        (b"one\tmoja\n", "no <body>, so it is no translation memory. Name a TMX file."),
        (b"<tmx>\n<header></body><body></body></tmx>", ":2: broken XML in the header"),
        (
            b"<?xml version='1.0' encoding='shift_jis'?><tmx><body>",
            "encoded as shift_jis, .* Save it as UTF-8",
        ),
        (b"<?xml version='1.0' encoding='no-such'?><tmx><body>", "encoded as no-such"),
    ],
)
def test_what_is_no_memory(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.tmx").write_bytes(content)
    with pytest.raises(OpticalError, match=message):
        sides(tmp_path / "t.tmx")
    with pytest.raises(OpticalError, match="does not exist"):
        sides(tmp_path / "none.tmx")


def test_memory_does_not_grow(tmp_path: Path) -> None:
    units = (unit(f"sentence {number} " * 10, "sentensi " * 10) for number in range(4000))
    source = memory(tmp_path, *units)
    tracemalloc.start()
    assert sum(isinstance(item, Pair) for item in read_pairs(source)) == 4000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < source.stat().st_size / 4
