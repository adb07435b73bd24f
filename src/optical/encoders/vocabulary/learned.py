"""A vocabulary learned on the new language alone."""

from collections.abc import Sequence

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from optical.encoders.vocabulary.backend import wrap
from optical.encoders.vocabulary.wordpiece import LONGEST_WORD, learn_wordpiece

_LEAST_COUNT = 2  # no word has a token of its own here: those that are seen twice get one as a piece


def learn_vocabulary(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """Learn a WordPiece tokenizer on ``texts`` alone, with the special and added tokens of ``tokenizer``.

    These ("[CLS]", "[Q] ") come first, in the order of their old ids, so that conventions such as "padding has
    id 1" stay true. Text is lower-cased; marks and accents are kept.
    """
    special = sorted(
        {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}, key=tokenizer.convert_tokens_to_ids
    )
    # The same letter may come composed or with its mark apart (Devanagari nukta).
    normalizer = normalizers.Sequence(
        [normalizers.BertNormalizer(lowercase=True, strip_accents=False), normalizers.NFC()]
    )
    pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    learned = learn_wordpiece(normalizer, pre_tokenizer, texts, _LEAST_COUNT)
    vocabulary = {piece: position for position, piece in enumerate(dict.fromkeys([*special, *learned]))}
    backend = Tokenizer(
        models.WordPiece(
            vocabulary, unk_token=str(tokenizer.unk_token), max_input_chars_per_word=LONGEST_WORD
        )
    )
    backend.normalizer = normalizer
    backend.pre_tokenizer = pre_tokenizer
    start = str(tokenizer.cls_token or tokenizer.bos_token)
    end = str(tokenizer.sep_token or tokenizer.eos_token)
    backend.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} $B:1 {end}:1",
        special_tokens=[(start, vocabulary[start]), (end, vocabulary[end])],
    )
    return wrap(backend, tokenizer)
