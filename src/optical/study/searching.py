"""How the systems of a study search, and which code decides what they find."""

import shutil
from collections.abc import Callable
from pathlib import Path

from sentence_transformers import MultiVectorEncoder

from optical.encoders import load_encoder, read_provenance
from optical.rivals import EncoderSearch, LexicalSearch, QueryTranslation, System, Translator
from optical.study.system_kind import Made
from optical.study.workplace import Workplace

# How tests and bitext were read and cleaned shows in their digests; only the files of passages are read again.
MEASURING = ("collections/texts.py", "collections/runs.py", "evaluation")
SEARCHING = (
    *MEASURING,
    "encoders",
    "distillation/vector_file.py",
    "supervision/passage_vectors.py",
    "rivals/encoder_search.py",
)
WORDS = ("bitext/words.py", "bitext/characters.py")
TABLE = ("bitext/bitext.py", "bitext/translation_table.py")
DISTILLATION = (
    *SEARCHING,
    *TABLE,
    *WORDS,
    "bitext/coverage.py",
    "transport",
    "objectives",
    "distillation",
)
LEXICAL = (*MEASURING, *WORDS, "rivals/lexical.py")
TRANSLATION = (*SEARCHING, *LEXICAL, "rivals/translation.py", "rivals/translation_models.py")


def searching(place: Workplace, encoder: MultiVectorEncoder) -> Callable[[str], System]:
    """Return what searches the passages of a test with ``encoder``."""
    return lambda test: EncoderSearch(encoder, place.passage_vectors(test, encoder))


def translating(place: Workplace, translator: Translator, search: str) -> Callable[[str], System]:
    """Return what searches with translations: with the "teacher", or "bm25"."""

    def system(test: str) -> System:
        if search == "teacher":
            return QueryTranslation(translator, searching(place, place.teacher)(test))
        return QueryTranslation(translator, LexicalSearch(place.passages(test)))

    return system


def search_with_artefact(place: Workplace, folder: Path) -> Made:
    """Return what searches with a saved student, which is removed afterwards."""
    # What the teacher is called here is of no interest elsewhere; which it was is part of the cell's identity.
    record = {name: value for name, value in read_provenance(folder).items() if name != "teacher"}
    return Made(searching(place, load_encoder(folder)), record, tidy=lambda: shutil.rmtree(folder))
