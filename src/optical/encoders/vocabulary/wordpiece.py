"""WordPiece: the vocabulary of BERT, in which "##" marks a piece that goes on with a word."""

from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from optical.encoders.vocabulary.backend import count_words, from_state
from optical.encoders.vocabulary.choice import (
    LEARNED_PIECES,
    LEAST_PIECE_COUNT,
    frequent,
    is_harmless,
)

CONTINUATION = "##"
# Text without spaces between words (Thai, Khmer) is one long "word" to a WordPiece tokenizer, which by default takes
# those of more than 100 letters for unknown.
LONGEST_WORD = 2000


def extend_wordpiece(state: dict[str, Any], known: dict[str, int], texts: Sequence[str]) -> list[str]:
    """Add frequent words and the harmless ones of the pieces learned on ``texts`` to a tokenizer file.

    Returns:
        The added tokens in the order of their ids, which follow those of ``known``.
    """
    backend = from_state(state)
    words = frequent(count_words(backend, texts))
    learned = learn_wordpiece(backend.normalizer, backend.pre_tokenizer, texts, LEAST_PIECE_COUNT)
    # A letter is taken only where nothing longer fits, and without it the whole word would be unknown.
    pieces = [
        piece for piece in learned if is_harmless(each := piece.removeprefix(CONTINUATION)) or len(each) == 1
    ]
    added = [token for token in dict.fromkeys([*words, *pieces]) if token not in known]
    first = max(known.values()) + 1
    model = state["model"]
    model["max_input_chars_per_word"] = LONGEST_WORD
    model["vocab"].update(known)
    model["vocab"].update({token: first + position for position, token in enumerate(added)})
    return added


def learn_wordpiece(
    normalizer: normalizers.Normalizer | None,
    pre_tokenizer: pre_tokenizers.PreTokenizer,
    texts: Sequence[str],
    least_count: int,
) -> list[str]:
    """Learn up to ``LEARNED_PIECES`` pieces on ``texts``, in the order in which they were learned.

    Two pieces are put together to one where they stand side by side ``least_count`` times or more. Where frequent words
    have tokens anyway, a small count makes pieces of the rare words themselves.
    """
    learner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    if normalizer is not None:
        learner.normalizer = normalizer
    learner.pre_tokenizer = pre_tokenizer
    # The trainer numbers letters in the order of a randomly seeded hash map, and breaks ties by number:
    # given letters make it deterministic.
    letters = sorted({letter for word in count_words(learner, texts) for letter in word})
    trainer = trainers.WordPieceTrainer(
        vocab_size=LEARNED_PIECES,
        min_frequency=least_count,
        show_progress=False,
        special_tokens=[*letters, *(f"{CONTINUATION}{letter}" for letter in letters)],
    )
    learner.train_from_iterator(texts, trainer)
    vocabulary = learner.get_vocab()
    return sorted(vocabulary, key=lambda piece: (vocabulary[piece], piece))
