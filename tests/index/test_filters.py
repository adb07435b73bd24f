"""Filters against Python's own evaluation of the same expression, and what is wrong with others."""

import math
import operator
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optical.collections import Passage
from optical.errors import OpticalError
from optical.index.engine import Document
from optical.index.filters import Kind, merge_kinds, parse_filter
from optical.index.local import LocalEngine

FIELDS: dict[str, Kind] = {
    "source": "string",
    "topics": "string",
    "year": "number",
    "peer-reviewed": "boolean",
}
TOPICS = [("health",), ("health", "food"), (), ("food", "it's", "health")]
VALUES = {
    "topics": ["health", "food", "it's", "other"],
    "source": ["who", "WHO", "", 'a "b"', "it's", "é\\n"],
    "year": [-3, 0, 2019, 2020, 2020.5, 1e-3, 2.0**53],
    "peer-reviewed": [True, False],
}
OPERATORS = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
METADATA: list[dict[str, object]] = [{}] + [
    {
        name: values[number % len(values)]
        for name, values, step in (
            ("source", VALUES["source"], 1),
            ("topics", TOPICS, 1),
            ("year", VALUES["year"], 2),
            ("peer-reviewed", VALUES["peer-reviewed"], 3),
        )
        if (number // step) % 3
    }
    for number in range(1, 60)
]


def written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


@st.composite
def comparisons(draw: st.DrawFn) -> tuple[str, str]:
    """A comparison, and the same as a Python expression over the dictionary ``m``."""
    name = draw(st.sampled_from(sorted(FIELDS)))
    values = st.sampled_from(VALUES[name])
    # A list of strings compares as any of its strings does.
    there = f"(m[{name!r}] if {name!r} == 'topics' else [m[{name!r}]]) if {name!r} in m else []"
    if draw(st.booleans()):
        chosen = draw(st.lists(values, min_size=1, max_size=3))
        return f"{name} in ({', '.join(map(written, chosen))})", f"any(v in {chosen!r} for v in ({there}))"
    sign = draw(st.sampled_from(["!=", *OPERATORS] if FIELDS[name] == "number" else ["=", "!="]))
    value = draw(values)
    positive = "=" if sign == "!=" else sign
    compared = f"any(OPERATORS[{positive!r}](v, {value!r}) for v in ({there}))"
    return (
        f"{name}{draw(st.sampled_from(['', ' ']))}{sign} {written(value)}",
        f"(not {compared})" if sign == "!=" else compared,
    )


EXPRESSIONS = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda parts: (
                f"{parts[0][0]} {parts[1]} {parts[2][0]}",
                f"{parts[0][1]} {parts[1]} {parts[2][1]}",
            )
        ),
        inner.map(lambda part: (f"({part[0]})", f"({part[1]})")),
        inner.map(lambda part: (f"not ({part[0]})", f"(not ({part[1]}))")),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    made = LocalEngine.create(tmp_path_factory.mktemp("index") / "shard", 4)
    passages = [Passage(str(number), "text", "", each) for number, each in enumerate(METADATA)]  # type: ignore[arg-type]
    assert merge_kinds({}, passages) == FIELDS
    made.declare(FIELDS)
    made.put([Document(passage, torch.eye(4)[:2], None) for passage in passages])
    yield made
    made.close()


# Like Python's, our "and" binds before "or", and "not" before both, so the same text has the same meaning.
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(both=EXPRESSIONS)
def test_a_filter_finds_what_python_finds(engine: LocalEngine, both: tuple[str, str]) -> None:
    expression, python = both
    found = engine.search([torch.eye(4)[:1]], 60, parse_filter(expression, FIELDS))[0]
    expected = {
        str(number)
        for number, each in enumerate(METADATA)
        if eval(python, {"OPERATORS": OPERATORS, "m": each})
    }
    assert {each.passage.id for each in found} == expected
    assert all(each.passage.metadata == METADATA[int(each.passage.id)] for each in found)


def test_not_upon_not_nests_nothing() -> None:
    plain, negated = (parse_filter(text, FIELDS) for text in ("year = 1", "not year = 1"))
    assert parse_filter("not " * 62 + "year = 1", FIELDS) == plain
    assert parse_filter("not " * 61 + "year = 1", FIELDS) == negated != plain


def test_fields_survive_reopening(tmp_path: Path) -> None:
    made = LocalEngine.create(tmp_path / "shard", 4)
    made.declare(FIELDS)
    made.close()
    again = LocalEngine.open(tmp_path / "shard", 4)
    assert again.fields == FIELDS
    again.close()


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "at character 1: a field is expected instead of the end"),
        ("  ", "a field is expected instead of the end"),
        (
            "sauce = 1",
            r"at character 1: no passage has a field sauce \(there are: peer-reviewed, source, topics, year\)",
        ),
        ("year = 1 and month = 2", "at character 14: no passage has a field month"),
        ("year", "at character 5: =, !=, <, <=, >, >= or in is expected instead of the end"),
        ("year =", "at character 7: a value .* is expected instead of the end"),
        ("year == 2", "at character 7: a value .* is expected instead of ="),
        ("year = who", "at character 8: a value .* is expected instead of who"),
        ('year = "2020"', 'at character 8: "2020" is a string, but year holds numbers'),
        ("source = 3", "at character 10: 3 is a number, but source holds strings"),
        ("peer-reviewed = 1", "1 is a number, but peer-reviewed holds booleans"),
        ('source < "b"', "at character 8: < compares numbers, and source holds strings"),
        ("year > 9007199254740993", r"at character 8: 9007199254740993 is a number beyond 2\^53"),
        ("year = -" + "9" * 400, r"at character 8: -9{19}\.\.\. is a number beyond 2\^53"),
        ("year = " + "9" * 5000, r"at character 8: .* is a number beyond 2\^53"),
        ("year in (1, 1e400)", r"at character 13: 1e400 is a number beyond 2\^53"),
        ("year in 3", r"at character 9: \( is expected instead of 3"),
        ("year in (3, )", r"at character 13: a value .* is expected instead of \)"),
        ("year in (3", r"at character 11: \) is expected instead of the end"),
        ("(year = 3", r"at character 10: \) is expected instead of the end"),
        ("year = 3)", r"at character 9: and, or, or the end is expected instead of \)"),
        ("year = 3 year = 4", "at character 10: and, or, or the end is expected instead of year"),
        ("year = 3 & year = 4", "at character 10: '&' has no meaning there"),
        ('source = "who', "at character 10: '\"' has no meaning there"),
        ("year = 3 and", "at character 13: a field is expected instead of the end"),
        ("(" * 51 + "year = 3" + ")" * 51, "at character 51: parentheses are more than 50 deep"),
        ("not (" * 5000, "parentheses are more than 50 deep"),
        ('source = "\udcff"', "is not valid Unicode"),
    ],
)
def test_a_wrong_filter_is_explained(expression: str, message: str) -> None:
    with pytest.raises(OpticalError, match=message):
        parse_filter(expression, FIELDS)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"two words": 1}, "has a metadata field 'two words'. Name it with letters"),
        ({"not": 1}, "has a metadata field 'not'"),
        ({"_": 1}, "a letter first"),
        ({"year": math.nan}, "has year = nan, which filters cannot compare"),
        ({"year": 2**60}, "Give a number within"),
        ({"year": "2020"}, "has year = '2020', a string, but the field holds numbers"),
        ({"year": True}, "a boolean, but the field holds numbers"),
        ({"tags": ["a"]}, r"has tags = \['a'\]. Give a string, a number, true, false, or a tuple of strings"),
        ({"tags": ("a", 1)}, r"has tags = \('a', 1\). Give a string"),
        ({"source": "\ud800"}, "half a character in source"),
        ({"topics": ("b", "\ud800")}, "half a character in topics"),
        ({"year": ("2020",)}, r"has year = \('2020',\), a string, but the field holds numbers"),
    ],
)
def test_unusable_metadata_are_refused(metadata: Mapping[str, object], message: str) -> None:
    with pytest.raises(OpticalError, match=message):
        merge_kinds(FIELDS, [Passage("p1", "text", "", metadata)])  # type: ignore[arg-type]
