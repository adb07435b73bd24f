"""The body of a small encoder, started from a larger one of the same vocabulary."""

import hashlib
import heapq
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from sentence_transformers import MultiVectorEncoder
from torch import Tensor
from transformers import ElectraConfig, ElectraModel

from optical.encoders import (
    is_late_interaction,
    load_encoder,
    load_transformer,
    project_tokens,
    query_limit,
    query_transformer,
)
from optical.errors import OpticalError

_HEAD_WIDTH = 32
_SAMPLE = 2000


def small_encoder(
    teacher: MultiVectorEncoder, *, layers: int, width: int, embedding_width: int, seed: int
) -> MultiVectorEncoder:
    r"""Make an untrained encoder with the teacher's tokenizer and a small body.

    The body is that of ELECTRA-small (Clark et al., ICLR 2020, https://arxiv.org/abs/2003.10555): BERT with input
    embeddings narrower than the rest. They start as the teacher's, reduced to the directions that keep most of them:
    with the teacher's embeddings :math:`E` and the first eigenvectors :math:`V` of :math:`E^\top E`, as :math:`E V`.
    All else is random.

    Args:
        teacher: a BERT-like encoder.
        layers: of the body.
        width: of the body, a multiple of 32, which is the width of an attention head.
        embedding_width: of the input embeddings.
        seed: draws what is random.

    Returns:
        An encoder whose token vectors have the teacher's dimension.

    Raises:
        OpticalError: a width does not fit, or the teacher has no embeddings of positions.
    """
    if width % _HEAD_WIDTH:
        raise OpticalError(f"width is {width}. It must be a multiple of {_HEAD_WIDTH}, the width of a head.")
    transformer = query_transformer(teacher)
    larger = transformer.auto_model
    words = larger.get_input_embeddings().weight.detach().float()
    if not 1 <= embedding_width <= words.shape[1]:
        raise OpticalError(
            f"embedding_width is {embedding_width}. The teacher's embeddings allow 1 to {words.shape[1]}."
        )
    positions = getattr(getattr(larger, "embeddings", None), "position_embeddings", None)
    if positions is None:
        raise OpticalError(
            f"The teacher's body, {type(larger).__name__}, has no embeddings of positions to start from. Choose a "
            "teacher built like BERT."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = ElectraModel(
            ElectraConfig(
                vocab_size=len(words),
                embedding_size=embedding_width,
                hidden_size=width,
                num_hidden_layers=layers,
                num_attention_heads=width // _HEAD_WIDTH,
                intermediate_size=4 * width,
                max_position_embeddings=positions.weight.shape[0],
                type_vocab_size=1,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
                pad_token_id=transformer.tokenizer.pad_token_id,
            )
        )
    directions = _principal_directions(words, embedding_width)
    with torch.no_grad():
        body.embeddings.word_embeddings.weight.copy_(words @ directions)
        body.embeddings.position_embeddings.weight.copy_(positions.weight.float() @ directions)
        body.embeddings.token_type_embeddings.weight.zero_()
    with tempfile.TemporaryDirectory() as folder:
        body.save_pretrained(folder)
        transformer.tokenizer.save_pretrained(folder)
        small = load_transformer(folder)
    small.max_seq_length = query_limit(teacher)
    return project_tokens(small, teacher.get_embedding_dimension(), seed=seed)


def load_larger(name_or_folder: str | Path, dimension: int) -> MultiVectorEncoder:
    """Load an encoder as :func:`optical.encoders.load_encoder` does, in silence: the projection is to be replaced.

    Raises:
        OpticalError: the encoder cannot be loaded, or is narrower than ``dimension``.
    """
    if is_late_interaction(name_or_folder):
        return load_encoder(name_or_folder)
    return project_tokens(load_transformer(name_or_folder), dimension, seed=0).eval()


def keep_most(encoder: MultiVectorEncoder, texts: Sequence[str]) -> None:
    r"""Replace the projection that :func:`optical.encoders.project_tokens` made by the one that keeps most.

    With the mean :math:`C` of :math:`x x^\top` over the unit token vectors :math:`x` of some texts it is
    :math:`\operatorname{argmax}_P \operatorname{tr}(P C P^\top)` among the matrices with orthonormal rows: the first
    eigenvectors of :math:`C`.

    Args:
        encoder: is changed.
        texts: of which 2,000 are looked at, the same whatever their order.
    """
    transformer = query_transformer(encoder)
    projection = encoder[1].linear.weight
    whole = project_tokens(transformer, transformer.get_embedding_dimension(), seed=0).eval()
    sample = heapq.nsmallest(_SAMPLE, texts, key=_draw)
    vectors = torch.cat([v.float().cpu() for v in whole.encode_query(sample, batch_size=64)])
    directions = _principal_directions(vectors, len(projection))
    with torch.no_grad():
        projection.copy_(directions.T @ whole[1].linear.weight.cpu())


def _draw(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _principal_directions(vectors: Tensor, count: int) -> Tensor:
    """Return the first eigenvectors of the second moments of (n, width) vectors, as (width, count)."""
    _, directions = torch.linalg.eigh((vectors.T @ vectors).double())
    directions = directions.flip(1)[:, :count]
    # The sign of an eigenvector is the solver's whim: fixed, so that it is the same everywhere.
    largest = directions.abs().argmax(0, keepdim=True)
    signed: Tensor = directions * directions.gather(0, largest).sign()
    return signed.float()
