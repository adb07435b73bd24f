"""What runs a translation model: transformers, or CTranslate2 for a folder converted to it."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import AutoModelForSeq2SeqLM

from optical.errors import OpticalError

BEAMS = 4
"""Width of the beam search, as is usual in machine translation since Vaswani et al. (2017)."""

_NO_LIMIT = 1_000_000


class TranslationModel(Protocol):
    """A loaded checkpoint: token ids in, token ids out.

    Attributes:
        positions: tokens that it reads or writes at most, as far as it says.
    """

    positions: int

    def generate(self, tokens: list[list[int]], first: int | None, longest: int) -> list[list[int]]:
        """Return the translation of each text, found by beam search with :data:`BEAMS` beams, without chance.

        Args:
            tokens: of each text, as its tokenizer made them.
            first: token that each translation is to begin with; None = as the checkpoint has it.
            longest: tokens of a translation at most.
        """


class TransformersModel:
    """A checkpoint in the format of transformers; see :class:`TranslationModel`."""

    def __init__(self, name: str, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        model = AutoModelForSeq2SeqLM.from_pretrained(name)
        # A length in tokens that the checkpoint brings along would compete with the one of each batch.
        model.generation_config.max_length = None
        device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        self._model = model.to(device or "cpu").eval()
        self.positions = int(getattr(model.config, "max_position_embeddings", _NO_LIMIT))

    @torch.inference_mode()
    def generate(self, tokens: list[list[int]], first: int | None, longest: int) -> list[list[int]]:
        """See :meth:`TranslationModel.generate`."""
        padded = self._tokenizer.pad({"input_ids": tokens}, return_tensors="pt")
        forced = {} if first is None else {"forced_bos_token_id": first}
        generated = self._model.generate(
            input_ids=padded["input_ids"].to(self._model.device),
            attention_mask=padded["attention_mask"].to(self._model.device),
            num_beams=BEAMS,
            do_sample=False,
            max_new_tokens=longest,
            **forced,
        )
        return list(generated.tolist())


class ConvertedModel:
    """A folder made by ``ct2-transformers-converter`` (https://opennmt.net/CTranslate2); see :class:`TranslationModel`.

    The converter leaves the tokenizer behind unless told to copy its files.
    """

    positions = _NO_LIMIT

    def __init__(self, folder: str, tokenizer: Any) -> None:
        if importlib.util.find_spec("ctranslate2") is None:
            raise OpticalError(
                f"{folder} is a CTranslate2 model. Install the package with: pip install 'optical[ctranslate2]'"
            )
        import ctranslate2

        self._tokenizer = tokenizer
        device = "cuda" if torch.cuda.is_available() and ctranslate2.get_cuda_device_count() else "cpu"
        try:
            self._model = ctranslate2.Translator(folder, device=device, intra_threads=torch.get_num_threads())
        except RuntimeError as error:
            raise OpticalError(
                f"{folder} is damaged or incomplete ({error}). Convert the checkpoint again."
            ) from error

    @staticmethod
    def is_in(folder: str) -> bool:
        """Say whether a folder holds a converted checkpoint."""
        return all((Path(folder) / name).is_file() for name in ("model.bin", "config.json"))

    def generate(self, tokens: list[list[int]], first: int | None, longest: int) -> list[list[int]]:
        """See :meth:`TranslationModel.generate`."""
        begin = None if first is None else [self._names([first])] * len(tokens)
        translations = self._model.translate_batch(
            [self._names(text) for text in tokens],
            target_prefix=begin,
            beam_size=BEAMS,
            max_decoding_length=longest,
        )
        return [
            self._tokenizer.convert_tokens_to_ids(translation.hypotheses[0]) for translation in translations
        ]

    def _names(self, ids: Sequence[int]) -> list[str]:
        return list(self._tokenizer.convert_ids_to_tokens(ids))
