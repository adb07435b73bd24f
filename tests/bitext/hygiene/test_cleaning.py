"""Files made wrong in known places: what is found, what is left, and that nothing is lost."""

import gzip
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from optical.bitext.hygiene import DROPPED_SUFFIX, DROPPING, RULES, check, rule_named
from optical.errors import OpticalError

Pairs = list[tuple[str, str]]


def kept(path: Path) -> Pairs:
    return [tuple(line.split("\t")) for line in path.read_text(encoding="utf-8").splitlines()]  # type: ignore[misc]


def dropped(path: Path) -> list[list[str]]:
    text = path.with_name(path.name + DROPPED_SUFFIX).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines()]


def with_noise(pairs: Pairs, seed: int) -> Pairs:
    generator = random.Random(seed)
    noise = [
        ("Same words here.", "same words, here"),
        ("...", "Habari."),
        ("<b>Bold</b> words", "maneno mazito"),
        ("One two three four five six seven eight nine ten eleven.", "Na"),
        ("A question?", "вопрос о том"),
        pairs[3],
        (pairs[5][0].upper(), pairs[5][1] + "!!"),
    ]
    noisy = list(pairs)
    for pair in noise:
        noisy.insert(generator.randrange(10, len(noisy)), pair)
    return noisy


def test_every_pair_is_kept_in_order_or_dropped_with_its_line(
    invented: Callable[..., Pairs], written: Callable[..., Path], tmp_path: Path
) -> None:
    pairs = with_noise(invented(300), seed=1)
    output = tmp_path / "clean.tsv"
    report = check([written(pairs)], output)
    lines = {int(line): (english, foreign) for _, _, line, english, foreign in dropped(output)}
    assert len(kept(output)) + len(lines) == report.pairs == len(pairs)
    assert all(pairs[line - 1] == pair for line, pair in lines.items())
    assert kept(output) == [pair for line, pair in enumerate(pairs, start=1) if line not in lines]
    assert report.kept == len(kept(output))
    assert report.dropped == {
        name: [row[0] for row in dropped(output)].count(name) for name in report.dropped
    }
    assert report.dropped == {
        "empty-side": 1,
        "untranslated": 1,
        "markup-debris": 1,
        "wrong-script": 1,
        "length-ratio": 1,
        "duplicate": 1,
        "near-duplicate": 1,
    }


@pytest.mark.parametrize("seed", range(3))
def test_cleaning_what_is_clean_changes_nothing(
    seed: int, invented: Callable[..., Pairs], written: Callable[..., Path], tmp_path: Path
) -> None:
    pairs = with_noise(invented(250, seed), seed)
    generator = random.Random(seed)
    # Ratios of lengths all the way up to absurd: the line between good and bad must not move.
    pairs += [(english, foreign[: generator.randint(1, 40)]) for english, foreign in invented(60, seed + 9)]
    del pairs[120 + seed]
    once, twice = tmp_path / "once.tsv", tmp_path / "twice.tsv"
    check([written(pairs)], once)
    report = check([once], twice)
    assert twice.read_text() == once.read_text()
    assert report.dropped == {}
    assert report.sources[0].findings == []


def test_a_copy_of_a_dropped_pair_is_kept(written: Callable[..., Path], tmp_path: Path) -> None:
    output = tmp_path / "clean.tsv"
    check(
        [written([("<p>Good morning</p>", "habari p"), ("P good morning p", "habari p"), ("p Good", "x")])],
        output,
    )
    assert ("P good morning p", "habari p") in kept(output)


def test_a_rule_can_be_set_to_drop_or_to_warn(written: Callable[..., Path], tmp_path: Path) -> None:
    pairs = [("It was 1998.", "mwaka 1989"), ("The end.", "Mwisho."), ("The end.", "Mwisho.")]
    output = tmp_path / "clean.tsv"
    assert kept_after(written(pairs), output, DROPPING) == pairs[:2]
    assert kept_after(written(pairs), output, {*DROPPING, rule_named("number-mismatch")}) == pairs[1:2]
    neither = set(DROPPING) - {rule_named("duplicate"), rule_named("near-duplicate")}
    assert kept_after(written(pairs), output, neither) == pairs


def kept_after(source: Path, output: Path, dropping: object) -> Pairs:
    check([source], output, dropping=dropping)  # type: ignore[arg-type]
    return kept(output)


@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(at=st.integers(12, 285), lost=st.sampled_from(["english", "foreign"]), lines=st.integers(1, 3))
def test_a_shift_is_found_where_it_begins_and_repaired(
    at: int,
    lost: str,
    lines: int,
    invented: Callable[..., Pairs],
    written: Callable[..., Path],
    tmp_path: Path,
) -> None:
    pairs = invented(300)
    english, foreign = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    del (english if lost == "english" else foreign)[at : at + lines]
    output = tmp_path / "clean.tsv"
    report = check([written(list(zip(english, foreign, strict=False)))], output)
    (finding,) = report.sources[0].findings
    assert abs(finding.first_line - (at + 1)) <= 5
    assert f"{lines} line(s) {'below' if lost == 'foreign' else 'above'}" in finding.what
    assert set(kept(output)) <= set(pairs)
    assert len(kept(output)) >= len(pairs) - 5 * lines - 12


def test_a_file_shifted_from_its_first_line_is_repaired(
    invented: Callable[..., Pairs], written: Callable[..., Path], tmp_path: Path
) -> None:
    pairs = invented(200)
    shifted = [(english, foreign) for (english, _), (_, foreign) in pairwise(pairs)]
    output = tmp_path / "clean.tsv"
    report = check([written(shifted)], output)
    assert [(f.first_line, f.last_line) for f in report.sources[0].findings] == [(1, 199)]
    assert kept(output) == pairs[1:-1]


def test_lines_that_belong_to_nothing_are_cut_and_the_others_stay(
    invented: Callable[..., Pairs], written: Callable[..., Path], tmp_path: Path
) -> None:
    pairs = invented(400)
    foreign = [pair[1] for pair in pairs]
    random.Random(3).shuffle(middle := foreign[150:210])
    foreign[150:210] = middle
    output = tmp_path / "clean.tsv"
    report = check([written([(e, f) for (e, _), f in zip(pairs, foreign, strict=True)])], output)
    (finding,) = report.sources[0].findings
    assert finding.what == "the sides do not belong together"
    assert abs(finding.first_line - 151) <= 5
    assert abs(finding.last_line - 210) <= 5
    assert set(pairs[:140] + pairs[220:]) <= set(kept(output))


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_many_scattered_wrong_pairs_do_not_hide_one_another(
    share: float, invented: Callable[..., Pairs], written: Callable[..., Path], tmp_path: Path
) -> None:
    pairs = invented(1500)
    foreign = [pair[1] for pair in pairs]
    wrong = random.Random(1).sample(range(len(pairs)), round(share * len(pairs)))
    for row, taken in zip(wrong, [*wrong[1:], wrong[0]], strict=True):
        foreign[row] = pairs[taken][1]
    source = written([(english, other) for (english, _), other in zip(pairs, foreign, strict=True)])
    left = kept_after(source, tmp_path / "clean.tsv", {rule_named("unlikely-translation")})
    right = set(left) & set(pairs)
    assert len(right) >= 0.99 * (len(pairs) - len(wrong))
    assert len(left) - len(right) <= 0.5 * len(wrong)


def test_swapped_columns_are_put_right(written: Callable[..., Path], tmp_path: Path) -> None:
    pairs = [
        (f"This is the number {n} of those that we have.", f"Hii ni namba {n} kati ya tulizo nazo")
        for n in range(100)
    ]
    swapped = [*pairs[:40], *[(foreign, english) for english, foreign in pairs[40:]]]
    output = tmp_path / "clean.tsv"
    report = check([written(swapped)], output)
    assert [(f.first_line, f.last_line) for f in report.sources[0].findings] == [(41, 100)]
    assert kept(output) == pairs


def test_repetitions_are_found_across_files(written: Callable[..., Path], tmp_path: Path) -> None:
    first, second = (
        written([("One.", "Moja.")], "a.tsv"),
        written([("Two.", "Mbili."), ("one", "moja")], "b.tsv"),
    )
    output = tmp_path / "clean.tsv"
    check([first, second], output)
    assert kept(output) == [("One.", "Moja."), ("Two.", "Mbili.")]
    assert dropped(output) == [["near-duplicate", str(second), "2", "one", "moja"]]


def test_near_copies_of_queries_are_found_on_either_side(written: Callable[..., Path]) -> None:
    pairs = [("Who wrote the Iliad?", "Nani?"), ("What?", "nani aliandika Iliad"), ("Fine.", "Sawa.")]
    report = check([written(pairs)], queries=["who wrote the iliad", "Nani aliandika ILIAD?"])
    assert report.found["near-copy-of-a-query"] == 2


def test_the_script_can_be_told(written: Callable[..., Path]) -> None:
    source = written([("Peace.", "ሰላም"), ("Peace.", "Salaam")])
    assert check([source]).found["wrong-script"] == 0  # both are common in it
    assert check([source], script="ethiopic").found["wrong-script"] == 1


def test_unreadable_records_are_counted(tmp_path: Path) -> None:
    source = tmp_path / "raw.tsv"
    source.write_text("One.\tMoja.\nno column\nTwo.\tMbili.\n", encoding="utf-8")
    output = tmp_path / "clean.tsv"
    report = check([source], output)
    assert (report.pairs, report.kept, report.sources[0].malformed, len(report.malformed)) == (2, 2, 1, 1)
    assert "raw.tsv:2" in report.malformed[0]
    assert dropped(output)[0][0] == "malformed"


def test_a_damaged_file_stops_or_ends_there(tmp_path: Path) -> None:
    source, output = tmp_path / "raw.tsv.gz", tmp_path / "clean.tsv"
    lines = "".join(f"Sentence {number} of many.\tSentensi ya {number}.\n" for number in range(5000))
    source.write_bytes(gzip.compress(lines.encode())[:-2000])
    with pytest.raises(OpticalError, match=r"raw\.tsv\.gz:\d+: broken gzip"):
        check([source], output)
    assert not output.exists()
    report = check([source], output, skip_bad=True)
    assert report.sources[0].malformed == 1
    assert 0 < report.pairs < 5000


def test_compressed_output(written: Callable[..., Path], tmp_path: Path) -> None:
    output = tmp_path / "clean.tsv.gz"
    check([written([("One.", "Moja.")])], output)
    assert check([output]).kept == 1


def test_nothing_is_written_if_nothing_is_left(written: Callable[..., Path], tmp_path: Path) -> None:
    output = tmp_path / "clean.tsv"
    with pytest.raises(OpticalError, match="No pair is left"):
        check([written([("Same.", "same"), ("", "")])], output)
    assert not output.exists()
    with pytest.raises(OpticalError, match="No bitext was given"):
        check([])


def test_examples_are_spread_over_what_a_rule_finds(written: Callable[..., Path]) -> None:
    report = check([written([(f"Same {n}.", f"same {n}") for n in range(9)])], examples=3)
    assert [example.line for example in report.examples["untranslated"]] == [1, 5, 9]
    assert report.as_dict()["examples"]["untranslated"][0]["english"] == "Same 0."


def test_rules_have_names_of_their_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule_named(rule.name) is rule for rule in RULES)
    with pytest.raises(OpticalError, match="There is no rule spelling"):
        rule_named("spelling")
