"""Titles of articles, and the links to them in wikitext."""

import hashlib
import html
import re
import unicodedata
from collections.abc import Iterable

_UNSEEN = re.compile(r"<!--.*?(?:-->|\Z)|<nowiki>.*?(?:</nowiki>|\Z)", re.DOTALL | re.IGNORECASE)
_LINK = re.compile(r"\[\[([^\[\]|{}<>\n]+)(?:\||\]\])")


def title_key(title: str) -> int:
    """Return 64 bits that stand for a title.

    They take the place of 20 million strings. That any two of 20 million titles share theirs has a probability of
    1e-5 (n^2 / 2^65).
    """
    return int.from_bytes(hashlib.blake2b(title.encode("utf-8", "replace"), digest_size=8).digest(), "little")


def normalise_title(written: str) -> str:
    """Return the title of the page that a link written like this leads to; empty if it stays on its page.

    Underscores are spaces, the first letter is a capital, what follows # is a place within the page
    (https://www.mediawiki.org/wiki/Manual:Page_title).
    """
    if "&" in written:
        written = html.unescape(written)
    title = " ".join(written.partition("#")[0].replace("_", " ").split()).removeprefix(":").lstrip()
    if not title.isascii():
        title = unicodedata.normalize("NFC", title)
    first = title[:1].upper()
    # MediaWiki leaves alone what has no single capital, such as ß.
    return first + title[1:] if len(first) == 1 else title


def linked_keys(wikitext: str) -> set[int]:
    """Return the keys of all pages that the links in a page lead to.

    Links that templates bring along (navigation boxes) are not in the wikitext, hence not among them.
    """
    return set(title_keys(_LINK.findall(_UNSEEN.sub("", wikitext))))


def title_keys(written: Iterable[str]) -> Iterable[int]:
    """Yield the key of each title that is not empty, as it is written in links."""
    for each in set(written):
        if title := normalise_title(each):
            yield title_key(title)
