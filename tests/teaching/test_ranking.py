from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import CrossEncoder, MultiVectorEncoder
from transformers import BertConfig, BertForSequenceClassification

from optical.encoders import read_provenance
from optical.errors import OpticalError
from optical.supervision import read_judged_queries
from optical.teaching import RankingSettings, teach_ranking
from optical.teaching.ranking import _rows

from ..distillation.toy import make_pairs
from ..supervision.collection import write_lines

_QUICK: dict[str, Any] = {
    "steps": 40,
    "batch_size": 16,
    "held_back": 40,
    "evaluations": 2,
    "embedding_learning_rate": 5e-3,
    "learning_rate": 1e-3,
}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Queries that ask in a made-up language, so that an untrained encoder cannot know the answers."""
    pairs = make_pairs(200, seed=5)
    return (
        write_lines(tmp_path / "queries.tsv", *(f"q{n}\t{foreign}" for n, (_, foreign) in enumerate(pairs))),
        write_lines(tmp_path / "passages.tsv", *(f"p{n}\t{english}" for n, (english, _) in enumerate(pairs))),
        write_lines(tmp_path / "qrels.tsv", *(f"q{n}\tp{n}\t1" for n in range(len(pairs)))),
    )


@pytest.fixture
def encoder_folder(tiny_teacher: MultiVectorEncoder, tmp_path: Path) -> Path:
    tiny_teacher.save_pretrained(str(tmp_path / "encoder"))
    return tmp_path / "encoder"


def test_ranking_is_learned(encoder_folder: Path, files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    teach_ranking(encoder_folder, *files, tmp_path / "taught", **_QUICK)
    provenance = read_provenance(tmp_path / "taught")
    before, after = provenance["development_before"]["mrr_10"], provenance["development_after"]["mrr_10"]
    assert after > 2 * before
    before_vectors = MultiVectorEncoder(str(encoder_folder)).encode_document("the river")
    after_vectors = MultiVectorEncoder(str(tmp_path / "taught")).encode_document("the river")
    assert not torch.allclose(before_vectors, after_vectors, atol=1e-2)


def test_negatives_are_near_and_never_relevant(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    queries, passages, judgements = files
    run = write_lines(
        tmp_path / "run.trec",
        *(
            f"q{n} Q0 p{(n + shift) % 200} {shift + 1} {9 - shift} x"
            for n in range(200)
            for shift in range(4)
        ),
    )
    examples = read_judged_queries(queries, passages, judgements, negatives=run)
    settings = RankingSettings(hard_negatives=2, steps=10)
    rows = _rows(examples, range(100), settings, step=16)
    texts = [line.split("\t")[1] for line in passages.read_text().splitlines()]
    asked = [line.split("\t")[1] for line in queries.read_text().splitlines()]
    assert set(rows["query"]) == set(asked[:100])
    assert len(rows) >= 10 * 16
    for row in rows:
        number = asked.index(row["query"])
        assert row["positive"] == texts[number]
        near = {texts[(number + shift) % 200] for shift in (1, 2, 3)}
        assert {row["negative_1"], row["negative_2"]} < near


def test_a_cross_encoder_is_followed(
    bert_folder: Path, encoder_folder: Path, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    torch.manual_seed(1)
    config = BertConfig.from_pretrained(bert_folder, num_labels=1)
    BertForSequenceClassification(config).save_pretrained(tmp_path / "cross")
    MultiVectorEncoder(str(encoder_folder))[0].tokenizer.save_pretrained(tmp_path / "cross")
    teach_ranking(
        encoder_folder,
        *files,
        tmp_path / "taught",
        cross_encoder=tmp_path / "cross",
        **{**_QUICK, "steps": 2},
    )
    assert CrossEncoder(str(tmp_path / "cross")).predict([("a", "b")]).shape == (1,)
    provenance = read_provenance(tmp_path / "taught")
    assert provenance["settings"]["objective"] == "kl"
    assert provenance["cross_encoder"] == str(tmp_path / "cross")


def test_without_mining(encoder_folder: Path, files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    teach_ranking(encoder_folder, *files, tmp_path / "taught", hard_negatives=0, **{**_QUICK, "steps": 2})
    assert (tmp_path / "taught" / "modules.json").exists()


def test_a_stopped_run_goes_on(encoder_folder: Path, files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    whole = teach_ranking(encoder_folder, *files, tmp_path / "whole", **{**_QUICK, "steps": 12})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optical.teaching.ranking.save_artefact", _stop)
        with pytest.raises(KeyboardInterrupt):
            teach_ranking(encoder_folder, *files, tmp_path / "stopped", **{**_QUICK, "steps": 12})
    assert (tmp_path / "stopped.partial" / "negatives.run").exists()
    again = teach_ranking(encoder_folder, *files, tmp_path / "stopped", **{**_QUICK, "steps": 12})
    assert torch.allclose(whole.encode_query("the river"), again.encode_query("the river"), atol=1e-5)


def _stop(*_: Any) -> None:
    raise KeyboardInterrupt


def test_too_few_queries(encoder_folder: Path, files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    with pytest.raises(OpticalError, match="Only 160 queries are left to train on, fewer than the 500"):
        teach_ranking(encoder_folder, *files, tmp_path / "taught", **{**_QUICK, "batch_size": 500})
    assert not (tmp_path / "taught.partial").exists()
