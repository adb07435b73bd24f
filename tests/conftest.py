"""What many tests need: a teacher small enough to be made in every run, and a full disk."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # no test may depend on the Hub; read when huggingface_hub is imported
# Models this small lose many times their duration to threads that wait for one another, most of all beside other tests.
# Read when torch is imported, by this process and those that tests start, whose sums are then rounded alike.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

ENGLISH_WORDS = """
the a an of to in is are was on and who what when where how many which water river house child children
woman man school teacher doctor hospital market food maize rice fish cow goat road car bus city village
capital country president first year day night rain sun farm farmer sick medicine book read write buy sell
money price big small old new good bad born live work eat drink sleep run walk kenya tanzania nairobi
""".split()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system refuse to write more than ``size`` bytes to a file, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def copy_index(index: Path, copy: Path) -> None:
    """Copy an index, holes and all: of the 200 MB that its files reserve a small one fills 2 MB."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-R", str(index), str(copy)], check=True)


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A single-vector-style BERT checkpoint on disk: 2 layers, width 32, WordPiece vocabulary."""
    folder = tmp_path_factory.mktemp("bert")
    characters = [chr(code) for code in range(ord("a"), ord("z") + 1)] + list("0123456789?.,'-")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *ENGLISH_WORDS]
    pieces += [piece for piece in characters if piece not in pieces] + [f"##{piece}" for piece in characters]
    vocabulary = {piece: position for position, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        mask_token="[MASK]",
        model_max_length=64,
    ).save_pretrained(folder)
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def tiny_teacher(bert_folder: Path) -> MultiVectorEncoder:
    """A late-interaction encoder: the checkpoint above, a 16-dimensional projection, unit-norm tokens."""
    torch.manual_seed(11)
    projection = Dense(
        32, 16, bias=False, activation_function=torch.nn.Identity(), module_input_name="token_embeddings"
    )
    modules = [
        Transformer(str(bert_folder)),
        projection,
        MultiVectorMask(),
        Normalize(module_input_name="token_embeddings"),
    ]
    return MultiVectorEncoder(modules=modules, device="cpu")
