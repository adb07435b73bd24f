"""Who encodes passages on their way into an index: this process, or others."""

import functools
import platform
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.encoders import fingerprint, load_encoder
from optical.errors import OpticalError

Chunk: TypeAlias = Sequence[Passage]
Arrays: TypeAlias = list[npt.NDArray[np.float32]]
Encoded: TypeAlias = Generator[tuple[Chunk, Arrays], None, None]

# Chunks under way for each worker: one that it encodes, and one that waits for it or to be stored.
_CHUNKS_EACH = 2


class Workers(Protocol):
    """What encodes passages on their way into an index."""

    def encode(self, chunks: Iterable[Chunk], teacher: str, batch_size: int) -> Encoded:
        """Yield each chunk with the float32 vectors (tokens, dimension) of its passages, in the order of chunks.

        They are computed in bfloat16 on a GPU that has it, and in the encoder's own precision elsewhere. A bounded
        number of chunks is read ahead. Closing the generator ends what is under way.

        Args:
            chunks: passages with text.
            teacher: fingerprint that the workers' encoder must have.
            batch_size: passages encoded at a time.

        Raises:
            OpticalError: the workers cannot be reached, cannot load the encoder, or die again and again.
        """
        ...


class ThisProcess:
    """Encodes each chunk here, when it is asked for."""

    def __init__(self, encoder: MultiVectorEncoder) -> None:
        self._encoder = encoder

    def encode(self, chunks: Iterable[Chunk], teacher: str, batch_size: int) -> Encoded:
        """See :meth:`Workers.encode`; the encoder is known to be the teacher's."""
        for chunk in chunks:
            yield chunk, _vectors(self._encoder, [passage.content for passage in chunk], batch_size)


def encode_texts(name: str, teacher: str, texts: list[str], batch_size: int) -> Arrays:
    """Encode texts in a worker, which loads the encoder ``name`` when it is first asked; see :meth:`Workers.encode`."""
    return _vectors(_loaded(name, teacher), texts, batch_size)


@functools.lru_cache(maxsize=1)
def _loaded(name: str, teacher: str) -> MultiVectorEncoder:
    try:
        encoder = load_encoder(name)
    except OpticalError as error:
        raise OpticalError(f"A worker on {platform.node()} cannot encode: {error}") from error
    own = fingerprint(encoder)
    if own != teacher:
        raise OpticalError(
            f"A worker on {platform.node()} loaded {name}, which belongs to teacher {own}, but the index is built with "
            f"{teacher}. Give the workers the encoder that the index is built with."
        )
    return encoder


def _vectors(encoder: MultiVectorEncoder, texts: list[str], batch_size: int) -> Arrays:
    with _arithmetic(encoder.device.type):
        return list(encoder.encode_document(texts, batch_size=batch_size, convert_to_numpy=True))


def _arithmetic(device: str) -> AbstractContextManager[object]:
    # Vectors are stored with 16 bits or fewer. Norms are then up to 0.005 off, which UNIT_NORM_TOLERANCE allows.
    if device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast(device, torch.bfloat16)
    return nullcontext()


def in_order(
    chunks: Iterable[Chunk], submit: Callable[[list[str]], Callable[[], Arrays]], number: int
) -> Encoded:
    """Keep ``number`` workers busy; ``submit`` passes on texts, and returns what waits for their vectors."""
    waiting: deque[tuple[Chunk, Callable[[], Arrays]]] = deque()
    for chunk in chunks:
        waiting.append((chunk, submit([passage.content for passage in chunk])))
        if len(waiting) == _CHUNKS_EACH * number:
            first, result = waiting.popleft()
            yield first, result()
    while waiting:
        first, result = waiting.popleft()
        yield first, result()


def absolute(name: str | Path) -> str:
    """Return the name of an encoder as processes in other folders understand it."""
    return str(Path(name).resolve()) if Path(name).exists() else str(name)
