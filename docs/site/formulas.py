"""MkDocs hook: formulas become MathML when the site is built, so that pages load no script from elsewhere."""

import html
import re

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
# Sizes of brackets, which latex2mathml does not apply to all of them; MathML stretches them by itself.
_SIZE = re.compile(r"\\[bB]igg?(?=\W)")


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replace every formula of the page.

    Raises:
        PluginError: latex2mathml leaves a command as it is, which readers would see.
    """

    def typeset(found: re.Match[str]) -> str:
        formula = _SIZE.sub("", html.unescape(found[2]))
        result = convert(formula, display="block" if found[1] == "div" else "inline")
        if "\\" in result:
            raise PluginError(f"{page.file.src_uri}: a command in the formula {formula!r} is unknown.")
        return result

    return _FORMULA.sub(typeset, content)
