from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from optical.encoders import load_encoder, query_transformer
from optical.errors import OpticalError
from optical.teaching.architecture import keep_most, load_larger, small_encoder

from ..distillation.toy import make_pairs

TEXTS = [
    "the farmer sold the cow",
    "who was the president of kenya?",
    "children drink water at night",
    "a b c",
]


def test_embeddings_start_as_those_of_the_teacher_in_fewer_dimensions(
    tiny_teacher: MultiVectorEncoder,
) -> None:
    small = small_encoder(tiny_teacher, layers=1, width=32, embedding_width=12, seed=0)
    teacher = (
        query_transformer(tiny_teacher).auto_model.get_input_embeddings().weight.detach().double().numpy()
    )
    student = query_transformer(small).auto_model.get_input_embeddings().weight.detach().double().numpy()
    singular = np.linalg.svd(teacher, compute_uv=False)
    assert np.allclose(np.linalg.svd(student, compute_uv=False), singular[:12], rtol=1e-4)


def test_a_small_encoder_is_complete(tiny_teacher: MultiVectorEncoder, tmp_path: Path) -> None:
    small = small_encoder(tiny_teacher, layers=2, width=64, embedding_width=16, seed=3)
    small.save_pretrained(str(tmp_path / "small"))
    loaded = MultiVectorEncoder(str(tmp_path / "small"))
    for text, expected in zip(TEXTS, small.eval().encode_query(TEXTS), strict=True):
        vectors = loaded.encode_query(text)
        assert vectors.shape == tiny_teacher.encode_query(text).shape
        assert torch.allclose(vectors, expected, atol=1e-6)
        assert torch.allclose(vectors.norm(dim=-1), torch.ones(len(vectors)))


def test_the_seed_decides_what_is_random(tiny_teacher: MultiVectorEncoder) -> None:
    first, again, other = (
        small_encoder(tiny_teacher, layers=1, width=32, embedding_width=8, seed=seed).encode_query("water")
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-3)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"width": 40, "embedding_width": 16}, "width is 40. It must be a multiple of 32"),
        (
            {"width": 32, "embedding_width": 33},
            "embedding_width is 33. The teacher's embeddings allow 1 to 32",
        ),
    ],
)
def test_sizes_that_do_not_fit(tiny_teacher: MultiVectorEncoder, sizes: dict[str, int], message: str) -> None:
    with pytest.raises(OpticalError, match=message):
        small_encoder(tiny_teacher, layers=1, seed=0, **sizes)


def test_the_principal_projection_keeps_the_most(bert_folder: Path) -> None:
    kept = load_larger(bert_folder, 6)
    keep_most(kept, TEXTS)
    body = query_transformer(kept).eval()
    with torch.no_grad():
        states = [body(body.preprocess([text]))["token_embeddings"][0].double() for text in TEXTS]
    unit = torch.nn.functional.normalize(torch.cat(states), dim=-1).numpy()
    best = np.sort(np.linalg.eigvalsh(unit.T @ unit))[::-1][:6].sum()
    weight = kept[1].linear.weight.detach().double().numpy()
    assert np.allclose(weight @ weight.T, np.eye(6), atol=1e-5)
    assert np.square(unit @ weight.T).sum() == pytest.approx(best, rel=1e-4)


def test_the_order_of_many_texts_does_not_matter(bert_folder: Path) -> None:
    texts = [english for english, _ in make_pairs(2100)]
    first, second = load_larger(bert_folder, 6), load_larger(bert_folder, 6)
    keep_most(first, texts)
    keep_most(second, texts[::-1])
    assert torch.allclose(first[1].linear.weight, second[1].linear.weight, atol=1e-5)


def test_a_late_interaction_encoder_stays_as_it_is(tiny_teacher: MultiVectorEncoder, tmp_path: Path) -> None:
    tiny_teacher.save_pretrained(str(tmp_path / "teacher"))
    taken = load_larger(tmp_path / "teacher", 4)
    assert torch.equal(
        taken.encode_query("the river"), load_encoder(tmp_path / "teacher").encode_query("the river")
    )
