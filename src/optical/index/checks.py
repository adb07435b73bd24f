"""What is refused before it reaches an index: unusable vectors, queries and numbers of results."""

import logging
from collections.abc import Mapping, Sequence

import torch
from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.collections.texts import has_lone_surrogate
from optical.encoders import knows_nothing_of, query_lengths, query_limit
from optical.errors import OpticalError, beginning
from optical.index.engine import Engine

logger = logging.getLogger(__name__)

UNIT_NORM_TOLERANCE = 1e-2
_PROBABILITY_TOLERANCE = 1e-2


def check_k(k: int) -> None:
    """Raise :class:`OpticalError` unless ``k`` is a number of results that can be asked for."""
    if k < 1:
        raise OpticalError(f"k is {k}. Ask for 1 result or more.")


def check_passage(passage: Passage) -> None:
    """Raise :class:`OpticalError` if a passage has no id or no text, or if either is not text."""
    if not passage.id:
        raise OpticalError(
            f"A passage has no id (its text: {passage.content[:60]!r}). Give every passage one."
        )
    if not passage.content:
        raise OpticalError(f"Passage {passage.id!r} is empty. Give it text, or leave it out.")
    if has_lone_surrogate(passage.id + passage.content):
        raise OpticalError(
            f"Passage {passage.id!r} has half a character in it. Give id and text in valid Unicode."
        )


def check_vectors(ids: Sequence[str], vectors: Sequence[torch.Tensor], dimension: int) -> None:
    """Check a batch of passages before any of it is written.

    Args:
        ids: of the passages.
        vectors: one tensor per id; must be (tokens, ``dimension``), tokens >= 1, finite, rows of unit norm
            within 1e-2.

    Raises:
        OpticalError: a check failed; it names the first passage at fault.
    """
    for id_, document in zip(ids, vectors, strict=True):
        if document.ndim != 2 or document.shape[1] != dimension:
            raise OpticalError(
                f"Passage {id_!r} has vectors of shape {tuple(document.shape)}, but this index takes "
                f"(tokens, {dimension}). Encode it with the teacher that built the index."
            )
        if len(document) == 0:
            raise OpticalError(f"Passage {id_!r} has no token vectors. Give it some text, or leave it out.")
        norms = torch.linalg.vector_norm(document.float(), dim=1)
        if not bool(torch.isfinite(norms).all()):
            raise OpticalError(
                f"Passage {id_!r} has vectors with NaN or infinity. Check the encoder's weights."
            )
        off = float((norms - 1).abs().max())
        if off > UNIT_NORM_TOLERANCE:
            raise OpticalError(
                f"Passage {id_!r} has a token vector whose norm is {off:.3g} away from 1. "
                "Use an encoder that ends in a Normalize module."
            )


def check_query(query: torch.Tensor, dimension: int) -> None:
    """Raise :class:`OpticalError` unless ``query`` is finite, not all 0, of shape (n, ``dimension``), n >= 1."""
    if query.ndim != 2 or query.shape[1] != dimension or len(query) == 0:
        raise OpticalError(
            f"The query has vectors of shape {tuple(query.shape)}, but this index takes (n, {dimension}), "
            "n at least 1. Encode it with an encoder of the teacher that built the index."
        )
    if not bool(torch.isfinite(query).all()):
        raise OpticalError("The query has vectors with NaN or infinity. Check the query encoder's weights.")
    if not bool(query.any()):
        raise OpticalError(
            "The query has zeros only, by which all passages are alike. Check the query encoder."
        )


def check_lexical(engine: Engine) -> None:
    """Raise :class:`OpticalError` unless an index can be searched by words."""
    if engine.lexical is None:
        raise OpticalError(
            "The index has no lexical vectors, which hybrid search needs. Build it again with "
            "`optical index --lexical`."
        )


def check_terms(terms: Sequence[Sequence[Mapping[str, float]]], queries: int, engine: Engine) -> None:
    """Raise :class:`OpticalError` unless ``engine`` can search by the translated terms of so many queries."""
    check_lexical(engine)
    if len(terms) != queries:
        raise OpticalError(
            f"There are terms of {len(terms)} queries for {queries} queries. Give those of each."
        )
    for place, query in enumerate(terms):
        for translations in query:
            for word, probability in translations.items():
                if not 0 < probability <= 1 + _PROBABILITY_TOLERANCE:
                    raise OpticalError(
                        f"terms[{place}]: {word!r} has probability {probability}. Give one above 0, and up to 1."
                    )
            if (total := sum(translations.values())) > 1 + _PROBABILITY_TOLERANCE:
                raise OpticalError(
                    f"terms[{place}]: the translations {', '.join(translations)} have probabilities with a sum of "
                    f"{total:.3g}. Divide them by it."
                )


def warn_of_unknown_words(query: str, encoder: MultiVectorEncoder) -> None:
    """Log a warning if a query has no word that is in the vocabulary of ``encoder``."""
    if knows_nothing_of(encoder, query):
        logger.warning(
            "The encoder knows no word of %r, so what it finds means nothing. Search with an encoder of this language, "
            "which `optical graft` and `optical distill` make.",
            beginning(query),
        )


def check_query_texts(texts: Sequence[str], encoder: MultiVectorEncoder) -> None:
    """Raise :class:`OpticalError` if a text is empty or has more tokens than ``encoder`` reads.

    An encoder cuts a longer query off without a word, and its user would never learn that half of it was not
    searched.
    """
    if not all(text.strip() for text in texts):
        raise OpticalError("The query is empty. Give it at least one word.")
    # Python reads bytes that are no UTF-8 as halves of surrogate pairs.
    if any(map(has_lone_surrogate, texts)):
        raise OpticalError(
            "The query is not valid Unicode, perhaps because it is not UTF-8. Give it in UTF-8."
        )
    limit = query_limit(encoder)
    if limit is None:
        return
    for text, tokens in zip(texts, query_lengths(encoder, texts), strict=True):
        if tokens > limit:
            raise OpticalError(
                f"The query has {tokens} tokens, but this encoder reads {limit} at most. Shorten {beginning(text)!r}."
            )
