import logging
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import MultiVectorEncoder

from optical.bitext import Bitext, QueryTranslations
from optical.encoders import find_query_translations, load_encoder, load_query_translations
from optical.errors import OpticalError

TEXTS = ["the water of the river", "Who is the president of Kenya?"]


def test_any_encoder_becomes_a_late_interaction_encoder(
    bert_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="optical"):
        encoder = load_encoder(bert_folder, dimension=8)
    assert [record.levelname for record in caplog.records if record.name.startswith("optical")] == ["WARNING"]
    assert f"{bert_folder} is no late-interaction checkpoint" in caplog.text
    assert "to 8 dimensions" in caplog.text
    assert encoder.get_embedding_dimension() == 8
    assert not encoder.training
    for text, vectors in zip(TEXTS, encoder.encode_query(TEXTS), strict=True):
        assert vectors.shape == (len(encoder.tokenizer(text)["input_ids"]), 8)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("dimension", [1, 8, 32])
def test_the_projection_has_orthonormal_rows(bert_folder: Path, dimension: int) -> None:
    weight = load_encoder(bert_folder, dimension=dimension)[1].linear.weight.detach()
    assert weight.shape == (dimension, 32)
    torch.testing.assert_close(weight @ weight.T, torch.eye(dimension), atol=1e-6, rtol=0)


def test_a_projection_to_the_full_width_keeps_every_cosine(bert_folder: Path) -> None:
    encoder = load_encoder(bert_folder, dimension=32)
    ids = encoder.tokenizer(TEXTS[0], return_tensors="pt")
    with torch.no_grad():
        hidden = torch.nn.functional.normalize(encoder[0].auto_model(**ids).last_hidden_state[0], dim=-1)
    projected = torch.as_tensor(encoder.encode_query(TEXTS[0]))
    torch.testing.assert_close(projected @ projected.T, hidden @ hidden.T, atol=1e-5, rtol=0)


def test_the_same_name_gives_the_same_vectors(bert_folder: Path) -> None:
    first = load_encoder(bert_folder, dimension=8)
    torch.manual_seed(99)  # whatever else has drawn random numbers meanwhile
    np.random.seed(99)
    second = load_encoder(bert_folder, dimension=8)
    for one, other in zip(first.encode_document(TEXTS), second.encode_document(TEXTS), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_late_interaction_encoder_is_taken_as_it_is(
    tiny_teacher: MultiVectorEncoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tiny_teacher.eval()
    tiny_teacher.save_pretrained(str(tmp_path / "teacher"))
    loaded = load_encoder(tmp_path / "teacher", dimension=8)
    assert not [record for record in caplog.records if record.name.startswith("optical")]
    assert loaded.get_embedding_dimension() == 16
    assert not loaded.training
    for one, other in zip(loaded.encode_query(TEXTS), tiny_teacher.encode_query(TEXTS), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("dimension", [0, -1, 33, 128])
def test_an_impossible_dimension_is_refused(bert_folder: Path, dimension: int) -> None:
    with pytest.raises(OpticalError, match=rf"to {dimension} dimensions is impossible from width 32"):
        load_encoder(bert_folder, dimension=dimension)


def test_a_folder_without_an_encoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OpticalError, match=f"{tmp_path} holds no encoder"):
        load_encoder(tmp_path)


@pytest.mark.parametrize(
    "damage", ["no weights", "half the weights", "no configuration", "half the configuration"]
)
def test_a_damaged_folder_is_named(bert_folder: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(bert_folder, folder)
    file = folder / ("model.safetensors" if "weights" in damage else "config.json")
    content = file.read_bytes()
    file.unlink()
    if damage.startswith("half"):
        file.write_bytes(content[: len(content) // 2])
    with pytest.raises(OpticalError, match=str(folder)):
        load_encoder(folder, dimension=8)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("cut", "is damaged or incomplete (its weights do not fit its configuration)"),
        (
            "dropped",
            "lacks 1 of the weights that its configuration asks for; the first is encoder.layer.1.output.dense",
        ),
    ],
)
def test_weights_are_never_drawn_at_random(bert_folder: Path, tmp_path: Path, change: str, says: str) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(bert_folder, folder)
    weights = load_file(folder / "model.safetensors")
    name = "encoder.layer.1.output.dense.weight"
    if change == "cut":
        weights[name] = weights[name][:5].clone()
    else:
        del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(OpticalError, match=f"^{re.escape(f'{folder} {says}')}"):
        load_encoder(folder, dimension=8)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_refused(bert_folder: Path, tmp_path: Path, value: float) -> None:
    folder = tmp_path / "diverged"
    shutil.copytree(bert_folder, folder)
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer.1.output.dense.weight"][3, 4] = value
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        OpticalError,
        match=r"diverged has weights that are no finite numbers, first in .*layer\.1\.output\.dense",
    ):
        load_encoder(folder, dimension=8)


def test_weights_in_double_precision_are_loaded(bert_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "double"
    shutil.copytree(bert_folder, folder)
    weights = {name: weight.double() for name, weight in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert next(load_encoder(folder, dimension=8).parameters()).isfinite().all()


def test_a_missing_pooler_is_no_damage(bert_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(bert_folder, tmp_path / "bare")
    weights = load_file(bert_folder / "model.safetensors")
    bare = {name: weight for name, weight in weights.items() if not name.startswith("pooler.")}
    assert len(bare) == len(weights) - 2
    save_file(bare, tmp_path / "bare" / "model.safetensors", metadata={"format": "pt"})
    whole, loaded = (load_encoder(folder, dimension=8) for folder in (bert_folder, tmp_path / "bare"))
    assert torch.equal(whole.encode_query(TEXTS[0]), loaded.encode_query(TEXTS[0]))


def test_a_hub_that_goes_out_of_reach_is_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    # As if its configuration were in the cache and nothing else.
    monkeypatch.setattr("optical.encoders.loading.try_to_load_from_cache", lambda *_: "config.json")
    with pytest.raises(
        OpticalError, match=r"^owner/model could not be loaded from the Hub .* the network"
    ) as refusal:
        load_encoder("owner/model")
    assert "damaged" not in str(refusal.value)


@pytest.mark.parametrize("name", ["./missing", "no-such-owner/no-such-model", "no such model!"])
def test_what_is_nowhere_to_be_found_is_one_clear_error(name: str) -> None:
    """Names that could be on the Hub (out of reach in tests), and names that could not."""
    with pytest.raises(OpticalError, match=rf"^{name} could not be loaded: .* the network") as refusal:
        load_encoder(name)
    assert "\n" not in str(refusal.value)


def test_a_missing_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(OpticalError, match=f"^{tmp_path / 'missing'} could not be loaded: .* local folder"):
        load_encoder(tmp_path / "missing")


def test_translations_that_are_on_the_hub_and_not_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    files = tmp_path / "models--me--sw" / "snapshots" / ("0" * 40)
    files.mkdir(parents=True)
    (files / "config.json").write_text("{}")
    (tmp_path / "models--me--sw" / "refs").mkdir()
    (tmp_path / "models--me--sw" / "refs" / "main").write_text("0" * 40)
    with pytest.raises(OpticalError, match=r"of me/sw could not be fetched from the Hub. Check the network"):
        load_query_translations("me/sw")
    QueryTranslations.estimate(Bitext(["river"] * 9, ["mto"] * 9)).save(files / "query-translations.json.gz")
    assert load_query_translations("me/sw").terms("mto") == [{"river": 1.0}]


def test_an_encoder_without_translations_has_none(bert_folder: Path) -> None:
    assert find_query_translations(bert_folder) is None
