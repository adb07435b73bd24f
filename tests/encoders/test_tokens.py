"""Which vector belongs to which piece of a sentence."""

from typing import Any, Literal

import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from optical.encoders import SentenceTokens, assemble, encode_tokens
from optical.errors import OpticalError

from .conftest import MakeTeacher

SIDES: tuple[Literal["document", "query"], ...] = ("document", "query")
TEMPLATE = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])


def own_labels(tokens: SentenceTokens) -> list[str]:
    return list(tokens.without_special().labels)


def with_tokenizer(encoder: MultiVectorEncoder, backend: Tokenizer) -> MultiVectorEncoder:
    """Give ``encoder`` another tokenizer, and its body untrained embeddings for it."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>", cls_token="<s>", sep_token="</s>"
    )
    first: Any = encoder[0]
    first.processor = tokenizer
    first.auto_model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    return encoder


@pytest.mark.parametrize("side", SIDES)
def test_vectors_and_labels_of_a_sentence(
    side: Literal["document", "query"], make_teacher: MakeTeacher
) -> None:
    encoder = make_teacher()
    tokens = encode_tokens(encoder, "Who buy Zebra ሰ fish?", side)
    encode = encoder.encode_query if side == "query" else encoder.encode_document
    assert torch.equal(tokens.vectors, encode("Who buy Zebra ሰ fish?"))
    words = ["Who", "buy", "Z", "##e", "##b", "##r", "##a", "ሰ [UNK]", "fish", "?"]
    assert tokens.labels == ["[CLS]", *words, "[SEP]"]
    assert tokens.special.tolist() == [True] + [False] * len(words) + [True]
    own = tokens.without_special()
    assert own.labels == words
    assert torch.equal(own.vectors, tokens.vectors[1:-1])
    assert not own.special.any()


def test_each_side_of_an_artefact_has_its_own_prompt(make_teacher: MakeTeacher) -> None:
    student = make_teacher(prompts={"query": "what: "})
    teacher = make_teacher(prompts={"query": "", "document": "the "})
    artefact = assemble(student, teacher)
    for side, prompt in (("query", ["what", ": [UNK]"]), ("document", ["the"])):
        tokens = encode_tokens(artefact, "what river", side)  # type: ignore[arg-type]
        assert tokens.labels == ["[CLS]", *prompt, "what", "river", "[SEP]"]
        assert own_labels(tokens) == ["what", "river"]
    assert torch.equal(tokens.vectors, teacher.encode_document("what river"))


@pytest.mark.parametrize("attend", [False, True])
def test_query_expansion_is_special(attend: bool, make_teacher: MakeTeacher) -> None:
    encoder = make_teacher()
    encoder[0].query_expansion = {"strategy": "fixed", "length": 8, "attend": attend, "token": "[MASK]"}
    tokens = encode_tokens(encoder, "big river", "query")
    assert tokens.labels == ["[CLS]", "big", "river", "[SEP]", *["[MASK]"] * 4]
    assert own_labels(tokens) == ["big", "river"]
    assert torch.equal(tokens.vectors, encoder.encode_query("big river"))


def test_skipped_words_have_no_vector(make_teacher: MakeTeacher) -> None:
    encoder = make_teacher(skip="?,")
    tokens = encode_tokens(encoder, "big, river?", "document")
    assert tokens.labels == ["[CLS]", "big", "river", "[SEP]"]
    assert torch.equal(tokens.vectors, encoder.encode_document("big, river?"))
    assert own_labels(encode_tokens(encoder, "big, river?", "query")) == ["big", ",", "river", "?"]


def test_what_is_cut_off_is_said(make_teacher: MakeTeacher, caplog: pytest.LogCaptureFixture) -> None:
    encoder = make_teacher()
    sentence = "water river house child children"
    assert len(own_labels(encode_tokens(encoder, sentence, "query"))) == 5
    assert not caplog.records
    encoder[0].query_length = 5
    tokens = encode_tokens(encoder, sentence, "query")
    assert tokens.labels == ["[CLS]", "water", "river", "house", "[SEP]"]
    assert torch.equal(tokens.vectors, encoder.encode_query(sentence))
    (record,) = caplog.records
    assert "'water river house child children' has 7 tokens" in record.getMessage()
    assert "reads 5 of a query" in record.getMessage()


def test_checkpoint_that_pads_and_cuts(padding_folder: Any, make_teacher: MakeTeacher) -> None:
    encoder = make_teacher(padding_folder)
    assert own_labels(encode_tokens(encoder, "water river house child children", "query")) == [
        *("water", "river", "house", "child", "children")
    ]


def test_bytes_are_shown_as_text(tiny_teacher: MultiVectorEncoder) -> None:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<s>", "</s>", "<pad>", "<unk>"],
        show_progress=False,
    )
    backend.train_from_iterator(["rais wa kenya ni nani", "rais wa kenya"] * 9, trainer)
    backend.post_processor = TEMPLATE
    tokens = encode_tokens(with_tokenizer(tiny_teacher, backend), "rais  wa kenyan, ሰላም", "query")
    assert (tokens.labels[0], tokens.labels[-1]) == ("<s>", "</s>")
    labels = own_labels(tokens)
    assert labels[:6] == ["rais", "␣", "wa", "kenya", "##n", ","]
    # A token may be one byte of a letter's three.
    assert {label.removeprefix("##") for label in labels[6:]} >= {"ሰ", "ላ", "ም"}
    assert not any(set(label) & set("ĠáĪ�") for label in labels)


def test_sentencepiece_is_shown_without_its_underscores(tiny_teacher: MultiVectorEncoder) -> None:
    pieces = ["<s>", "</s>", "<pad>", "<unk>", "▁", "▁rais", "▁wa", "▁ken", "ya", "?", "g", "h", "a", "n"]
    scores = [(piece, -float(position)) for position, piece in enumerate(pieces)]
    backend = Tokenizer(models.Unigram(scores, unk_id=3))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.post_processor = TEMPLATE
    tokens = encode_tokens(with_tokenizer(tiny_teacher, backend), "rais wa kenya? ghana ሰላም", "query")
    assert tokens.labels[0] == "<s>"
    assert own_labels(tokens) == [
        *("rais", "wa", "ken", "##ya", "?", "␣", "g", "##h", "##a", "##n", "##a"),
        *("␣", "ሰላም <unk>"),
    ]


def test_pooled_tokens_are_refused(make_teacher: MakeTeacher) -> None:
    encoder = make_teacher()
    encoder.append(HierarchicalTokenPooling(pool_factor=2))
    assert own_labels(encode_tokens(encoder, "big river", "query")) == ["big", "river"]
    with pytest.raises(OpticalError, match="Choose one without token pooling"):
        encode_tokens(encoder, "the big river in the big city", "document")


def test_a_tokenizer_without_places_is_refused(
    make_teacher: MakeTeacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = make_teacher()
    monkeypatch.setattr(type(encoder.tokenizer), "is_fast", False)
    with pytest.raises(OpticalError, match="fast tokenizer"):
        encode_tokens(encoder, "big river", "query")
