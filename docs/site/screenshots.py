"""Take the pictures of the page in docs/screenshots: python docs/site/screenshots.py [FOLDER].

What it needs comes with `make test-browser`; the fonts are the system's (Noto has those of all scripts shown).
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from optical.collections import read_passages, read_queries
from optical.samples import sample

SCREENSHOTS = Path(__file__).parents[1] / "screenshots"
SOURCES = ("health desk", "farm radio", "town library")
# Urdu: what a graft needs to know the words of one question, and passages that are written from right to left.
URDU_BITEXT = [
    ("Boil the water.", "پانی ابالیں۔"),
    ("The water is clean.", "پانی صاف ہے۔"),
    ("Clean water is safe.", "صاف پانی محفوظ ہے۔"),
    ("Is the water safe?", "کیا پانی محفوظ ہے؟"),
    ("The water is safe to drink.", "پانی پینے کے لیے محفوظ ہے۔"),
    ("How long?", "کتنی دیر؟"),
    ("How long must it boil?", "اسے کتنی دیر ابالنا چاہیے؟"),
    ("It must boil for a minute.", "اسے ایک منٹ ابالنا چاہیے۔"),
    ("How many minutes?", "کتنے منٹ؟"),
    ("Boil it for one minute.", "اسے ایک منٹ ابالیں۔"),
    ("Drink clean water.", "صاف پانی پئیں۔"),
    ("How long must the milk boil?", "دودھ کتنی دیر ابالنا چاہیے؟"),
    ("Is the milk safe to drink?", "کیا دودھ پینے کے لیے محفوظ ہے؟"),
]
URDU_QUESTION = "پینے کے لیے پانی کتنی دیر ابالنا چاہیے؟"
URDU_SOURCE = "village school"
URDU_PASSAGES = {
    "پینے کا صاف پانی": "صاف نظر آنے والے پانی میں بھی جراثیم ہو سکتے ہیں۔ پانی کو پینے کے لیے محفوظ بنانا ہو تو اسے "
    "ایک منٹ ابالنا چاہیے، پھر ڈھکے ہوئے برتن میں ٹھنڈا ہونے دیں۔ ڈھکن والا برتن پانی کو بعد میں بھی صاف رکھتا ہے۔",
    "دودھ کی حفاظت": "تازہ دودھ گرم موسم میں جلد خراب ہو جاتا ہے۔ دودھ کو پینے سے پہلے ابالیں اور ٹھنڈی جگہ رکھیں۔ جس "
    "برتن میں دودھ رکھنا ہو اسے پہلے گرم پانی سے دھو لیں۔",
}


def main() -> None:
    """Take them all."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SCREENSHOTS
    swahili, amharic = (read_queries(sample(f"queries.{each}.tsv"))["q01"] for each in ("sw", "am"))
    with (
        tempfile.TemporaryDirectory() as name,
        serving(prepare(Path(name))) as url,
        sync_playwright() as running,
    ):
        own = running.chromium.executable_path
        browser = running.chromium.launch(
            executable_path=own if Path(own).exists() else shutil.which("chromium")
        )

        def shoot(picture: str, question: str, word: str = "", filter: str = "", **settings: Any) -> None:
            page = browser.new_context(**{"viewport": {"width": 1000, "height": 800}, **settings}).new_page()
            ask(page, url, question, filter)
            if word:
                page.locator(".passage .text .word", has_text=word).first.hover()
            page.screenshot(path=folder / picture)

        shoot("page-desktop.png", swahili, "boil", locale="en-GB")
        shoot("page-dark.png", swahili, "boil", locale="en-GB", color_scheme="dark")
        phone = {"width": 390, "height": 844}
        shoot("page-phone.png", amharic, viewport=phone, device_scale_factor=2, locale="sw-TZ")
        shoot("page-rtl.png", URDU_QUESTION, filter=f'source = "{URDU_SOURCE}"', locale="en-GB")
        browser.close()


def ask(page: Page, url: str, question: str, filter: str) -> None:
    """Open the page and search."""
    page.goto(url)
    page.wait_for_selector("#status:not(:empty)")
    if filter:
        page.click("#filtering summary")
        page.fill("#filter", filter)
        page.click("#filtering summary")
    page.fill("#query", question)
    page.keyboard.press("Enter")
    page.wait_for_selector(".passage")
    page.keyboard.press("Home")


def prepare(folder: Path) -> list[str]:
    """Make the index and the encoders; return the options of `optical serve`."""
    passages = [
        {
            "_id": each.id,
            "title": each.title,
            "text": each.text,
            "metadata": {"source": SOURCES[n % 3], "year": 2015 + n % 9, "reviewed": n % 4 != 3},
        }
        for n, each in enumerate(read_passages(sample("passages.tsv")))
    ] + [
        {"_id": f"u{n}", "title": title, "text": text, "metadata": {"source": URDU_SOURCE, "year": 2019}}
        for n, (title, text) in enumerate(URDU_PASSAGES.items(), 1)
    ]
    lines = (json.dumps(each, ensure_ascii=False) for each in passages)
    (folder / "passages.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "bitext.en-ur.tsv").write_text(
        "".join(f"{en}\t{ur}\n" for en, ur in URDU_BITEXT), encoding="utf-8"
    )
    options = ["--index", str(folder / "index"), "--examples", "sample"]
    for language in ("sw", "am", "ur"):
        bitext = f"bitext.en-{language}.tsv"
        found = folder / bitext if language == "ur" else sample(bitext)
        optical("graft", "--bitext", found, "--output", folder / language)
        options += ["--encoder", f"{language}={folder / language}"]
    optical(
        "index",
        "--encoder",
        folder / "sw",
        "--passages",
        folder / "passages.jsonl",
        "--output",
        folder / "index",
    )
    return options


def optical(*arguments: str | Path) -> None:
    """Run a command of the package."""
    subprocess.run(
        [sys.executable, "-m", "optical", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL
    )


@contextmanager
def serving(options: list[str]) -> Iterator[str]:
    """Serve on a free port, and give the URL."""
    command = [sys.executable, "-m", "optical", "serve", *options, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
