"""The kinds of student: vocabulary graft, vocabulary transplant (of the teacher or a checkpoint), checkpoint."""

import copy
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.sentence_transformer.modules import WordWeights
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from optical.bitext import Bitext, estimate_translation_table
from optical.bitext.coverage import MOST_UNKNOWN
from optical.bitext.words import words
from optical.encoders.artefact import PROVENANCE_FILE, read_provenance
from optical.encoders.initialisation import initialise_embeddings
from optical.encoders.loading import is_late_interaction, load_encoder, load_transformer, project_tokens
from optical.encoders.sides import query_modules, query_transformer
from optical.encoders.term_weights import term_weights, weighting
from optical.encoders.vocabulary import extend_vocabulary, learn_vocabulary, spell_in
from optical.errors import OpticalError

logger = logging.getLogger(__name__)

FromBitext: TypeAlias = Literal["graft", "accented-graft", "transplant"]
"""The kinds of student whose vocabulary is made from bitext."""

FROM_BITEXT: tuple[str, ...] = get_args(FromBitext)
"""Their names."""

MOST_CONFUSED = 0.1
"""The graft warns if a larger share of the words of the bitext differ from a more frequent one by accents alone."""

_SAMPLE = 1000
_LINES_TOGETHER = 10_000


@dataclass(frozen=True)
class Student:
    """An untrained query encoder for a new language.

    Attributes:
        encoder: makes query vectors of the teacher's dimension. All its parameters can be trained, but the weights of
            its tokens are none.
        kind: one of :data:`FROM_BITEXT`, the name of a checkpoint, or "KIND:NAME" of one.
        origin: what is to be said of its making: numbers of tokens by where their embedding comes from.
    """

    encoder: MultiVectorEncoder
    kind: str
    origin: dict[str, int] = field(default_factory=dict)


def make_student(
    kind: str, teacher: MultiVectorEncoder, bitext: Bitext, *, seed: int = 0, weighted: bool = True
) -> Student:
    """Make a student of the asked kind.

    Args:
        kind: "graft" (the teacher's body and whole vocabulary, words of the new language added; Latin letters lose
            their accents if they do so in the teacher), "accented-graft" (the same with all accents),
            "transplant" (the teacher's body, a new vocabulary learned on the foreign sentences), the Hub id
            or folder of any encoder, or "graft:NAME" and so on (that encoder's body in place of the
            teacher's; it has to know English).
        teacher: the frozen English encoder.
        bitext: sentence pairs; a checkpoint with its own vocabulary does not look at them.
        seed: draws the projection of a checkpoint.
        weighted: whether the tokens of a query count as :func:`term_weights` has it, or all the same. A checkpoint is
            given no weights, but one that has any, as a distilled student does, keeps them.

    Raises:
        OpticalError: the checkpoint cannot be loaded, or makes vectors of another dimension than the teacher's.
    """
    method, separator, checkpoint = kind.partition(":")
    if method not in FROM_BITEXT:
        try:
            adopted = adopt(kind, teacher, seed=seed)
        except OpticalError as error:
            raise OpticalError(f"{error}{_meant(kind)}") from error
        if not weighted:
            adopted = replace(adopted, encoder=_without_weights(adopted.encoder))
        _warn_of_unknown(kind, adopted.encoder, bitext.foreign)
        return adopted
    base = adopt(checkpoint, teacher, seed=seed).encoder if separator else teacher
    if method == "transplant":
        encoder, origin = transplant(base, bitext, weighted=weighted)
    else:
        encoder, origin = graft(base, bitext, accents=method == "accented-graft", weighted=weighted)
    return Student(encoder, kind, origin)


def graft(
    base: MultiVectorEncoder, bitext: Bitext, *, accents: bool = False, weighted: bool = True
) -> tuple[MultiVectorEncoder, dict[str, int]]:
    """Add the words of the foreign sentences to a copy of an encoder, initialised by translation.

    Names, numbers and loan words keep their old tokens, and so meet their English selves. No training: on the
    teacher the result searches as it is, and is where distillation starts from. A warning says so if words that only
    accents tell apart become one.
    """
    tokenizer, _ = extend_vocabulary(_tokenizer(base), bitext.foreign, accents=accents)
    confused = 0.0 if accents else confused_words(tokenizer, bitext.foreign)
    if confused > MOST_CONFUSED:
        logger.warning(
            "Without accents, which the graft leaves out, %.0f %% of the words of the bitext cannot be told from "
            "others. If people write all accents in their queries, as in Vietnamese, choose the student "
            "accented-graft; if many leave them out, as in Yoruba, stay with the graft.",
            100 * confused,
        )
    return _with_vocabulary(base, tokenizer, bitext, weighted=weighted)


def transplant(
    base: MultiVectorEncoder, bitext: Bitext, *, weighted: bool = True
) -> tuple[MultiVectorEncoder, dict[str, int]]:
    """Replace the vocabulary of a copy of an encoder, initialised by translation.

    Small and fast; for scripts that share nothing with the old one.
    """
    tokenizer = learn_vocabulary(_tokenizer(base), bitext.foreign)
    return _with_vocabulary(base, tokenizer, bitext, weighted=weighted)


def adopt(name_or_folder: str | Path, teacher: MultiVectorEncoder, *, seed: int = 0) -> Student:
    """Take any encoder as a student; one that is not late-interaction gets a new projection to be trained."""
    dimension = teacher.get_embedding_dimension()
    if not is_late_interaction(name_or_folder):
        encoder = project_tokens(load_transformer(name_or_folder), dimension, seed=seed)
    else:
        encoder = load_encoder(name_or_folder)
        if encoder.get_embedding_dimension() != dimension:
            raise OpticalError(
                f"The student {name_or_folder} makes vectors of {encoder.get_embedding_dimension()} dimensions, the "
                f"teacher of {dimension}. Choose a student of the teacher's dimension, or one without a projection."
            )
    return Student(encoder, str(name_or_folder), _origin(Path(name_or_folder)))


def _meant(kind: str) -> str:
    method, separator, checkpoint = kind.partition(":")
    # One or two letters wrong; a folder may be called "graft-sw".
    near = get_close_matches(method, FROM_BITEXT, n=1, cutoff=0.75)
    if not near or Path(kind).exists():
        return ""
    return f" Did you mean the student {near[0]}{separator}{checkpoint}?"


def _warn_of_unknown(name: str, encoder: MultiVectorEncoder, foreign: list[str]) -> None:
    if not foreign:
        return  # the tokenizers below fail on no text at all
    tokenizer = _tokenizer(encoder)
    tokens = [token for sentence in _token_ids(tokenizer, foreign[:_SAMPLE]) for token in sentence]
    unknown = sum(token == tokenizer.unk_token_id for token in tokens)
    if unknown > MOST_UNKNOWN * len(tokens):
        logger.warning(
            "%.0f %% of what %s reads of the foreign sentences is unknown to its vocabulary. Choose the student "
            "graft:%s, which adds the words of the language.",
            100 * unknown / len(tokens),
            name,
            name,
        )


def confused_words(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> float:
    """Return the share of the words of ``texts`` that a tokenizer's normaliser makes equal to a more frequent one."""
    normalizer = tokenizer.backend_tokenizer.normalizer
    if normalizer is None:
        return 0.0
    spellings: dict[str, list[int]] = {}
    counts = Counter[str]()
    for start in range(0, len(texts), _LINES_TOGETHER):
        counts.update(words("\n".join(texts[start : start + _LINES_TOGETHER])))
    for word, count in counts.items():
        spellings.setdefault(normalizer.normalize_str(word), []).append(count)
    confused = sum(sum(each) - max(each) for each in spellings.values())
    return confused / max(1, sum(counts.values()))


def _origin(folder: Path) -> dict[str, int]:
    """Return what a saved artefact says of the making of its student; nothing for other checkpoints."""
    if not (folder / PROVENANCE_FILE).is_file():
        return {}
    return {
        name: count for name, count in read_provenance(folder).get("student", {}).items() if name != "kind"
    }


def _with_vocabulary(
    base: MultiVectorEncoder, tokenizer: PreTrainedTokenizerFast, bitext: Bitext, *, weighted: bool
) -> tuple[MultiVectorEncoder, dict[str, int]]:
    old = _tokenizer(base)
    foreign, english = _token_ids(tokenizer, bitext.foreign), _token_ids(old, bitext.english)
    old_ids = old.get_vocab()
    names = {token_id: token for token, token_id in tokenizer.get_vocab().items()}
    tokens = [names.get(token_id, tokenizer.unk_token) for token_id in range(max(names) + 1)]
    own = [old_ids.get(token) for token in tokens]
    modules = copy.deepcopy(_unweighted_modules(base))
    transformer: Any = modules[0]
    body = transformer.auto_model
    initialisation = initialise_embeddings(
        body.get_input_embeddings().weight.detach(),
        estimate_translation_table(foreign, english),
        occurrences=Counter(token for sentence in foreign for token in sentence),
        own=own,
        pieces=spell_in(old, tokenizer, tokens),
    )
    body.resize_token_embeddings(len(tokens), mean_resizing=False)
    body.config.pad_token_id = tokenizer.pad_token_id
    with torch.no_grad():
        body.get_input_embeddings().weight.copy_(initialisation.embeddings)
    transformer.processor = tokenizer
    prompt = base.prompts.get("query") or ""
    if weighted:
        marks = (place for place, token in tokenizer.added_tokens_decoder.items() if token.special)
        everywhere = {*tokenizer.all_special_ids, *marks, *_token_ids(tokenizer, [prompt])[0]}
        weights = term_weights(foreign, english, own, initialisation, everywhere)
        # Names must differ: a vocabulary may have ids of no token.
        modules.append(
            weighting([names.get(each, f"[no token {each}]") for each in range(len(tokens))], weights)
        )
    encoder = MultiVectorEncoder(modules=modules, prompts={"query": prompt})
    encoder.requires_grad_(True)
    return encoder, {"tokens": len(tokens), **initialisation.report.as_dict()}


def _unweighted_modules(encoder: MultiVectorEncoder) -> list[Any]:
    return [each for each in query_modules(encoder) if not isinstance(each, WordWeights)]


def _without_weights(encoder: MultiVectorEncoder) -> MultiVectorEncoder:
    modules = _unweighted_modules(encoder)
    if len(modules) == len(query_modules(encoder)):
        return encoder
    return MultiVectorEncoder(modules=modules, prompts={"query": encoder.prompts.get("query") or ""})


def _tokenizer(encoder: MultiVectorEncoder) -> PreTrainedTokenizerBase:
    return query_transformer(encoder).tokenizer


def _token_ids(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    # Straight to the Rust tokenizer would be subject to padding stored in the checkpoint.
    encoded = tokenizer(texts, add_special_tokens=False, padding=False, truncation=False, verbose=False)
    return list(encoded["input_ids"])
