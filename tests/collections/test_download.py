"""Downloads from a real server on this machine."""

import hashlib
import io
import json
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from optical.collections.download import fetch
from optical.collections.registry import RemoteFile
from optical.errors import OpticalError

from .file_server import Served, serving

CONTENT = random.Random(1).randbytes(700_000)
MD5, SHA256 = hashlib.md5(CONTENT).hexdigest(), hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(Served(CONTENT)) as server:
        yield server


def remote(served: Served, **facts: str) -> RemoteFile:
    return RemoteFile("data.bin", served.address, **facts)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("facts", [{}, {"md5": MD5}, {"sha256": SHA256}, {"md5": MD5, "sha256": SHA256}])
def test_a_whole_file(served: Served, tmp_path: Path, facts: dict[str, str]) -> None:
    seen = []
    path = fetch(remote(served, **facts), tmp_path / "new", lambda *progress: seen.append(progress))
    assert path == tmp_path / "new" / "data.bin"
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == {"data.bin", "data.bin.provenance.json"}
    record = json.loads((tmp_path / "new" / "data.bin.provenance.json").read_text())
    assert record["sha256"] == SHA256
    assert record["address"] == served.address
    assert record["digest published"] is bool(facts)
    assert record["placed by hand"] is False
    assert ("Fetching data.bin", len(CONTENT), len(CONTENT)) in seen
    assert ("Checking data.bin", len(CONTENT), len(CONTENT)) in seen


def test_what_is_there_is_not_fetched_again(served: Served, tmp_path: Path) -> None:
    for _ in range(2):
        fetch(remote(served, md5=MD5), tmp_path)
    assert len(served.requests) == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_connection_goes_on(served: Served, tmp_path: Path, ranges: bool) -> None:
    served.ranges, served.cut_after = ranges, [300_000, 500_000]
    assert fetch(remote(served), tmp_path).read_bytes() == CONTENT
    expected = ["", "bytes=300000-", ""] if ranges else ["", "bytes=300000-", "bytes=500000-"]
    assert served.requests[:2] == expected[:2]
    assert names(tmp_path) == {"data.bin", "data.bin.provenance.json"}


def test_a_later_command_goes_on(served: Served, tmp_path: Path) -> None:
    served.cut_after = [300_000, 0, 0, 0]
    with pytest.raises(
        OpticalError, match=r"breaks off after 300000 bytes\. Give the same command again .*data\.bin"
    ):
        fetch(remote(served), tmp_path)
    assert not (tmp_path / "data.bin").exists()
    assert fetch(remote(served), tmp_path).read_bytes() == CONTENT
    assert served.requests[-1] == "bytes=300000-"


def test_another_file_by_then_is_fetched_from_its_start(served: Served, tmp_path: Path) -> None:
    served.cut_after = [300_000, 0, 0, 0]
    with pytest.raises(OpticalError, match="breaks off"):
        fetch(remote(served), tmp_path)
    served.content = CONTENT[::-1]
    assert fetch(remote(served), tmp_path).read_bytes() == CONTENT[::-1]
    served.content = CONTENT


def test_a_server_that_names_no_version_is_asked_for_all(served: Served, tmp_path: Path) -> None:
    served.version, served.cut_after = False, [300_000]
    assert fetch(remote(served), tmp_path).read_bytes() == CONTENT
    assert served.requests == ["", ""]


def test_a_partial_file_that_is_too_long(served: Served, tmp_path: Path) -> None:
    (tmp_path / ".data.bin.part").write_bytes(CONTENT + b"more")
    (tmp_path / ".data.bin.version").write_text(served.tag)
    assert fetch(remote(served), tmp_path).read_bytes() == CONTENT


def test_a_server_that_tells_no_length(served: Served, tmp_path: Path) -> None:
    served.with_length = False
    assert fetch(remote(served, sha256=SHA256), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_a_wrong_digest(served: Served, tmp_path: Path, kind: str) -> None:
    digest = "0" * 32
    message = (
        rf"data\.bin is damaged or another file: its {kind} is .* not {digest} as published\. It was not kept"
    )
    with pytest.raises(OpticalError, match=message):
        fetch(remote(served, **{kind: digest}), tmp_path)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("status", [403, 404, 503])
def test_what_cannot_be_fetched_can_be_placed_by_hand(served: Served, tmp_path: Path, status: int) -> None:
    served.status = status
    file = remote(served, md5=MD5)
    with pytest.raises(OpticalError) as raised:
        fetch(file, tmp_path)
    for mention in (served.address, f"HTTP {status}", str(tmp_path / "data.bin"), "same command again"):
        assert mention in str(raised.value)
    (tmp_path / "data.bin").write_bytes(CONTENT)
    assert fetch(file, tmp_path).read_bytes() == CONTENT
    assert json.loads((tmp_path / "data.bin.provenance.json").read_text())["placed by hand"] is True


def test_no_server_at_all(tmp_path: Path) -> None:
    with serving(Served(b"")) as gone:
        pass
    with pytest.raises(
        OpticalError, match=r"cannot be fetched \(.*refused\)\. Fetch it by other means, place it at"
    ):
        fetch(remote(gone), tmp_path)


def test_a_file_placed_by_hand_is_checked(served: Served, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"an error page")
    with pytest.raises(
        OpticalError, match=r"data\.bin is damaged or another file: its md5 .*as published\. Remove it"
    ):
        fetch(remote(served, md5=MD5), tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == b"an error page", "a user's file is left to the user"


def test_without_a_published_digest_the_first_one_counts(served: Served, tmp_path: Path) -> None:
    path = fetch(remote(served), tmp_path)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(OpticalError, match=r"not [0-9a-f]{64} as recorded when it came first\. Remove it"):
        fetch(remote(served), tmp_path)
    path.unlink()
    assert fetch(remote(served), tmp_path).read_bytes() == CONTENT
    path.unlink()
    served.content = CONTENT[::-1]
    with pytest.raises(
        OpticalError, match=r"It was not kept \(remove data\.bin\.provenance\.json too if the new"
    ):
        fetch(remote(served), tmp_path)
    assert names(tmp_path) == {"data.bin.provenance.json"}
    (tmp_path / "data.bin.provenance.json").unlink()
    assert fetch(remote(served), tmp_path).read_bytes() == CONTENT[::-1]


def zipped(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_zip_is_unpacked(served: Served, tmp_path: Path) -> None:
    served.content = zipped(("toy/corpus.jsonl", b"{}\n"), ("toy/qrels/test.tsv", b"q\td\t1\n"))
    file = RemoteFile("toy.zip", served.address)
    for _ in range(2):
        fetch(file, tmp_path)
        assert (tmp_path / "toy" / "corpus.jsonl").read_bytes() == b"{}\n"
        assert (tmp_path / "toy" / "qrels" / "test.tsv").read_bytes() == b"q\td\t1\n"


@pytest.mark.parametrize("name", ["../evil", "toy/../../evil", "/tmp/evil", "C:evil", "a\\..\\..\\evil"])
def test_a_zip_that_leaves_its_folder_is_refused(served: Served, tmp_path: Path, name: str) -> None:
    served.content = zipped(("toy/fine", b"1"), (name, b"2"))
    with pytest.raises(OpticalError, match="that leaves its folder"):
        fetch(RemoteFile("toy.zip", served.address), tmp_path / "in")
    assert not list(tmp_path.rglob("*evil*"))
    assert not (tmp_path / "in" / "toy").exists()


def test_a_broken_zip(served: Served, tmp_path: Path) -> None:
    served.content = zipped(("toy/corpus.jsonl", CONTENT))[:-50]
    with pytest.raises(OpticalError, match=r"toy\.zip is a broken zip .*Remove it"):
        fetch(RemoteFile("toy.zip", served.address), tmp_path)
    assert not (tmp_path / "toy").exists()
