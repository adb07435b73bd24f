"""The kinds of system that a study can have."""

from optical.study.system_kind import SystemKind
from optical.study.trained_kinds import Distilled, Supervised, TranslatedFromScratch
from optical.study.untrained_kinds import (
    Ceiling,
    Encoder,
    Fused,
    Lexical,
    LexicalCeiling,
    StructuredQueries,
    Translated,
    Untrained,
)

KINDS: dict[str, type[SystemKind]] = {
    kind.name: kind
    for kind in (
        Encoder,
        Ceiling,
        Untrained,
        Distilled,
        Supervised,
        Lexical,
        LexicalCeiling,
        StructuredQueries,
        Translated,
        TranslatedFromScratch,
        Fused,
    )
}
"""Kinds by the name they have in the configuration."""
