"""JSON lines in their usual layouts."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from optical.bitext import Pair, read_pairs

from .texts import notes, pairs, sides

LAYOUTS = {
    "ours": lambda english, foreign: {"english": english, "foreign": foreign},
    "sentence-transformers": lambda english, foreign: {"english": english, "non_english": foreign},
    "codes": lambda english, foreign: {"sw": foreign, "en": english, "id": 5, "score": 0.5},
    "long codes": lambda english, foreign: {"swh_Latn": foreign, "eng_Latn": english},
    "Hugging Face": lambda english, foreign: {"id": "0", "translation": {"en": english, "sw": foreign}},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("ascii_only", [True, False])
@settings(deadline=None, max_examples=25)
@given(pairs=pairs)
def test_records_come_back(
    layout: str, ascii_only: bool, pairs: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = tmp_path_factory.mktemp("jsonl") / "t.jsonl"
    with source.open("w", encoding="utf-8") as file:
        for pair in pairs:
            file.write(json.dumps(LAYOUTS[layout](*pair), ensure_ascii=ascii_only) + "\n\n")
    assert list(read_pairs(source)) == [
        Pair(*pair, str(source), 1 + 2 * number) for number, pair in enumerate(pairs)
    ]


@pytest.mark.parametrize(
    ("record", "options"),
    [
        ({"source": "moja", "target": "one"}, "?english=target&foreign=source"),
        ({"translation": {"fr": "un", "sw": "moja", "en": "one"}}, "?foreign=sw"),
        ({"en-US": "ein", "en-GB": "one", "sw": "moja"}, "?english=en-GB"),
        ({"english": "one", "swa": "moja"}, ""),
        ({"a&b": "one", "foreign": "moja"}, "?english=a%26b"),
        ({"en": "one\n", "sw": "mo\tja"}, ""),
    ],
)
def test_keys_can_be_told(record: dict[str, Any], options: str, tmp_path: Path) -> None:
    (tmp_path / "t.ndjson").write_text(json.dumps(record))
    english, foreign = sides(f"{tmp_path}/t.ndjson{options}")[0]
    assert (english, foreign.replace("mo ja", "moja")) == ("one", "moja")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"english": "one", "foreign": "moja"', "not JSON (Expecting ',' delimiter at character 37)"),
        (b'{"english": "one", "foreign": 7}', "english and foreign are not both text"),
        (b'["one", "moja"]', "no record of keys and values"),
        (
            b'{"text": "one", "label": "moja"}',
            "keys text, label instead of english and foreign; add ?english=KEY",
        ),
        (b'{"en": "one", "sw": "moja", "fr": "un"}', "several languages (sw, fr); add ?foreign=sw"),
        (b'{"en": "one", "sw": "mo\\ud800ja"}', "half a surrogate pair at character 3"),
        (b'{"en": "one", "sw": "mo\\u0000ja"}', "a NUL character"),
        (b'{"en": "one", "sw": "mo\xe9ja"}', "not UTF-8 at byte 24"),
        (b"[" * 500_000, "nested too deeply"),
        (b'{"en": "' + b"x" * (1 << 20) + b'"}', "longer than 1048576 bytes"),
    ],
)
def test_what_is_no_pair(line: bytes, problem: str, tmp_path: Path) -> None:
    source = tmp_path / "t.jsonl"
    source.write_bytes(b'{"en": "two", "sw": "mbili"}\n' + line + b'\n{"en": "three", "sw": "tatu"}\n')
    found = list(read_pairs(source))
    assert [item[0] for item in found if isinstance(item, Pair)] == ["two", "three"]
    (note,) = notes(source)
    assert note.startswith(f"{source}:2: {problem}")
