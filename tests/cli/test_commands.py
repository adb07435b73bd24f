"""The commands one after the other, as their users give them."""

import dataclasses
import importlib
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sentence_transformers import MultiVectorEncoder

import optical
from optical.collections import read_run, write_run
from optical.distillation import RECIPES, Settings
from optical.encoders import load_encoder, read_provenance

from ..distillation.toy import make_pairs
from .conftest import Outcome

COMMANDS = ("graft", "distill", "supervise", "index", "search", "evaluate", "align", "study", "demo", "teach")
NOISE = re.compile(r"Writing model|Loading weights|widget|Warning|\[transformers\]")
SMALL = ("--steps", 4, "--batch-size", 16, "--held-back", 40, "--evaluations", 2)


@pytest.mark.parametrize("make", [("graft",), ("distill", *SMALL)])
def test_from_bitext_to_figures(
    make: tuple[object, ...],
    command: Callable[..., Outcome],
    teacher: Path,
    bitext: Path,
    tmp_path: Path,
) -> None:
    encoder, index = tmp_path / "encoder", tmp_path / "index"
    made = command(*make, "--teacher", teacher, "--bitext", bitext, "--output", encoder, "--unweighted")
    assert made.code == 0
    assert f"Saved to {encoder}" in made.out
    assert "300 pairs" in made.out
    if make[0] == "distill":
        assert "teacher overlap" in made.out
        assert "step 4: teacher_overlap" in made.err

    pairs = make_pairs(60, seed=99)
    passages, queries, qrels = (tmp_path / f"{name}.tsv" for name in ("passages", "queries", "qrels"))
    passages.write_text("".join(f"p{n}\t{english}\n" for n, (english, _) in enumerate(pairs)))
    # Query 59 has no judgement, so it is not searched.
    queries.write_text("".join(f"q{n}\t{foreign}\n" for n, (_, foreign) in enumerate(pairs)))
    qrels.write_text("".join(f"q{n}\tp{n}\t1\n" for n in range(59)))
    built = command("index", "--encoder", encoder, "--passages", passages, "--output", index, "--lexical")
    assert built.code == 0
    assert f"Indexed 60 passages in {index}." in built.out

    found = command("search", index, pairs[7][1], "--encoder", encoder, "-k", 3)
    assert found.code == 0
    hits = re.findall(r"^ +(\d)\. +(\d+\.\d+)  (p\d+)", found.out, flags=re.MULTILINE)
    assert [rank for rank, _, _ in hits] == ["1", "2", "3"]
    assert sorted((float(score) for _, score, _ in hits), reverse=True) == [float(hit[1]) for hit in hits]
    assert hits[0][2] == "p7"
    assert pairs[7][0] in found.out

    run, figures = tmp_path / "run.trec", tmp_path / "figures.json"
    places = ("--queries", queries, "--qrels", qrels, "--run", run, "--json", figures)
    measured = command("evaluate", index, "--encoder", encoder, *places)
    assert measured.code == 0
    values = json.loads(figures.read_text(encoding="utf-8"))
    assert list(values) == ["MRR@10", "nDCG@10", "R@10", "R@100", "MAP"]
    ranking = read_run(run)
    assert sorted(ranking) == sorted(f"q{n}" for n in range(59))
    assert {len(scores) for scores in ranking.values()} == {60}
    assert values["R@100"] == 1
    ranks = []
    for n in range(59):
        scores = ranking[f"q{n}"]
        ranks.append(1 + sum(score > scores[f"p{n}"] for score in scores.values()))
    expected = sum(1 / rank for rank in ranks if rank <= 10) / 59
    assert values["MRR@10"] == pytest.approx(expected, abs=1e-3)
    assert values["MRR@10"] > 0.6
    for name, value in values.items():
        assert name in measured.out
        assert f"{value:.4f}" in measured.out

    assert "lexical        yes\n" in command("index", "info", index).out
    hybrid = command("search", index, pairs[7][1], "--encoder", encoder, "-k", 3, "--hybrid")
    assert hybrid.code == 0
    # First in both rankings: twice 1 / 61.
    assert re.match(r" +1\. +0\.0328  p7", hybrid.out)
    assert command("evaluate", index, "--encoder", encoder, *places, "--hybrid").code == 0
    assert read_run(run) != ranking
    assert max(read_run(run)["q7"].values()) == pytest.approx(2 / 61)

    in_english = command("search", index, pairs[7][0], "--encoder", teacher, "-k", 3, "--hybrid")
    assert re.match(r" +1\. +0\.0328  p7", in_english.out)


def test_another_encoder_than_the_teacher_is_grafted(
    command: Callable[..., Outcome], teacher: Path, bert_folder: Path, bitext: Path, tmp_path: Path
) -> None:
    kind = f"graft:{bert_folder}"
    made = command(
        *("graft", "--teacher", teacher, "--bitext", bitext, "--output", tmp_path / "made", "--student", kind)
    )
    assert made.code == 0
    assert re.search(
        rf"Student: {re.escape(kind)}, \d+ tokens: \d+ initialised from their translations", made.out
    )


def test_tokens_count_alike_on_request(
    command: Callable[..., Outcome], teacher: Path, bitext: Path, tmp_path: Path
) -> None:
    shortest = {}
    for choice in ("--weighted", "--unweighted"):
        made = ("graft", "--teacher", teacher, "--bitext", bitext, "--output", tmp_path / choice, choice)
        assert command(*made).code == 0
        (vectors,) = load_encoder(tmp_path / choice).encode_query(["nusu"])
        shortest[choice] = float(vectors.norm(dim=1).min())
    assert shortest["--weighted"] < 0.1
    assert shortest["--unweighted"] == pytest.approx(1, abs=1e-5)


def test_teacher_that_is_no_late_interaction_model(
    command: Callable[..., Outcome], bert_folder: Path, bitext: Path, tmp_path: Path
) -> None:
    made = command(
        *("graft", "--teacher", bert_folder, "--bitext", bitext, "--output", tmp_path / "e", "--dimension", 8)
    )
    assert made.code == 0
    assert "never trained" in " ".join(made.err.split())
    assert MultiVectorEncoder(str(tmp_path / "e")).get_embedding_dimension() == 8


def test_version(command: Callable[..., Outcome]) -> None:
    assert command("--version") == Outcome(0, f"{optical.__version__}\n", "")


def test_python_m_optical_is_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "optical", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{optical.__version__}\n"


def test_a_teacher_is_made_from_text_and_judged_queries(
    command: Callable[..., Outcome], teacher: Path, tmp_path: Path
) -> None:
    pairs = make_pairs(60)
    text, queries, passages, qrels = (tmp_path / name for name in ("text.txt", "q.tsv", "p.tsv", "qrels.tsv"))
    text.write_text("".join(f"{english}\n" for english, _ in pairs))
    queries.write_text(
        "".join(f"q{n}\t{' '.join(english.split()[:3])}\n" for n, (english, _) in enumerate(pairs))
    )
    passages.write_text("".join(f"p{n}\t{english}\n" for n, (english, _) in enumerate(pairs)))
    qrels.write_text("".join(f"q{n}\tp{n}\t1\n" for n in range(60)))
    small, ranker = tmp_path / "small", tmp_path / "ranker"
    quick = ("--steps", 2, "--batch-size", 8, "--held-back", 10, "--evaluations", 1)
    sizes = ("--layers", 1, "--width", 32, "--embedding-width", 16)
    made = command("teach", "tokens", "--teacher", teacher, "--text", text, "--output", small, *quick, *sizes)
    assert made.code == 0, made.err
    assert "60 texts" in made.out
    assert f"Saved to {small}." in made.out
    places = ("--queries", queries, "--passages", passages, "--qrels", qrels)
    done = command("teach", "ranking", "--encoder", small, *places, "--output", ranker, *quick)
    assert done.code == 0, done.err
    assert re.search(r"Judged queries: \d+ for training", done.out)
    assert "MRR@10" in done.out
    again = ("teach", "ranking", "--encoder", small, *places, *quick)
    refused = command(*again, "--output", tmp_path / "b", "--depth", 1)
    assert refused.code == 2
    assert "hard_negatives is 1, of a depth of 1" in refused.err

    negatives, given = tmp_path / "negatives.run", tmp_path / "given"
    write_run(negatives, {f"q{n}": {f"p{(n + 1) % 60}": 2.0, f"p{n}": 1.0} for n in range(60)}, "near")
    done = command(*again, "--output", given, "--negatives", negatives)
    assert done.code == 0, done.err
    assert read_provenance(given)["negatives"] == str(negatives)
    write_run(negatives, {f"q{n}": {f"p{n}": 1.0} for n in range(60)}, "relevant")
    refused = command(*again, "--output", tmp_path / "c", "--negatives", negatives)
    assert refused.code == 2
    assert "has no negative: no passage in it belongs to a judged query" in " ".join(refused.err.split())


def test_help_names_all_commands(command: Callable[..., Outcome]) -> None:
    for shown in (command("--help"), command()):
        for name in COMMANDS:
            assert re.search(rf"\b{name}\b", shown.out + shown.err)


@pytest.mark.slow
def test_demo(tmp_path: Path) -> None:
    output = tmp_path / "demo"
    done = subprocess.run(
        [sys.executable, "-m", "optical", "demo", "--output", str(output)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not NOISE.search(done.stdout + done.stderr)
    assert sorted(each.name for each in output.iterdir() if each.is_dir()) == [
        "am-encoder",
        "am-graft",
        "index",
        "sw-encoder",
        "sw-graft",
    ]
    for language in ("Swahili", "Amharic"):
        untouched, grafted, distilled = (
            float(re.search(rf"{language} +│ {name} +│ +\d+ │ +(\d\.\d+)", done.stdout)[1])  # type: ignore[index]
            for name in ("teacher as it is", "graft", "distilled")
        )
        assert min(grafted, distilled) > untouched + 0.2


def test_help_imports_nothing_heavy() -> None:
    # One process for all: each command line is run as main() would be, and leaves with SystemExit.
    program = f"""
import sys
from optical.cli import main
for arguments in ([], *([name] for name in {COMMANDS!r})):
    sys.argv = ["optical", *arguments, "--help"]
    try:
        main()
    except SystemExit as leaving:
        assert not leaving.code
heavy = {{"torch", "transformers", "sentence_transformers", "datasets", "numpy", "matplotlib"}}
print("LOADED", *sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED"
    assert done.stdout.count("Usage:") == 1 + len(COMMANDS)


def test_defaults_are_those_of_the_library() -> None:
    """They stand twice, so that `optical distill --help` need not import torch."""
    command = inspect.signature(importlib.import_module("optical.cli.distill").distill).parameters
    for setting in dataclasses.fields(Settings):
        assert command[setting.name].default == setting.default, setting.name


def test_options_given_beside_a_recipe_count(
    command: Callable[..., Outcome], teacher: Path, bitext: Path, tmp_path: Path
) -> None:
    made = ("--teacher", teacher, "--bitext", bitext, "--output", tmp_path / "student")
    done = command("distill", *made, *SMALL, "--recipe", "paper", "--learning-rate", 1e-5)
    assert done.code == 0
    settings = json.loads((tmp_path / "student" / "optical.json").read_text("utf-8"))["settings"]
    expected = {**dataclasses.asdict(Settings()), **RECIPES["paper"], "learning_rate": 1e-5}
    expected |= {"steps": 4, "batch_size": 16, "held_back": 40, "evaluations": 2}
    assert settings == expected


def test_an_unknown_recipe(
    command: Callable[..., Outcome], teacher: Path, bitext: Path, tmp_path: Path
) -> None:
    made = ("--teacher", teacher, "--bitext", bitext, "--output", tmp_path / "student")
    done = command("distill", *made, "--recipe", "papers")
    assert done.code == 2
    assert "There is no recipe 'papers'. Choose one of: paper." in done.err
