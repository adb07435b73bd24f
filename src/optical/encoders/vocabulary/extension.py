"""Any encoder's tokenizer, extended by the words and pieces of a new language."""

from collections.abc import Sequence

from tokenizers import models
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from optical.encoders.vocabulary.backend import from_state, read_state, wrap
from optical.encoders.vocabulary.bpe import extend_bpe
from optical.encoders.vocabulary.marks import keep_marks
from optical.encoders.vocabulary.unigram import extend_unigram
from optical.encoders.vocabulary.wordpiece import CONTINUATION, extend_wordpiece
from optical.errors import OpticalError

_EXTEND = {"WordPiece": extend_wordpiece, "Unigram": extend_unigram, "BPE": extend_bpe}


def extend_vocabulary(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, accents: bool = False
) -> tuple[PreTrainedTokenizerFast, list[str]]:
    """Add the words and pieces of ``texts`` to a tokenizer, keeping every token it has and its id.

    Added are the words seen at least ``LEAST_WORD_COUNT`` times, pieces seen ``LEAST_PIECE_COUNT`` times that other
    words are made of, and letters that the old vocabulary lacks. How they come to be used without English being split
    differently depends on the model:

    - WordPiece takes the longest piece that fits. New pieces have at least ``LEAST_PIECE_LETTERS`` letters: shorter
      ones would break up the names that the old vocabulary spells. In other scripts than Latin there are no
      such names, and all pieces are added down to single letters, without which a word with an unseen piece
      would be unknown as a whole.
    - Unigram (SentencePiece) takes the likeliest split. A new piece is a little likelier than the best split of it
      into older ones, so that it takes their place and no other's.
    - BPE carries out its merges in order. New merges come last, and so put together only tokens that the old ones
      left side by side.

    A normaliser that strips accents, or a pattern that splits them off, goes on to do so for Latin letters only:
    elsewhere a combining mark is part of the spelling (Devanagari vowel signs, for one). With ``accents`` it does not
    do so at all; names that English spells without them are then other words.

    Returns:
        The new tokenizer and the added tokens in the order of their ids, which follow the old ones.

    Raises:
        OpticalError: the vocabulary is of none of these models.
    """
    state = read_state(tokenizer) if tokenizer.is_fast else {"model": {"type": type(tokenizer).__name__}}
    model = state["model"]
    if model["type"] not in _EXTEND or (model["type"] == "BPE" and model["continuing_subword_prefix"]):
        raise OpticalError(
            f"The graft extends WordPiece, Unigram and byte-pair (BPE) vocabularies; this one is {model['type']}"
            f"{' with a mark on pieces inside words' if model['type'] == 'BPE' else ''}. "
            "Use `--student transplant`, or name a checkpoint as the student."
        )
    keep_marks(state, accents=accents)
    # Tokens added to the old tokenizer after its training ("[Q] ") stand outside its model, and would be numbered
    # anew behind the model's if they were not put into it.
    added = _EXTEND[model["type"]](state, from_state(state).get_vocab(), texts)
    return wrap(from_state(state), tokenizer), added


def spell_in(
    old: PreTrainedTokenizerBase, new: PreTrainedTokenizerBase, tokens: Sequence[str]
) -> list[list[int]]:
    """Return for each token of ``new`` the tokens of ``old`` that spell it, by id; one at least."""
    if isinstance(new.backend_tokenizer.model, models.WordPiece):
        spellings = [token.removeprefix(CONTINUATION) for token in tokens]
        encoded = old(spellings, add_special_tokens=False, padding=False, truncation=False, verbose=False)
        ids = list(encoded["input_ids"])
    else:
        # The token is written as the old model would see it, with its mark of a space and its bytes.
        model = old.backend_tokenizer.model
        ids = [[piece.id for piece in model.tokenize(token)] for token in tokens]
    return [each or [old.unk_token_id] for each in ids]
