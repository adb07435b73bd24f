"""The page in a real Chromium: `make test-browser` installs what this needs."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from optical.collections import Passage
from optical.encoders import load_encoder
from optical.index import Index
from optical.serving import Keys, SearchService, Settings, create_application, new_key
from optical.serving.languages import Decision

from .conftest import EXAMPLES, PAIRS, Made, serving

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
expect = playwright.expect

ENGLISH, FOREIGN = PAIRS[7]
WORD = FOREIGN.split()[0]
SCRIPT = "<script>broken=1</script>"
IMAGE = "<img src=x onerror=broken=1>"
WRITTEN = {
    "Arabic": "پینے کا صاف پانی",
    "Ethiopic": "ንጹህ የመጠጥ ውሃ",
    "Devanagari": "पीने का साफ़ पानी",
    "Thai": "น้ำดื่มสะอาด",
}
ROOMIER = {"Arabic": 1.9, "Ethiopic": 1.7, "Devanagari": 1.7, "Thai": 1.7}
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        own = running.chromium.executable_path
        found = [own, *map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))]
        usable = next((path for path in found if path and Path(path).exists()), None)
        if usable is None:
            pytest.skip("no Chromium is installed")
        # As root, Chromium starts without its sandbox only.
        sandbox = not hasattr(os, "geteuid") or os.geteuid() != 0
        chromium = running.chromium.launch(executable_path=usable, chromium_sandbox=sandbox)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def url(made: Made, passages: list[Passage], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service whose passages are also in other scripts, and look like markup."""
    folder = tmp_path_factory.mktemp("page") / "index"
    odd = [
        Passage(script, f"{ENGLISH} {text}", text, {"source": "script", "year": 1900})
        for script, text in WRITTEN.items()
    ]
    # 𞤢 is one code point and two UTF-16 units: offsets that count the wrong ones go astray behind it.
    odd.append(Passage("odd", f"𞤢𞤣 {ENGLISH}", f"{SCRIPT}{IMAGE}", {"source": "odd", "year": 1901}))
    Index.create(folder, load_encoder(made.encoders["en"]), [*passages, *odd]).close()
    service = SearchService(str(folder), made.encoders)
    with serving(create_application(service, Settings(rate=100_000), Keys({}), EXAMPLES)) as address:
        yield address


@pytest.fixture
def visit(browser: Any, url: str) -> Iterator[Open]:
    """Open the page, loaded; whatever the browser complains about, or asks of others, fails the test."""
    complaints: list[str] = []
    contexts = []

    def visit(address: str = url, *, ready: str = "#status:not(:empty)", **settings: Any) -> Any:
        context = browser.new_context(**{"locale": "en-US", **settings})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.on(
            "request",
            lambda request: request.url.startswith(address) or complaints.append(request.url),
        )
        page.goto(address)
        page.wait_for_selector(ready, state="attached")
        return page

    yield visit
    for context in contexts:
        context.close()
    # The answers that a test wants to be refusals are no complaints of the page.
    assert [each for each in complaints if "Failed to load resource" not in each] == []


def ask(page: Any, text: str) -> None:
    page.fill("#query", text)
    with page.expect_response("**/search"):
        page.keyboard.press("Enter")
    page.wait_for_selector("#status:not(.busy)")


def violations(page: Any) -> list[str]:
    found = axe.Axe().run(page).response["violations"]
    return [f"{each['id']}: {[node['html'][:120] for node in each['nodes']]}" for each in found]


def test_a_search_shows_passages_and_what_is_known_of_them(visit: Open) -> None:
    page = visit()
    expect(page.locator("#status")).to_have_text("65 passages to search in.")
    ask(page, FOREIGN)
    expect(page.locator("#status")).to_have_text("10 passages found.")
    first = page.locator(".passage").first
    expect(first.locator(".text")).to_contain_text(ENGLISH)
    expect(page.locator("#results .facts").first).to_contain_text("Score")
    assert re.search(r"source (who|library|odd)", page.locator("#results").inner_text())
    assert "year 2007" in page.locator("#results").inner_text()


def test_words_say_what_they_answer_to_the_pointer(visit: Open) -> None:
    page = visit()
    ask(page, FOREIGN)
    word = page.locator(".passage .word").first
    word.hover()
    asked = page.locator("#tip").inner_text().removeprefix("Answers: ").split(", ")
    assert set(asked) <= set(FOREIGN.split())
    lit = page.locator("#asked .lit").all_inner_texts()
    assert sorted(lit) == sorted(set(asked))
    page.hover("h1")
    expect(page.locator("#tip")).to_be_hidden()


def test_words_can_be_reached_by_keyboard(visit: Open) -> None:
    page = visit()
    ask(page, FOREIGN)
    for _ in range(8):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.passage .word')"):
            break
    focused = page.locator(".passage .word:focus")
    expect(focused).to_have_count(1)
    expect(page.locator("#tip")).to_be_visible()
    expect(focused).to_have_attribute("aria-describedby", "tip")
    words = page.locator(".passage").first.locator(".word")
    page.keyboard.press("ArrowRight")
    expect(words.nth(1)).to_be_focused()
    page.keyboard.press("End")
    expect(words.last).to_be_focused()
    page.keyboard.press("Home")
    expect(words.first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#tip")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.locator("#tip")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(".passage").nth(1).locator(".word").first).to_be_focused()


def test_markup_is_shown_as_text(visit: Open) -> None:
    page = visit()
    page.click("#filtering summary")
    page.fill("#filter", 'source = "odd"')
    query = f"{SCRIPT} {WORD}"
    ask(page, query)
    expect(page.locator(".passage .text")).to_have_text(f"𞤢𞤣 {ENGLISH}")
    expect(page.locator(".passage h3")).to_have_text(f"{SCRIPT}{IMAGE}")
    assert page.locator("#asked").inner_text() == query
    assert page.locator("main script, main img").count() == 0
    assert page.evaluate("window.broken") is None
    marked = page.locator(".passage .text .word").all_inner_texts()
    assert marked
    assert all(re.fullmatch(r"\w+", each) for each in marked)


def test_the_language_is_told_and_can_be_changed(visit: Open) -> None:
    page = visit()
    options = page.locator("#language option").all_inner_texts()
    assert options == ["Detect automatically", "Swahili", "English"]
    ask(page, "Nani alikuwa rais wa kwanza wa nchi hii, na alizaliwa wapi?")
    shown = page.locator("#language option").first
    expect(shown).to_have_text(re.compile(r"^Swahili, detected \(\d+% sure\)$"))
    expect(page.locator("#query")).to_have_attribute("lang", "sw")
    with page.expect_request("**/search") as request:
        page.select_option("#language", "en")
    assert request.value.post_data_json["lang"] == "en"
    expect(shown).to_have_text("Detect automatically")


@pytest.mark.parametrize("script", WRITTEN)
def test_text_is_set_as_its_script_needs(visit: Open, script: str) -> None:
    page = visit(viewport={"width": 390, "height": 800})
    page.click("#filtering summary")
    page.fill("#filter", 'source = "script"')
    ask(page, f"{WRITTEN[script]} {WORD}")
    title = page.locator("h3", has_text=WRITTEN[script])
    look = title.evaluate(
        "e => { const {direction, fontFamily: font, lineHeight, fontSize} = getComputedStyle(e);"
        " return {direction, font, room: parseFloat(lineHeight) / parseFloat(fontSize)} }"
    )
    assert look["direction"] == ("rtl" if script == "Arabic" else "ltr")
    assert look["room"] >= ROOMIER[script]
    assert script in look["font"]
    assert title.get_attribute("lang") is None
    english = page.locator(".text").first
    assert english.evaluate("e => getComputedStyle(e).direction") == "ltr"
    assert english.get_attribute("lang") == "en"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_filter_is_picked_written_and_refused(visit: Open) -> None:
    page = visit()
    ask(page, FOREIGN)
    page.click("#filtering summary")
    page.select_option("#field", "source")
    page.fill("#value", 'a "quoted" \\ name')
    page.click("#add")
    expect(page.locator("#filter")).to_have_value('source = "a \\"quoted\\" \\\\ name"')
    expect(page.locator("#status")).to_have_text(re.compile("^No passage found. The filter leaves"))
    page.fill("#filter", 'source = "who" or source = "library"')
    page.select_option("#field", "year")
    page.fill("#value", "soon")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("“soon” is not a number")
    expect(page.locator("#value")).to_have_attribute("aria-invalid", "true")
    page.fill("#value", "2007")
    page.keyboard.press("Enter")
    expect(page.locator("#filter")).to_have_value('(source = "who" or source = "library") and year = 2007')
    expect(page.locator(".passage")).to_have_count(1)
    page.fill("#filter", "year >")
    page.click("#search > .line button")
    expect(page.locator("#problem")).to_contain_text("The filter 'year >' is wrong")
    expect(page.locator("#found")).to_be_hidden()
    page.click("#clear")
    expect(page.locator(".passage")).to_have_count(10)
    expect(page.locator("#problem")).to_be_hidden()


def test_words_are_matched_on_request_where_that_is_possible(
    visit: Open, made: Made, with_words: Made, tmp_path: Path
) -> None:
    encoders = {"sw": with_words.encoders["sw"], "am": made.encoders["sw"]}  # am has no translations
    service = SearchService(with_words.copy_index(tmp_path), encoders)
    service._loaded.routing.decide = lambda text: Decision(("sw",), {"sw": 1.0})  # type: ignore[method-assign]
    with serving(create_application(service, Settings(rate=100_000), Keys({}))) as url:
        page = visit(url, bypass_csp=True, viewport={"width": 320, "height": 800})
        asked = page.get_by_label("Also match words")
        expect(asked).not_to_be_checked()
        with page.expect_request("**/search") as request:
            ask(page, FOREIGN)
        assert request.value.post_data_json["hybrid"] is False
        with page.expect_request("**/search") as request:
            asked.check()
        assert request.value.post_data_json["hybrid"] is True
        expect(page.locator("#results .score").first).to_have_text(re.compile(r"^Score 0\.0[123]\d*$"))
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        with page.expect_request("**/search") as request:
            page.select_option("#language", "am")
        assert request.value.post_data_json["hybrid"] is False
        expect(asked).to_be_hidden()
        page.select_option("#language", "sw")
        expect(asked).to_be_checked()
        expect(page.locator("#status")).to_have_text("10 passages found.")
        service._loaded.routing.decide = lambda text: Decision(("am",), {"am": 1.0})  # type: ignore[method-assign]
        page.select_option("#language", "auto")
        expect(page.locator("#status")).to_have_text("10 passages found. Words were not matched in Amharic.")
        service._index.lexical = False  # as after it was built again, which the page learns from the refusal
        page.click("#search > .line button")
        expect(page.locator("#problem")).to_contain_text("The index has no words")
        expect(page.locator("#by-words")).to_be_hidden()
        page.click("#search > .line button")
        expect(page.locator(".passage")).to_have_count(10)
        page.context.close()
    page = visit()
    ask(page, FOREIGN)
    expect(page.locator("#by-words")).to_be_hidden()


def test_an_example_is_searched_for(visit: Open) -> None:
    page = visit()
    texts = [text for questions in EXAMPLES.values() for text in questions]
    assert page.locator(".example").all_inner_texts() == texts
    with page.expect_request("**/search") as request:
        page.click(".example >> nth=1")
    assert request.value.post_data_json["text"] == texts[1]
    assert request.value.post_data_json["lang"] == "auto"
    expect(page.locator("#query")).to_have_value(texts[1])
    expect(page.locator(".passage")).to_have_count(10)
    expect(page.locator("#examples")).to_be_hidden()


def test_nothing_asked_and_no_answer(visit: Open) -> None:
    page = visit()
    page.click("#search > .line button")
    expect(page.locator("#status")).to_have_text("Write a question first.")
    expect(page.locator("#query")).to_be_focused()
    for status, message in {
        429: "Too many searches",
        503: "The service is busy",
        500: "Something went wrong",
    }.items():
        page.route(
            "**/search", lambda route, _, status=status: route.fulfill(status=status, body="<h1>no JSON</h1>")
        )
        ask(page, FOREIGN)
        expect(page.locator("#problem")).to_contain_text(message)
        page.unroute("**/search")
    page.context.set_offline(True)
    page.keyboard.press("Enter")
    expect(page.locator("#problem")).to_contain_text("The service does not answer.")
    page.context.set_offline(False)
    ask(page, FOREIGN)
    expect(page.locator("#problem")).to_be_hidden()
    expect(page.locator(".passage")).to_have_count(10)


def test_that_it_searches_is_seen(visit: Open) -> None:
    page = visit()
    held: list[Any] = []
    page.route("**/search", lambda route: held.append(route))
    page.fill("#query", FOREIGN)
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("Searching…")
    expect(page.locator("#found")).to_have_attribute("aria-busy", "true")
    held[0].continue_()
    expect(page.locator("#status")).to_have_text("10 passages found.")
    assert page.locator("#found").get_attribute("aria-busy") is None


def test_the_interface_speaks_swahili_too(visit: Open) -> None:
    page = visit(locale="sw-TZ")
    expect(page.locator("html")).to_have_attribute("lang", "sw")
    ask(page, FOREIGN)
    expect(page.locator("#status")).to_have_text("Vifungu 10 vimepatikana.")
    page.select_option("#interface", "en")
    expect(page.locator("#status")).to_have_text("10 passages found.")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.reload()
    expect(page.locator("#search > .line button")).to_have_text("Search")


def test_a_key_is_asked_for(visit: Open, made: Made, tmp_path: Path) -> None:
    key, entry = new_key("page")
    (tmp_path / "keys").write_text(entry)
    service = SearchService(made.copy_index(tmp_path), made.encoders)
    with serving(create_application(service, Settings(), Keys.read(tmp_path / "keys"))) as locked:
        page = visit(locked, ready="#unlock:not([hidden])", bypass_csp=True)
        expect(page.locator("#search")).to_be_hidden()
        assert violations(page) == []
        page.fill("#key", "wrong ключ")
        page.keyboard.press("Enter")
        expect(page.locator("#key-wrong")).to_contain_text("This key is not known.")
        page.fill("#key", key)
        page.keyboard.press("Enter")
        expect(page.locator("#query")).to_be_focused()
        expect(page.locator("#unlock")).to_be_hidden()
        ask(page, FOREIGN)
        expect(page.locator(".passage")).to_have_count(10)
        page.reload()
        expect(page.locator("#search")).to_be_visible()
        page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1000])
def test_axe_finds_nothing(visit: Open, scheme: str, width: int) -> None:
    # axe is put into the page from outside, which its policy would forbid.
    page = visit(color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)
    assert violations(page) == []
    page.click("#filtering summary")
    ask(page, f"{WRITTEN['Arabic']} {WORD}")
    page.locator(".passage .word").nth(1).hover()
    assert violations(page) == []
    page.fill("#filter", "year >")
    ask(page, FOREIGN)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
