"""Combining marks: accents in Latin script, but a part of the spelling elsewhere (Devanagari vowel signs, for one)."""

from typing import Any

# Accents proper have no script of their own (Unicode: Inherited); vowel signs have one.
_LETTER = r"\p{L}[\p{M}&&[^\p{Inherited}]]"
# The pattern of GPT-2, with letters of this kind.
_BYTE_LEVEL_WORDS = (
    rf"'s|'t|'re|'ve|'m|'ll|'d| ?[{_LETTER}]+| ?\p{{N}}+| ?[^\s\p{{N}}{_LETTER}]+|\s+(?!\S)|\s+"
)


def keep_marks(state: dict[str, Any], *, accents: bool) -> None:
    """Let a tokenizer file that strips or splits off marks do so in Latin script only, or not even there.

    Args:
        state: of the file.
        accents: whether Latin letters keep theirs.

    Changed are, where they are found, the stripping of accents of BERT's normaliser and the word pattern of GPT-2.
    """
    normalizer, pre_tokenizer = state["normalizer"], state["pre_tokenizer"]
    if normalizer and normalizer["type"] == "BertNormalizer":
        strips = normalizer["strip_accents"]
        if strips or (strips is None and normalizer["lowercase"]):
            state["normalizer"] = _keep_accents(normalizer) if accents else _strip_latin_accents(normalizer)
    # With a prefix space this would put one before every word of the pattern.
    if (
        pre_tokenizer
        and pre_tokenizer["type"] == "ByteLevel"
        and pre_tokenizer["use_regex"]
        and not pre_tokenizer["add_prefix_space"]
    ):
        words = {
            "type": "Split",
            "pattern": {"Regex": _BYTE_LEVEL_WORDS},
            "behavior": "Isolated",
            "invert": False,
        }
        state["pre_tokenizer"] = {
            "type": "Sequence",
            "pretokenizers": [words, {**pre_tokenizer, "use_regex": False}],
        }


def _keep_accents(bert: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": [{**bert, "strip_accents": False}, {"type": "NFC"}]}


def _strip_latin_accents(bert: dict[str, Any]) -> dict[str, Any]:
    accents = {"type": "Replace", "pattern": {"Regex": r"(?<=\p{Latin})\p{Mn}+"}, "content": ""}
    return {
        "type": "Sequence",
        "normalizers": [{**bert, "strip_accents": False}, {"type": "NFD"}, accents, {"type": "NFC"}],
    }
