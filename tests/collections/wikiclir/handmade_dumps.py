"""Small dumps in the formats of https://dumps.wikimedia.org: pages-articles.xml (export 0.11) and langlinks.sql."""

import bz2
import gzip
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

NAMESPACES = {
    "enwiki": {-2: "Media", -1: "Special", 1: "Talk", 2: "User", 6: "File", 10: "Template", 14: "Category"},
    "swwiki": {-2: "Media", -1: "Maalum", 1: "Majadiliano", 2: "Mtumiaji", 6: "Picha", 10: "Kigezo", 14: "Jamii"},
    "amwiki": {-2: "ፋይል", -1: "ልዩ", 1: "ውይይት", 2: "አባል", 6: "ስዕል", 10: "መለጠፊያ", 14: "መደብ"},
}  # fmt: skip


@dataclass(frozen=True)
class WikiPage:
    id: int
    title: str
    text: str = ""
    namespace: int = 0
    redirect: str | None = None


def export_xml(pages: Iterable[WikiPage], database: str = "enwiki") -> str:
    language = database.removesuffix("wiki")
    namespaces = "\n".join(
        f'      <namespace key="{key}" case="first-letter">{name}</namespace>'
        for key, name in NAMESPACES[database].items()
    )
    return f"""<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://www.mediawiki.org/xml/export-0.11/ http://www.mediawiki.org/xml/export-0.11.xsd" \
version="0.11" xml:lang="{language}">
  <siteinfo>
    <sitename>Wikipedia</sitename>
    <dbname>{database}</dbname>
    <base>https://{language}.wikipedia.org/wiki/Main_Page</base>
    <generator>MediaWiki 1.44.0-wmf.8</generator>
    <case>first-letter</case>
    <namespaces>
{namespaces}
      <namespace key="0" case="first-letter" />
    </namespaces>
  </siteinfo>
{"".join(map(_page_xml, pages))}</mediawiki>
"""


def _page_xml(page: WikiPage) -> str:
    redirect = "" if page.redirect is None else f"\n    <redirect title={quoteattr(page.redirect)} />"
    return f"""  <page>
    <title>{escape(page.title)}</title>
    <ns>{page.namespace}</ns>
    <id>{page.id}</id>{redirect}
    <revision>
      <id>{page.id + 900000}</id>
      <parentid>{page.id + 800000}</parentid>
      <timestamp>2024-11-02T10:20:30Z</timestamp>
      <contributor>
        <username>Mhariri</username>
        <id>77</id>
      </contributor>
      <minor />
      <comment>/* Historia */ [[Si kiungo]]</comment>
      <origin>{page.id + 900000}</origin>
      <model>wikitext</model>
      <format>text/x-wiki</format>
      <text bytes="{len(page.text.encode())}" sha1="2r8f0mz3x1n7jd9uq4ykbctws5vhgea" xml:space="preserve">\
{escape(page.text)}</text>
      <sha1>2r8f0mz3x1n7jd9uq4ykbctws5vhgea</sha1>
    </revision>
  </page>
"""


def write_dump(path: Path, pages: Iterable[WikiPage], database: str = "enwiki") -> Path:
    path.write_bytes(bz2.compress(export_xml(pages, database).encode()))
    return path


def langlinks_sql(
    rows: Sequence[tuple[int, str, str]], database: str = "swwiki", rows_a_line: int = 3
) -> str:
    tuples = [f"({page},{_quoted(code)},{_quoted(title)})" for page, code, title in rows]
    inserts = "".join(
        f"INSERT INTO `langlinks` VALUES {','.join(tuples[start : start + rows_a_line])};\n"
        for start in range(0, len(tuples), rows_a_line)
    )
    return f"""-- MariaDB dump 10.19  Distrib 10.5.26-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: db1206    Database: {database}
-- ------------------------------------------------------
-- Server version\t10.6.19-MariaDB-log

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8mb4 */;
/*!40103 SET TIME_ZONE='+00:00' */;

--
-- Table structure for table `langlinks`
--

DROP TABLE IF EXISTS `langlinks`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8 */;
CREATE TABLE `langlinks` (
  `ll_from` int(8) unsigned NOT NULL DEFAULT 0,
  `ll_lang` varbinary(35) NOT NULL DEFAULT '',
  `ll_title` varbinary(255) NOT NULL DEFAULT '',
  PRIMARY KEY (`ll_from`,`ll_lang`),
  KEY `ll_lang` (`ll_lang`,`ll_title`)
) ENGINE=InnoDB DEFAULT CHARSET=binary;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `langlinks`
--

/*!40000 ALTER TABLE `langlinks` DISABLE KEYS */;
{inserts}/*!40000 ALTER TABLE `langlinks` ENABLE KEYS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;

-- Dump completed on 2024-11-02  3:14:15
"""


def write_langlinks(
    path: Path, rows: Sequence[tuple[int, str, str]], database: str = "swwiki", rows_a_line: int = 3
) -> Path:
    path.write_bytes(gzip.compress(langlinks_sql(rows, database, rows_a_line).encode(), mtime=0))
    return path


def _quoted(value: str) -> str:
    """As mysql_real_escape_string writes it."""
    escapes = {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\0": "\\0", "\x1a": "\\Z"}
    return "'" + "".join(escapes.get(letter, letter) for letter in value) + "'"
