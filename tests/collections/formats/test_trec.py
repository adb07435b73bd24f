"""TREC topics and documents."""

from pathlib import Path

import pytest

from optical.collections import Passage, read_judgements, read_passages, read_queries
from optical.errors import OpticalError

TOPICS = """\
<top>

<num> Number: 301
<title> River floods

<desc> Description:
Which rivers flood &amp; when?

<narr> Narrative:
Floods of the sea do not count.
</top>

<top>
<num>302</num>
<title></title>
<desc>
Find boats of papyrus.
</desc>
</top>
"""
XML = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- written for a test -->
<topics>
  <topic number="1" type="single">
    <query>river floods</query>
    <description>Which rivers flood &amp; when?</description>
  </topic>
  <topic number=" 2 "><title>papyrus
  boats</title></topic>
  <topic number="3">grain</topic>
</topics>
"""
DOCUMENTS = """\
<DOC>
<DOCNO> AP880212-0001 </DOCNO>
<HEAD>The river rises</HEAD>
<DATELINE>KHARTOUM</DATELINE>
<TEXT>
   The river rose <b>two</b> metres &amp; more.
</TEXT>
<TEXT>It fell again.</TEXT>
</DOC>
<DOC><DOCNO>AP880212-0002</DOCNO><TEXT>Teff is a grain.</TEXT></DOC>
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_topics(tmp_path: Path) -> None:
    expected = {"301": "River floods", "302": "Find boats of papyrus."}
    assert read_queries(write(tmp_path / "topics.301-450", TOPICS)) == expected
    assert read_queries(write(tmp_path / "crlf.txt", "\ufeff" + TOPICS.replace("\n", "\r\n"))) == expected


def test_xml_topics(tmp_path: Path) -> None:
    path = write(tmp_path / "topics.xml", XML)
    assert read_queries(path) == {"1": "river floods", "2": "papyrus boats", "3": "grain"}


def test_topics_as_ir_datasets_reads_them(tmp_path: Path) -> None:
    formats = pytest.importorskip("ir_datasets.formats")
    download = pytest.importorskip("ir_datasets.util").LocalDownload
    text = TOPICS.partition("\n<top>\n<num>302")[0] + "\n"
    theirs = formats.TrecQueries(download(write(tmp_path / "topics", text))).queries_iter()
    assert {query.query_id: query.title for query in theirs} == read_queries(tmp_path / "topics")


def test_documents(tmp_path: Path) -> None:
    assert list(read_passages(write(tmp_path / "ap880212", DOCUMENTS))) == [
        Passage("AP880212-0001", "The river rose two metres & more. It fell again.", "The river rises"),
        Passage("AP880212-0002", "Teff is a grain."),
    ]


def test_judgements(tmp_path: Path) -> None:
    path = write(tmp_path / "qrels", "301 0 AP880212-0001 1\n301 0 AP880212-0002 0\n")
    assert read_judgements(f"trec:{path}") == {"301": {"AP880212-0001": 1, "AP880212-0002": 0}}


def test_documents_stream(tmp_path: Path) -> None:
    passages = read_passages(
        write(tmp_path / "documents", DOCUMENTS + "<DOC>\n<TEXT>No number.</TEXT>\n</DOC>\n")
    )
    assert next(passages).id == "AP880212-0001"
    with pytest.raises(OpticalError, match=r"documents:11: <DOC> without <DOCNO>"):
        list(passages)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TOPICS.replace("<num> Number: 301\n", ""), r"topics:1: <top> without <num>"),
        (TOPICS.replace("</top>\n", "", 1), r"topics:1: <top> without </top>\. Add it"),
        (
            TOPICS.rstrip().removesuffix("</top>"),
            r"topics:13: <top> without </top>\. The file ends too early",
        ),
        (TOPICS.replace("302", "301"), r"topics:13: the query id 301 occurs before"),
        (TOPICS.replace("Find boats of papyrus.", ""), r"the query 302 is empty"),
        (XML.replace("</query>", ""), r"topics:7: broken XML at character 5"),
        (XML.replace(' number=" 2 "', ""), r"topics: topic 2 has no number"),
        (XML[: len(XML) // 2], r"topics:\d+: broken XML"),
    ],
)
def test_broken_topics(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(OpticalError, match=message):
        read_queries(write(tmp_path / "topics", text))


def test_entity_bombs_are_refused(tmp_path: Path) -> None:
    bomb = '<?xml version="1.0"?>\n<!DOCTYPE topics [<!ENTITY a "' + "a" * 1000 + '">'
    bomb += "".join(f'<!ENTITY {name} "{f"&{of};" * 100}">' for name, of in ("ba", "cb", "dc"))
    bomb += ']>\n<topics><topic number="1"><title>&d;</title></topic></topics>'
    with pytest.raises(OpticalError, match="has a DOCTYPE, which is not read for safety"):
        read_queries(write(tmp_path / "topics.xml", bomb))
