"""Tables of a TOML file as dataclasses, whose fields say what there may be and of which type."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from optical.errors import OpticalError
from optical.study.names import nearest


def made_of_table(what: Any, table: Mapping[str, Any], place: str) -> Any:
    """Make the dataclass ``what`` of the table that stands at ``place``, "" for the file as a whole.

    Raises:
        OpticalError: it has a field that ``what`` has not, lacks one that has no default, or has one of a wrong type;
            or ``what`` refuses them.
    """
    prefix = f"{place}." if place else ""
    types_of = get_type_hints(what)
    known = [each.name for each in fields(what) if each.init]
    for name, value in table.items():
        if name not in known:
            raise OpticalError(f"{prefix}{name} is not known. {nearest(name, known)}")
        require_type(value, types_of[name], f"{prefix}{name}")
    for each in fields(what):
        if each.init and each.name not in table and each.default is each.default_factory is MISSING:
            raise OpticalError(f"{prefix}{each.name} is missing. Add it.")
    try:
        return what(**table)
    except OpticalError as error:
        raise OpticalError(f"{place}: {error}") from error


def require_type(value: Any, expected: Any, place: str) -> None:
    """Raise :class:`OpticalError` if the value at ``place`` is not of the type ``expected``."""
    if not _fits(value, expected):
        raise OpticalError(f"{place} is {value!r}, which is no {_describe(expected)}. Mend it.")


def _fits(value: Any, expected: Any) -> bool:
    origin, inner = get_origin(expected), get_args(expected)
    if expected is Any:
        return True
    if origin is list:
        return isinstance(value, list) and all(_fits(each, inner[0]) for each in value)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(each, inner[1]) for each in value.values())
    if origin is Literal:
        return value in inner
    if origin in (Union, types.UnionType):
        return any(_fits(value, each) for each in inner)
    if expected is float:
        expected = (float, int)
    # In Python True is an int; in a configuration it is a slip.
    return isinstance(value, expected) and not (isinstance(value, bool) and expected is not bool)


def _describe(expected: Any) -> str:
    origin, inner = get_origin(expected), get_args(expected)
    if origin is list:
        return f"list of {_describe(inner[0])}"
    if origin is Literal:
        return "one of " + ", ".join(map(repr, inner))
    if origin in (Union, types.UnionType):
        return " or ".join(_describe(each) for each in inner)
    return {
        str: "text",
        types.NoneType: "nothing",
        int: "whole number",
        bool: "true or false",
        float: "number",
        dict: "table",
    }.get(origin or expected, str(expected))
