"""Two aligned files."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings

from optical.bitext import Pair, read_pairs
from optical.errors import OpticalError

from .texts import notes, pairs, sides


@settings(deadline=None, max_examples=50)
@given(pairs)
def test_lines_come_back(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]) -> None:
    folder = tmp_path_factory.mktemp("moses")
    for side, name in enumerate(("t.en-sw.en", "t.en-sw.sw.gz")):
        content = "".join(f"{pair[side]}\n" for pair in pairs).encode()
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    for source in (
        f"{folder}/t.en-sw.en,{folder}/t.en-sw.sw.gz",
        f"{folder}/t.en-sw.sw.gz,{folder}/t.en-sw.en",
    ):
        assert list(read_pairs(source)) == [
            Pair(*pair, source, line) for line, pair in enumerate(pairs, start=1)
        ]


@pytest.mark.parametrize(
    ("names", "english"),
    [
        (("t.sw", "t.en"), 1),
        (("t.en", "t.sw"), 0),
        (("sw.txt", "en.txt"), 1),
        (("t.swh_Latn", "t.eng_Latn.xz"), 1),
        (("questions", "answers"), 0),
        (("t.en.1", "t.en.2"), 0),
    ],
)
def test_names_say_which_file_is_english(names: tuple[str, str], english: int, tmp_path: Path) -> None:
    import lzma

    for name in names:
        content = f"of {name}\n".encode()
        (tmp_path / name).write_bytes(lzma.compress(content) if name.endswith(".xz") else content)
    expected = [(f"of {names[english]}", f"of {names[1 - english]}")]
    source = ",".join(f"{tmp_path}/{name}" for name in names)
    assert sides(source) == expected
    assert sides(f"{source}?english={english + 1}") == expected
    assert sides(f"{source}?foreign={english + 1}") == [expected[0][::-1]]


def test_tabs_inside_and_broken_lines(tmp_path: Path) -> None:
    (tmp_path / "t.en").write_bytes(b"one\tand\nt\xff\nthree\n")
    (tmp_path / "t.sw").write_bytes(b"moja\nmbili\nta\0tu\n")
    source = f"{tmp_path}/t.en,{tmp_path}/t.sw"
    assert [item[:2] for item in read_pairs(source) if isinstance(item, Pair)] == [("one and", "moja")]
    assert notes(source) == [
        f"{tmp_path}/t.en:2: not UTF-8 at byte 2",
        f"{tmp_path}/t.sw:3: a NUL character, perhaps because the text is UTF-16",
    ]


@pytest.mark.parametrize("skip_bad", [False, True])
def test_files_of_unequal_length_are_never_read_on(skip_bad: bool, tmp_path: Path) -> None:
    (tmp_path / "t.en").write_text("one\ntwo\n")
    (tmp_path / "t.sw").write_text("moja\n")
    with pytest.raises(OpticalError, match=r"t\.en has 2 lines but .*t\.sw has 1"):
        sides(f"{tmp_path}/t.sw,{tmp_path}/t.en", skip_bad=skip_bad)


def test_missing_files(tmp_path: Path) -> None:
    (tmp_path / "t.en").write_text("one\n")
    with pytest.raises(OpticalError, match=r"t\.sw does not exist"):
        sides(f"{tmp_path}/t.en,{tmp_path}/t.sw")
    for source in ("a.en,", "a,b,c"):
        with pytest.raises(OpticalError, match="should name two files"):
            sides(source)
