"""Translate the queries with a machine translation model, then search in English."""

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, try_to_load_from_cache
from safetensors import SafetensorError
from transformers import AutoTokenizer

from optical.collections import Run
from optical.errors import OpticalError
from optical.packages import require_package
from optical.rivals.system import System
from optical.rivals.translation_models import ConvertedModel, TransformersModel, TranslationModel

_LONGEST_SOURCE = 512
_LONGEST_TRANSLATION = 256
_SHOWN_CODES = 8

# NLLB ("swh_Latn") and mBART ("sw_KE") add their codes to the vocabulary as they are.
_PLAIN_CODE = re.compile(r"([a-z]{2,3}_[A-Z][A-Za-z]{1,3})")
# MADLAD-400 ("<2en>") and OPUS-MT into several languages (">>eng<<") want the target in front of the text.
_PREFIX_CODES = (re.compile(r"<2([A-Za-z_]+)>"), re.compile(r">>([A-Za-z_]+)<<"))


class Translator:
    """A sequence-to-sequence checkpoint that translates.

    A folder made by ``ct2-transformers-converter`` (its model.bin and config.json tell) runs in CTranslate2.

    Fit for NLLB (NLLB Team 2022, arXiv 2207.04672), M2M-100, mBART-50, OPUS-MT (Tiedemann and Thottingal 2020),
    MADLAD-400 (Kudugunta et al. 2023, arXiv 2309.04662) and what :func:`optical.rivals.train_translator` makes.

    Args:
        name_or_folder: Hub id or local folder.
        source: the language to translate from, by the code that the checkpoint has for it: ``"swh_Latn"`` for NLLB,
            ``"sw"`` for M2M-100; None for a checkpoint that does not ask.
        target: the language to translate into, likewise: ``"eng_Latn"`` for NLLB, ``"en"`` for M2M-100 and MADLAD-400.
        batch_size: texts translated at once.

    Raises:
        OpticalError: the checkpoint cannot be loaded, is no sequence-to-sequence model, needs a package that is not
            installed, or wants another language code.
    """

    def __init__(
        self,
        name_or_folder: str | Path,
        *,
        source: str | None = None,
        target: str | None = None,
        batch_size: int = 32,
    ) -> None:
        if batch_size < 1:
            raise OpticalError(f"batch_size is {batch_size}. It must be at least 1.")
        name = str(name_or_folder)
        self._tokenizer, self._model = _load(name)
        self._prefix, self._first = _set_languages(name, self._tokenizer, source, target)
        positions = self._model.positions
        self._longest_source = min(_LONGEST_SOURCE, positions, self._tokenizer.model_max_length)
        self._longest_translation = min(_LONGEST_TRANSLATION, positions - 2)
        self._batch_size = batch_size

    def translate(self, texts: Sequence[str]) -> list[str]:
        """Return the translation of each text, in the same order; that of an empty text is empty.

        Found by beam search, see :class:`optical.rivals.translation_models.TranslationModel`. What is beyond the
        longest input of the checkpoint (at most 512 tokens) is not translated.
        """
        translations = [""] * len(texts)
        filled = [position for position, text in enumerate(texts) if text.strip()]
        # Texts of one batch are padded to the longest, and decoded until the last is finished.
        filled.sort(key=lambda position: len(texts[position]))
        for start in range(0, len(filled), self._batch_size):
            batch = filled[start : start + self._batch_size]
            made = self._translate_batch([self._prefix + texts[position] for position in batch])
            for position, translation in zip(batch, made, strict=True):
                translations[position] = translation.strip()
        return translations

    def _translate_batch(self, texts: list[str]) -> list[str]:
        tokens = self._tokenizer(texts, truncation=True, max_length=self._longest_source)["input_ids"]
        # Twice the source leaves room for any pair of languages; a weak model that finds no end would go on.
        longest = min(self._longest_translation, 2 * max(map(len, tokens)) + 16)
        generated = self._model.generate(tokens, self._first, longest)
        return list(self._tokenizer.batch_decode(generated, skip_special_tokens=True))


class QueryTranslation:
    """A search in English that is asked with machine translations of the queries.

    Args:
        translator: into English.
        search: what is asked with the translations.
    """

    def __init__(self, translator: Translator, search: System) -> None:
        self._translator = translator
        self._search = search

    def rank(self, queries: Mapping[str, str], depth: int = 100) -> Run:
        """See :meth:`optical.rivals.System.rank`; a query whose translation is empty finds nothing."""
        translations = self._translator.translate(list(queries.values()))
        asked = {query: text for query, text in zip(queries, translations, strict=True) if text}
        run = self._search.rank(asked, depth) if asked else {}
        return {query: run.get(query, {}) for query in queries}


def _load(name: str) -> tuple[Any, TranslationModel]:
    _require_checkpoint(name)
    kind = ConvertedModel if ConvertedModel.is_in(name) else TransformersModel
    if kind is ConvertedModel and not (Path(name) / "tokenizer_config.json").is_file():
        raise OpticalError(
            f"{name} has no tokenizer. Copy those of the checkpoint's files that belong to it (tokenizer_config.json, "
            "tokenizer.json, *.model, *.spm, vocab.json) into it."
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        return tokenizer, kind(name, tokenizer)
    except (ImportError, OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        # What transformers raises for lack of the package differs from tokenizer to tokenizer.
        require_package("sentencepiece", extra="study")
        reason = str(error).strip().partition("\n")[0]
        raise OpticalError(
            f"{name} could not be loaded as a translator ({reason}). Give a sequence-to-sequence checkpoint such as "
            "facebook/nllb-200-distilled-600M, or copy or download this one again if it is one."
        ) from error


def _require_checkpoint(name: str) -> None:
    if Path(name).exists():
        if not (Path(name) / "config.json").is_file():
            raise OpticalError(
                f"{name} holds no translator (no config.json). Give the folder that holds one."
            )
        return
    # Left to itself, each of the many look-ups of loading would try the network again for minutes.
    try:
        if not isinstance(try_to_load_from_cache(name, "config.json"), str):
            HfApi().model_info(name, timeout=10)
    except Exception as error:
        raise OpticalError(
            f"{name} could not be loaded: it is neither a folder with a translator nor a Hub id that can be reached "
            f"from here. Check the name and the network, or give a local folder. ({type(error).__name__})"
        ) from error


def _set_languages(
    name: str, tokenizer: Any, source: str | None, target: str | None
) -> tuple[str, int | None]:
    """Tell the tokenizer the source; return what is put in front of each text, and the first token of the target."""
    ids = _language_ids(tokenizer)
    if ids:
        _require_known(name, "source", source, ids)
        _require_known(name, "target", target, ids)
        tokenizer.src_lang = source
        return "", ids[str(target)]
    if source is not None:
        raise OpticalError(f"{name} asks for no source language. Leave out the source {source!r}.")
    vocabulary = tokenizer.get_vocab()
    for pattern in _PREFIX_CODES:
        prefixes = {found[1]: token for token in vocabulary if (found := pattern.fullmatch(token))}
        if prefixes:
            _require_known(name, "target", target, prefixes)
            return f"{prefixes[str(target)]} ", None
    if target is not None:
        raise OpticalError(f"{name} translates into one language only. Leave out the target {target!r}.")
    return "", None


def _language_ids(tokenizer: Any) -> dict[str, int]:
    """Return the token id of each language of a tokenizer that has a source language, else nothing."""
    if not hasattr(tokenizer, "src_lang"):
        return {}
    if hasattr(tokenizer, "lang_code_to_id"):
        return dict(tokenizer.lang_code_to_id)
    return {token: number for token, number in tokenizer.get_vocab().items() if _PLAIN_CODE.fullmatch(token)}


def _require_known(name: str, side: str, code: str | None, known: Mapping[str, object]) -> None:
    if code in known:
        return
    if code is None:
        problem, like = f"{name} knows several languages and was given no {side}.", []
    else:
        problem = f"{name} knows no language {code!r}, which is to be the {side}."
        # Of the same language, other checkpoints have codes that at least begin alike ("sw", "swh_Latn").
        like = sorted(other for other in known if other.lower().startswith(code.lower()[:2]))
        like = difflib.get_close_matches(code, known, n=_SHOWN_CODES, cutoff=0.7) or like
    shown = (like or sorted(known, key=lambda other: (not other.startswith("en"), other)))[:_SHOWN_CODES]
    raise OpticalError(f"{problem} Give the code that it has for it, such as {', '.join(shown)}.")
