"""BPE: a vocabulary of letters or bytes and of what merges of two tokens make of them."""

from collections.abc import Sequence
from typing import Any

from tokenizers import pre_tokenizers

from optical.encoders.vocabulary.backend import from_state
from optical.encoders.vocabulary.choice import LEAST_WORD_COUNT, is_harmless
from optical.encoders.vocabulary.letters import (
    count_characters,
    count_letter_runs,
    is_byte_level,
    split_counts,
)
from optical.encoders.vocabulary.merges import Pair, continue_merges


def extend_bpe(state: dict[str, Any], known: dict[str, int], texts: Sequence[str]) -> list[str]:
    """Add merges to a tokenizer file, behind all that it has.

    Returns:
        The added tokens in the order of their ids, which follow those of ``known``.
    """
    model = state["model"]
    model["vocab"].update(known)
    letters = _merge_bytes(state, texts) if is_byte_level(state) else _add_letters(state, texts)
    backend = from_state(state)
    words = count_letter_runs(backend, texts, byte_level=is_byte_level(state))
    merges = continue_merges(split_counts(backend, words), _ranks(state), LEAST_WORD_COUNT)
    return letters + _append(state, merges)


def _merge_bytes(state: dict[str, Any], texts: Sequence[str]) -> list[str]:
    """Make a token of each letter of another script than Latin, however rare."""
    backend = from_state(state)
    spelling = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    letters = {
        spelling.pre_tokenize_str(letter)[0][0]: count
        for letter, count in count_characters(backend, texts).items()
        if not letter.isascii() and is_harmless(letter)
    }
    return _append(state, continue_merges(split_counts(backend, letters), _ranks(state), 1))


def _add_letters(state: dict[str, Any], texts: Sequence[str]) -> list[str]:
    vocabulary: dict[str, int] = state["model"]["vocab"]
    endings = dict.fromkeys(["", state["model"]["end_of_word_suffix"] or ""])
    letters = sorted(count_characters(from_state(state), texts))
    added = [letter + end for letter in letters for end in endings if letter + end not in vocabulary]
    return _number(vocabulary, added)


def _ranks(state: dict[str, Any]) -> dict[Pair, int]:
    return {(left, right): rank for rank, (left, right) in enumerate(state["model"]["merges"])}


def _append(state: dict[str, Any], merges: list[Pair]) -> list[str]:
    model = state["model"]
    model["merges"] += [list(pair) for pair in merges]
    made = dict.fromkeys("".join(pair) for pair in merges)
    return _number(model["vocab"], [token for token in made if token not in model["vocab"]])


def _number(vocabulary: dict[str, int], tokens: list[str]) -> list[str]:
    first = max(vocabulary.values()) + 1
    vocabulary.update({token: first + position for position, token in enumerate(tokens)})
    return tokens
