"""Plain text to learn token vectors from."""

import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path

from optical.errors import OpticalError
from optical.files import decode_line, numbered_lines, require_file


def read_texts(files: Sequence[str | Path]) -> list[str]:
    """Read text files of one passage, sentence or question a line; lines that come again are left out.

    Args:
        files: UTF-8, plain or compressed (``.gz``, ``.xz``, ``.zst``).

    Raises:
        OpticalError: a file is missing, damaged, or no UTF-8 text; or there are fewer than ten different lines.
    """
    texts: dict[str, None] = {}
    for file in map(Path, files):
        require_file(file)
        for number, line in numbered_lines(file):
            try:
                text = decode_line(line).strip()
            except ValueError as error:
                raise OpticalError(
                    f"{file}:{number}: {error}. Give plain text in UTF-8, one passage a line."
                ) from error
            if text:
                texts[text] = None
    if len(texts) < 10:
        raise OpticalError(
            f"{', '.join(map(str, files))}: only {len(texts)} different lines of text. Give more; good vectors need "
            "a hundred thousand."
        )
    return list(texts)


def split_texts(texts: Sequence[str], held_back: int, seed: int) -> tuple[list[str], list[str]]:
    """Divide texts into (training, development), at most a tenth of them into the latter."""
    order = list(texts)
    random.Random(seed).shuffle(order)
    held_back = min(held_back, len(order) // 10)
    return order[held_back:], order[:held_back]


def digest_texts(texts: Sequence[str]) -> str:
    """Return 32 hexadecimal digits (BLAKE2b) that name the texts."""
    return hashlib.blake2b(json.dumps(list(texts)).encode(), digest_size=16).hexdigest()
