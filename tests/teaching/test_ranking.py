from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.multi_vector_encoder.losses import MultiVectorMultipleNegativesRankingLoss
from transformers import BertConfig, BertForSequenceClassification

from optical.distillation.trainer import last_checkpoint
from optical.encoders import load_cross_encoder, read_provenance
from optical.errors import OpticalError
from optical.supervision import read_judged_queries
from optical.teaching import RankingSettings, teach_ranking
from optical.teaching.ranking_loss import make_ranking_loss
from optical.teaching.ranking_rows import RankingCollator, draw_rows, numbered_texts, with_scores

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
    rows = draw_rows(examples, range(100), settings, step=16)
    contents = numbered_texts(examples)
    texts = [line.split("\t")[1] for line in passages.read_text().splitlines()]
    asked = [line.split("\t")[1] for line in queries.read_text().splitlines()]
    assert [contents[number] for number in rows["query"]] == asked[:100] * 2
    assert len(rows) >= 10 * 16
    for row in rows:
        number = asked.index(contents[row["query"]])
        assert contents[row["positive"]] == texts[number]
        near = {texts[(number + shift) % 200] for shift in (1, 2, 3)}
        assert {contents[row["negative_1"]], contents[row["negative_2"]]} < near


def test_queries_with_too_few_negatives_are_counted(
    encoder_folder: Path, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    queries, passages, judgements = files
    # All passages are relevant to the first 20 queries: nothing is left to be a negative.
    with judgements.open("a", encoding="utf-8") as file:
        file.writelines(f"q{query}\tp{n}\t1\n" for query in range(20) for n in range(200) if n != query)
    teach_ranking(encoder_folder, *files, tmp_path / "taught", **{**_QUICK, "steps": 2})
    provenance = read_provenance(tmp_path / "taught")
    training, _ = read_judged_queries(queries, passages, judgements).split(40, 0)
    assert provenance["queries_with_too_few_negatives"] == sum(query < 20 for query in training) > 0
    assert provenance["training_queries"] == 160 - provenance["queries_with_too_few_negatives"]


def test_negatives_may_be_given(encoder_folder: Path, files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    run = write_lines(tmp_path / "run.trec", *(f"q{n} Q0 p{(n + 1) % 200} 1 1.0 x" for n in range(150)))
    settings = {**_QUICK, "steps": 2}
    teach_ranking(encoder_folder, *files, tmp_path / "taught", negatives=run, **settings)
    provenance = read_provenance(tmp_path / "taught")
    training, _ = read_judged_queries(*files).split(40, 0)
    # Mined ones would be enough for every query; the run has none for the last 50.
    assert provenance["training_queries"] == sum(query < 150 for query in training)
    assert provenance["negatives"] == str(run)
    with pytest.raises(OpticalError, match="Give negatives of more queries, or more of each"):
        teach_ranking(
            encoder_folder, *files, tmp_path / "other", negatives=run, **{**settings, "hard_negatives": 2}
        )
    with pytest.raises(OpticalError, match=r"hard_negatives is 0, so that none of .*run.trec would be taken"):
        teach_ranking(
            encoder_folder, *files, tmp_path / "other", negatives=run, **{**settings, "hard_negatives": 0}
        )
    assert not list(tmp_path.glob("other*"))


def test_nothing_is_mined(encoder_folder: Path, files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    queries, _, judgements = files
    # The two nearest passages are the only ones there are, and both are relevant.
    passages = write_lines(tmp_path / "two.tsv", "p0\tthe river", "p1\tthe cow")
    write_lines(judgements, *(f"q{n}\tp{place}\t1" for n in range(200) for place in (0, 1)))
    with pytest.raises(OpticalError, match=r"all relevant to it.*Raise depth, or lower hard_negatives"):
        teach_ranking(encoder_folder, queries, passages, judgements, tmp_path / "taught", **_QUICK)
    assert not (tmp_path / "taught.partial").exists()


def test_too_little_is_mined(encoder_folder: Path, files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    judgements = files[2]
    with judgements.open("a", encoding="utf-8") as file:
        file.writelines(f"q{query}\tp{n}\t1\n" for query in range(190) for n in range(200) if n != query)
    with pytest.raises(
        OpticalError,
        match=r"Only \d+ of 160 training queries have 2 hard negatives among the 5 .* Raise depth, or lower",
    ):
        teach_ranking(encoder_folder, *files, tmp_path / "taught", **_QUICK, depth=5, hard_negatives=2)


def test_passages_that_changed_are_another_run(
    encoder_folder: Path, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optical.teaching.ranking.make_trainer", _stop)
        with pytest.raises(KeyboardInterrupt):
            teach_ranking(encoder_folder, *files, tmp_path / "taught", **_QUICK)
    with files[1].open("a", encoding="utf-8") as file:
        file.write("unjudged\tthe farmer sold the cow\n")
    with pytest.raises(OpticalError, match="other data"):
        teach_ranking(encoder_folder, *files, tmp_path / "taught", **_QUICK)


@pytest.fixture
def cross_encoder(bert_folder: Path, encoder_folder: Path, tmp_path: Path) -> Path:
    """One with opinions: the sigmoid of many of its scores is 1."""
    torch.manual_seed(1)
    model = BertForSequenceClassification(BertConfig.from_pretrained(bert_folder, num_labels=1))
    with torch.no_grad():
        model.classifier.weight.mul_(100)
    model.save_pretrained(tmp_path / "cross")
    MultiVectorEncoder(str(encoder_folder))[0].tokenizer.save_pretrained(tmp_path / "cross")
    return tmp_path / "cross"


def _mined_rows(files: tuple[Path, Path, Path], tmp_path: Path, settings: RankingSettings) -> tuple[Any, Any]:
    run = write_lines(
        tmp_path / "run.trec",
        *(f"q{n} Q0 p{(n + shift) % 200} {shift} {9 - shift} x" for n in range(200) for shift in (1, 2, 3)),
    )
    examples = read_judged_queries(*files, negatives=run)
    return draw_rows(examples, range(24), settings, step=12), numbered_texts(examples)


def test_scores_are_logits_and_kept(
    cross_encoder: Path, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    rows, texts = _mined_rows(files, tmp_path, RankingSettings(hard_negatives=2, steps=3))
    scorer = load_cross_encoder(cross_encoder)
    scored = with_scores(rows, texts, scorer, tmp_path / "scores.npy")
    model = BertForSequenceClassification.from_pretrained(cross_encoder).eval()
    for row in scored.select(range(5)):
        for column, label in zip(("positive", "negative_1", "negative_2"), row["label"], strict=True):
            both = texts[row["query"]], texts[row[column]]
            pair = scorer.tokenizer(*both, truncation=True, max_length=64, return_tensors="pt")
            with torch.no_grad():
                assert label == pytest.approx(float(model(**pair).logits), abs=1e-3)
    # No pair is scored twice, and none at all when the run goes on.
    pairs = {(row["query"], row[column]) for row in rows for column in row if column != "query"}
    assert np.load(tmp_path / "scores.npy").shape == (len(pairs),)
    np.save(tmp_path / "scores.npy", np.arange(len(pairs), dtype=np.float32))
    kept = with_scores(rows, texts, scorer, tmp_path / "scores.npy")
    assert {label for row in kept for label in row["label"]} == set(range(len(pairs)))


@pytest.mark.parametrize("temperature", [1.0, 0.25])
def test_rankings_move_towards_the_cross_encoder(
    cross_encoder: Path,
    encoder_folder: Path,
    files: tuple[Path, Path, Path],
    tmp_path: Path,
    temperature: float,
) -> None:
    settings = RankingSettings(objective="kl", hard_negatives=2, steps=1, temperature=temperature, chunk=5)
    rows, texts = _mined_rows(files, tmp_path, settings)
    rows = with_scores(rows, texts, load_cross_encoder(cross_encoder), tmp_path / "scores.npy")
    student = MultiVectorEncoder(str(encoder_folder))
    batch = RankingCollator(student, texts)(list(rows.select(range(12))))
    labels = batch.pop("label")
    loss = make_ranking_loss(student, settings)
    optimiser = torch.optim.Adam(student.parameters(), lr=3e-3)

    def divergence() -> float:
        """The formula of the docstring, by other means than the library's."""
        total = 0.0
        for row, label in zip(rows, labels.double(), strict=False):
            query = torch.as_tensor(student.encode_query(texts[row["query"]]))
            scores = torch.stack(
                [
                    (query @ torch.as_tensor(student.encode_document(texts[row[column]])).T)
                    .max(1)
                    .values.sum()
                    for column in ("positive", "negative_1", "negative_2")
                ]
            ).double()
            wanted, found = label.softmax(0), (scores / temperature).softmax(0)
            total += float((wanted * (wanted / found).log()).sum())
        return total / len(labels) * temperature**2

    student.eval()
    before = divergence()
    assert loss(_columns(batch), labels).item() == pytest.approx(before, rel=1e-3)
    for _ in range(40):
        optimiser.zero_grad()
        loss(_columns(batch), labels).backward()
        optimiser.step()
    assert divergence() < before / 2


def _columns(batch: dict[str, Any]) -> list[dict[str, Any]]:
    names = dict.fromkeys(name.removesuffix("_input_ids") for name in batch if name.endswith("_input_ids"))
    return [
        {key.removeprefix(f"{name}_"): value for key, value in batch.items() if key.startswith(f"{name}_")}
        for name in names
    ]


def test_small_chunks_give_the_gradients_of_the_whole_batch(
    encoder_folder: Path, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    settings = RankingSettings(hard_negatives=2, steps=1, temperature=0.5, chunk=2)
    rows, texts = _mined_rows(files, tmp_path, settings)
    student = MultiVectorEncoder(str(encoder_folder)).eval()
    batch = _columns(RankingCollator(student, texts)(list(rows.select(range(7)))))
    gradients = []
    for loss in (
        make_ranking_loss(student, settings),
        MultiVectorMultipleNegativesRankingLoss(student, scale=2.0),
    ):
        student.zero_grad()
        value = loss([dict(features) for features in batch], None)
        value.backward()
        gradients.append(torch.cat([w.grad.flatten() for w in student.parameters() if w.grad is not None]))
    assert gradients[0].norm() > 1e-3
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-5, rtol=1e-3)


def test_a_cross_encoder_is_followed(
    cross_encoder: Path, encoder_folder: Path, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    teach_ranking(
        encoder_folder,
        *files,
        tmp_path / "taught",
        cross_encoder=cross_encoder,
        **{**_QUICK, "steps": 2},
    )
    provenance = read_provenance(tmp_path / "taught")
    assert provenance["settings"]["objective"] == "kl"
    assert provenance["cross_encoder"]["name"] == str(cross_encoder)


def test_what_is_no_cross_encoder(
    encoder_folder: Path,
    bert_folder: Path,
    cross_encoder: Path,
    files: tuple[Path, Path, Path],
    tmp_path: Path,
) -> None:
    config = BertConfig.from_pretrained(bert_folder, num_labels=3)
    BertForSequenceClassification(config).save_pretrained(tmp_path / "three")
    MultiVectorEncoder(str(encoder_folder))[0].tokenizer.save_pretrained(tmp_path / "three")
    for folder, says in (
        (tmp_path / "three", "gives 3 scores to a pair"),
        (bert_folder, "lacks 2 of the weights .*classifier"),
        (tmp_path / "missing", "missing could not be loaded"),
    ):
        with pytest.raises(OpticalError, match=says):
            teach_ranking(encoder_folder, *files, tmp_path / "taught", cross_encoder=folder, **_QUICK)
        assert not (tmp_path / "taught.partial").exists()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"hard_negatives": -1}, "hard_negatives is -1, of a depth of 30"),
        ({"hard_negatives": 5, "depth": 5}, "hard_negatives is 5, of a depth of 5"),
        ({"temperature": 0}, "temperature is 0. It must be a positive number"),
        ({"temperature": -1}, "temperature is -1"),
        ({"objective": "kl", "hard_negatives": 0}, "nothing to compare the relevant passage with"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(OpticalError, match=says):
        RankingSettings(**settings)


def test_without_mining(encoder_folder: Path, files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    teach_ranking(encoder_folder, *files, tmp_path / "taught", hard_negatives=0, **{**_QUICK, "steps": 2})
    assert (tmp_path / "taught" / "modules.json").exists()


@pytest.mark.slow
def test_a_stopped_run_goes_on(encoder_folder: Path, files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    short = {**_QUICK, "steps": 6, "batch_size": 8, "held_back": 20}
    whole = teach_ranking(encoder_folder, *files, tmp_path / "whole", **short)
    checkpoints = tmp_path / "stopped.partial" / "checkpoints"
    for place, last in (
        ("optical.distillation.trainer._RegularCheckpoints.on_save", 3),
        ("optical.distillation.run.save_artefact", 6),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(place, _stop)
            with pytest.raises(KeyboardInterrupt):
                teach_ranking(encoder_folder, *files, tmp_path / "stopped", **short)
        assert last_checkpoint(checkpoints) == str(checkpoints / f"checkpoint-{last}")
    again = teach_ranking(encoder_folder, *files, tmp_path / "stopped", **short)
    before = MultiVectorEncoder(str(encoder_folder)).encode_query("the river")
    assert not torch.allclose(whole.encode_query("the river"), before, atol=1e-3)
    assert torch.allclose(whole.encode_query("the river"), again.encode_query("the river"), atol=1e-5)


def _stop(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_too_few_queries(encoder_folder: Path, files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    with pytest.raises(OpticalError, match="Only 160 queries are left to train on, fewer than the 500"):
        teach_ranking(encoder_folder, *files, tmp_path / "taught", **{**_QUICK, "batch_size": 500})
    assert not (tmp_path / "taught.partial").exists()
