"""The words of a passage that answer the words of a query, as MaxSim has it."""

import unicodedata
from collections import defaultdict
from dataclasses import dataclass

from sentence_transformers import MultiVectorEncoder

from optical.bitext.words import SCRIPTS_WITHOUT_SPACES
from optical.encoders import SentenceTokens, encode_tokens


@dataclass(frozen=True)
class Word:
    """A word of a text: its characters from ``start`` to before ``end``."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Match:
    """A word of the query and the word of the passage that answers it.

    Attributes:
        query: the word asked for.
        passage: the word that answers it.
        score: what this adds to the score of the passage: over those tokens of the query's word whose nearest token
            lies in the passage's word, the sum of their similarities, each times the token's weight if it has one.
    """

    query: Word
    passage: Word
    score: float


@dataclass(frozen=True)
class Explanation:
    """How the score of a passage comes about.

    Attributes:
        query: the query.
        passage: the passage.
        score: MaxSim of the two; the sum of the scores of all matches and ``rest``.
        matches: in the order of the query; of one word of the query the highest score first.
        rest: what tokens outside the texts ([CLS], [SEP], prompt, query expansion) add, on either side.
    """

    query: str
    passage: str
    score: float
    matches: list[Match]
    rest: float


def explain(query: str, passage: str, encoder: MultiVectorEncoder) -> Explanation:
    """Explain the score of ``passage`` for ``query``.

    With token vectors q_i of the query and p_j of the passage, the score is the sum over i of max over j of q_i . p_j
    (Khattab and Zaharia 2020, ColBERT, section 3.2). Each i is a match with the j that attains the maximum; those of
    the same two words are one. Words are what spaces and punctuation separate; where a script has no spaces, they are
    the encoder's tokens.

    Args:
        query: in the language of the encoder's query side.
        passage: in English: title and text as they were indexed (:attr:`optical.collections.Passage.content`).
        encoder: both of its sides are used.

    Raises:
        OpticalError: the encoder does not tell which token a vector belongs to.
    """
    asked, found = encode_tokens(encoder, query, "query"), encode_tokens(encoder, passage, "document")
    best = (asked.vectors @ found.vectors.T).max(1)
    asked_words, found_words = _words(query, asked), _words(passage, found)
    scores: dict[tuple[Word, Word], float] = defaultdict(float)
    rest = 0.0
    pairs = zip(asked_words, best.indices.tolist(), best.values.tolist(), strict=True)
    for word, place, similarity in pairs:
        answer = found_words[place]
        if word is None or answer is None:
            rest += similarity
        else:
            scores[word, answer] += similarity
    matches = [Match(*words, score) for words, score in scores.items()]
    matches.sort(key=lambda match: (match.query.start, -match.score, match.passage.start))
    return Explanation(query, passage, float(best.values.sum()), matches, rest)


def _words(text: str, tokens: SentenceTokens) -> list[Word | None]:
    """Return for each token the word that it belongs to; None for a token that is no part of the text."""
    words: list[Word | None] = []
    begins: list[int] = []  # of the tokens of the word at hand, their places

    def close() -> None:
        if begins:
            start, end = tokens.spans[begins[0]][0], _with_marks(text, tokens.spans[begins[-1]][1])
            for place in begins:
                words[place] = Word(text[start:end], start, end)
            begins.clear()

    for place, (start, end) in enumerate(tokens.spans):
        words.append(None)
        before = tokens.spans[begins[-1]][1] if begins else 0
        if not before <= start <= _with_marks(text, before) or not _join(text[:start], text[start:end]):
            close()
        # The space before a word may be part of its first token.
        if text[start:end].strip():
            begins.append(place)
    close()
    return words


def _with_marks(text: str, end: int) -> int:
    """Return where the letter that ends before ``end`` ends with its marks.

    A tokenizer may have stripped them, as accents, or made tokens of them, as of vowel signs.
    """
    while end < len(text) and unicodedata.category(text[end]).startswith("M"):
        end += 1
    return end


def _join(before: str, piece: str) -> bool:
    return bool(before and piece) and _is_of_a_word(before[-1]) and _is_of_a_word(piece[0])


def _is_of_a_word(letter: str) -> bool:
    # In these, what a tokenizer takes for one word may be a whole sentence.
    separate = unicodedata.name(letter, "").startswith(SCRIPTS_WITHOUT_SPACES)
    return not separate and (letter.isalnum() or unicodedata.category(letter).startswith("M"))
