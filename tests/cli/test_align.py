"""The transport between the two sentences of a pair, as its user sees it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from sentence_transformers import MultiVectorEncoder

from ..distillation.toy import DICTIONARY
from .conftest import Outcome

Command = Callable[..., Outcome]
# In the order of the English words, as the body of the tiny teacher is untrained and goes by place.
ENGLISH = "who buy fish in the market"
FOREIGN = " ".join(DICTIONARY[word] for word in ENGLISH.split())


def links(outcome: Outcome) -> list[tuple[str, str, int]]:
    """The rows of the table: foreign token, English token, percent."""
    rows = re.findall(r"^│ (.+?) +│ +(.+?) │ +(\d+)% │$", outcome.out, flags=re.MULTILINE)
    return [(foreign, english, int(share)) for foreign, english, share in rows]


@pytest.fixture
def encoder(command: Command, teacher: Path, bitext: Path, tmp_path: Path) -> Path:
    arguments = ("--teacher", teacher, "--bitext", bitext, "--output", tmp_path / "encoder")
    assert command("graft", *arguments).code == 0
    return tmp_path / "encoder"


def test_translations_are_linked(command: Command, encoder: Path, tmp_path: Path) -> None:
    picture = tmp_path / "new" / "pair.png"
    shown = command("align", ENGLISH, FOREIGN, "--encoder", encoder, "--picture", picture)
    assert shown.code == 0
    assert not shown.err
    assert float(re.search(r"Transport cost (\d\.\d{3})", shown.out)[1]) < 1  # type: ignore[index]
    found = links(shown)
    assert [foreign for foreign, _, _ in found] == FOREIGN.split()
    assert [english for _, english, _ in found] == ENGLISH.split()
    assert all(0 < share <= 100 for _, _, share in found)
    assert f"Saved to {picture}." in shown.out
    with Image.open(picture) as opened:
        assert opened.format == "PNG"
    assert [each.name for each in picture.parent.iterdir()] == ["pair.png"]


def test_special_tokens_on_request(command: Command, encoder: Path, tmp_path: Path) -> None:
    place = ("--encoder", encoder, "--picture", tmp_path / "pair.png")
    shown = command("align", ENGLISH, FOREIGN, *place, "--special-tokens")
    assert [foreign for foreign, _, _ in links(shown)] == ["[CLS]", *FOREIGN.split(), "[SEP]"]


def test_a_plain_encoder_links_a_sentence_to_itself(command: Command, teacher: Path, tmp_path: Path) -> None:
    sentence = "Who buy zebra[/b] ?"
    place = ("--encoder", teacher, "--picture", tmp_path / "pair.png")
    shown = command("align", sentence, sentence, *place, "--eps", 0.001)
    assert "Transport cost 0.00" in shown.out
    # "[" and "/" are not in its vocabulary; in brackets they would be markup to the terminal.
    labels = ["Who", "buy", "z", "##e", "##b", "##r", "##a", "[ [UNK]", "/ [UNK]", "b", "] [UNK]", "?"]
    assert [(foreign, english) for foreign, english, _ in links(shown)] == list(
        zip(labels, labels, strict=True)
    )


@pytest.mark.parametrize(("name", "start"), [("a.PNG", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")])
def test_the_suffix_decides_the_format_and_a_picture_is_replaced(
    name: str, start: bytes, command: Command, teacher: Path, tmp_path: Path
) -> None:
    picture = tmp_path / name
    picture.write_text("an older one")
    assert command("align", "water", "river", "--encoder", teacher, "--picture", picture).code == 0
    assert picture.read_bytes().startswith(start)


def test_a_sentence_longer_than_the_encoder_reads(
    command: Command, tiny_teacher: MultiVectorEncoder, tmp_path: Path
) -> None:
    tiny_teacher[0].document_length = 6
    tiny_teacher.save_pretrained(str(tmp_path / "short"))
    place = ("--encoder", tmp_path / "short", "--picture", tmp_path / "pair.png")
    shown = command("align", "who buy fish in the market", "fish", *place)
    assert shown.code == 0
    assert "has 8 tokens, but this encoder reads 6 of a document at most" in " ".join(shown.err.split())
