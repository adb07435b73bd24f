"""Passages that are longer than an encoder reads."""

import logging
from collections.abc import Sequence, Sized

from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.encoders import document_lengths, document_limit, document_modules

logger = logging.getLogger(__name__)


class LongPassages:
    """Counts the passages of which ``encoder`` reads only the beginning, so that their user hears of it.

    Nothing else shows it: such a passage is indexed, and found by its first words only.
    """

    def __init__(self, encoder: MultiVectorEncoder) -> None:
        self._encoder = encoder
        self._limit = document_limit(encoder)
        self._all_tokens_have_vectors = not any(
            getattr(module, name, None)
            for module in document_modules(encoder)
            for name in ("skiplist_words", "keep_only_token_ids")
        )
        self._number, self._longest, self._tokens = 0, "", 0

    def note(self, passages: Sequence[Passage], vectors: Sequence[Sized]) -> None:
        """Count those among ``passages`` that are too long; ``vectors`` of each are what the encoder made of it."""
        if self._limit is None:
            return
        # To count tokens takes a while; a passage with fewer vectors than the limit may need none.
        maybe = [
            passage
            for passage, each in zip(passages, vectors, strict=True)
            if len(each) >= self._limit or not self._all_tokens_have_vectors
        ]
        lengths = document_lengths(self._encoder, [passage.content for passage in maybe])
        for passage, tokens in zip(maybe, lengths, strict=True):
            self._number += tokens > self._limit
            if tokens > self._tokens:
                self._longest, self._tokens = passage.id, tokens

    def warn(self) -> None:
        """Log a warning if there were any."""
        if self._number:
            logger.warning(
                "Of %s the encoder reads the first %s tokens only, and what follows cannot be found; the longest, %r, "
                "has %s. Split long texts into passages.",
                "1 passage" if self._number == 1 else f"{self._number:,} passages",
                self._limit,
                self._longest,
                f"{self._tokens:,}",
            )
