"""Loading encoders: saved artefacts, late-interaction checkpoints, and others that are made into such."""

import json
import logging
import math
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from safetensors import SafetensorError
from sentence_transformers import CrossEncoder, MultiVectorEncoder
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from sentence_transformers.util import load_file_path

from optical.bitext import QueryTranslations
from optical.encoders.artefact import TRANSLATIONS_FILE
from optical.encoders.sides import document_modules, query_modules
from optical.errors import OpticalError
from optical.models import bundled_folder

logger = logging.getLogger(__name__)

_PROJECTION_SEED = 0
_Model = TypeVar("_Model", CrossEncoder, MultiVectorEncoder)


def load_encoder(name_or_folder: str | Path, *, dimension: int = 128) -> MultiVectorEncoder:
    """Load any encoder as a late-interaction encoder, in evaluation mode.

    A late-interaction checkpoint (a saved artefact, sentence-transformers, PyLate or Stanford ColBERT format) is
    taken as it is. Any other encoder gets a fixed projection of its token vectors to ``dimension`` with
    orthonormal rows, drawn from a fixed seed, so that the same name always gives the same vectors; a warning
    says that it was never trained for late interaction.

    Args:
        name_or_folder: Hub id, local folder, or the name of a bundled encoder (:data:`optical.models.TINY_EN`).
        dimension: size of a token vector when a projection is added.

    Raises:
        OpticalError: no encoder in that folder or a damaged one, no such Hub id, or the Hub could not be reached.
    """
    # A bundled encoder is read in full to be verified: once is enough.
    located = _locate(str(name_or_folder))
    if is_late_interaction(located):
        return _load(located).eval()
    encoder = project_tokens(load_transformer(located), dimension, seed=_PROJECTION_SEED)
    logger.warning(
        "%s is no late-interaction checkpoint: its token vectors get a fixed orthogonal projection to %d dimensions. "
        "It was never trained to be compared token by token.",
        name_or_folder,
        dimension,
    )
    return encoder.eval()


def load_query_translations(name_or_folder: str | Path) -> QueryTranslations:
    """Load what queries mean in English, word by word: of a student, by the translation table of its bitext.

    With an encoder that treats queries as it treats passages, such as a teacher, their words stand for themselves.

    Args:
        name_or_folder: Hub id or folder of the encoder.

    Raises:
        OpticalError: no encoder in that folder, no such Hub id, or a student that has no table or a damaged one.
    """
    translations = find_query_translations(name_or_folder)
    if translations is None:
        encoder = load_encoder(name_or_folder)
        if query_modules(encoder) == document_modules(encoder):
            return QueryTranslations.of_english()
        raise OpticalError(
            f"{name_or_folder} has no {TRANSLATIONS_FILE}, which hybrid search needs: it was made without bitext, or "
            "by an earlier version. Make it with `optical graft` or `distill`."
        )
    return translations


def find_query_translations(name_or_folder: str | Path) -> QueryTranslations | None:
    """Load the translation table of an encoder, or return None if it has none.

    Raises:
        OpticalError: no encoder in that folder, no such Hub id, the Hub could not be reached, or the table is damaged.
    """
    located = _locate(str(name_or_folder))
    path = Path(located) / TRANSLATIONS_FILE
    if not Path(located).is_dir():
        try:
            path = Path(hf_hub_download(located, TRANSLATIONS_FILE))
        except EntryNotFoundError as error:
            if not isinstance(error, LocalEntryNotFoundError):
                return None
            raise _not_fetched(located) from error
        except Exception as error:  # whatever the HTTP client below the Hub's raises
            raise _not_fetched(located) from error
    return QueryTranslations.load(path) if path.is_file() else None


def query_translations_at_hand(name_or_folder: str | Path, otherwise: str) -> QueryTranslations | None:
    """Load the translation table of an encoder, or return None if it has none or it cannot be had now.

    Only hybrid searches need it: no reason not to use an encoder that is in the cache of a machine offline.

    Args:
        name_or_folder: Hub id or folder.
        otherwise: what follows if it cannot be had, a sentence for the warning.
    """
    try:
        return find_query_translations(name_or_folder)
    except OpticalError as error:
        logger.warning("%s %s", error, otherwise)
        return None


def _not_fetched(name: str) -> OpticalError:
    return OpticalError(
        f"{TRANSLATIONS_FILE} of {name} could not be fetched from the Hub. Check the network and your access to it, or "
        "name a local folder."
    )


def load_transformer(name_or_folder: str | Path) -> Transformer:
    """Load the transformer of any encoder checkpoint, without pooling and heads.

    Raises:
        OpticalError: no such folder, or the hub could not be reached.
    """
    transformer = _load(str(name_or_folder))[0]
    if not isinstance(transformer, Transformer):
        raise OpticalError(
            f"{name_or_folder} starts with a {type(transformer).__name__} module. Choose a plain transformer encoder."
        )
    return transformer


def load_cross_encoder(name_or_folder: str | Path) -> CrossEncoder:
    """Load a cross-encoder that gives a pair of texts one score.

    Raises:
        OpticalError: no such folder or Hub id, it is damaged, it is no cross-encoder, or it gives several scores.
    """
    encoder = _open(str(name_or_folder), CrossEncoder)
    if encoder.num_labels != 1:
        raise OpticalError(
            f"The cross-encoder {name_or_folder} gives {encoder.num_labels} scores to a pair of texts. Choose one that "
            "gives one, for ranking."
        )
    return encoder


def project_tokens(transformer: Transformer, dimension: int, *, seed: int) -> MultiVectorEncoder:
    """Make a late-interaction encoder of ``transformer``: seeded projection (orthonormal rows), unit norm."""
    width = transformer.get_embedding_dimension()
    if not 1 <= dimension <= width:
        raise OpticalError(
            f"A projection to {dimension} dimensions is impossible from width {width}. Ask for 1 to {width}."
        )
    # In double precision and with the signs fixed, so that every machine rounds to the same single-precision
    # weights: they are part of the teacher's fingerprint.
    orthonormal, triangle = np.linalg.qr(np.random.default_rng(seed).standard_normal((width, dimension)))
    orthonormal *= np.sign(np.diag(triangle))
    projection = Dense(
        width,
        dimension,
        bias=False,
        activation_function=torch.nn.Identity(),
        init_weight=torch.from_numpy(orthonormal.T.astype(np.float32)),
        module_input_name="token_embeddings",
    )
    normalize = Normalize(module_input_name="token_embeddings")
    return MultiVectorEncoder(modules=[transformer, projection, MultiVectorMask(), normalize])


def is_late_interaction(name_or_folder: str | Path) -> bool:
    """Say whether a checkpoint was made for one vector a token.

    Raises:
        OpticalError: no encoder in that folder, no such Hub id, or the Hub could not be reached.
    """
    name = _locate(str(name_or_folder))
    for file, key, wanted in (
        ("config_sentence_transformers.json", "model_type", {"MultiVectorEncoder", "ColBERT"}),
        ("config.json", "architectures", {"HF_ColBERT"}),
    ):
        path = load_file_path(name, file)
        if path is not None:
            try:
                value = json.loads(Path(path).read_text(encoding="utf-8")).get(key) or []
            except ValueError as error:
                raise OpticalError(
                    f"{path} is damaged ({error}). Copy or download the encoder again."
                ) from error
            if wanted & set([value] if isinstance(value, str) else value):
                return True
    return False


def _locate(name: str) -> str:
    """Return the folder or Hub id that a name stands for, once it is known to be there."""
    folder = Path(name)
    if folder.exists():
        if not (folder / "modules.json").exists() and not (folder / "config.json").exists():
            raise OpticalError(
                f"{name} holds no encoder (neither modules.json nor config.json). Give the folder that holds one."
            )
        return name
    bundled = bundled_folder(name)
    if bundled is not None:
        return str(bundled)
    # Left to itself, each of the many look-ups of loading would try the network again for minutes.
    try:
        if not isinstance(try_to_load_from_cache(name, "config.json"), str):
            HfApi().model_info(name, timeout=10)
    except Exception as error:
        raise OpticalError(
            f"{name} could not be loaded: it is neither a folder with an encoder nor a Hub id that can be reached "
            f"from here. Check the name and the network, or give a local folder. ({type(error).__name__})"
        ) from error
    return name


def _load(name: str) -> MultiVectorEncoder:
    return _open(name, MultiVectorEncoder)


def _open(name: str, kind: type[_Model]) -> _Model:
    located = _locate(name)
    try:
        model = kind(located)
    except torch.OutOfMemoryError:
        raise
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        unfit = isinstance(error, RuntimeError)
        reason = "its weights do not fit its configuration" if unfit else str(error).partition("\n")[0]
        if not Path(located).exists():
            raise OpticalError(
                f"{name} could not be loaded from the Hub ({reason}). Check the network, or give a local folder."
            ) from error
        raise OpticalError(
            f"{name} is damaged or incomplete ({reason}). Copy or download the encoder again."
        ) from error
    missing = _not_loaded(model)
    if missing:
        raise OpticalError(
            f"{name} lacks {len(missing)} of the weights that its configuration asks for; the first is {missing[0]}. "
            f"Copy or download it again, or give a {kind.__name__} that is complete."
        )
    broken = _not_finite(model)
    if broken is not None:
        raise OpticalError(
            f"{name} has weights that are no finite numbers, first in {broken}. Copy or download it again, or train it "
            "again with lower learning rates."
        )
    return model


def _not_finite(model: MultiVectorEncoder | CrossEncoder) -> str | None:
    """Return the name of the first weights with NaN or infinity, if there are any."""
    for name, weight in model.named_parameters():
        if weight.is_meta or not weight.is_floating_point() or weight.element_size() == 1:
            continue  # elsewhere, or quantised
        # A norm reads the weights once, where asking each would write as many answers: a tenth of the time.
        weights = weight.detach().to(torch.promote_types(weight.dtype, torch.float32))
        if not math.isfinite(torch.linalg.vector_norm(weights).item()):
            return str(name)
    return None


def _not_loaded(model: MultiVectorEncoder | CrossEncoder) -> list[str]:
    """Return the names of the weights that were drawn at random because no file holds them."""
    missing: list[str] = []
    for module in model.modules():
        if isinstance(module, Transformer):
            # transformers marks what it has read from a file.
            weights = dict(module.auto_model.named_parameters())
            absent = [
                name for name, weight in weights.items() if not getattr(weight, "_is_hf_initialized", False)
            ]
            if len(absent) < len(weights):
                missing += absent
    # Many checkpoints come without a pooler, which token vectors do not go through.
    return [name for name in missing if isinstance(model, CrossEncoder) or "pooler" not in name.split(".")]
