"""Lines of columns, in any compression, and what is wrong with them."""

import gzip
import lzma
import random
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings

from optical.bitext import Pair, read_pairs
from optical.errors import OpticalError

from .texts import notes, pairs, sides

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstd.compress,
}


@pytest.mark.parametrize("compression", COMPRESSIONS)
@settings(deadline=None, max_examples=25)
@given(pairs=pairs)
def test_lines_come_back(
    compression: str, pairs: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = tmp_path_factory.mktemp("tsv") / f"en-sw.tsv{compression}"
    text = "".join(f"{english}\t{foreign}\r\n" for english, foreign in pairs)
    source.write_bytes(COMPRESSIONS[compression](b"\xef\xbb\xbf" + text.encode()))
    assert list(read_pairs(source)) == [
        Pair(*pair, str(source), line) for line, pair in enumerate(pairs, start=1)
    ]


@pytest.mark.parametrize(
    ("name", "swapped"),
    [
        ("en-sw.tsv", False),
        ("sw-en.tsv", True),
        ("bitext.sw_en.dev.txt", True),
        ("eng_Latn-swh_Latn.tsv", False),
        ("swh_Latn-eng_Latn.tsv", True),
        ("zh-Hant-en-GB.tab", True),
        ("train.tsv", False),
        ("sw-en-dev.tsv", True),
        ("fr-sw.tsv", False),
    ],
)
def test_the_name_says_which_side_is_english(name: str, swapped: bool, tmp_path: Path) -> None:
    (tmp_path / name).write_text("one\tmoja\n")
    assert sides(tmp_path / name) == [("moja", "one") if swapped else ("one", "moja")]


def test_the_side_can_be_told(tmp_path: Path) -> None:
    (tmp_path / "ted-en-sw.tsv").write_text("moja\tone\n")
    with pytest.raises(OpticalError, match=r"which side is English. Add \?english=1"):
        sides(tmp_path / "ted-en-sw.tsv")
    assert sides(f"{tmp_path}/ted-en-sw.tsv?english=2") == [("one", "moja")]
    assert sides(f"{tmp_path}/ted-en-sw.tsv?foreign=1") == [("one", "moja")]
    with pytest.raises(OpticalError, match=r"3 names no side .* Give 1 to 2"):
        sides(f"{tmp_path}/ted-en-sw.tsv?english=3")
    with pytest.raises(OpticalError, match="en names no side"):
        sides(f"{tmp_path}/ted-en-sw.tsv?english=en")


def test_two_columns_of_many(tmp_path: Path) -> None:
    (tmp_path / "scored.tsv").write_text("0.9\tmoja\tone\thttp://a\n0.8\tmbili\ttwo\n0.7\ttatu\n")
    source = f"{tmp_path}/scored.tsv?english=3&foreign=2"
    assert [item[:2] for item in read_pairs(source) if isinstance(item, Pair)] == [
        ("one", "moja"),
        ("two", "mbili"),
    ]
    assert notes(source) == [f"{tmp_path}/scored.tsv:3: 2 column(s) instead of at least 3"]
    assert len(notes(tmp_path / "scored.tsv")) == 2
    with pytest.raises(OpticalError, match="both sides cannot be column 2"):
        sides(f"{tmp_path}/scored.tsv?english=2&foreign=2")


def test_a_line_of_ten_megabytes_is_malformed_and_not_kept(tmp_path: Path) -> None:
    source = tmp_path / "t.tsv.gz"
    content = b"one\tmoja\n" + b"x" * 10_000_000 + b"\ttatu\n" + b"two\tmbili\n" + b"y" * 10_000_000
    source.write_bytes(gzip.compress(content))
    tracemalloc.start()
    found = list(read_pairs(source))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [item[0] for item in found] == [
        "one",
        f"{source}:2: longer than 1048576 bytes",
        "two",
        f"{source}:4: longer than 1048576 bytes",
    ]
    assert peak < 5_000_000


def test_lines_around_the_bound(tmp_path: Path) -> None:
    longest = 1 << 20
    for ending in (b"\n", b"\r\n", b""):
        for extra in range(-2, 3):
            line = b"e\t" + b"f" * (longest - 2 + extra)
            (tmp_path / "t.tsv").write_bytes(b"\xef\xbb\xbf" + line + ending)
            assert bool(notes(tmp_path / "t.tsv")) == (extra > 0)


@pytest.mark.parametrize("compression", [".gz", ".xz", ".zst"])
def test_an_archive_cut_short(compression: str, tmp_path: Path) -> None:
    numbers = random.Random(0).sample(range(10**9), 5000)
    lines = [f"sentence {number}\tsentensi {number}" for number in numbers]
    whole = COMPRESSIONS[compression]("\n".join(lines).encode())
    source = tmp_path / f"t.tsv{compression}"
    source.write_bytes(whole[: len(whole) * 2 // 3])
    read = []
    with pytest.raises(OpticalError, match=r"broken (gzip|xz|zstd) from here on .* Fetch or compress"):
        read.extend(read_pairs(source))
    *kept, note = read_pairs(source, skip_bad=True)
    assert [f"{english}\t{foreign}" for english, foreign, *_ in kept] == lines[: len(kept)]
    assert note.note.startswith(f"{source}:{len(kept) + 1}: broken ")
    assert compression != ".gz" or len(kept) > 2000


@pytest.mark.parametrize("compression", [".gz", ".xz", ".zst"])
def test_no_archive_at_all(compression: str, tmp_path: Path) -> None:
    (tmp_path / f"t.tsv{compression}").write_bytes(b"one\tmoja\ntwo\tmbili\n")
    with pytest.raises(OpticalError, match=r":1: broken (gzip|xz|zstd)"):
        sides(tmp_path / f"t.tsv{compression}")
