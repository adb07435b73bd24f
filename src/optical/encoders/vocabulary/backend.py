"""The Rust tokenizer below a tokenizer of transformers, as the JSON of its file."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast


def read_state(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Return what a tokenizer file (tokenizer.json) says, without padding and truncation.

    Some checkpoints store "pad every sentence to 128": counting such padding as text would be a disaster.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    return {**state, "padding": None, "truncation": None}


def from_state(state: dict[str, Any]) -> Tokenizer:
    """Return the Rust tokenizer that ``state`` describes."""
    return Tokenizer.from_str(json.dumps(state))


def wrap(backend: Tokenizer, like: PreTrainedTokenizerBase) -> PreTrainedTokenizerFast:
    """Make a tokenizer of transformers with the special and added tokens and the settings of ``like``."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=like.model_max_length,
        model_input_names=like.model_input_names,
        **like.special_tokens_map,
    )
    tokenizer.add_tokens(list(like.added_tokens_decoder.values()))
    return tokenizer


def normalise(backend: Tokenizer, text: str) -> str:
    """Return ``text`` as the model of a tokenizer gets to see it."""
    return str(backend.normalizer.normalize_str(text)) if backend.normalizer else text


def count_words(backend: Tokenizer, texts: Sequence[str]) -> Counter[str]:
    """Count what the tokenizer takes for words."""
    counts: Counter[str] = Counter()
    for text in texts:
        words = backend.pre_tokenizer.pre_tokenize_str(normalise(backend, text))
        counts.update(word for word, _ in words)
    return counts
