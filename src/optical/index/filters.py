"""Conditions on the metadata of passages, as people write them: ``source = "who" and year >= 2020``."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias, get_args

from optical.collections import MetadataValue, Passage
from optical.collections.texts import has_lone_surrogate
from optical.errors import OpticalError, beginning

Value: TypeAlias = str | int | float | bool
Kind = Literal["string", "number", "boolean"]
Operator = Literal["=", "<", "<=", ">", ">="]


@dataclass(frozen=True)
class Comparison:
    """True of a passage that has the field, with a value that compares so, or a list with such a value."""

    field: str
    operator: Operator
    value: Value


@dataclass(frozen=True)
class And:
    """True if all parts are."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True)
class Or:
    """True if any part is."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True)
class Not:
    """True if the part is not: also of a passage that lacks the field."""

    part: "Filter"


Filter: TypeAlias = Comparison | And | Or | Not

# Parentheses within each other, of which each takes several calls to parse.
_DEEPEST = 50
_LONGEST_SHOWN = 200
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<word>[A-Za-z][A-Za-z0-9_-]*)
      | (?P<sign><=|>=|!=|[=<>(),])
    )""",
    re.VERBOSE,
)


def kind_of(value: MetadataValue) -> Kind:
    """Return what kind of value it is; whole numbers and fractions are one kind, strings and lists of them too."""
    return "string" if isinstance(value, (str, tuple)) else "boolean" if isinstance(value, bool) else "number"


def parse_filter(expression: str, fields: Mapping[str, Kind]) -> Filter:
    """Parse a filter expression.

    Grammar: comparisons ``field = value`` (also ``!=``, ``<``, ``<=``, ``>``, ``>=``) and ``field in (value,
    ...)``, joined by ``not``, ``and``, ``or`` (which bind in this order) and parentheses. Values are strings in
    single or double quotes (a backslash takes the next character literally), numbers, ``true`` and ``false``.
    A comparison is false of a passage without the field, and ``a != 1`` means ``not a = 1``. Of a list of strings,
    ``a = "x"`` means that "x" is in it.

    Args:
        expression: what to parse.
        fields: the known fields and the kind of their values.

    Raises:
        OpticalError: the expression does not follow the grammar or is no valid Unicode, a field is unknown, or a value
            is a number beyond 2^53, or of another kind than the field's; the message says where.
    """
    return _Parser(expression, fields).parse()


class _Parser:
    def __init__(self, expression: str, fields: Mapping[str, Kind]) -> None:
        self._expression = expression
        self._fields = fields
        self._tokens: list[tuple[str, str, int]] = []
        self._next = 0
        self._depth = 0
        if has_lone_surrogate(expression):
            raise OpticalError(f"The filter {expression!r} is not valid Unicode. Give it in UTF-8.")
        position = 0
        end = len(expression.rstrip())
        while position < end:
            found = _TOKEN.match(expression, position)
            if found is None:
                start = position + len(expression[position:]) - len(expression[position:].lstrip())
                self._fail(start, f"{expression[start]!r} has no meaning there")
            kind = str(found.lastgroup)
            self._tokens.append((kind, found[kind], found.start(kind)))
            position = found.end()
        self._tokens.append(("end", "the end", end))

    def parse(self) -> Filter:
        result = self._either()
        if self._tokens[self._next][0] != "end":
            self._expected("and, or, or the end")
        return result

    def _either(self) -> Filter:
        parts = [self._both()]
        while self._take("word", "or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _both(self) -> Filter:
        parts = [self._condition()]
        while self._take("word", "and"):
            parts.append(self._condition())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _condition(self) -> Filter:
        negated = False
        while self._take("word", "not"):
            negated = not negated
        condition = self._comparison_or_parenthesis()
        if not negated:
            return condition
        # A server refuses what is nested deep.
        return condition.part if isinstance(condition, Not) else Not(condition)

    def _comparison_or_parenthesis(self) -> Filter:
        if self._take("sign", "("):
            self._depth += 1
            if self._depth > _DEEPEST:
                self._fail(self._tokens[self._next - 1][2], f"parentheses are more than {_DEEPEST} deep")
            inner = self._either()
            self._depth -= 1
            self._require(")")
            return inner
        kind, field, position = self._tokens[self._next]
        if kind != "word":
            self._expected("a field")
        if field not in self._fields:
            known = ", ".join(sorted(self._fields)) or "none"
            self._fail(position, f"no passage has a field {field} (there are: {known})")
        self._next += 1
        return self._comparison(field)

    def _comparison(self, field: str) -> Filter:
        if self._take("word", "in"):
            self._require("(")
            parts = [Comparison(field, "=", self._value(field))]
            while self._take("sign", ","):
                parts.append(Comparison(field, "=", self._value(field)))
            self._require(")")
            return Or(tuple(parts))
        _, sign, position = self._tokens[self._next]
        if sign == "!=":
            self._next += 1
            return Not(Comparison(field, "=", self._value(field)))
        for operator in get_args(Operator):
            if sign == operator:
                if sign != "=" and self._fields[field] != "number":
                    self._fail(position, f"{sign} compares numbers, and {field} holds {self._fields[field]}s")
                self._next += 1
                return Comparison(field, operator, self._value(field))
        self._expected("=, !=, <, <=, >, >= or in")

    def _value(self, field: str) -> Value:
        kind, text, position = self._tokens[self._next]
        value: Value
        if kind == "string":
            value = re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
        elif kind == "number":
            # A whole number with more digits is too large, or begins with zeros.
            value = int(text) if text.lstrip("+-").isdecimal() and len(text) < 20 else float(text)
            if not -(2**53) <= value <= 2**53:
                shown = beginning(text, 20)
                self._fail(position, f"{shown} is a number beyond 2^53, which filters cannot compare")
        elif text in ("true", "false"):
            value = text == "true"
        else:
            self._expected("a value (a string in quotes, a number, true or false)")
        if kind_of(value) != self._fields[field]:
            self._fail(position, f"{text} is a {kind_of(value)}, but {field} holds {self._fields[field]}s")
        self._next += 1
        return value

    def _take(self, kind: str, text: str) -> bool:
        taken = self._tokens[self._next][:2] == (kind, text)
        self._next += taken
        return taken

    def _require(self, sign: str) -> None:
        if not self._take("sign", sign):
            self._expected(sign)

    def _expected(self, what: str) -> NoReturn:
        _, text, position = self._tokens[self._next]
        self._fail(position, f"{what} is expected instead of {text}")

    def _fail(self, position: int, message: str) -> NoReturn:
        shown = beginning(self._expression, _LONGEST_SHOWN)
        raise OpticalError(
            f"The filter {shown!r} is wrong at character {position + 1}: {message}. "
            'Write it like: source = "who" and year >= 2020.'
        )


def merge_kinds(known: Mapping[str, Kind], passages: Iterable[Passage]) -> dict[str, Kind]:
    """Return the kinds of all metadata fields, the known ones and those of ``passages``.

    Raises:
        OpticalError: a field's name could not be written in a filter, a value is of another kind than the field's
            other values, not finite, a number beyond 2^53, or no valid Unicode.
    """
    kinds = dict(known)
    for passage in passages:
        for field, value in passage.metadata.items():
            if not _NAME.fullmatch(field) or field in ("and", "or", "not"):
                raise OpticalError(
                    f"Passage {passage.id!r} has a metadata field {field!r}. Name it with letters, digits, - and _ "
                    "only, a letter first, and not and, or, not."
                )
            texts = value if isinstance(value, tuple) else (value,)
            if not all(isinstance(each, str) for each in texts) and not isinstance(value, (int, float)):
                raise OpticalError(
                    f"Passage {passage.id!r} has {field} = {value!r}. Give a string, a number, true, false, or a tuple "
                    "of strings."
                )
            if any(isinstance(each, str) and has_lone_surrogate(each) for each in texts):
                raise OpticalError(
                    f"Passage {passage.id!r} has half a character in {field} = {value!r}. Give it in valid Unicode."
                )
            if not isinstance(value, (str, tuple)) and not -(2**53) <= value <= 2**53:
                raise OpticalError(
                    f"Passage {passage.id!r} has {field} = {value}, which filters cannot compare. Give a number "
                    "within 2^53, or a string."
                )
            if kinds.setdefault(field, kind_of(value)) != kind_of(value):
                raise OpticalError(
                    f"Passage {passage.id!r} has {field} = {value!r}, a {kind_of(value)}, but the field holds "
                    f"{kinds[field]}s. Give all passages the same kind."
                )
    return kinds
