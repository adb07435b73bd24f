"""What lies on disk after success, and after failure."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from optical.errors import OpticalError
from optical.files import (
    copy_folder,
    create_folder,
    folder_once,
    remove_unfinished,
    replace_file,
    require_absent,
)


@pytest.fixture(params=[0o022, 0o077, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def stop_halfway(writer: AbstractContextManager[Path], error: type[BaseException]) -> None:
    with writer as temporary:
        if temporary.is_dir():
            (temporary / "inner").mkdir()
            (temporary / "inner" / "half").write_text("half")
        else:
            temporary.write_text("half")
        raise error


def test_a_file_appears_with_its_content_and_in_missing_folders(tmp_path: Path) -> None:
    target = tmp_path / "new" / "deep" / "run.txt"
    with replace_file(target) as temporary:
        temporary.write_text("all of it")
        assert not target.exists()
        assert temporary.parent == target.parent  # a rename across file systems would not be atomic
    assert target.read_text() == "all of it"
    assert list(target.parent.iterdir()) == [target]


def test_what_a_killed_process_left_of_a_file_is_removed(tmp_path: Path) -> None:
    target = tmp_path / "facts[1].json"
    # Left without its end, as by a kill.
    replacing = replace_file(target)
    left = replacing.__enter__()
    for other in ("facts[1].json", ".facts1.json.abcdefgh", "facts[1].json.abcdefgh", ".facts[1].json.swp"):
        (tmp_path / other).write_text("kept")
    remove_unfinished(target)
    assert not left.exists()
    assert len(list(tmp_path.iterdir())) == 4


def test_a_file_is_replaced_only_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "run.txt"
    target.write_text("old")
    with replace_file(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "run.txt"
    target.write_text("old")
    with pytest.raises(error):
        stop_halfway(replace_file(target), error)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_no_file_and_no_folder(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error):
        stop_halfway(replace_file(tmp_path / "run.txt"), error)
    with pytest.raises(error):
        stop_halfway(create_folder(tmp_path / "index"), error)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "index"
    with create_folder(target) as temporary:
        (temporary / "part").write_text("content")
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["part"]
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("kind", ["file", "folder", "empty folder"])
def test_a_folder_never_overwrites(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "index"
    if kind == "file":
        target.write_text("precious")
    else:
        target.mkdir()
        if kind == "folder":
            (target / "precious").write_text("precious")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OpticalError, match=r"index exists already. Remove it, or choose another output."):
        require_absent(target)
    with pytest.raises(OpticalError, match="exists already"), create_folder(target):
        pytest.fail("work was begun that could not have been kept")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_appeared_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "index"

    def be_overtaken() -> None:
        with create_folder(target) as temporary:
            (temporary / "mine").write_text("mine")
            target.mkdir()
            (target / "theirs").write_text("theirs")

    with pytest.raises(OSError, match="index"):
        be_overtaken()
    assert [path.name for path in target.iterdir()] == ["theirs"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    for place in (tmp_path / "plain" / "index", tmp_path / "plain" / "deep" / "index"):
        with pytest.raises(OpticalError, match="is not a folder"), replace_file(place):
            pass
        with pytest.raises(OpticalError, match="is not a folder"), create_folder(place):
            pass


def test_permissions_are_those_of_any_other_new_file(tmp_path: Path, umask: int) -> None:
    (tmp_path / "plain file").write_text("")
    (tmp_path / "plain folder").mkdir()
    with replace_file(tmp_path / "file") as temporary:
        temporary.write_text("")
    with create_folder(tmp_path / "folder"):
        pass
    for kind in ("file", "folder"):
        assert (tmp_path / kind).stat().st_mode == (tmp_path / f"plain {kind}").stat().st_mode
    assert os.umask(umask) == umask  # looking at it must not change it


def test_a_copied_folder_has_the_same_content_and_the_same_holes(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "new" / "target"
    (source / "inner").mkdir(parents=True)
    (source / "empty").touch()
    (source / "plain").write_bytes(os.urandom(3_000_000))
    with (source / "inner" / "holes").open("wb") as file:
        for start in (0, 10_000_000, 29_999_997):
            file.seek(start)
            file.write(b"abc")
        file.truncate(40_000_000)
    copy_folder(source, target)
    for name in ("empty", "plain", "inner/holes"):
        assert (target / name).read_bytes() == (source / name).read_bytes()
        assert (target / name).stat().st_blocks <= (source / name).stat().st_blocks


def test_a_folder_is_made_once_and_whole(tmp_path: Path) -> None:
    target, made = tmp_path / "cache" / "folder", []

    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise ValueError("interrupted")

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "whole").write_text("whole")

    with pytest.raises(ValueError, match="interrupted"):
        folder_once(target, fail)
    assert not target.exists()
    for _ in range(2):
        assert folder_once(target, make) == target
    assert len(made) == 1
    assert [path.name for path in target.iterdir()] == ["whole"]
    assert sorted(path.name for path in target.parent.iterdir()) == ["folder", "folder.lock"]
