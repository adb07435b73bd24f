"""Builds the collection from the dumps of two wikis."""

import hashlib
import json
import logging
from array import array
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt

from optical.collections.wikiclir.dumps import BrokenDumpError, Page, read_pages, read_site
from optical.collections.wikiclir.langlinks import read_langlinks
from optical.collections.wikiclir.leads import is_disambiguation, lead_paragraphs
from optical.collections.wikiclir.link_graph import Indices, LinkGraph, MutualLinks
from optical.collections.wikiclir.options import Options
from optical.collections.wikiclir.queries import make_query
from optical.collections.wikiclir.statistics import Statistics
from optical.collections.wikiclir.titles import linked_keys, normalise_title, title_key
from optical.collections.wikiclir.watching import Watch
from optical.collections.wikiclir.writing import judgement_files, write_record
from optical.errors import OpticalError
from optical.files import create_folder
from optical.packages import require_package

PROVENANCE_FILE = "wikiclir.json"
LINKED, NEIGHBOUR = 2, 1

_LIST_TITLES = ("List of ", "Lists of ")
_HASH_CHUNK = 1 << 20
_Item = TypeVar("_Item")
_log = logging.getLogger(__name__)


def build_wikiclir(
    english: Path, foreign: Path, langlinks: Path, output: Path, *, progress: bool = False, **options: object
) -> Statistics:
    """Make a collection with judgements from the links of Wikipedia, as a folder of BEIR; return its figures.

    After Schamoni, Hieber, Sokolov and Riezler (ACL 2014), for many languages Sasaki, Sun, Schamoni, Duh and Inui
    (NAACL 2018). A query is the first sentence of a foreign article without the words of its title. Of relevance 2 is
    the English article that it is linked with between the languages, of relevance 1 those that are mutually linked
    with that one. Passages are the first words of the leads of all English articles so found (those whose query was
    left out stay as unjudged passages). Ids are the page ids of the two wikis.

    Which split (``qrels/train.tsv``, ``dev.tsv``, ``test.tsv``; a split without queries has no file) a query is in
    follows from the title of its English article and the seed alone: for every language the same, so that training on
    several languages does not see the test queries of one in another. ``wikiclir.json`` says what the folder was made
    from.

    The English dump is read twice, the others once. Memory: below 1 GB for the English Wikipedia (the sum is in
    :mod:`optical.collections.wikiclir.link_graph`), and about 150 bytes for each link to an English page.

    Args:
        english: dump ``enwiki-*-pages-articles.xml.bz2`` (or of the Simple English Wikipedia).
        foreign: dump ``*wiki-*-pages-articles.xml.bz2``.
        langlinks: dump ``*wiki-*-langlinks.sql.gz`` of the foreign wiki, best of the same date.
        output: folder to make; must not exist.
        progress: whether to show bars in the terminal.
        options: see :class:`Options`.

    Raises:
        OpticalError: ``output`` exists, a file is missing, of another wiki, cut short or damaged (unless
            ``skip_bad``), an option is out of range, mwparserfromhell is not installed, or no query is left.
    """
    settings = Options(**options)  # type: ignore[arg-type]
    require_package("mwparserfromhell", extra="wikiclir")
    with create_folder(output) as folder:
        builder = _Builder(english, foreign, langlinks, folder, settings, Watch(shown=progress))
        return builder.build()


class _Builder:
    """The steps in their order; what they share."""

    def __init__(
        self, english: Path, foreign: Path, langlinks: Path, folder: Path, options: Options, watch: Watch
    ) -> None:
        self._paths = {"english": english, "foreign": foreign, "langlinks": langlinks}
        self._folder = folder
        self._options = options
        self._watch = watch
        self._english, self._foreign = read_site(english), read_site(foreign)
        if self._english == self._foreign:
            raise OpticalError(
                f"Both dumps are of {self._foreign.database}. Give the foreign one as the second."
            )
        self.statistics = Statistics()

    def build(self) -> Statistics:
        # The small files first: what is wrong with them shows before the hours that English takes.
        queries = self._folder / ".queries"
        targets = self._spool_queries(queries)
        graph = self._read_graph()
        linked = graph.resolve(np.array(targets, dtype=np.uint64))
        of_interest = np.zeros(len(graph), dtype=bool)
        of_interest[linked[linked >= 0]] = True
        mutual = graph.mutual_links(of_interest)
        wanted = of_interest.copy()
        wanted[mutual.all_neighbours()] = True
        left_out = self._write_passages(wanted)
        self._write_queries(queries, linked, graph, mutual, left_out)
        queries.unlink()
        self._write_provenance()
        return self.statistics

    def _pages(self, name: str, title: str) -> Iterator[Page]:
        path = self._paths[name]
        return self._unbroken(path, self._watch.read(path, title, lambda raw: read_pages(path, raw)))

    def _unbroken(self, path: Path, items: Iterator[_Item]) -> Iterator[_Item]:
        try:
            yield from items
        except BrokenDumpError as error:
            if not self._options.skip_bad:
                raise
            _log.warning("%s", error)
            self.statistics.skipped[f"files: rest of {path.name}"] = 1

    def _read_links(self) -> dict[int, int]:
        """Return the key of the English title for each page id of the foreign wiki."""
        malformed = self.statistics.skipped if self._options.skip_bad else None
        path = self._paths["langlinks"]

        def reader(raw: BinaryIO) -> Iterator[tuple[int, str]]:
            return read_langlinks(path, raw, self._english.language, self._foreign.database, malformed)

        rows = self._unbroken(path, self._watch.read(path, "Links between the languages", reader, "links/s"))
        links = {page: title_key(normalise_title(title)) for page, title in rows}
        if not links:
            raise OpticalError(
                f"{path} has no links to {self._english.language}. Give the dump of {self._foreign.database}."
            )
        return links

    def _spool_queries(self, spool: Path) -> "array[int]":
        """Write id and text of each query; return the key of the English title of each."""
        links = self._read_links()
        targets = array("Q")
        skipped = self.statistics.skipped
        with spool.open("w", encoding="utf-8", newline="\n") as file:
            for page in self._pages("foreign", "Queries"):
                # A link serves once, so that a page that comes again (in dumps put together) makes no second query.
                target = None if page.redirect is not None else links.pop(page.id, None)
                if page.redirect is not None:
                    skipped["foreign: redirect"] += 1
                elif target is None:
                    skipped["foreign: no link to an English page"] += 1
                elif is_disambiguation(page.text):
                    skipped["foreign: disambiguation page"] += 1
                elif not (paragraphs := lead_paragraphs(page.text, self._foreign)):
                    skipped["foreign: no lead"] += 1
                elif not (query := make_query(paragraphs, page.title, self._options.sentences)):
                    skipped["foreign: too few words left"] += 1
                else:
                    write_record(file, id=str(page.id), text=query)
                    targets.append(target)
        return targets

    def _read_graph(self) -> LinkGraph:
        graph = LinkGraph(self._folder)
        for page in self._pages("english", "English links"):
            title = normalise_title(page.title)
            if page.redirect is not None:
                graph.add_redirect(title, normalise_title(page.redirect))
            else:
                graph.add_article(page.id, title, linked_keys(page.text))
        if len(graph) == 0:
            raise OpticalError(
                f"{self._paths['english']} has no articles. Give a dump with the pages themselves."
            )
        graph.finish()
        return graph

    def _write_passages(self, wanted: npt.NDArray[np.bool_]) -> dict[int, str]:
        """Write the corpus; return why articles that are wanted are not in it, by their index."""
        left_out: dict[int, str] = {}
        with (self._folder / "corpus.jsonl").open("w", encoding="utf-8", newline="\n") as file:
            articles = (page for page in self._pages("english", "Passages") if page.redirect is None)
            for index, page in enumerate(articles):
                if not wanted[index]:
                    continue
                if reason := _unfit(page):
                    left_out[index] = reason
                elif not (text := self._passage(page)):
                    left_out[index] = "no lead"
                else:
                    write_record(file, id=str(page.id), title=page.title, text=text)
                    self.statistics.count_passage(text)
        for reason in left_out.values():
            self.statistics.skipped[f"English: {reason}"] += 1
        return left_out

    def _passage(self, page: Page) -> str:
        text = " ".join(lead_paragraphs(page.text, self._english))
        return " ".join(text.split()[: self._options.passage_words])

    def _write_queries(
        self, spool: Path, linked: Indices, graph: LinkGraph, mutual: MutualLinks, left_out: dict[int, str]
    ) -> None:
        statistics, skipped = self.statistics, self.statistics.skipped
        with (
            spool.open(encoding="utf-8") as queries,
            (self._folder / "queries.jsonl").open("w", encoding="utf-8", newline="\n") as file,
            judgement_files(self._folder) as write_judgement,
        ):
            for line, article in zip(queries, linked.tolist(), strict=True):
                if article < 0:
                    skipped["foreign: linked page is no English article"] += 1
                    continue
                if article in left_out:
                    skipped[f"foreign: English article left out ({left_out[article]})"] += 1
                    continue
                query = json.loads(line)
                split = self._options.split(int(graph.keys[article]))
                file.write(line)
                statistics.count_query(query["text"], split)
                neighbours = (each for each in mutual.neighbours(article).tolist() if each not in left_out)
                for each, level in [(article, LINKED), *((each, NEIGHBOUR) for each in neighbours)]:
                    write_judgement(split, int(query["_id"]), int(graph.page_ids[each]), level)
                    statistics.judgements[split][level] += 1
        if not statistics.queries:
            raise OpticalError(
                f"No query is left ({statistics.reasons()}). Check that the three files belong together."
            )

    def _write_provenance(self) -> None:
        inputs = {name: self._describe(path) for name, path in self._paths.items()}
        sites = {"english": self._english.database, "foreign": self._foreign.database}
        record = {
            "made_by": "optical data build-wikiclir",
            "versions": {name: version(name) for name in ("optical", "mwparserfromhell")},
            "wikis": sites,
            "inputs": inputs,
            "options": asdict(self._options),
            "statistics": self.statistics.as_record(),
            "licence": "Text of Wikipedia: CC BY-SA 4.0; page ids lead to the authors.",
        }
        (self._folder / PROVENANCE_FILE).write_text(
            json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )

    def _describe(self, path: Path) -> dict[str, object]:
        # Of the sums that Wikimedia publishes beside its dumps, the stronger one.
        digest = hashlib.sha1(usedforsecurity=False)

        def chunks(raw: BinaryIO) -> Iterator[bytes]:
            while chunk := raw.read(_HASH_CHUNK):
                yield chunk

        for chunk in self._watch.read(path, f"Digest of {path.name}", chunks, "MB/s"):
            digest.update(chunk)
        return {"name": path.name, "bytes": path.stat().st_size, "sha1": digest.hexdigest()}


def _unfit(page: Page) -> str | None:
    """Return why an English article answers no query, if it does not."""
    if page.title.startswith(_LIST_TITLES):
        return "list"
    return "disambiguation page" if is_disambiguation(page.text) else None
