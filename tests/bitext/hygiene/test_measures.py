"""Scripts, repetitions, lengths and stretches, against plain definitions."""

import itertools
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optical.bitext.hygiene.duplicates import digests, repeated, rows_with_twins
from optical.bitext.hygiene.length_ratio import estimate_length_ratio, log_ratio, misfit
from optical.bitext.hygiene.repair import Repair, Segment
from optical.bitext.hygiene.scripts import (
    LATIN,
    NONE,
    in_other_script,
    script,
    script_name,
    script_number,
    scripts,
    scripts_in_use,
)
from optical.bitext.hygiene.stretches import find_stretches
from optical.bitext.pairs import Malformed, Pair


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("plain words", "latin"),
        ("ọ̀rọ̀ Yorùbá", "latin"),
        ("ሰላም ለዓለም COVID", "ethiopic"),
        ("BBC ሰላ", "latin"),
        ("日本語のテキスト", "cjk"),
        ("नमस्ते", "devanagari"),
        ("123 ١٢٣ «»—", "none"),
    ],
)
def test_the_script_of_most_letters(text: str, name: str) -> None:
    assert script_name(script(text) if name != "none" else NONE) == name
    if name not in ("none", "latin"):
        assert script(text) == script_number(name)


@given(
    st.text(
        st.characters(whitelist_categories=("Lo",), min_codepoint=0x370, max_codepoint=0x1BFF), min_size=1
    )
)
def test_a_script_is_that_of_no_fewer_letters_than_any_other(text: str) -> None:
    names = [unicodedata.name(letter).split()[0].lower() for letter in text]
    if set(names) != {"latin"}:
        assert names.count(script_name(script(text))) == max(map(names.count, names))


@given(st.lists(st.text("aZé1٢ \u0301ሰላनमが日"), min_size=1, max_size=5))
def test_scripts_of_many_texts_are_those_of_each(texts: list[str]) -> None:
    assert scripts(texts).tolist() == [int(scripts([text])[0]) for text in texts]


def test_a_language_may_have_two_scripts() -> None:
    ethiopic, latin = scripts(["ሰላም ለዓለም COVID", "BBC ሰላ"]).tolist()
    assert scripts_in_use({ethiopic: 5, latin: 5}) == {LATIN, script("ሰላም")}
    assert scripts_in_use({1: 50, 2: 45, 3: 5, NONE: 1000}) == {1, 2}


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans())))
def test_repetitions_are_all_but_the_first(rows: list[tuple[int, bool]]) -> None:
    seen: set[int] = set()
    expected = []
    for value, counts in rows:
        expected.append(counts and value in seen)
        if counts:
            seen.add(value)
    values = np.array([value for value, _ in rows], dtype=np.int64)
    among = np.array([counts for _, counts in rows], dtype=np.bool_)
    assert repeated(values, among).tolist() == expected
    counts = [value for value, _ in rows]
    assert rows_with_twins(values).tolist() == [
        row for row, value in enumerate(counts) if counts.count(value) > 1
    ]


def test_digests_keep_sides_apart() -> None:
    assert len(set(digests(["a", "a b", "a"], ["b c", "c", "b c"]).tolist())) == 2


def test_length_ratio_is_measured_and_outliers_found() -> None:
    generator = np.random.default_rng(0)
    english = generator.integers(30, 200, 2000).astype(np.uint16)
    foreign = (english * 1.3 * np.exp(generator.normal(0, 0.15, 2000))).astype(np.uint16)
    foreign[:20] = english[:20] // 5
    ratios = log_ratio(english, foreign)
    usual = estimate_length_ratio(ratios)
    assert usual is not None
    assert usual.factor == pytest.approx(1.3, rel=0.03)
    assert usual.deviation == pytest.approx(0.15, rel=0.1)
    assert np.flatnonzero(misfit(ratios, english, foreign, usual)).tolist() == list(range(20))
    assert estimate_length_ratio(ratios[:49]) is None
    # A word or two may be of any length.
    short = np.array([3], np.uint16), np.array([11], np.uint16)
    assert not misfit(log_ratio(*short), *short, usual).any()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(40, 90)), min_size=1, max_size=5), st.integers(0, 9))
def test_stretches_with_clear_evidence_are_found_to_the_row(parts: list[tuple[int, int]], seed: int) -> None:
    states = np.concatenate([np.full(length, state) for state, length in parts])
    evidence = np.random.default_rng(seed).normal(0, 0.1, (len(states), 3)).astype(np.float32)
    evidence[np.arange(len(states)), states] += 2
    found = find_stretches(lambda start, stop: evidence[start:stop], len(states))
    expected, at = [], 0
    for state, group in itertools.groupby(states.tolist()):
        length = len(list(group))
        expected.append((at, at + length, state))
        at += length
    assert [stretch[:3] for stretch in found] == expected
    assert all(stretch.earliest <= stretch.start <= stretch.latest for stretch in found)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 60), st.floats(-3, 0.2))
def test_without_evidence_there_is_one_stretch(rows: int, level: float) -> None:
    evidence = np.zeros((rows, 2), np.float32)
    evidence[:, 1] = level
    found = find_stretches(lambda start, stop: evidence[start:stop], rows)
    assert [stretch[:3] for stretch in found] == ([(0, rows, 0)] if rows else [])


@given(
    st.integers(1, 40),
    st.lists(st.tuples(st.integers(0, 40), st.integers(-3, 3), st.booleans()), max_size=4),
    st.sets(st.integers(0, 39)),
)
def test_a_repair_pairs_each_row_with_the_english_of_its_offset(
    rows: int, cuts: list[tuple[int, int, bool]], bad: set[int]
) -> None:
    places = sorted({place for place, _, _ in cuts if 0 < place < rows} | {0})
    segments = [
        Segment(start, stop, 0 if swapped else offset, swapped)
        for start, stop, (_, offset, swapped) in zip(
            places, [*places[1:], rows], itertools.cycle([*cuts, (0, 0, False)]), strict=False
        )
    ]
    repair = Repair(segments)
    items: list[Pair | Malformed] = []
    for row in range(rows):
        if row in bad:
            items.append(Malformed(f"before {row}"))
        items.append(Pair(f"e{row}", f"f{row}", "x", row + 1))
    result = list(repair.apply(items))
    assert [type(item) for item in result] == [type(item) for item in items]
    pairs = [item for item in result if isinstance(item, Pair)]
    edges = repair.edges(rows)
    for segment in segments:
        for row in range(segment.start, segment.stop):
            partner = row + segment.offset
            assert edges[row] == (not 0 <= partner < rows)
            if edges[row]:
                assert pairs[row][:2] == (f"e{row}", f"f{row}")
            elif segment.swapped:
                assert pairs[row][:2] == (f"f{row}", f"e{row}")
            else:
                assert pairs[row][:2] == (f"e{partner}", f"f{row}")
            assert pairs[row].line == row + 1


def test_names_in_another_script_do_not_make_a_sentence_foreign() -> None:
    texts = ["Manchester City ሰላም", "Manchester City and Liverpool ከ", "Manchester", "ሰላም", "12"]
    found = scripts(texts)
    assert in_other_script(found, {script("ሰላም")}).tolist() == [False, True, True, False, False]
