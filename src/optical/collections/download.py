"""Fetch the files of known collections: resumable, checked, or placed by hand where there is no network."""

import hashlib
import http.client
import json
import shutil
import ssl
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from optical.collections.registry import RemoteFile
from optical.errors import OpticalError
from optical.files import create_folder, leads_outside, replace_file

Progress = Callable[[str, int, int], None]
"""Called with what is done to which file, the bytes done so far, and all of them, 0 if that is not known."""

_BLOCK = 1 << 18  # bytes
_TIMEOUT = 30.0  # seconds without a byte
_TRIES = 3  # in a row that bring no new byte


def fetch(file: RemoteFile, folder: Path, progress: Progress = lambda what, done, size: None) -> Path:
    """Return the path of ``file`` in ``folder``, fetched unless it is there, and checked.

    A download that was cut goes on where it stopped if the server can and its file is still the same. The digest is
    compared with the published one; where there is none, with that of the first download, which is kept in
    ``<name>.provenance.json`` beside the file. A file placed by hand is taken if it passes the same check.
    A ``.zip`` is unpacked into a folder of its name beside it.

    Raises:
        OpticalError: the address cannot be read (the message says where to place the file by hand), the
            connection breaks again and again, the digest is wrong, or a zip is broken or unsafe.
    """
    target = folder / file.name
    by_hand = target.exists()
    if not by_hand:
        folder.mkdir(parents=True, exist_ok=True)
        partial = _download(file, target, progress)
        try:
            _check(file, partial, target, by_hand, progress)
        except OpticalError:
            partial.unlink()
            raise
        partial.replace(target)
    else:
        _check(file, target, target, by_hand, progress)
    if target.suffix == ".zip" and not target.with_suffix("").exists():
        _unpack(target, progress)
    return target


def _download(file: RemoteFile, target: Path, progress: Progress) -> Path:
    partial = target.with_name(f".{target.name}.part")
    failed = 0
    while failed < _TRIES:
        before = _size(partial)
        try:
            if _receive(file, partial, progress):
                _validator(partial).unlink(missing_ok=True)
                return partial
        except urllib.error.HTTPError as error:
            if error.code != 416:
                raise _unreachable(file, target, f"HTTP {error.code} {error.reason}") from error
            partial.unlink(missing_ok=True)  # longer than the file there, which is another by now
        except urllib.error.URLError as error:
            raise _unreachable(file, target, str(error.reason)) from error
        except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError):
            pass  # cut off while reading; what came is kept
        failed = 0 if _size(partial) > before else failed + 1
    raise OpticalError(
        f"{file.address} breaks off after {_size(partial)} bytes. Give the same command again to go on from there, or "
        f"fetch the file by other means and place it at {target}."
    )


def _receive(file: RemoteFile, partial: Path, progress: Progress) -> bool:
    """Append to ``partial`` what the server sends; return whether that is all of it."""
    headers = {"User-Agent": f"optical/{version('optical')}"}
    start = _size(partial)
    if start and _validator(partial).exists():
        # The server sends the rest only of the same version; of another it sends all.
        headers |= {"Range": f"bytes={start}-", "If-Range": _validator(partial).read_text(encoding="utf-8")}
    with urllib.request.urlopen(
        urllib.request.Request(file.address, headers=headers), timeout=_TIMEOUT
    ) as response:
        if response.status != 206 or not response.headers.get("Content-Range", "").startswith(
            f"bytes {start}-"
        ):
            start = 0
        edition = response.headers.get("ETag") or response.headers.get("Last-Modified")
        _validator(partial).unlink(missing_ok=True)
        length = response.headers.get("Content-Length")
        size = start + int(length) if length else 0
        done = start
        with partial.open("ab" if start else "wb") as output:
            if edition:
                _validator(partial).write_text(edition, encoding="utf-8")
            while block := response.read(_BLOCK):
                output.write(block)
                done += len(block)
                progress(f"Fetching {file.name}", done, size or file.bytes)
    return not size or done == size


def _check(file: RemoteFile, path: Path, target: Path, by_hand: bool, progress: Progress) -> None:
    """Compare the digest of ``path``, which is or becomes ``target``, with what is known of it."""
    record = target.with_name(f"{target.name}.provenance.json")
    known: dict[str, str] = {}
    with suppress(OSError, ValueError):
        known["sha256"] = str(json.loads(record.read_text(encoding="utf-8"))["sha256"])
    published = {kind: digest for kind, digest in (("md5", file.md5), ("sha256", file.sha256)) if digest}
    digests = _digests(file.name, path, progress)
    for kind, digest in {**known, **published}.items():
        if digests[kind] != digest:
            origin = "published" if kind in published else "recorded when it came first"
            remedy = "Remove it" if by_hand else "It was not kept"
            if kind not in published:
                remedy += f" (remove {record.name} too if the new file is right)"
            raise OpticalError(
                f"{target if by_hand else file.address} is damaged or another file: its {kind} is {digests[kind]}, not "
                f"{digest} as {origin}. {remedy}; then give the same command again."
            )
    if not known:
        facts = {
            "address": file.address,
            "bytes": path.stat().st_size,
            **digests,
            "digest published": bool(published),
            "placed by hand": by_hand,
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "optical": version("optical"),
        }
        with replace_file(record) as temporary:
            temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _digests(name: str, path: Path, progress: Progress) -> dict[str, str]:
    # Published digests of data are often MD5; it guards against damage here, not against an enemy.
    hashes = {"md5": hashlib.md5(usedforsecurity=False), "sha256": hashlib.sha256()}
    done, size = 0, path.stat().st_size
    with path.open("rb") as content:
        while block := content.read(_BLOCK):
            for each in hashes.values():
                each.update(block)
            done += len(block)
            progress(f"Checking {name}", done, size)
    return {kind: each.hexdigest() for kind, each in hashes.items()}


def _unpack(path: Path, progress: Progress) -> None:
    target = path.with_suffix("")
    try:
        with zipfile.ZipFile(path) as archive, create_folder(target) as folder:
            members = [member for member in archive.infolist() if not member.is_dir()]
            done, size = 0, sum(member.file_size for member in members)
            for member in members:
                name = PurePosixPath(member.filename)
                # Unlike reading, unpacking must also do without what is special on some systems only.
                if not name.parts or leads_outside(member.filename) or {"\\", ":"} & set(member.filename):
                    raise OpticalError(
                        f"{path} has a member {member.filename!r} that leaves its folder. Do not use it."
                    )
                # Most archives hold one folder of their own name.
                inside = (
                    name.relative_to(target.name)
                    if len(name.parts) > 1 and name.parts[0] == target.name
                    else name
                )
                (folder / inside).parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, (folder / inside).open("wb") as output:
                    shutil.copyfileobj(source, output, _BLOCK)
                done += member.file_size
                progress(f"Unpacking {path.name}", done, size)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise OpticalError(
            f"{path} is a broken zip ({error}). Remove it and give the same command again."
        ) from error


def _unreachable(file: RemoteFile, target: Path, reason: str) -> OpticalError:
    return OpticalError(
        f"{file.address} cannot be fetched ({reason}). Fetch it by other means, place it at {target}, and give the "
        "same command again."
    )


def _validator(partial: Path) -> Path:
    """Where the version (ETag or date) is kept that ``partial`` is the start of."""
    return partial.with_suffix(".version")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
