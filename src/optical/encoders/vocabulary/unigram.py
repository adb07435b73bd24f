"""Unigram: the vocabulary of SentencePiece, in which each piece has a logarithmic probability."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from optical.encoders.vocabulary.backend import from_state
from optical.encoders.vocabulary.choice import LEAST_WORD_COUNT, frequent, is_harmless
from optical.encoders.vocabulary.letters import count_characters, count_letter_runs, split_counts
from optical.encoders.vocabulary.merges import continue_merges

_SPACE = "▁"
# Enough to win against the split that it stands for, too little to win against any other.
_MARGIN = 1e-3


def extend_unigram(state: dict[str, Any], known: dict[str, int], texts: Sequence[str]) -> list[str]:
    """Add pieces to a tokenizer file, each a little likelier than the best split of it.

    A text is then split as before, but for neighbours that a new piece takes the place of.

    Returns:
        The added tokens in the order of their ids, which follow those of ``known``.
    """
    model = state["model"]
    rarest = min(score for _, score in model["vocab"])
    by_id = {position: token for token, position in known.items()}
    # The id of a piece is its place, so a place without a token needs one that no text contains.
    for position in range(len(model["vocab"]), max(by_id) + 1):
        model["vocab"].append([by_id.get(position, f"\0{position}"), rarest])
    backend = from_state(state)
    letters = [letter for letter in sorted(count_characters(backend, texts)) if letter not in known]
    model["vocab"] += [[letter, rarest] for letter in letters]
    backend = from_state(state)
    words = count_letter_runs(backend, texts, byte_level=False)
    merges = continue_merges(split_counts(backend, words), {}, LEAST_WORD_COUNT)
    whole = [word for word in frequent(words) if word.startswith(_SPACE)]
    pieces = [piece for piece in map("".join, merges) if is_harmless(piece.removeprefix(_SPACE))]
    scores: dict[str, float] = dict(model["vocab"])
    added = [piece for piece in dict.fromkeys([*whole, *pieces]) if piece not in scores]
    # A piece may be split into shorter new ones, so those come first.
    for piece in sorted(added, key=len):
        scores[piece] = _best_split(piece, scores) + _MARGIN
    model["vocab"] += [[piece, scores[piece]] for piece in added]
    return [*letters, *added]


def _best_split(piece: str, scores: Mapping[str, float]) -> float:
    best = [0.0] + [-math.inf] * len(piece)
    for end in range(1, len(piece) + 1):
        for start in range(end):
            best[end] = max(best[end], best[start] + scores.get(piece[start:end], -math.inf))
    return best[-1]
