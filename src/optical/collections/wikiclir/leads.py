"""The lead of an article, which is what stands before its first heading, as plain text."""

import re
from collections.abc import Iterable

from optical.collections.wikiclir.dumps import Site

# Far more than a lead has, and little enough that a damaged page costs no time.
_MOST_WIKITEXT = 100_000
_MOST_PARSED = 20_000

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_HEADING = re.compile(r"^=+[^\n]+=+[ \t]*$", re.MULTILINE)
# A table begins and ends at the start of a line; "|}}" ends a template with an empty parameter.
_BRACES = re.compile(r"\{\{|\}\}|^[ \t:*]*\{\||^[ \t]*\|\}(?!\})", re.MULTILINE)
_INDENTED = re.compile(r"^:.*$", re.MULTILINE)
_SWITCH = re.compile(r"__[^\W\d_]+__")
_UNSEEN_TAGS = frozenset(
    "ref references gallery math chem score syntaxhighlight source table timeline imagemap templatestyles".split()
)
# These names work in every wiki, besides its own.
_NAMESPACES = frozenset(
    ["file", "image", "category", "template", "wikipedia", "portal", "help", "user", "media"]
)
_LANGUAGE_LINK = re.compile(r"[a-z]{2,3}(?:-[a-z-]+)?")
_MEDIA = re.compile(r"\.(?:jpe?g|png|svg|gif|webp|tiff?|og[agv]|webm|mp3|wav|pdf|djvu)\s*$", re.IGNORECASE)

_EMPTY_PARENTHESES = re.compile(r"\(\s*(?:[,;:،؛፣፤–-]\s*)*\)")
_AFTER_PARENTHESIS = re.compile(r"\(\s*(?:[,;:،؛፣፤]\s*)*")
_SPACE_BEFORE = re.compile(r"\s+([,.;:!?)،؛؟።፣፤।])")

_DISAMBIGUATION = re.compile(
    r"__DISAMBIG__|\{\{\s*(?:dab|hndis|geodis|mathdab|numberdis|roaddis|schooldis|callsigndis|"
    r"[^{}|\n]*disambig(?:uation)?(?:[ _](?:page|cleanup))?)\s*[|}]",
    re.IGNORECASE,
)


def lead_paragraphs(wikitext: str, site: Site) -> list[str]:
    """Return the paragraphs of the lead as a reader sees them, without boxes, tables, pictures and footnotes.

    What templates would write is left out. A lead in which a template or table is never closed ends before it.
    """
    import mwparserfromhell
    from mwparserfromhell.nodes import ExternalLink, HTMLEntity, Tag, Text, Wikilink

    def text(nodes: Iterable[object]) -> str:
        parts: list[str] = []
        for node in nodes:
            if isinstance(node, Text):
                parts.append(node.value)
            elif isinstance(node, Wikilink):
                if not _is_apart(str(node.title), site):
                    parts.append(text((node.title if node.text is None else node.text).nodes).lstrip(":"))
            elif isinstance(node, Tag):
                name = str(node.tag).strip().lower()
                if name == "br":
                    parts.append(" ")
                elif node.contents is not None and name not in _UNSEEN_TAGS:
                    parts.append(text(node.contents.nodes))
            elif isinstance(node, ExternalLink) and node.title is not None:
                parts.append(text(node.title.nodes))
            elif isinstance(node, HTMLEntity):
                parts.append(node.normalize())
        return "".join(parts)

    lines = map(tidy, text(mwparserfromhell.parse(_lead_wikitext(wikitext)).nodes).splitlines())
    return [line for line in lines if any(map(str.isalnum, line))]


def tidy(text: str) -> str:
    """Return ``text`` without what a removed word or template leaves behind: empty parentheses, double spaces."""
    text = _EMPTY_PARENTHESES.sub(" ", " ".join(text.split()))
    text = _AFTER_PARENTHESIS.sub("(", text)
    return " ".join(_SPACE_BEFORE.sub(r"\1", text).split())


def is_disambiguation(wikitext: str) -> bool:
    """Return whether a page calls itself a disambiguation page, by the switch or by an English template name.

    Other languages have their own templates, but their disambiguation pages are linked with English ones.
    """
    return _DISAMBIGUATION.search(wikitext) is not None


def _lead_wikitext(wikitext: str) -> str:
    text = _COMMENT.sub("", wikitext[:_MOST_WIKITEXT])
    if heading := _HEADING.search(text):
        text = text[: heading.start()]
    # Before the parser sees it: a box takes it ten times as long as the lead itself.
    text = _outside_braces(text)
    return _SWITCH.sub("", _INDENTED.sub("", text))[:_MOST_PARSED]


def _outside_braces(text: str) -> str:
    """Return what is in no template and no table; the first that is never closed ends the text."""
    kept: list[str] = []
    opened: list[str] = []
    position = 0
    for brace in _BRACES.finditer(text):
        kind = brace[0].strip(" \t:*\n")
        if kind in ("{{", "{|"):
            if not opened:
                kept.append(text[position : brace.start()])
                position = brace.start()
            opened.append("}}" if kind == "{{" else "|}")
        elif opened and opened[-1] == kind:
            opened.pop()
            if not opened:
                position = brace.end()
    if not opened:
        kept.append(text[position:])
    return "".join(kept)


def _is_apart(target: str, site: Site) -> bool:
    """Return whether a link is no part of the text: a picture, a category, the same page in another language."""
    prefix, colon, _ = target.strip().replace("_", " ").partition(":")
    if not colon or not prefix:
        return False
    name = prefix.strip().lower()
    return (
        name in site.namespaces
        or name in _NAMESPACES
        or _LANGUAGE_LINK.fullmatch(prefix) is not None
        or _MEDIA.search(target) is not None
    )
