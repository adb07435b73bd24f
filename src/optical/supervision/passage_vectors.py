"""The frozen side: the teacher's token vectors of the passages, computed once."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from sentence_transformers import MultiVectorEncoder
from torch import Tensor

from optical.distillation.vector_file import VectorFile
from optical.encoders import fingerprint
from optical.files import folder_once
from optical.progress import count_progress

_CHUNK = 1024
_FORMAT = 1  # of the files in a folder; a cache may hold those of earlier versions


def passage_vectors(
    teacher: MultiVectorEncoder, passages: Sequence[str], cache: Path, *, progress: bool = False
) -> VectorFile:
    """Return the vectors that ``teacher`` makes of passages, as an index of them holds them.

    They lie in a sub-folder of ``cache`` named by the teacher's passage side and the passages, and are computed unless
    they are there.
    """

    def encoded() -> Iterator[Tensor]:
        with count_progress("Passage vectors", "passages", len(passages), shown=progress) as advance:
            for start in range(0, len(passages), _CHUNK):
                chunk = list(passages[start : start + _CHUNK])
                yield from teacher.encode_document(chunk, batch_size=64)
                advance(len(chunk))

    content = json.dumps([_FORMAT, fingerprint(teacher), list(passages)]).encode()
    name = f"passage-vectors-{hashlib.blake2b(content, digest_size=8).hexdigest()}"
    dimension = teacher.get_embedding_dimension()
    return VectorFile(
        folder_once(cache / name, lambda folder: VectorFile.write(folder, encoded(), dimension))
    )
