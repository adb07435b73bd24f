import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

from optical.bitext import Bitext

from .languages import made_up_bitext

MakeTeacher = Callable[..., MultiVectorEncoder]


@pytest.fixture(scope="session")
def bitext() -> Bitext:
    return made_up_bitext()


@pytest.fixture(scope="session")
def make_teacher(bert_folder: Path) -> MakeTeacher:
    """Late-interaction encoders on the tiny checkpoint, or on another folder, with the settings asked for."""

    def make(folder: Path = bert_folder, *, skip: str = "", **settings: Any) -> MultiVectorEncoder:
        torch.manual_seed(11)
        dense = Dense(
            32, 16, bias=False, activation_function=torch.nn.Identity(), module_input_name="token_embeddings"
        )
        mask = MultiVectorMask(skiplist_words=list(skip))
        modules = [Transformer(str(folder)), dense, mask, Normalize(module_input_name="token_embeddings")]
        return MultiVectorEncoder(modules=modules, device="cpu", **settings).eval()

    return make


@pytest.fixture(scope="session")
def padding_folder(bert_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint with "cut to 6 tokens, pad to 48" stored in its tokenizer."""
    folder = tmp_path_factory.mktemp("padding") / "bert"
    shutil.copytree(bert_folder, folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(6)
    tokenizer.enable_padding(length=48)
    tokenizer.save(str(folder / "tokenizer.json"))
    assert json.loads((folder / "tokenizer.json").read_text())["padding"]["strategy"] == {"Fixed": 48}
    return folder


@pytest.fixture(scope="session")
def roberta_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with a BPE vocabulary, other special tokens, and padding that is not 0."""
    folder = tmp_path_factory.mktemp("roberta")
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    letters = sorted("abcdefghijklmnopqrstuvwxyz.,?")
    pieces = [*special, *letters, "th", "er", "<mask>"]
    vocabulary = {piece: position for position, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("t", "h"), ("e", "r")], unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        mask_token="<mask>",
        model_max_length=64,
    ).save_pretrained(folder)
    torch.manual_seed(3)
    config = RobertaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=66,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    RobertaModel(config).save_pretrained(folder)
    return folder
