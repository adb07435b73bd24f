"""Grafts on encoders with other vocabularies than WordPiece, as teachers and as checkpoints beside one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from transformers import (
    ModernBertConfig,
    ModernBertModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from optical.bitext import Bitext
from optical.encoders import (
    assemble,
    fingerprint,
    load_encoder,
    make_student,
    query_transformer,
    save_artefact,
)
from optical.errors import OpticalError

from .conftest import MakeTeacher
from .languages import lexicon, made_up_bitext, translate
from .subwords import byte_level, unigram

SIZE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 66,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
SPARE = 7  # rows of the embeddings that no token has, as in many a checkpoint


def xlm_roberta(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    config = XLMRobertaConfig(vocab_size=len(tokenizer) + SPARE, type_vocab_size=1, **SIZE)
    return XLMRobertaModel(config)


def modern_bert(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    config = ModernBertConfig(
        vocab_size=len(tokenizer) + SPARE, cls_token_id=0, sep_token_id=2, attn_implementation="eager", **SIZE
    )
    return ModernBertModel(config)


CHECKPOINTS: dict[
    str, tuple[Callable[[], PreTrainedTokenizerFast], Callable[[PreTrainedTokenizerFast], PreTrainedModel]]
] = {"XLM-R": (unigram, xlm_roberta), "ModernBERT": (byte_level, modern_bert)}


@pytest.fixture(scope="module", params=list(CHECKPOINTS))
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    make_tokenizer, make_model = CHECKPOINTS[request.param]
    folder = tmp_path_factory.mktemp("checkpoint")
    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(folder)
    torch.manual_seed(5)
    make_model(tokenizer).save_pretrained(folder)
    return folder


def embeddings(encoder: MultiVectorEncoder) -> torch.Tensor:
    weight: torch.Tensor = query_transformer(encoder).auto_model.get_input_embeddings().weight
    return weight.detach()


def test_a_teacher_of_any_model_is_grafted(checkpoint: Path, bitext: Bitext) -> None:
    teacher = load_encoder(checkpoint, dimension=16)
    before = fingerprint(teacher)
    student = make_student("graft", teacher, bitext, weighted=False)
    encoder = student.encoder.eval()
    assert fingerprint(teacher) == before
    tokenizer = query_transformer(encoder).tokenizer
    assert len(embeddings(encoder)) == len(tokenizer) == student.origin["tokens"]
    assert student.origin["translated"] >= len(lexicon())
    text = "Who is the president of the country?"
    np.testing.assert_allclose(encoder.encode_query(text), teacher.encode_query(text), atol=1e-5)


def test_an_untrained_graft_finds_translations(checkpoint: Path, bitext: Bitext) -> None:
    teacher = load_encoder(checkpoint, dimension=16)
    student = make_student("graft", teacher, bitext).encoder.eval()
    english = list(dict.fromkeys(made_up_bitext(40, seed=9).english))
    passages = teacher.encode_document(english)

    def found(encoder: MultiVectorEncoder) -> float:
        queries = encoder.encode_query([translate(sentence) for sentence in english])
        scores = [[float((query @ passage.T).amax(1).sum()) for passage in passages] for query in queries]
        return float(np.mean(np.argmax(scores, axis=1) == np.arange(len(english))))

    assert found(student) > 0.5
    assert found(teacher) < 0.3


def test_a_checkpoint_is_grafted_with_its_own_english(
    checkpoint: Path, make_teacher: MakeTeacher, bitext: Bitext
) -> None:
    teacher = make_teacher()
    plain = make_student(str(checkpoint), teacher, bitext, seed=3).encoder.eval()
    grafted = make_student(f"graft:{checkpoint}", teacher, bitext, seed=3, weighted=False)
    assert grafted.kind == f"graft:{checkpoint}"
    encoder = grafted.encoder.eval()
    assert encoder.get_embedding_dimension() == 16
    assert all(weight.requires_grad for weight in encoder.parameters())
    text = "Who is the president of the country?"
    np.testing.assert_allclose(encoder.encode_query(text), plain.encode_query(text), atol=1e-5)
    # A translation of one token in the old vocabulary is the nearest to a new word.
    old, new = query_transformer(plain).tokenizer, query_transformer(encoder).tokenizer
    right = []
    for english, foreign in lexicon().items():
        ids = [
            tokenizer(f"the {word}", add_special_tokens=False)["input_ids"][-1:]
            for tokenizer, word in ((old, english), (new, foreign))
        ]
        if old.decode(ids[0]).strip() == english:
            cosines = torch.cosine_similarity(embeddings(encoder)[ids[1]], embeddings(plain), dim=1)
            right.append(int(cosines.argmax()) == ids[0][0])
    assert len(right) >= 15
    assert np.mean(right) > 0.9


def test_a_grafted_checkpoint_is_saved_and_loaded(
    checkpoint: Path, make_teacher: MakeTeacher, bitext: Bitext, tmp_path: Path
) -> None:
    teacher = make_teacher()
    artefact = assemble(make_student(f"graft:{checkpoint}", teacher, bitext).encoder, teacher).eval()
    save_artefact(artefact, tmp_path / "artefact", {})
    loaded = load_encoder(tmp_path / "artefact")
    for text in (bitext.foreign[0], "the river ✓"):
        np.testing.assert_allclose(loaded.encode_query(text), artefact.encode_query(text), atol=1e-6)
        np.testing.assert_allclose(loaded.encode_document(text), teacher.encode_document(text), atol=1e-6)
    # A query side that was grafted can be grafted again.
    again = make_student(f"graft:{tmp_path / 'artefact'}", teacher, made_up_bitext(50))
    assert again.origin["kept"] > 0


def test_a_checkpoint_is_transplanted(checkpoint: Path, make_teacher: MakeTeacher, bitext: Bitext) -> None:
    student = make_student(f"transplant:{checkpoint}", make_teacher(), bitext)
    tokenizer = query_transformer(student.encoder).tokenizer
    assert set(lexicon().values()) <= set(tokenizer.get_vocab())
    assert "president" not in tokenizer.get_vocab()
    assert student.encoder.encode_query(bitext.foreign[0]).shape[1] == 16


@pytest.mark.parametrize("kind", ["graft:", "graft:no-such-folder"])
def test_a_checkpoint_that_does_not_exist_is_refused(
    make_teacher: MakeTeacher, bitext: Bitext, kind: str
) -> None:
    with pytest.raises(OpticalError, match=r"could not be loaded|holds no encoder"):
        make_student(kind, make_teacher(), bitext)
