"""Passages that are longer than an encoder reads."""

import logging
from collections.abc import Sequence, Sized
from typing import Any

from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.encoders import document_modules

logger = logging.getLogger(__name__)


class LongPassages:
    """Counts the passages of which ``encoder`` reads only the beginning, so that their user hears of it.

    Nothing else shows it: the passage is indexed, and found by its first words only.
    """

    def __init__(self, encoder: MultiVectorEncoder) -> None:
        transformer: Any = document_modules(encoder)[0]
        self._tokenizer = transformer.tokenizer
        self._prompt = encoder.prompts.get("document") or ""
        limits = (
            transformer.document_length or transformer.max_seq_length,
            getattr(transformer.config, "max_position_embeddings", None),
        )
        self._limit = min((int(limit) for limit in limits if limit is not None), default=None)
        self._number, self._longest, self._tokens = 0, "", 0

    def note(self, passages: Sequence[Passage], vectors: Sequence[Sized]) -> None:
        """Count those among ``passages`` that are too long; ``vectors`` of each are what the encoder made of it."""
        if self._limit is None:
            return
        # An encoder may leave out the vectors of punctuation, but those are not half of a passage.
        maybe = [
            passage
            for passage, tokens in zip(passages, vectors, strict=True)
            if 2 * len(tokens) >= self._limit
        ]
        if not maybe:
            return  # the tokenizer fails on no text at all
        texts = [self._prompt + passage.content for passage in maybe]
        encoded = self._tokenizer(texts, padding=False, truncation=False, verbose=False)
        for passage, ids in zip(maybe, encoded["input_ids"], strict=True):
            self._number += len(ids) > self._limit
            if len(ids) > self._tokens:
                self._longest, self._tokens = passage.id, len(ids)

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
