"""Zips of OPUS in the layout of Moses."""

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings

from optical.bitext import Pair, read_pairs
from optical.errors import OpticalError

from .texts import notes, pairs, sides


def archive(folder: Path, members: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(folder / "en-sw.txt.zip", "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return folder / "en-sw.txt.zip"


BESIDE: dict[str, str | bytes] = {
    "README": "Read me.",
    "LICENSE": "Free.",
    "Toy.en-sw.xml": "<x/>",
    "Toy.en-sw.ids": "1",
}


@settings(deadline=None, max_examples=50)
@given(pairs)
def test_lines_come_back(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]) -> None:
    members = {
        f"Toy.en-sw.{code}": "".join(f"{pair[side]}\n" for pair in pairs)
        for side, code in enumerate(("en", "sw"))
    }
    source = archive(tmp_path_factory.mktemp("zip"), {**BESIDE, **members})
    assert list(read_pairs(source)) == [
        Pair(*pair, str(source), line) for line, pair in enumerate(pairs, start=1)
    ]


def test_a_language_of_several_and_malformed_lines(tmp_path: Path) -> None:
    source = archive(
        tmp_path,
        {"t/x.sw_KE": b"moja\n\xff\n", "t/x.en_GB": "one\ntwo\n", "t/x.pt": "um\ndois\n", "t/z.fr": "rien"},
    )
    with pytest.raises(
        OpticalError, match=r"several languages \(sw_KE, pt\); add \?foreign=sw_KE to the source"
    ):
        sides(source)
    assert sides(f"{source}?foreign=pt") == [("one", "um"), ("two", "dois")]
    assert notes(f"{source}?foreign=sw") == [f"{source}/t/x.sw_KE:2: not UTF-8 at byte 1"]


def test_sides_of_unequal_length(tmp_path: Path) -> None:
    source = archive(tmp_path, {"a.en": "one\ntwo\n", "a.sw": "moja\n"})
    with pytest.raises(OpticalError, match=r"a\.en has 2 lines but .*a\.sw has 1"):
        sides(source)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"README": "nothing"}, "one pair of files named as corpus.en and corpus.sw, but has README"),
        (
            {"a.en": "1", "a.sw": "2", "b.en": "3", "b.sw": "4"},
            r"several such pairs \(a.en, b.en\). Unpack it",
        ),
        ({"a.en": "one\n", "a.sw": ""}, r"a\.sw is empty"),
        ({"../a.en": "one", "../a.sw": "moja"}, r"'../a.en', whose name leads out of the archive"),
        ({"/a.en": "one", "/a.sw": "moja"}, "leads out of the archive"),
        ({"x/..\\..\\a.en": "one"}, "leads out of the archive"),
    ],
)
def test_archives_without_a_pair_or_with_dangerous_names(
    members: dict[str, str | bytes], message: str, tmp_path: Path
) -> None:
    with pytest.raises(OpticalError, match=message):
        sides(archive(tmp_path, members))


def test_archives_cut_short_or_damaged(tmp_path: Path) -> None:
    members = {
        "a.en": "".join(f"one {n}\n" for n in range(3000)),
        "a.sw": "".join(f"moja {n}\n" for n in range(3000)),
    }
    source = archive(tmp_path, dict(members))
    whole = source.read_bytes()
    source.write_bytes(whole[:-100])
    with pytest.raises(OpticalError, match=r"en-sw\.txt\.zip:1: broken archive .*File is not a zip file"):
        sides(source)
    assert len(notes(source, skip_bad=True)) == 1
    damaged = bytearray(whole)
    damaged[4000:4020] = bytes(20)
    source.write_bytes(damaged)
    with pytest.raises(OpticalError, match=r"a\.en:\d+: broken archive from here on"):
        sides(source)
    encrypted = bytearray(whole)
    at = whole.index(b"PK\x01\x02")
    encrypted[at + 8] |= 1
    source.write_bytes(encrypted)
    with pytest.raises(OpticalError, match=r"is encrypted. Unpack it first"):
        sides(source)


def test_a_bomb_stays_small(tmp_path: Path) -> None:
    import tracemalloc

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as made:
        for name in ("a.en", "a.sw"):
            with made.open(name, "w") as member:
                for _ in range(40):
                    member.write(b"0" * 1_000_000)
    source = tmp_path / "bomb.zip"
    source.write_bytes(content.getvalue())
    tracemalloc.start()
    assert notes(source) == [f"{source}/a.en:1: longer than 1048576 bytes"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert source.stat().st_size < 100_000
    assert peak < 8_000_000
