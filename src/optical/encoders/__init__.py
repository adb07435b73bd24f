"""Teacher, students and the saved artefact."""

from optical.encoders.artefact import PROVENANCE_FILE, assemble, read_provenance, save_artefact, versions
from optical.encoders.fingerprint import fingerprint
from optical.encoders.loading import (
    find_query_translations,
    is_late_interaction,
    load_cross_encoder,
    load_encoder,
    load_query_translations,
    load_transformer,
    project_tokens,
    query_translations_at_hand,
)
from optical.encoders.maxsim import maxsim_scores
from optical.encoders.onnx_queries import export_onnx, load_query_encoder
from optical.encoders.sides import (
    document_lengths,
    document_limit,
    document_modules,
    knows_nothing_of,
    query_lengths,
    query_limit,
    query_modules,
    query_transformer,
)
from optical.encoders.students import FROM_BITEXT, FromBitext, Student, make_student
from optical.encoders.tokens import SentenceTokens, encode_tokens

__all__ = [
    "FROM_BITEXT",
    "PROVENANCE_FILE",
    "FromBitext",
    "SentenceTokens",
    "Student",
    "assemble",
    "document_lengths",
    "document_limit",
    "document_modules",
    "encode_tokens",
    "export_onnx",
    "find_query_translations",
    "fingerprint",
    "is_late_interaction",
    "knows_nothing_of",
    "load_cross_encoder",
    "load_encoder",
    "load_query_encoder",
    "load_query_translations",
    "load_transformer",
    "make_student",
    "maxsim_scores",
    "project_tokens",
    "query_lengths",
    "query_limit",
    "query_modules",
    "query_transformer",
    "query_translations_at_hand",
    "read_provenance",
    "save_artefact",
    "versions",
]
