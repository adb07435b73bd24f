from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from optical.encoders import knows_nothing_of

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
