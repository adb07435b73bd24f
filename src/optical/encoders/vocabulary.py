"""Tokenizers for a new language: the teacher's WordPiece vocabulary extended, or a new one learned."""

import json
import unicodedata
from collections import Counter
from collections.abc import Sequence

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from optical.errors import OpticalError

LEAST_WORD_COUNT = 3
LEAST_PIECE_LETTERS = 3
LEARNED_PIECES = 16_000

# Text without spaces between words (Thai, Khmer) is one long "word" to a WordPiece tokenizer, which by default takes
# those of more than 100 letters for unknown.
_LONGEST_WORD = 2000


def extend_vocabulary(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> tuple[PreTrainedTokenizerFast, list[str]]:
    """Add the words and pieces of ``texts`` to a WordPiece tokenizer, keeping every token it has.

    Added are the words seen at least ``LEAST_WORD_COUNT`` times, and those pieces of a WordPiece vocabulary
    learned on ``texts`` that have at least ``LEAST_PIECE_LETTERS`` letters: shorter ones would break up the
    names that the old vocabulary spells. In other scripts than Latin there are no such names, and all pieces are added
    down to single letters, without which a word with an unseen piece would be unknown as a whole.

    A normaliser that strips accents goes on to do so for Latin letters only: elsewhere a combining mark is
    part of the spelling (Devanagari vowel signs, for one).

    Returns:
        The new tokenizer and the added tokens in the order of their ids, which follow the old ones.

    Raises:
        OpticalError: the tokenizer is not a WordPiece tokenizer.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    if state["model"]["type"] != "WordPiece":
        raise OpticalError(
            f"The graft needs a teacher with a WordPiece vocabulary; this one has {state['model']['type']}. "
            "Use `--student transplant`, or name a checkpoint as the student."
        )
    backend = _copy_without_padding(state)
    backend.normalizer = _keep_marks(backend.normalizer)
    known = backend.get_vocab()
    words = [word for word, count in _count_words(backend, texts).most_common() if count >= LEAST_WORD_COUNT]
    learned = _learn_wordpiece(backend.normalizer, backend.pre_tokenizer, texts, LEARNED_PIECES)
    pieces = [piece for piece in learned if _is_added(piece.removeprefix("##"))]
    added = [token for token in dict.fromkeys([*words, *pieces]) if token not in known]
    state = json.loads(backend.to_str())
    state["model"]["max_input_chars_per_word"] = _LONGEST_WORD
    first = max(known.values()) + 1
    # Tokens added to the old tokenizer after its training ("[Q] ") stand outside its model, and would be numbered
    # anew behind the model's.
    state["model"]["vocab"].update(known)
    state["model"]["vocab"].update({token: first + position for position, token in enumerate(added)})
    return _wrap(Tokenizer.from_str(json.dumps(state)), tokenizer), added


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
    learned = _learn_wordpiece(normalizer, pre_tokenizer, texts, LEARNED_PIECES)
    vocabulary = {piece: position for position, piece in enumerate(dict.fromkeys([*special, *learned]))}
    backend = Tokenizer(
        models.WordPiece(
            vocabulary, unk_token=str(tokenizer.unk_token), max_input_chars_per_word=_LONGEST_WORD
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
    return _wrap(backend, tokenizer)


def _is_added(piece: str) -> bool:
    return len(piece) >= LEAST_PIECE_LETTERS or not any(
        unicodedata.name(letter, "").startswith(("LATIN", "DIGIT")) for letter in piece
    )


def _copy_without_padding(state: dict[str, object]) -> Tokenizer:
    # Some checkpoints store "pad every sentence to 128": counting such padding as text would be a disaster.
    return Tokenizer.from_str(json.dumps({**state, "padding": None, "truncation": None}))


def _keep_marks(normalizer: normalizers.Normalizer | None) -> normalizers.Normalizer | None:
    if not isinstance(normalizer, normalizers.BertNormalizer):
        return normalizer
    strips = normalizer.strip_accents if normalizer.strip_accents is not None else normalizer.lowercase
    if not strips:
        return normalizer
    return normalizers.Sequence(
        [
            normalizers.BertNormalizer(
                clean_text=normalizer.clean_text,
                handle_chinese_chars=normalizer.handle_chinese_chars,
                strip_accents=False,
                lowercase=normalizer.lowercase,
            ),
            normalizers.NFD(),
            normalizers.Replace(Regex(r"(?<=\p{Latin})\p{Mn}+"), ""),
            normalizers.NFC(),
        ]
    )


def _count_words(backend: Tokenizer, texts: Sequence[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in texts:
        normal = backend.normalizer.normalize_str(text) if backend.normalizer else text
        counts.update(word for word, _ in backend.pre_tokenizer.pre_tokenize_str(normal))
    return counts


def _learn_wordpiece(
    normalizer: normalizers.Normalizer | None,
    pre_tokenizer: pre_tokenizers.PreTokenizer,
    texts: Sequence[str],
    size: int,
) -> list[str]:
    learner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    if normalizer is not None:
        learner.normalizer = normalizer
    learner.pre_tokenizer = pre_tokenizer
    # The trainer numbers letters in the order of a randomly seeded hash map, and breaks ties by number:
    # given letters make it deterministic.
    letters = sorted({letter for word in _count_words(learner, texts) for letter in word})
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        min_frequency=2,
        show_progress=False,
        special_tokens=[*letters, *(f"##{letter}" for letter in letters)],
    )
    learner.train_from_iterator(texts, trainer)
    vocabulary = learner.get_vocab()
    return sorted(vocabulary, key=lambda piece: (vocabulary[piece], piece))


def _wrap(backend: Tokenizer, like: PreTrainedTokenizerBase) -> PreTrainedTokenizerFast:
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, model_max_length=like.model_max_length, **like.special_tokens_map
    )
    tokenizer.add_tokens(list(like.added_tokens_decoder.values()))
    return tokenizer
