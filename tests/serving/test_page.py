"""The page's files as they are served, and what holds of them in any browser."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from optical.serving import Keys, SearchService, Settings, create_application, new_key

from .conftest import EXAMPLES, Made

FOLDER = Path(str(files("optical.serving.page")))
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.suffix not in (".py", "") and path.is_file())
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".json": "application/json"}
STRINGS = json.loads((FOLDER / "strings.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_each_file_is_served_as_what_it_is(http: httpx.Client, name: str) -> None:
    answer = http.get(f"/page/{name}")
    assert answer.status_code == 200
    assert answer.content == (FOLDER / name).read_bytes()
    assert answer.headers["content-type"].partition(";")[0] == TYPES.get(Path(name).suffix, "image/svg+xml")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert http.head(f"/page/{name}").headers["content-length"] == str(len(answer.content))


def test_the_page_allows_nothing_but_its_own_files(http: httpx.Client) -> None:
    answer = http.get("/")
    assert answer.content == (FOLDER / "index.html").read_bytes()
    policy = dict(
        each.strip().split(" ", 1) for each in answer.headers["content-security-policy"].split(";") if each
    )
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert {policy[each] for each in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert http.post("/").status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/page/",
        "/page/__init__.py",
        "/page/../page/__init__.py",
        "/page/../application.py",
        "/page/..%2fapplication.py",
        "/page/%2e%2e/application.py",
        "/page/..%5capplication.py",
        "/page//etc/passwd",
        "/page/%2fetc%2fpasswd",
        "/page/style.css%00.html",
        "/page/STYLE.CSS",
        "/page/%ff",
    ],
)
def test_nothing_else_is_served(live: str, path: str) -> None:
    # httpx would tidy the path up before it asks.
    host, port = live.removeprefix("http://").split(":")
    url = httpx.URL(scheme="http", host=host, port=int(port), raw_path=path.encode())
    answer = httpx.get(url, follow_redirects=True)
    assert answer.status_code == 404, path
    assert list(answer.json()) == ["error"]


@pytest.fixture
def locked(made: Made, tmp_path: Path) -> Iterator[tuple[TestClient, str]]:
    key, entry = new_key("page")
    (tmp_path / "keys").write_text(entry)
    service = SearchService(made.copy_index(tmp_path), made.encoders)
    application = create_application(service, Settings(), Keys.read(tmp_path / "keys"), EXAMPLES)
    with TestClient(application, base_url="http://localhost") as client:
        yield client, key


def test_the_page_itself_needs_no_key(locked: tuple[TestClient, str]) -> None:
    client, key = locked
    assert client.get("/").status_code == 200
    assert {client.get(f"/page/{name}").status_code for name in NAMES} == {200}
    for path in ("/examples", "/languages", "/index"):
        assert client.get(path).status_code == 401
    answer = client.get("/examples", headers={"Authorization": f"Bearer {key}"})
    assert answer.json() == {"examples": EXAMPLES}


def test_the_page_is_no_part_of_the_document(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    assert "/examples" in paths
    assert not [path for path in paths if path == "/" or path.startswith("/page")]


def test_the_files_name_no_other_place() -> None:
    for name in NAMES:
        text = (FOLDER / name).read_text(encoding="utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"(https?:|[\"'(])//\w|@import|url\(", text), name


def test_no_text_can_become_markup() -> None:
    for name in NAMES:
        if name.endswith(".js"):
            text = (FOLDER / name).read_text(encoding="utf-8")
            assert not re.search(
                r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(", text
            )


class Markup(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed((FOLDER / "index.html").read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def values(self, attribute: str) -> set[str]:
        return {str(each[attribute]) for _, each in self.elements if attribute in each}


def test_the_markup_holds_no_script_and_no_style() -> None:
    for tag, attributes in Markup().elements:
        assert tag != "style"
        assert tag != "script" or str(attributes["src"]).startswith("page/")
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_all_files_that_are_named_exist() -> None:
    markup = Markup()
    named = {each.removeprefix("page/") for each in markup.values("src") | markup.values("href")}
    for name in NAMES:
        if name.endswith(".js"):
            named |= set(re.findall(r'"(?:\./)?([\w.]+\.(?:js|json))"', (FOLDER / name).read_text()))
    assert named | {"index.html"} == set(NAMES)


def places(string: str | dict[str, str]) -> set[str]:
    forms = [string] if isinstance(string, str) else string.values()
    return {place for form in forms for place in re.findall(r"\{(\w+)\}", form)}


def test_both_languages_have_all_strings() -> None:
    assert list(STRINGS) == ["en", "sw"]
    english, swahili = STRINGS.values()
    assert english.keys() == swahili.keys()
    for name, string in english.items():
        assert type(string) is type(swahili[name])
        assert places(string) == places(swahili[name]), name
        assert all(
            (each if isinstance(each, str) else each["other"]).strip() for each in (string, swahili[name])
        )
        if not isinstance(string, str):
            # What Unicode's plural rules tell apart in both languages.
            assert set(string) == set(swahili[name]) == {"one", "other"}


def test_the_page_says_what_there_is_and_all_of_it() -> None:
    scripts = "".join((FOLDER / name).read_text() for name in NAMES if name.endswith(".js"))
    used = Markup().values("data-string") | {name for name in STRINGS["en"] if f'"{name}"' in scripts}
    assert used == STRINGS["en"].keys()
    assert set(re.findall(r'say\("(\w+)"', scripts)) <= used
