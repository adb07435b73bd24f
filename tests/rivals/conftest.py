"""A translator that has learned the toy language."""

from pathlib import Path

import pytest

from optical.rivals import train_translator

from .toy_language import toy_bitext

TOY_SETTINGS = {
    "held_back": 40,
    "batch_size": 32,
    "learning_rate": 5e-3,
    "vocabulary": 120,
    "width": 64,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "dropout": 0.0,
}


@pytest.fixture(scope="session")
def toy_translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "translator"
    train_translator(toy_bitext(), folder, steps=200, seed=0, **TOY_SETTINGS)
    return folder
