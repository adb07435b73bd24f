"""Reading, cleaning and dividing parallel text."""

import gzip
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optical.bitext import Bitext, read_bitext
from optical.errors import OpticalError


def test_keeps_clean_pairs_and_counts_the_rest(tmp_path: Path) -> None:
    lines = [
        b"\xef\xbb\xbfThe water\tMaji",
        b"  two \xc2\xa0 spaces\tnafasi   mbili \r",
        "cafe\u0301\tkahawa".encode(),
        b"only one column",
        b"a\tb\tc",
        b"broken\t\xff\xfe",
        b"wide\0\tkubwa",
        b"",
        b"no translation\t  ",
        b"Nairobi\tNAIROBI",
        b"The water\tMaji",
        b"long\t" + b"x" * 31,
    ]
    source = tmp_path / "train.tsv"
    source.write_bytes(b"\n".join(lines) + b"\n")
    bitext = read_bitext([source], max_characters=30)
    assert bitext.english == ["The water", "two spaces", "caf\u00e9"]
    assert bitext.foreign == ["Maji", "nafasi mbili", "kahawa"]
    assert bitext.dropped == {
        "malformed line": 4,
        "empty side": 2,
        "identical sides": 1,
        "duplicate pair": 1,
        "over 30 characters": 1,
    }
    assert [note.split(": ")[0] for note in bitext.malformed] == [f"{source}:{line}" for line in (4, 5, 6, 7)]
    assert "1 column(s)" in bitext.malformed[0]
    assert "not UTF-8 at byte 8" in bitext.malformed[2]
    assert "UTF-16" in bitext.malformed[3]


def test_line_ends_of_unicode_do_not_end_a_line(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("a\u2028b\tc\x85d\n", encoding="utf-8")
    bitext = read_bitext([tmp_path / "t.tsv"])
    assert (bitext.english, bitext.foreign) == (["a b"], ["c d"])


def test_notes_stop_at_twenty_but_the_count_goes_on(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("good\tnzuri\n" + "bad\n" * 25)
    bitext = read_bitext([tmp_path / "t.tsv"])
    assert len(bitext.malformed) == 20
    assert bitext.dropped == {"malformed line": 25}


def test_aligned_files_and_gzip_are_joined_in_order(tmp_path: Path) -> None:
    (tmp_path / "train.en").write_text("one\ntwo\n")
    (tmp_path / "train.sw.gz").write_bytes(gzip.compress(b"moja\nmbili\n"))
    (tmp_path / "more.tsv.gz").write_bytes(gzip.compress(b"three\ttatu\none\tmoja\n"))
    bitext = read_bitext([f"{tmp_path}/train.en, {tmp_path}/train.sw.gz", tmp_path / "more.tsv.gz"])
    assert list(zip(bitext.english, bitext.foreign, strict=True)) == [
        ("one", "moja"),
        ("two", "mbili"),
        ("three", "tatu"),
    ]
    assert bitext.dropped == {"duplicate pair": 1}


def test_aligned_files_stay_aligned_past_a_broken_line(tmp_path: Path) -> None:
    (tmp_path / "t.en").write_text("one\ntwo\nthree\n")
    (tmp_path / "t.sw").write_bytes(b"moja\n\xff\ntatu")
    bitext = read_bitext([f"{tmp_path}/t.en,{tmp_path}/t.sw"])
    assert (bitext.english, bitext.foreign) == (["one", "three"], ["moja", "tatu"])
    assert bitext.malformed == [f"{tmp_path}/t.sw:2: not UTF-8 at byte 1"]


def test_a_file_whose_name_has_a_comma(tmp_path: Path) -> None:
    (tmp_path / "a,b.tsv").write_text("one\tmoja\n")
    assert len(read_bitext([tmp_path / "a,b.tsv"])) == 1


def test_aligned_files_of_unequal_length(tmp_path: Path) -> None:
    (tmp_path / "t.en").write_text("one\ntwo\nthree\n")
    (tmp_path / "t.sw").write_text("moja\n")
    with pytest.raises(OpticalError, match=r"t\.en has 3 lines but .*t\.sw has 1"):
        read_bitext([f"{tmp_path}/t.en,{tmp_path}/t.sw"])


def test_strict_stops_at_the_first_malformed_line(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("one\tmoja\n\ntwo\nthree\n")
    with pytest.raises(OpticalError, match=r"t\.tsv:3: 1 column"):
        read_bitext([tmp_path / "t.tsv"], strict=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"", "is empty"),
        (gzip.compress(b"one\tmoja\n" * 1000)[:-20], "broken gzip"),
        (b"not gzip at all", "broken gzip"),
        (
            gzip.compress(b"one\none\n"),
            r"No usable pair.*malformed line 2; first malformed line: .*:1: 1 column",
        ),
    ],
    ids=["missing", "empty", "cut short", "not gzip", "no usable pair"],
)
def test_unusable_files(tmp_path: Path, content: bytes | None, message: str) -> None:
    source = tmp_path / "t.tsv.gz"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(OpticalError, match=message) as caught:
        read_bitext([source])
    assert str(source) in str(caught.value)


def test_folders_missing_halves_and_no_source(tmp_path: Path) -> None:
    with pytest.raises(OpticalError, match="is a folder"):
        read_bitext([tmp_path])
    with pytest.raises(OpticalError, match="two files"):
        read_bitext(["train.en,"])
    with pytest.raises(OpticalError, match="No bitext"):
        read_bitext([])


sentences = st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r\0\ufeff"), max_size=12)


@settings(deadline=None)
@given(st.lists(st.tuples(sentences, sentences), min_size=1, max_size=12))
def test_every_line_is_kept_or_counted(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    source = tmp_path_factory.mktemp("bitext") / "t.tsv"
    lines = ["good\tnzuri", *(f"{english}\t{foreign}" for english, foreign in pairs)]
    source.write_bytes("\n".join(lines).encode())
    bitext = read_bitext([source])
    assert len(bitext) + sum(bitext.dropped.values()) == len(lines)
    kept = list(zip(bitext.english, bitext.foreign, strict=True))
    assert len(set(kept)) == len(kept)
    for pair in kept:
        assert pair[0].casefold() != pair[1].casefold()
        for side in pair:
            assert side
            assert side == unicodedata.normalize("NFC", side)
            assert not any(a.isspace() and b.isspace() for a, b in pairwise(side))


def test_digest_names_content_order_and_borders() -> None:
    bitext = Bitext(["ab", "d"], ["c", "e"])
    variants = [
        bitext,
        Bitext(["d", "ab"], ["e", "c"]),
        Bitext(["a", "d"], ["bc", "e"]),
        Bitext(["ab"], ["c"]),
        Bitext(["c", "e"], ["ab", "d"]),
    ]
    assert len({variant.digest() for variant in variants}) == len(variants)
    assert bitext.digest() == Bitext(["ab", "d"], ["c", "e"], {"empty side": 3}).digest()
    assert len(bitext.digest()) == 32
    assert int(bitext.digest(), 16) >= 0


def test_unequal_sides_are_no_bitext() -> None:
    with pytest.raises(ValueError, match="2 English against 1"):
        Bitext(["a", "b"], ["c"])


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), unique=True, max_size=40),
    st.integers(0, 20),
    st.integers(0, 5),
)
def test_split_is_a_partition_without_shared_sentences(
    pairs: list[tuple[int, int]], held_back: int, seed: int
) -> None:
    bitext = Bitext([f"e{english}" for english, _ in pairs], [f"f{foreign}" for _, foreign in pairs])
    training, development = bitext.split(held_back, seed)
    both = [
        *zip(training.english, training.foreign, strict=True),
        *zip(development.english, development.foreign, strict=True),
    ]
    assert sorted(both) == sorted(zip(bitext.english, bitext.foreign, strict=True))
    assert not set(training.english) & set(development.english)
    assert not set(training.foreign) & set(development.foreign)
    assert len(training) >= len(development)
    assert bitext.split(held_back, seed) == (training, development)


def test_split_sizes() -> None:
    def unlinked(size: int) -> Bitext:
        return Bitext([f"e{index}" for index in range(size)], [f"f{index}" for index in range(size)])

    sizes = {size: [len(part) for part in unlinked(size).split(100, seed=1)] for size in (1, 2, 10, 1000)}
    assert sizes == {1: [1, 0], 2: [1, 1], 10: [8, 2], 1000: [900, 100]}
    assert [len(part) for part in unlinked(10).split(0, seed=1)] == [10, 0]
    chain = Bitext(["a", "a", "b", "b", "c"], ["1", "2", "2", "3", "3"])
    assert [len(part) for part in chain.split(1, seed=1)] == [5, 0]
    with pytest.raises(OpticalError, match="-1"):
        chain.split(-1, seed=1)


def test_split_keeps_order_and_follows_the_seed() -> None:
    bitext = Bitext([f"e{index:03}" for index in range(200)], [f"f{index:03}" for index in range(200)])
    training, development = bitext.split(40, seed=1)
    assert training.english == sorted(training.english)
    assert development.english == sorted(development.english)
    assert bitext.split(40, seed=2)[1].english != development.english


def test_weights_repeat_pairs_or_leave_some_out(tmp_path: Path) -> None:
    for name in "ab":
        lines = (f"{name} {number}\tya {number} {name}\n" for number in range(2000))
        (tmp_path / f"{name}.tsv").write_text("".join(lines))
    plain = read_bitext([tmp_path / "a.tsv"])
    whole = read_bitext([f"{tmp_path}/a.tsv?weight=2", f"{tmp_path}/b.tsv?cap=3"])
    assert whole.english == [e for e in plain.english for _ in range(2)] + ["b 0", "b 1", "b 2"]
    assert whole.dropped == {}
    half = read_bitext([f"{tmp_path}/a.tsv?weight=0.5"])
    assert 900 < len(half) < 1100
    assert half.dropped == {"left out by weight": 2000 - len(half)}
    more = read_bitext([f"{tmp_path}/b.tsv", f"{tmp_path}/a.tsv?weight=1.5"])
    # The draw of a pair depends on nothing but its text.
    assert [e for e, f in zip(more.english, more.english[1:], strict=False) if e == f] == half.english
    with pytest.raises(OpticalError, match=r"left out by weight 2000\)"):
        read_bitext([f"{tmp_path}/a.tsv?weight=1e-12"])


def test_sources_of_several_formats_are_joined(tmp_path: Path) -> None:
    (tmp_path / "a.sw-en.tsv").write_text("moja\tone\n")
    (tmp_path / "b.jsonl").write_text('{"en": "two", "sw": "mbili"}\n{"en": "three"}\n')
    (tmp_path / "c.tmx").write_text(
        "<tmx><header/><body><tu><tuv lang='en'><seg>four\n</seg></tuv><tuv lang='sw'><seg>nne</seg></tuv></tu>"
        "<tu><tuv lang='en'><seg>five</seg></tuv></tu></body></tmx>"
    )
    bitext = read_bitext([tmp_path / "a.sw-en.tsv", tmp_path / "b.jsonl", tmp_path / "c.tmx"])
    assert (bitext.english, bitext.foreign) == (["one", "two", "four"], ["moja", "mbili", "nne"])
    assert bitext.dropped == {"malformed line": 1, "empty side": 1}


def test_few_pairs_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "few.tsv"
    file.write_text("".join(f"sentence {n}\tsentensi {n}\n" for n in range(99)))
    assert len(read_bitext([file])) == 99
    assert "only 99 sentence pairs" in caplog.text
    caplog.clear()
    file.write_text("".join(f"sentence {n}\tsentensi {n}\n" for n in range(100)))
    read_bitext([file])
    assert not caplog.records


def test_a_second_side_in_english_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "same.tsv"
    file.write_text("".join(f"Sentence {n}\tsentence {n}\n" for n in range(300)) + "water\tmaji\n")
    assert len(read_bitext([file])) == 1
    assert "Most pairs of the bitext, 300, have the same text on both sides" in caplog.text
    assert "sentence pairs" in caplog.text  # and how few are left
