import copy

import numpy as np
import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.encoders import fingerprint
from optical.index.checks import check_vectors
from optical.index.parallel import ThisProcess

CHUNK = [Passage("p1", "water of the river"), Passage("p2", "the doctor in the house")]


def encoded(encoder: MultiVectorEncoder) -> list[np.ndarray]:
    ((chunk, arrays),) = ThisProcess(encoder).encode([CHUNK], fingerprint(encoder), 32)
    assert chunk == CHUNK
    return arrays


def test_this_process_encodes_as_the_encoder_does(tiny_teacher: MultiVectorEncoder) -> None:
    for passage, array in zip(CHUNK, encoded(tiny_teacher), strict=True):
        assert array.dtype == np.float32
        expected = tiny_teacher.encode_document(passage.content, convert_to_numpy=True)
        np.testing.assert_allclose(array, expected, atol=1e-5)


@pytest.mark.skipif(
    not (torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)),
    reason="needs a GPU with bfloat16",
)
def test_a_gpu_encodes_in_bfloat16_what_the_index_takes(tiny_teacher: MultiVectorEncoder) -> None:
    expected = encoded(tiny_teacher)
    found = encoded(copy.deepcopy(tiny_teacher).to("cuda"))
    check_vectors([each.id for each in CHUNK], [torch.from_numpy(each) for each in found], 16)
    for one, other in zip(found, expected, strict=True):
        assert not np.array_equal(one, other)
        np.testing.assert_allclose(one, other, atol=0.03)
