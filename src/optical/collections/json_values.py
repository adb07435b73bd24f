"""JSON files whose values know where they are, so that an error can say what is missing where."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optical.collections.lines import text_lines
from optical.errors import OpticalError


@dataclass(frozen=True)
class JsonValue:
    """A value inside a JSON file.

    Args:
        file: the file, with the line where each line is a value of its own.
        path: the way to the value inside it, such as ``data[3].paragraphs[0].context``.
        value: as :func:`json.loads` returns it.
    """

    file: str
    path: str
    value: Any

    @property
    def where(self) -> str:
        """File, line and path, for messages."""
        return f"{self.file}: {self.path}" if self.path else self.file

    def __contains__(self, name: str) -> bool:
        return isinstance(self.value, dict) and self.value.get(name) is not None

    def __getitem__(self, name: str) -> "JsonValue":
        """Return the member ``name``.

        Raises:
            OpticalError: this is no object, or has no such member, or it is null.
        """
        path = f"{self.path}.{name}" if self.path else name
        if not isinstance(self.value, dict):
            raise OpticalError(f"{self.where} is no object with {name}. Put it in braces.")
        if self.value.get(name) is None:
            raise OpticalError(f"{self.file}: {path} is missing. Add it, or fetch the file again.")
        return JsonValue(self.file, path, self.value[name])

    def items(self) -> Iterator["JsonValue"]:
        """Yield the elements of a list.

        Raises:
            OpticalError: this is no list.
        """
        if not isinstance(self.value, list):
            raise OpticalError(f"{self.where} is no list. Put it in square brackets.")
        for position, value in enumerate(self.value):
            yield JsonValue(self.file, f"{self.path}[{position}]", value)

    def text(self) -> str:
        """Return a string, without the white space around it.

        Raises:
            OpticalError: this is no string, or one with a NUL character or half a surrogate pair.
        """
        if not isinstance(self.value, str):
            raise OpticalError(f"{self.where} is {self.value!r:.50} instead of a string. Write it in quotes.")
        if "\0" in self.value:
            raise OpticalError(f"{self.where} has a NUL character. Remove it.")
        try:
            self.value.encode()
        except UnicodeEncodeError as error:
            raise OpticalError(
                f"{self.where} has half a surrogate pair. Write the whole character."
            ) from error
        return self.value.strip()

    def identifier(self) -> str:
        """Return a string or an integer as an id.

        Raises:
            OpticalError: this is neither.
        """
        return str(self.value) if type(self.value) is int else self.text()

    def integer(self) -> int:
        """Return an integer.

        Raises:
            OpticalError: this is none.
        """
        if type(self.value) is not int:
            raise OpticalError(f"{self.where} is {self.value!r:.50} instead of an integer. Mend it.")
        return self.value


def names_in_first_line(text: str) -> set[str]:
    """Return the names of the object that the first line of ``text`` is; empty if it is none."""
    try:
        value = json.loads(text.partition("\n")[0])
    except (ValueError, RecursionError):
        return set()
    return set(value) if isinstance(value, dict) else set()


def read_json(path: Path) -> JsonValue:
    """Return the one value of a JSON file (plain or ``.gz``).

    Raises:
        OpticalError: as :func:`optical.collections.lines.text_lines`, or it is not JSON (line and character).
    """
    lines: list[str] = []
    for number, line in text_lines(path):
        lines.extend([""] * (number - 1 - len(lines)))  # empty lines, so that the numbers stay right
        lines.append(line)
    try:
        return JsonValue(str(path), "", json.loads("\n".join(lines)))
    except json.JSONDecodeError as error:
        raise OpticalError(
            f"{path}:{error.lineno}: not JSON at character {error.colno} ({error.msg}). "
            "Mend it, or fetch the file again."
        ) from error
    except (ValueError, RecursionError) as error:  # an endless number, endless brackets
        raise OpticalError(f"{path} cannot be read as JSON ({error}). Fetch the file again.") from error


def read_json_lines(path: Path) -> Iterator[JsonValue]:
    """Yield the value of each line that is not empty (plain or ``.gz``).

    Raises:
        OpticalError: as :func:`read_json`.
    """
    for number, line in text_lines(path):
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise OpticalError(
                f"{path}:{number}: not JSON at character {error.colno} ({error.msg}). Give one object a line."
            ) from error
        except (ValueError, RecursionError) as error:  # an endless number, endless brackets
            raise OpticalError(
                f"{path}:{number} cannot be read as JSON ({error}). Remove the line."
            ) from error
        yield JsonValue(f"{path}:{number}", "", value)
