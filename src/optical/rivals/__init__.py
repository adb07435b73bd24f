"""Complete systems to compare with: queries in, rankings out."""

from optical.rivals.encoder_search import EncoderSearch
from optical.rivals.fusion import Fusion, fuse
from optical.rivals.lexical import LexicalSearch
from optical.rivals.structured_queries import ProbabilisticStructuredQueries
from optical.rivals.system import System
from optical.rivals.translate_train import translate_queries
from optical.rivals.translation import QueryTranslation, Translator
from optical.rivals.translator_settings import TranslatorSettings
from optical.rivals.translator_training import read_translator_provenance, train_translator

__all__ = [
    "EncoderSearch",
    "Fusion",
    "LexicalSearch",
    "ProbabilisticStructuredQueries",
    "QueryTranslation",
    "System",
    "Translator",
    "TranslatorSettings",
    "fuse",
    "read_translator_provenance",
    "train_translator",
    "translate_queries",
]
