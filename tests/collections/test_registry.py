"""The known collections."""

import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from optical.collections.formats import FORMATS
from optical.collections.registry import KNOWN


def test_entries_are_complete() -> None:
    for name, known in KNOWN.items():
        assert known.name == name
        assert known.format in FORMATS
        assert known.licence
        assert known.direction
        assert known.citation


def test_files_are_named_safely_and_once() -> None:
    for known in KNOWN.values():
        names = [file.name for file in known.files]
        assert len(set(names)) == len(names)
        for file in known.files:
            assert PurePosixPath(file.name).name == file.name
            assert urlsplit(file.address).scheme == "https"
            assert re.fullmatch(r"([0-9a-f]{32})?", file.md5)
            assert re.fullmatch(r"([0-9a-f]{64})?", file.sha256)


def test_how_to_read_names_files_that_are_fetched() -> None:
    for known in KNOWN.values():
        for name in re.findall(r"FOLDER/([\w.-]+)", known.use):
            files = {file.name.removesuffix(".zip") for file in known.files}
            assert name in files


def test_digests_are_those_of_ir_datasets() -> None:
    import json
    import pkgutil

    import pytest

    pytest.importorskip("ir_datasets")
    published = json.loads(pkgutil.get_data("ir_datasets", "etc/downloads.json") or b"")["beir"]
    checked = 0
    for name, known in KNOWN.items():
        if name.startswith("beir-"):
            (file,) = known.files
            theirs = published[name.removeprefix("beir-")]
            assert (file.address, file.md5, file.bytes) == (
                theirs["url"],
                theirs["expected_md5"],
                theirs["size_hint"],
            )
            checked += 1
    assert checked == 13
