"""Parallel text: reading, dividing, and the translation table estimated from it."""

from optical.bitext.reading import Bitext, read_bitext
from optical.bitext.translation_table import TranslationTable, estimate_translation_table

__all__ = ["Bitext", "TranslationTable", "estimate_translation_table", "read_bitext"]
