"""The tokens of one sentence: their vectors, and what a person reads for them."""

import logging
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from sentence_transformers import MultiVectorEncoder
from tokenizers import Encoding
from torch import Tensor

from optical.encoders.sides import document_modules, query_modules
from optical.errors import OpticalError, beginning

logger = logging.getLogger(__name__)

_BLANK = "␣"


@dataclass(frozen=True, eq=False)
class SentenceTokens:
    """Those tokens of a sentence that an encoder makes a vector of, in order.

    Attributes:
        vectors: (n, d) float32, on the CPU; where the tokens of a query have weights, these are their lengths.
        labels: n pieces of the sentence as it is written; "##" stands before one that goes on with a word, and
            the tokenizer's unknown token behind one that it does not know.
        special: (n,) bool, True for what is no part of the sentence: [CLS], [SEP], prompt and query expansion.
            Their label is the tokenizer's.
        spans: n (first, last + 1) characters of the sentence; nothing of it for special tokens.
    """

    vectors: Tensor
    labels: Sequence[str]
    special: Tensor
    spans: Sequence[tuple[int, int]]

    def without_special(self) -> "SentenceTokens":
        """Return the sentence's own tokens."""
        return self._part(~self.special)

    def _part(self, chosen: Tensor) -> "SentenceTokens":
        places = chosen.nonzero()[:, 0].tolist()
        return SentenceTokens(
            self.vectors[chosen],
            [self.labels[place] for place in places],
            self.special[chosen],
            [self.spans[place] for place in places],
        )


def encode_tokens(
    encoder: MultiVectorEncoder, sentence: str, side: Literal["document", "query"]
) -> SentenceTokens:
    """Encode a sentence through one side of ``encoder``, keeping which token each vector belongs to.

    A warning says so when the sentence is longer than the encoder reads.

    Raises:
        OpticalError: the encoder does not tell which token a vector belongs to.
    """
    first: Any = (query_modules if side == "query" else document_modules)(encoder)[0]
    tokenizer = first.tokenizer
    if not tokenizer.is_fast:
        raise OpticalError(
            f"The tokenizer {type(tokenizer).__name__} does not tell where in the sentence its tokens are. Choose an "
            "encoder with a fast tokenizer (tokenizer.json)."
        )
    encode = encoder.encode_query if side == "query" else encoder.encode_document
    features = encode(sentence, output_value=None)
    ids = features["input_ids"].tolist()

    prompt = encoder.prompts.get(side) or ""
    text = prompt + sentence
    encoded = tokenizer(text, padding=False, truncation=False, verbose=False).encodings[0]
    if len(encoded.ids) > len(ids):
        logger.warning(
            "%r has %d tokens, but this encoder reads %d of a %s at most. The rest is left out.",
            beginning(sentence),
            len(encoded.ids),
            len(ids),
            side,
        )
        encoded = tokenizer(text, truncation=True, max_length=len(ids), padding=False).encodings[0]
    # Token pooling makes fewer vectors than tokens, and leaves the ids as they were.
    if ids[: len(encoded.ids)] != encoded.ids or len(features["token_embeddings"]) != len(ids):
        raise OpticalError(
            "This encoder does not make one vector of each token (it pools or rewrites them), so there is nothing to "
            "align. Choose one without token pooling."
        )

    special = [
        bool(added) or end <= len(prompt)
        for added, (_, end) in zip(encoded.special_tokens_mask, encoded.offsets, strict=True)
    ]
    labels = [
        _label(
            text, encoded, position, tokenizer.unk_token if ids[position] == tokenizer.unk_token_id else None
        )
        for position in range(len(encoded.ids))
    ]
    # What follows the text is padding, which is not scored, or query expansion.
    rest = ids[len(encoded.ids) :]
    special += [True] * len(rest)
    labels += tokenizer.convert_ids_to_tokens(rest)
    spans = [
        (0, 0) if outside else (max(0, start - len(prompt)), end - len(prompt))
        for outside, (start, end) in zip(special, [*encoded.offsets, *[(0, 0)] * len(rest)], strict=True)
    ]
    tokens = SentenceTokens(features["token_embeddings"].cpu().float(), labels, torch.tensor(special), spans)
    return tokens._part(features["attention_mask"].bool().cpu())


def _label(text: str, encoded: Encoding, position: int, unknown: str | None) -> str:
    start, end = encoded.offsets[position]
    # The sentence's own spelling: the token's may be lower-cased, or bytes of half a letter.
    piece = text[start:end].strip()
    if _is_blank(encoded, position):
        return _BLANK
    if start == end:
        return str(encoded.tokens[position])  # [CLS] and the like
    if unknown is not None:
        return f"{piece} {unknown}"
    return f"##{piece}" if _goes_on(text[start], encoded, position) else piece


def _goes_on(first: str, encoded: Encoding, position: int) -> bool:
    """Say whether a token that begins with the character ``first`` goes on with the word of the token before it."""
    words = encoded.word_ids
    if position == 0 or words[position] is None or words[position] != words[position - 1]:
        return False
    # Some tokenizers count the spaces or the punctuation as part of the word. Vowel signs are marks.
    letter = first.isalnum() or unicodedata.category(first).startswith("M")
    return letter and not _is_blank(encoded, position - 1)


def _is_blank(encoded: Encoding, position: int) -> bool:
    # The space before a word, as SentencePiece and byte-level BPE spell it, with no word on it.
    return not encoded.tokens[position].strip("▁Ġ")
