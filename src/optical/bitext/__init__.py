"""Parallel text: reading, dividing, and the translation table estimated from it."""

from optical.bitext.bitext import Bitext
from optical.bitext.formats import read_pairs
from optical.bitext.leakage import without_near_copies
from optical.bitext.pairs import Malformed, Pair
from optical.bitext.query_translations import QueryTranslations
from optical.bitext.reading import read_bitext
from optical.bitext.structured_queries import Postings, length_norm, structured_scores
from optical.bitext.translation_table import TranslationTable, estimate_translation_table
from optical.bitext.words import words

__all__ = [
    "Bitext",
    "Malformed",
    "Pair",
    "Postings",
    "QueryTranslations",
    "TranslationTable",
    "estimate_translation_table",
    "length_norm",
    "read_bitext",
    "read_pairs",
    "structured_scores",
    "without_near_copies",
    "words",
]
