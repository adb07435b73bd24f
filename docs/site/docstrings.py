"""Griffe extension: the docstrings' reStructuredText markup, as Markdown."""

import re
import textwrap
from typing import Any

from griffe import Extension, Object

_REFERENCE = re.compile(r":(?:class|func|meth|mod|attr|data|exc):`~?([^`]+)`")
_INLINE = re.compile(r":math:`([^`]+)`")
_DISPLAY = re.compile(r"^([ \t]*)\.\. math:: *(.*(?:\n(?:\1[ \t]+.*))*)", re.MULTILINE)
_TABLE = re.compile(
    r"^([ \t]*)((?:=+ +=+\n(?:\1.*\n)*?\1=+ +=+\n(?:\1.*\n)*?\1=+ +=+)|(?:\+[-+]+\n(?:\1[|+].*(?:\n|\Z))+))",
    re.MULTILINE,
)
_CODE = re.compile(r"^([ \t]*)(.*?)::[ \t]*\n((?:[ \t]*\n|\1[ \t]{4,}.*(?:\n|\Z))+)", re.MULTILINE)


def to_markdown(text: str) -> str:
    """Rewrite the roles and directives that this package uses."""
    text = _DISPLAY.sub(_display, text)
    text = _TABLE.sub(lambda found: f"{found[1]}```text\n{found[0].rstrip()}\n{found[1]}```\n", text)
    text = _INLINE.sub(lambda found: f"${found[1]}$", text)
    text = _REFERENCE.sub(lambda found: f"`{found[1]}`", text)
    text = re.sub(r"(?<!`)``([^`]+)``(?!`)", r"`\1`", text)
    return _CODE.sub(_code, text)


def _display(found: re.Match[str]) -> str:
    formula = " ".join(found[2].split())
    return f"\n{found[1]}$$\n{found[1]}{formula}\n{found[1]}$$\n"


def _code(found: re.Match[str]) -> str:
    indent, before, block = found.groups()
    code = textwrap.indent(textwrap.dedent(block).strip("\n"), indent)
    lead = f"{indent}{before}:\n\n" if before else ""
    return f"{lead}{indent}```python\n{code}\n{indent}```\n\n"


class Markdown(Extension):
    """Rewrites each docstring when it is read."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of ``obj``."""
        if obj.docstring:
            obj.docstring.value = to_markdown(obj.docstring.value)
