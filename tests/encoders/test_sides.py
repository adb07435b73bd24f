from collections.abc import Callable
from pathlib import Path

import pytest
from sentence_transformers import MultiVectorEncoder
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from optical.encoders import document_lengths, document_limit, knows_nothing_of, query_lengths, query_limit

from .conftest import MakeTeacher
from .subwords import ALL


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_only_a_vocabulary_without_bytes_knows_nothing_of_a_script(
    make: Callable[[], PreTrainedTokenizerFast], make_teacher: MakeTeacher, tmp_path: Path
) -> None:
    tokenizer = make()
    BertModel(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
        )
    ).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    encoder = make_teacher(tmp_path)
    without_bytes = make.__name__ in ("unigram", "metaspace", "end_of_word")
    assert knows_nothing_of(encoder, "ኢትዮጵያ ዛሬ") == without_bytes
    assert knows_nothing_of(encoder, "ኢትዮጵያ ማን ናት?") == without_bytes
    assert not knows_nothing_of(encoder, "ኢትዮጵያ 1984")
    assert not knows_nothing_of(encoder, "ኢትዮጵያ river")
    assert not knows_nothing_of(encoder, "?!")
    assert not knows_nothing_of(encoder, "water")
    assert not knows_nothing_of(encoder, "")


def test_the_smallest_limit_counts_and_a_negative_one_is_none(tiny_teacher: MultiVectorEncoder) -> None:
    transformer = tiny_teacher[0]
    assert document_limit(tiny_teacher) == query_limit(tiny_teacher) == 64
    transformer.document_length, transformer.query_length = 20, 10
    assert (document_limit(tiny_teacher), query_limit(tiny_teacher)) == (20, 10)
    transformer.document_length = 100
    assert document_limit(tiny_teacher) == 64
    transformer.document_length = transformer.max_seq_length = None
    transformer.config.max_position_embeddings = -1  # as XLNet has it
    assert document_limit(tiny_teacher) is None


def test_prompts_and_special_tokens_are_tokens(tiny_teacher: MultiVectorEncoder) -> None:
    tiny_teacher.prompts.update(query="river ", document="the river ")
    texts = ["water", "water " * 100]
    assert query_lengths(tiny_teacher, texts) == [4, 103]
    assert document_lengths(tiny_teacher, texts) == [5, 104]
