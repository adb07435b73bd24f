"""Parallel text: reading, dividing, and the translation table estimated from it."""

from optical.bitext.leakage import without_near_copies
from optical.bitext.reading import Bitext, read_bitext
from optical.bitext.translation_table import TranslationTable, estimate_translation_table
from optical.bitext.words import words

__all__ = [
    "Bitext",
    "TranslationTable",
    "estimate_translation_table",
    "read_bitext",
    "without_near_copies",
    "words",
]
