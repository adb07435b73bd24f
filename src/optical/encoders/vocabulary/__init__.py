"""Tokenizers for a new language: a vocabulary extended, or a new one learned."""

from optical.encoders.vocabulary.extension import extend_vocabulary, spell_in
from optical.encoders.vocabulary.learned import learn_vocabulary

__all__ = ["extend_vocabulary", "learn_vocabulary", "spell_in"]
