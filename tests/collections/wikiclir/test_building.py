"""A whole collection, from dumps in the true format."""

import bz2
import gzip
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optical.collections import Judgements, read_judgements, read_passages, read_queries
from optical.collections.wikiclir import SPLITS, Options, Statistics, build_wikiclir
from optical.errors import OpticalError
from optical.rivals import LexicalSearch

from .handmade_dumps import WikiPage, export_xml, langlinks_sql, write_dump, write_langlinks

ENGLISH = [
    WikiPage(1, "Mwanza", "{{Infobox settlement|name=Mwanza}}\n"
        "'''Mwanza''' is a port on [[lake Victoria]] in [[Tanzania]].<ref>Atlas</ref>\n\n"
        "==History==\nOld."),
    WikiPage(2, "Lake Victoria", "'''Lake Victoria''' is a lake. [[Mwanza City]] and [[Kisumu]] lie on it.\n"
        "== Fish ==\n[[Tilapia]]"),
    WikiPage(3, "Mwanza City", "#REDIRECT [[Mwanza]]", redirect="Mwanza"),
    WikiPage(4, "Tanzania", "'''Tanzania''' is a country. Its cities: [[Dodoma]], [[Mwanza]]."),
    WikiPage(5, "Kisumu", "'''Kisumu''' is a port in Kenya."),
    WikiPage(6, "Tilapia", "'''Tilapia''' is a fish of [[Lake Victoria]]."),
    WikiPage(7, "List of lakes", "Lakes: [[Lake Victoria]]."),
    WikiPage(8, "Victoria", "'''Victoria''' may be [[Lake Victoria]] or [[Queen Victoria]].\n{{disambiguation}}"),
    WikiPage(9, "Empty", "{{stub}}\n[[Category:Nothing]]"),
    WikiPage(10, "Lake Victoria", "{{documentation}}", namespace=10),
    WikiPage(11, "Unrelated", "'''Unrelated''' is [[Mwanza]]'s nobody."),
]  # fmt: skip
SWAHILI = [
    WikiPage(101, "Mwanza", "[[Picha:Mwanza.jpg|thumb|Bandari ya Mwanza]]\n"
        "'''Mwanza''' ni jiji la [[Tanzania]] penye bandari. Uko [[ziwa]]ni.\n== Historia ==\nZamani."),
    WikiPage(102, "Viktoria Nyanza", "'''Ziwa Viktoria''' (pia: '''Nyanza''') ni ziwa kubwa la Afrika."),
    WikiPage(103, "Sato", "'''Sato''' ni samaki."),
    WikiPage(104, "Viktoria", "'''Viktoria''' inaweza kumaanisha ziwa au malkia."),
    WikiPage(105, "Orodha ya maziwa", "Hii ni orodha ndefu ya maziwa yote."),
    WikiPage(106, "Kisumu", "'''Kisumu''' ni mji wa bandari nchini Kenya."),
    WikiPage(107, "Jiji la Mwanza", "#REDIRECT [[Mwanza]]", redirect="Mwanza"),
    WikiPage(108, "Peke yake", "Makala haya hayana kiungo cha lugha nyingine."),
    WikiPage(109, "Tupu", "{{mbegu}}"),
    WikiPage(110, "Haipo", "Makala ya Kiingereza haipo tena leo hii."),
    WikiPage(111, "Kitu", "Makala ya Kiingereza haina mwanzo wake wowote."),
    WikiPage(112, "Maana", "__DISAMBIG__ Maana nyingi za neno hili moja."),
]  # fmt: skip
LANGLINKS = [
    (101, "de", "Muansa"),
    (101, "en", "Mwanza_City"),
    (102, "en", "Lake Victoria"),
    (103, "en", "Tilapia"),
    (104, "en", "Victoria"),
    (105, "en", "List of lakes"),
    (106, "en", "Kisumu"),
    (109, "en", "Dodoma"),
    (110, "en", "Deleted article"),
    (111, "en", "Empty"),
    (112, "en", "Tanzania"),
    (900, "en", "Category:Lakes"),
]


def write_all(
    folder: Path,
    english: Iterable[WikiPage] = ENGLISH,
    foreign: Iterable[WikiPage] = SWAHILI,
    links: list[tuple[int, str, str]] = LANGLINKS,
) -> dict[str, Path]:
    return {
        "english": write_dump(folder / "enwiki-pages-articles.xml.bz2", english, "enwiki"),
        "foreign": write_dump(folder / "swwiki-pages-articles.xml.bz2", foreign, "swwiki"),
        "langlinks": write_langlinks(folder / "swwiki-langlinks.sql.gz", links),
    }


def contents(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def all_judgements(folder: Path) -> Judgements:
    judgements: Judgements = {}
    for split in SPLITS:
        if (path := folder / "qrels" / f"{split}.tsv").exists():
            judgements |= read_judgements(path)
    return judgements


@pytest.fixture
def built(tmp_path: Path) -> tuple[Path, Statistics]:
    output = tmp_path / "made" / "wikiclir-sw"
    return output, build_wikiclir(**write_all(tmp_path), output=output, dev=0.3, test=0.3)


def test_texts_and_judgements(built: tuple[Path, Statistics]) -> None:
    folder, statistics = built
    assert read_queries(folder) == {
        "101": "ni jiji la Tanzania penye bandari.",
        "102": "Ziwa (pia:) ni ziwa kubwa la Afrika.",
        "106": "ni mji wa bandari nchini Kenya.",
    }
    assert {passage.id: (passage.title, passage.text) for passage in read_passages(folder)} == {
        "1": ("Mwanza", "Mwanza is a port on lake Victoria in Tanzania."),
        "2": ("Lake Victoria", "Lake Victoria is a lake. Mwanza City and Kisumu lie on it."),
        "4": ("Tanzania", "Tanzania is a country. Its cities: Dodoma, Mwanza."),
        "5": ("Kisumu", "Kisumu is a port in Kenya."),
        "6": ("Tilapia", "Tilapia is a fish of Lake Victoria."),
    }
    # Of Mwanza and Lake Victoria one links through a redirect; Kisumu does not link back.
    assert all_judgements(folder) == {
        "101": {"1": 2, "2": 1, "4": 1},
        "102": {"2": 2, "1": 1, "6": 1},
        "106": {"5": 2},
    }
    assert statistics.skipped == {
        "foreign: redirect": 1,
        "foreign: no link to an English page": 1,
        "foreign: disambiguation page": 1,
        "foreign: no lead": 1,
        "foreign: too few words left": 1,
        "foreign: linked page is no English article": 1,
        "foreign: English article left out (disambiguation page)": 1,
        "foreign: English article left out (list)": 1,
        "foreign: English article left out (no lead)": 1,
        "English: disambiguation page": 1,
        "English: list": 1,
        "English: no lead": 1,
    }


def test_statistics_are_those_of_the_folder(built: tuple[Path, Statistics]) -> None:
    folder, statistics = built
    judgements = all_judgements(folder)
    assert statistics.queries.total() == len(read_queries(folder)) == len(judgements)
    assert statistics.passages == 5
    for level in (1, 2):
        expected = sum(level == each for judged in judgements.values() for each in judged.values())
        assert sum(split[level] for split in statistics.judgements.values()) == expected
    assert statistics.mean_query_words == pytest.approx((6 + 7 + 6) / 3)
    assert statistics.mean_passage_words == pytest.approx((9 + 12 + 8 + 6 + 7) / 5)


def test_provenance(built: tuple[Path, Statistics], tmp_path: Path) -> None:
    folder, statistics = built
    record: dict[str, Any] = json.loads((folder / "wikiclir.json").read_text())
    dump = tmp_path / "swwiki-pages-articles.xml.bz2"
    assert record["inputs"]["foreign"] == {
        "name": dump.name,
        "bytes": dump.stat().st_size,
        "sha1": hashlib.sha1(dump.read_bytes()).hexdigest(),
    }
    assert record["wikis"] == {"english": "enwiki", "foreign": "swwiki"}
    assert record["options"] == {
        "sentences": 1, "passage_words": 200, "dev": 0.3, "test": 0.3, "seed": 0, "skip_bad": False,
    }  # fmt: skip
    assert record["statistics"] == json.loads(json.dumps(statistics.as_record()))
    assert {path.name for path in folder.iterdir()} == {
        "corpus.jsonl",
        "queries.jsonl",
        "qrels",
        "wikiclir.json",
    }


def test_the_folder_can_be_searched(built: tuple[Path, Statistics]) -> None:
    folder, _ = built
    run = LexicalSearch(read_passages(folder)).rank({"q": "port in Kenya"})
    assert next(iter(run["q"])) == "5"


def test_the_same_dumps_make_the_same_folder(built: tuple[Path, Statistics], tmp_path: Path) -> None:
    folder, _ = built
    build_wikiclir(**write_all(tmp_path), output=tmp_path / "again", dev=0.3, test=0.3)
    for path in folder.rglob("*.*"):
        assert (tmp_path / "again" / path.relative_to(folder)).read_bytes() == path.read_bytes()


def test_lengths(tmp_path: Path) -> None:
    build_wikiclir(**write_all(tmp_path), output=tmp_path / "made", sentences=2, passage_words=3)
    assert read_queries(tmp_path / "made")["101"] == "ni jiji la Tanzania penye bandari. Uko ziwani."
    assert {passage.text for passage in read_passages(tmp_path / "made")} >= {"Mwanza is a", "Kisumu is a"}


def test_splits_follow_the_english_title_and_the_shares(tmp_path: Path) -> None:
    english = [WikiPage(n, f"Place {n}", "A place of some kind.") for n in range(1, 601)]
    texts = {"sw": "Hapa ni mahali fulani.", "am": "ይህ አንድ ቦታ ነው።"}
    split_of: dict[str, dict[str, str]] = {}
    for offset, (language, text) in zip((1000, 5000), texts.items(), strict=True):
        pages = [WikiPage(offset + n, f"X{n}", text) for n in range(1, 601)]
        links = [(offset + n, "en", f"Place {n}") for n in range(1, 601)]
        folder = tmp_path / language
        folder.mkdir()
        build_wikiclir(
            write_dump(folder / "en.xml.bz2", english),
            write_dump(folder / "xx.xml.bz2", pages, f"{language}wiki"),
            write_langlinks(folder / "l.sql.gz", links, f"{language}wiki"),
            folder / "made",
            dev=0.2,
            test=0.1,
        )  # fmt: skip
        split_of[language] = {
            next(iter(judged)): split
            for split in SPLITS
            for judged in read_judgements(folder / "made" / "qrels" / f"{split}.tsv").values()
        }
    assert split_of["sw"] == split_of["am"]
    shares = {split: list(split_of["sw"].values()).count(split) / 600 for split in SPLITS}
    # Four standard deviations of a binomial count.
    assert shares == pytest.approx({"train": 0.7, "dev": 0.2, "test": 0.1}, abs=4 * (0.25 / 600) ** 0.5)


@pytest.mark.parametrize(("dev", "test", "split"), [(0, 0, "train"), (1, 0, "dev"), (0, 1, "test")])
def test_a_share_of_one_takes_all(dev: float, test: float, split: str, tmp_path: Path) -> None:
    statistics = build_wikiclir(**write_all(tmp_path), output=tmp_path / "made", dev=dev, test=test)
    assert statistics.queries == {split: 3}
    assert [path.name for path in (tmp_path / "made" / "qrels").iterdir()] == [f"{split}.tsv"]


@st.composite
def wikis(draw: st.DrawFn) -> tuple[list[WikiPage], list[WikiPage], list[tuple[int, str, str]]]:
    count = draw(st.integers(1, 9))
    kind_of_page = st.sampled_from(["article"] * 3 + ["redirect", "dab", "empty"])
    kinds = draw(st.lists(kind_of_page, min_size=count, max_size=count))
    name = st.integers(0, count + 1)
    english = []
    for number, kind in enumerate(kinds):
        # To a lower name, so that there are no circles.
        if kind == "redirect" and number:
            target = f"E{draw(st.integers(0, number - 1))}"
            english.append(WikiPage(number + 1, f"E{number}", f"#REDIRECT [[{target}]]", redirect=target))
            continue
        links = " ".join(f"[[e{target}|x]]" for target in draw(st.lists(name, max_size=8)))
        tail = "{{dab}}" if kind == "dab" else ""
        start = "" if kind == "empty" else "Text it is.\n"
        english.append(WikiPage(number + 1, f"E{number}", f"{start}== Links ==\n{links} {tail}"))
    foreign = [
        WikiPage(n, f"F{n}", draw(st.sampled_from(["Moja mbili tatu nne.", "Fupi."]))) for n in range(50, 55)
    ]
    links = [(page.id, "en", f"E{target}") for page in foreign if (target := draw(name)) <= count]
    return english, foreign, links or [(50, "en", "E0")]


@settings(max_examples=30, deadline=None)
@given(wikis())
def test_judgements_are_those_of_a_plain_search(wiki) -> None:
    english, foreign, links = wiki
    by_title = {page.title: page for page in english}

    def article(title: str) -> WikiPage | None:
        page = by_title.get(title)
        for _ in english:
            page = page and (by_title[page.redirect] if page.redirect else page)
        return page

    def leads_to(one: WikiPage) -> set[int]:
        written = [link.partition("|")[0] for link in one.text.split("[[")[1:]]
        found = (article(title[0].upper() + title[1:]) for title in written)
        return {page.id for page in found if page}

    passages = {
        page.id for page in english
        if not page.redirect and page.text.startswith("Text") and "{{dab}}" not in page.text
    }  # fmt: skip
    expected: dict[str, dict[str, int]] = {}
    for number, _, title in links:
        text = next(page.text for page in foreign if page.id == number)
        target = article(title)
        if text != "Fupi." and target and target.id in passages:
            mutual = {
                str(page.id): 1 for page in english
                if page.id in leads_to(target) & passages - {target.id} and target.id in leads_to(page)
            }  # fmt: skip
            expected[str(number)] = {str(target.id): 2, **mutual}
    with TemporaryDirectory() as name:
        folder = Path(name)
        inputs = write_all(folder, english, foreign, links)
        if not expected:
            with pytest.raises(OpticalError):
                build_wikiclir(**inputs, output=folder / "made")
        else:
            build_wikiclir(**inputs, output=folder / "made", dev=0.2, test=0.2)
            assert all_judgements(folder / "made") == expected
            assert set(read_queries(folder / "made")) == set(expected)
            judged = {passage for each in expected.values() for passage in each}
            assert (
                judged
                <= {passage.id for passage in read_passages(folder / "made")}
                <= set(map(str, passages))
            )


@pytest.mark.parametrize("name", ["english", "foreign", "langlinks"])
def test_a_file_cut_short_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    inputs = write_all(tmp_path)
    before = contents(tmp_path)
    data = inputs[name].read_bytes()
    inputs[name].write_bytes(data[: len(data) - 30])
    with pytest.raises(OpticalError, match=inputs[name].name):
        build_wikiclir(**inputs, output=tmp_path / "made")
    assert contents(tmp_path) == before


def test_skip_bad_uses_what_is_there(tmp_path: Path) -> None:
    # A second stream of English pages is cut, and a row of the links is malformed.
    inputs = write_all(tmp_path)
    more = export_xml([WikiPage(n, f"P{n}", f"[[P{n * n}]]") for n in range(12, 400)]).partition(
        "</siteinfo>\n"
    )[2]
    whole = export_xml(ENGLISH).removesuffix("</mediawiki>\n")
    inputs["english"].write_bytes(bz2.compress(whole.encode()) + bz2.compress(more.encode())[:-50])
    sql = langlinks_sql(LANGLINKS).replace("(106,'en'", "(106,en'")
    inputs["langlinks"].write_bytes(gzip.compress(sql.encode()))
    statistics = build_wikiclir(**inputs, output=tmp_path / "made", skip_bad=True)
    assert all_judgements(tmp_path / "made") == {
        "101": {"1": 2, "2": 1, "4": 1},
        "102": {"2": 2, "1": 1, "6": 1},
    }
    assert statistics.skipped["files: rest of enwiki-pages-articles.xml.bz2"] == 1
    assert statistics.skipped["langlinks: malformed row"] == 1


REFUSED = {
    "swapped": (lambda inputs: inputs | {"english": inputs["foreign"], "foreign": inputs["english"]}, {},
        "links of swwiki, the foreign dump is of enwiki"),
    "twice": (lambda inputs: inputs | {"foreign": inputs["english"]}, {}, "Both dumps are of enwiki"),
    "missing": (lambda inputs: inputs | {"langlinks": Path("no.sql.gz")}, {}, "no.sql.gz cannot be read"),
    "sentences": (dict, {"sentences": 0}, "sentences is 0"),
    "passage words": (dict, {"passage_words": 0}, "passage_words is 0"),
    "shares": (dict, {"dev": 0.6, "test": 0.6}, "dev 0.6 and test 0.6"),
    "no number": (dict, {"dev": float("nan")}, "dev nan"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str, tmp_path: Path) -> None:
    change, options, mention = REFUSED[case]
    inputs = write_all(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(OpticalError, match=mention):
        build_wikiclir(**change(inputs), output=tmp_path / "made", **options)
    assert contents(tmp_path) == before


def test_what_has_no_queries(tmp_path: Path) -> None:
    empty = write_all(tmp_path, english=[])
    with pytest.raises(OpticalError, match="has no articles"):
        build_wikiclir(**empty, output=tmp_path / "made")
    unlinked = write_all(tmp_path, links=[(101, "de", "Muansa")])
    with pytest.raises(OpticalError, match="has no links to en"):
        build_wikiclir(**unlinked, output=tmp_path / "made")
    unused = write_all(tmp_path, links=[(103, "en", "Tilapia")])
    with pytest.raises(OpticalError, match=r"No query is left .*too few words left: 1"):
        build_wikiclir(**unused, output=tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_the_output_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    with pytest.raises(OpticalError, match="exists already"):
        build_wikiclir(**write_all(tmp_path), output=tmp_path / "made")


def test_a_seed_splits_otherwise() -> None:
    first, second = ([Options(seed=seed, dev=0.5).split(key) for key in range(100)] for seed in (0, 1))
    assert first != second
