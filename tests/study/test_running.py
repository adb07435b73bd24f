"""Studies of the toy language, run as a user would run them: cells in processes of their own."""

import hashlib
import shutil
import signal
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from filelock import FileLock
from sentence_transformers import MultiVectorEncoder

from optical.bitext import read_bitext
from optical.collections import read_judgements, read_passages, read_run
from optical.distillation import distill
from optical.errors import OpticalError
from optical.evaluation import evaluate, rank
from optical.index import Index
from optical.rivals import fuse
from optical.study import report_study, run_study
from optical.study.workplace import PreparedTest

from .conftest import QUESTIONS, Toy

ALL = """
ceiling = { kind = "ceiling" }
zero-shot = { kind = "encoder" }
bm25 = { kind = "bm25" }
psq = { kind = "psq" }
graft = { kind = "untrained" }
optical = { kind = "distilled", objective = "optical" }
nmt = { kind = "translated-from-scratch", steps = 2 }
both = { kind = "fused", systems = ["optical", "psq"] }
"""
CHEAP = 'bm25 = { kind = "bm25" }\npsq = { kind = "psq" }\n'
CHEAP_ONLY = {'ceiling = "ceiling"\n': "", '["optical", "zero-shot"]': '["bm25", "psq"]'}

STOPPED = {
    'ceiling = "ceiling"\n': "",
    "seeds = [0, 1]": "seeds = [0]",
    'amounts = [200, "all"]': 'amounts = ["all"]',
}
ONE_AMOUNT = {'amounts = [200, "all"]': 'amounts = ["all"]'}


def run(toy: Toy, **options: object) -> list[str]:
    lines: list[str] = []
    run_study(toy.config, toy.output, data=toy.folder, report=lines.append, **options)  # type: ignore[arg-type]
    return lines


@pytest.mark.slow
def test_all_kinds_of_system(toy: Toy) -> None:
    toy.declare(ALL, **ONE_AMOUNT, **{"seeds = [0, 1]": "seeds = [3]"})
    progress = run_study(toy.config, toy.output, data=toy.folder, workers=2)
    assert (progress.done, progress.failed, progress.left) == (8, [], 0)
    seeded = [f"toy--{name}--all--seed3" for name in ("both", "nmt", "optical")]
    plain = ["toy--bm25", "toy--ceiling", "toy--graft--all", "toy--psq--all", "toy--zero-shot"]
    assert toy.cells() == sorted([*seeded, *plain])

    judgements = read_judgements(toy.folder / "qrels.tsv")
    del judgements["q999"]  # no question of the test
    for name in toy.cells():
        cell = toy.cell(name)
        result = cell["tests"]["toy"]
        file = toy.output / "runs" / f"{name}--toy.run"
        # A system may find nothing: BM25 does, and an untrained translator may.
        found = read_run(file) if file.stat().st_size else {query: {} for query in judgements}
        assert result["figures"] == pytest.approx(evaluate(found, judgements), abs=1e-6)
        assert result["run"] == hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()
        assert statistics.fmean(result["per_query"]) == pytest.approx(result["figures"]["MRR@10"], abs=1e-6)
        assert (len(result["per_query"]), result["queries"], result["passages"]) == (QUESTIONS, QUESTIONS, 60)
        assert {"seconds", "versions", "date", "machine", "identity"} <= cell.keys()
    assert toy.cell("toy--ceiling")["tests"]["toy"]["figures"]["MRR@10"] == 1
    assert toy.cell("toy--bm25")["tests"]["toy"]["figures"]["MRR@10"] == 0
    assert toy.cell(seeded[2])["made"]["settings"]["seed"] == 3
    assert not list((toy.output / "work").glob("distilled-*"))

    parts = [read_run(toy.output / "runs" / f"{name}--toy.run") for name in (seeded[2], "toy--psq--all")]
    fused = read_run(toy.output / "runs" / f"{seeded[0]}--toy.run")
    assert {query: dict(scores) for query, scores in fused.items()} == fuse(parts, 100)

    report = report_study(toy.config, toy.output).read_text("utf-8")
    assert "8 of 8 cells done, 0 failed, 0 missing." in report
    assert "optical against zero-shot: " in report

    # The cell is what the command line would have made of the same bitext.
    encoder = distill(
        toy.folder / "teacher",
        toy.output / "work" / "bitext-toy-all.tsv",
        toy.folder / "student",
        steps=4,
        batch_size=16,
        held_back=40,
        evaluations=1,
        objective="optical",
        seed=3,
    )
    queries = dict(line.split("\t") for line in (toy.folder / "queries.tsv").read_text("utf-8").splitlines())
    passages = read_passages(toy.folder / "passages.tsv")
    with Index.create(toy.folder / "index", encoder, passages) as index:
        again = rank(index, queries, encoder, 60)
    assert evaluate(again, judgements) == pytest.approx(
        toy.cell(seeded[2])["tests"]["toy"]["figures"], abs=0.02
    )


def test_amounts_leakage_and_a_study_that_was_out_of_time(toy: Toy) -> None:
    toy.declare(CHEAP, **CHEAP_ONLY)
    progress = run_study(toy.config, toy.output, data=toy.folder, minutes=0)
    assert (progress.done, progress.left) == (0, 3)
    assert not (toy.output / "cells").exists()
    lines = run(toy)
    assert (
        f"Bitext toy, all: {300 - QUESTIONS} pairs (left out: {QUESTIONS} near copies of test questions)"
        in lines
    )
    small, whole = (
        read_bitext([toy.output / "work" / f"bitext-toy-{amount}.tsv"]) for amount in (200, "all")
    )
    assert (len(small), len(whole)) == (200, 300 - QUESTIONS)
    assert set(small.english) < set(whole.english)
    questions = {line.split("\t")[1] for line in (toy.folder / "queries.tsv").read_text("utf-8").splitlines()}
    assert not questions & set(whole.foreign)
    assert toy.cells() == ["toy--bm25", "toy--psq--200", "toy--psq--all"]


def test_what_is_there_is_left_alone_and_what_changed_is_refused(toy: Toy) -> None:
    toy.declare(CHEAP, **CHEAP_ONLY, **ONE_AMOUNT)
    run(toy)
    before = {name: toy.cell(name)["date"] for name in toy.cells()}
    files = {name: (toy.output / "cells" / f"{name}.json").stat().st_mtime_ns for name in toy.cells()}
    assert "2 of 2 cells are there." in run(toy)
    assert {name: toy.cell(name)["date"] for name in toy.cells()} == before

    with (toy.folder / "bitext.tsv").open("a", encoding="utf-8") as file:
        file.write("a new pair\tjozi mpya\n")
    with pytest.raises(OpticalError, match=r"toy--psq--.*was made with other bitext\. Give --recompute"):
        run(toy)
    assert "1 of 2 cells are there." in run(toy, recompute=True)
    again = {name: (toy.output / "cells" / f"{name}.json").stat().st_mtime_ns for name in toy.cells()}
    assert {name for name in again if again[name] != files[name]} == {"toy--psq--all"}


def test_a_cell_of_a_folder_that_is_gone_is_not_done(
    toy: Toy, tiny_teacher: MultiVectorEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(toy.folder)
    shutil.copytree(toy.folder / "teacher", toy.folder / "some" / "encoder")
    toy.declare(
        'bm25 = { kind = "bm25" }\npsq = { kind = "encoder", encoder = "some/encoder" }\n',
        **CHEAP_ONLY,
        **ONE_AMOUNT,
    )
    run(toy)
    shutil.rmtree(toy.folder / "some")
    with pytest.raises(
        OpticalError, match=r"toy--psq\.json was made with other checkpoint\. Give --recompute"
    ):
        run(toy)


@pytest.mark.parametrize(
    ("system", "said"),
    [
        ('kind = "distilled", student = "grafd"', "Did you mean graft?"),
        (
            'kind = "distilled", student = "transplant:../encoder"',
            "names '../encoder', which is no folder here",
        ),
        ('kind = "encoder", encoder = "optical-tiny-een"', "Did you mean optical-tiny-en?"),
        ('kind = "translated", translator = "translator"', "no Hub id such as organisation/name"),
    ],
)
def test_a_checkpoint_that_is_nowhere_is_named_before_any_cell_is_made(
    toy: Toy, system: str, said: str
) -> None:
    toy.declare(f'bm25 = {{ kind = "bm25" }}\npsq = {{ {system} }}\n', **CHEAP_ONLY)
    with pytest.raises(OpticalError) as refusal:
        run(toy)
    assert said in str(refusal.value)
    assert str(refusal.value).startswith("systems.psq names")
    assert not (toy.output / "cells").exists()


@pytest.mark.slow
def test_runs_that_are_not_kept_are_made_again_to_be_combined(toy: Toy) -> None:
    toy.declare(CHEAP, **CHEAP_ONLY, **ONE_AMOUNT)
    run(toy)
    shutil.rmtree(toy.output / "runs")
    both = 'both = { kind = "fused", systems = ["bm25", "psq"] }\n'
    whole = 'whole = { kind = "fused", systems = ["both", "bm25"] }\n'
    toy.declare(CHEAP + both + whole, **CHEAP_ONLY, **ONE_AMOUNT, **{"seeds = [0, 1]": "seeds = [0]"})
    assert run_study(toy.config, toy.output, data=toy.folder).failed == []
    assert "tests" in toy.cell("toy--both--all--seed0")
    # What is combined of what is combined, too.
    shutil.rmtree(toy.output / "runs")
    toy.output.joinpath("cells", "toy--whole--all--seed0.json").unlink()
    assert run_study(toy.config, toy.output, data=toy.folder).failed == []
    assert "tests" in toy.cell("toy--whole--all--seed0")
    # A part whose runs cannot be made again is no worse for it.
    shutil.rmtree(toy.output / "runs")
    toy.output.joinpath("cells", "toy--whole--all--seed0.json").unlink()
    toy.output.joinpath("runs", "toy--psq--all--toy.run").mkdir(parents=True)
    failed = run_study(toy.config, toy.output, data=toy.folder).failed
    assert failed == ["toy--psq--all", "toy--both--all--seed0", "toy--whole--all--seed0"]
    assert "tests" in toy.cell("toy--psq--all")
    assert "error" in toy.cell("toy--whole--all--seed0")


def test_a_failing_cell_is_recorded_and_the_others_are_made(toy: Toy) -> None:
    systems = """
lost = { kind = "encoder", encoder = "no/such-model" }
bm25 = { kind = "bm25" }
both = { kind = "fused", systems = ["bm25", "lost"] }
"""
    replaced = {'["optical", "zero-shot"]': '["bm25", "lost"]', "seeds = [0, 1]": "seeds = [0]"}
    toy.declare(systems, **CHEAP_ONLY | ONE_AMOUNT | replaced)
    # As an earlier configuration may have left it.
    (toy.output / "runs").mkdir(parents=True)
    (toy.output / "runs" / "toy--lost--toy.run").write_text("q0 Q0 p1 1 1.0 lost\n", encoding="utf-8")
    progress = run_study(toy.config, toy.output, data=toy.folder)
    assert (progress.done, progress.failed) == (1, ["toy--lost", "toy--both--all--seed0"])
    assert toy.cell("toy--both--all--seed0")["error"] == "toy--lost is not there to be combined"
    assert "no/such-model" in toy.cell("toy--lost")["error"]
    assert "tests" not in toy.cell("toy--lost")
    # It is tried again, as the reason may be gone, but after what was not tried yet.
    toy.declare(systems + 'psq = { kind = "psq" }\n', **CHEAP_ONLY | ONE_AMOUNT | replaced)
    lines = run(toy)
    assert [line.partition(":")[0] for line in lines if "done in" in line or "failed" in line] == [
        "toy--psq--all",
        *progress.failed,
    ]


def test_a_killed_process_costs_one_cell(toy: Toy) -> None:
    toy.declare(
        'optical = { kind = "distilled", steps = 5000 }\nzero-shot = { kind = "encoder" }\n', **STOPPED
    )
    with ThreadPoolExecutor(1) as pool:
        study = pool.submit(run_study, toy.config, toy.output, data=toy.folder)
        log = toy.output / "logs" / "toy--optical--all--seed0.log"
        until = time.monotonic() + 120
        while not (log.exists() and "Writing" in log.read_text("utf-8")) and time.monotonic() < until:
            time.sleep(0.1)
        (process,) = (
            process
            for process in psutil.Process().children()
            if "optical.study.cell_process" in process.cmdline()
        )
        process.kill()
        progress = study.result(timeout=120)
    assert (progress.done, progress.failed) == (1, ["toy--optical--all--seed0"])
    assert toy.cell(progress.failed[0])["error"] == "killed by SIGKILL, perhaps for want of memory"
    assert toy.cells() == ["toy--optical--all--seed0", "toy--zero-shot"]


@pytest.mark.slow
def test_a_cell_is_the_same_after_another_as_alone(toy: Toy) -> None:
    student = 'optical = { kind = "distilled", objective = "optical", steps = 4, batch_size = 16 }\n'
    toy.declare('zero-shot = { kind = "encoder" }\n' + student, **ONE_AMOUNT, **{'ceiling = "ceiling"\n': ""})
    run(toy)
    after = toy.cell("toy--optical--all--seed1")["tests"]["toy"]["run"]
    shutil.rmtree(toy.output)
    toy.declare(
        'zero-shot = { kind = "encoder" }\n' + student,
        **ONE_AMOUNT,
        **{'ceiling = "ceiling"\n': "", "seeds = [0, 1]": "seeds = [1]"},
    )
    run(toy)
    assert toy.cell("toy--optical--all--seed1")["tests"]["toy"]["run"] == after


def test_two_studies_in_one_folder(toy: Toy) -> None:
    toy.declare(CHEAP, **CHEAP_ONLY)
    toy.output.mkdir()
    with FileLock(toy.output / ".lock"), pytest.raises(OpticalError, match="Another process is at work"):
        run(toy)


def test_a_test_of_parallel_questions(toy: Toy, tiny_teacher: MultiVectorEncoder) -> None:
    lines = (toy.folder / "bitext.tsv").read_text("utf-8").splitlines()
    (toy.folder / "pairs.tsv").write_text("\n".join(lines[:50]) + "\n", encoding="utf-8")
    others = [f"{number}\t{line.split(chr(9))[1].upper()}" for number, line in enumerate(lines[:10])]
    (toy.folder / "others.tsv").write_text("\n".join(others) + "\n", encoding="utf-8")
    files = 'queries = "queries.tsv"\njudgements = "qrels.tsv"\ntranslations = "translations.tsv"\n'
    declared = 'parallel_questions = ["pairs.tsv"]\napart_from = ["others.tsv"]\nsample = 30\n'
    toy.declare(
        'ceiling = { kind = "ceiling" }\nzero-shot = { kind = "bm25" }\n',
        **{files: declared, '["optical", ': '["ceiling", '},
        **ONE_AMOUNT,
    )
    said = run(toy)
    assert "Bitext toy, all: 270 pairs (left out: 30 near copies of test questions)" in said
    result = toy.cell("toy--ceiling")["tests"]["toy"]
    assert (result["queries"], result["figures"]["MRR@10"]) == (30, 1)
    asked = PreparedTest.load(toy.output / "work" / "test-toy.json")
    # With the language, as another's have the same numbers.
    assert set(asked.queries) == {f"toy-{number}" for number in range(30)}
    assert not set(asked.queries.values()) & {line.split("\t")[1] for line in lines[:10]}

    (toy.folder / "pairs.tsv").write_text("\n".join(lines[:10]) + "\n", encoding="utf-8")
    with pytest.raises(OpticalError, match=r"near copies of those in others\.tsv"):
        run(toy)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"passages.tsv"', '"passage.tsv"', r"passage\.tsv does not exist\. Did you mean passages\.tsv\?"),
        ('"bitext*.tsv"', '"*.tmx"', r"\*\.tmx does not exist"),
        ('"qrels.tsv"', '"translations.tsv"', "translations.tsv"),
        ('"queries.tsv"', '"*s.tsv"', r"\*s\.tsv names \d files\. Name one\."),
        ('"bitext*.tsv"', '""', "is no pattern of files"),
        (
            '[200, "all"]',
            "[300, 400]",
            "languages.toy has 280 sentence pairs, no more than any of the amounts",
        ),
    ],
)
def test_bad_files_are_named_before_any_cell_is_made(toy: Toy, old: str, new: str, said: str) -> None:
    toy.declare(CHEAP, **CHEAP_ONLY, **{old: new})
    with pytest.raises(OpticalError, match=said):
        run(toy)
    assert not toy.output.exists()

    # A folder that was there before stays.
    toy.output.mkdir()
    (toy.output / "notes.txt").write_text("", encoding="utf-8")
    with pytest.raises(OpticalError, match=said):
        run(toy)
    assert (toy.output / "notes.txt").exists()
    assert not (toy.output / "cells").exists()


def test_an_unknown_objective_is_named_before_any_cell_is_made(toy: Toy, tmp_path: Path) -> None:
    toy.declare(ALL.replace('objective = "optical"', 'objective = "optikal"'))
    with pytest.raises(OpticalError, match=r"systems\.optical: .*optikal"):
        run(toy)
    assert not toy.output.exists()


def test_a_broken_result_is_named(toy: Toy) -> None:
    toy.declare(CHEAP, **CHEAP_ONLY, **ONE_AMOUNT)
    (toy.output / "cells").mkdir(parents=True)
    (toy.output / "cells" / "toy--bm25.json").write_text("{", encoding="utf-8")
    with pytest.raises(OpticalError, match=r"toy--bm25\.json is no result of a cell\. Remove it"):
        run(toy)


def test_an_output_that_is_a_file(toy: Toy) -> None:
    toy.declare(CHEAP, **CHEAP_ONLY)
    toy.output.write_text("", encoding="utf-8")
    with pytest.raises(OpticalError, match="is no folder"):
        run(toy)


def processes_of(toy: Toy) -> list[list[str]]:
    processes = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
    return [line for line in processes if str(toy.output) in line]


@pytest.mark.parametrize(
    "signal_number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_stopped_from_outside(toy: Toy, signal_number: int) -> None:
    """Nothing is recorded as failed, no process is left, and the same command goes on."""
    toy.declare(
        'zero-shot = { kind = "encoder" }\noptical = { kind = "distilled", steps = 5000 }\n', **STOPPED
    )
    command = [
        sys.executable,
        "-m",
        "optical",
        "study",
        "--output",
        str(toy.output),
        "--data",
        str(toy.folder),
    ]
    study = subprocess.Popen([*command, str(toy.config)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    distilling = toy.output / "logs" / "toy--optical--all--seed0.log"
    until = time.monotonic() + 120
    while not distilling.exists() and time.monotonic() < until:
        time.sleep(0.2)
    study.send_signal(signal_number)
    _, said = study.communicate(timeout=60)
    if signal_number != signal.SIGKILL:
        assert study.returncode == 130
        assert b"Stopped; nothing half-written is left" in said
        assert not processes_of(toy)
    # Those of a study that had no time for it notice that it is gone.
    while processes_of(toy) and time.monotonic() < until:
        time.sleep(0.2)
    assert not processes_of(toy)
    assert toy.cells() == ["toy--zero-shot"]
    toy.declare(CHEAP, **CHEAP_ONLY, **ONE_AMOUNT)
    assert run_study(toy.config, toy.output, data=toy.folder).done == 2
