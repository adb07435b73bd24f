"""Combining marks: accents in Latin script, but a part of the spelling elsewhere (Devanagari vowel signs, for one)."""

from typing import Any

_LETTER = r"\p{L}\p{M}"
# Accents proper have no script of their own (Unicode: Inherited); vowel signs have one.
_LETTER_BUT_ACCENTS = r"\p{L}[\p{M}&&[^\p{Inherited}]]"
_LATIN_ACCENTS = {"type": "Replace", "pattern": {"Regex": r"(?<=\p{Latin})\p{Mn}+"}, "content": ""}
# What Turkish İ becomes in lower case, which no letter composes.
_DOTTED_I = {"type": "Replace", "pattern": {"String": "i\u0307"}, "content": "i"}


def keep_marks(state: dict[str, Any], *, accents: bool) -> None:
    """Let a tokenizer file that strips or splits off marks do so in Latin script only, or not even there.

    Args:
        state: of the file.
        accents: whether Latin letters keep theirs.

    Changed are, where they are found, the stripping of accents of BERT's normaliser and the word pattern of GPT-2.
    """
    normalizer, pre_tokenizer = state["normalizer"], state["pre_tokenizer"]
    if normalizer and accents:
        kept = [*_without_stripping(normalizer), {"type": "NFC"}, _DOTTED_I]
        state["normalizer"] = {"type": "Sequence", "normalizers": kept}
    elif normalizer and normalizer["type"] == "BertNormalizer":
        strips = normalizer["strip_accents"]
        if strips or (strips is None and normalizer["lowercase"]):
            state["normalizer"] = _strip_latin_accents(normalizer)
    # With a prefix space this would put one before every word of the pattern.
    if (
        pre_tokenizer
        and pre_tokenizer["type"] == "ByteLevel"
        and pre_tokenizer["use_regex"]
        and not pre_tokenizer["add_prefix_space"]
    ):
        words = {
            "type": "Split",
            "pattern": {"Regex": _byte_level_words(_LETTER if accents else _LETTER_BUT_ACCENTS)},
            "behavior": "Isolated",
            "invert": False,
        }
        state["pre_tokenizer"] = {
            "type": "Sequence",
            "pretokenizers": [words, {**pre_tokenizer, "use_regex": False}],
        }


def _without_stripping(normalizer: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps of a normaliser, without those that strip accents; the graft of an earlier one has several."""
    if normalizer["type"] == "Sequence":
        return [step for each in normalizer["normalizers"] for step in _without_stripping(each)]
    if normalizer["type"] == "BertNormalizer":
        return [{**normalizer, "strip_accents": False}]
    return [] if normalizer["type"] == "StripAccents" or normalizer == _LATIN_ACCENTS else [normalizer]


def _strip_latin_accents(bert: dict[str, Any]) -> dict[str, Any]:
    steps = [{**bert, "strip_accents": False}, {"type": "NFD"}, _LATIN_ACCENTS, {"type": "NFC"}]
    return {"type": "Sequence", "normalizers": steps}


def _byte_level_words(letter: str) -> str:
    """Return the pattern of GPT-2, with letters of this kind."""
    return rf"'s|'t|'re|'ve|'m|'ll|'d| ?[{letter}]+| ?\p{{N}}+| ?[^\s\p{{N}}{letter}]+|\s+(?!\S)|\s+"
