"""Distillation by two processes on the CPU (gloo)."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from optical.encoders import fingerprint, load_encoder, read_provenance

from .toy import write_bitext


def launch(teacher: Path, bitext: Path, output: Path) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    places = ["--teacher", str(teacher), "--bitext", str(bitext), "--output", str(output)]
    rates = ["--embedding-learning-rate", "3e-3", "--learning-rate", "1e-3"]
    sizes = ["--steps", "30", "--batch-size", "8", "--held-back", "40", "--evaluations", "2"]
    command = [*launcher, "-m", "optical", "distill", *places, *rates, *sizes]
    without_gpu = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=without_gpu)


def test_two_processes_make_one_artefact(teacher_folder: Path, bitext: Path, tmp_path: Path) -> None:
    output = tmp_path / "made" / "student"
    done = launch(teacher_folder, bitext, output)
    assert done.returncode == 0, done.stderr
    assert [each.name for each in output.parent.iterdir()] == ["student"]
    made = read_provenance(output)
    assert made["processes"] == 2
    assert made["development_after"]["transport_cost"] < 0.9 * made["development_before"]["transport_cost"]
    encoder = MultiVectorEncoder(str(output))
    assert fingerprint(encoder) == fingerprint(load_encoder(teacher_folder))
    assert torch.isfinite(encoder.encode_query("bado")).all()
    # Only one of them speaks, and of the libraries below none.
    assert done.stdout.count("Saved to") == 1
    assert done.stderr.count("step 15:") == 1
    assert not re.search(r"Writing model|Loading weights|widget|Warning|\[transformers\]", done.stderr)


@pytest.mark.slow
def test_few_pairs_are_shared_by_two_processes(teacher_folder: Path, tmp_path: Path) -> None:
    few = write_bitext(tmp_path / "few.tsv", 18)
    done = launch(teacher_folder, few, tmp_path / "made" / "student")
    assert done.returncode == 0, done.stderr
    made = read_provenance(tmp_path / "made" / "student")
    assert made["settings"]["batch_size"] == made["training_pairs"] // 2


# Each process writes down what its discriminator weighs when training ends.
SPYING = """
import sys
from pathlib import Path
import torch
from optical.distillation import distill, trainer

ends = trainer._Trainer._load_best_model

def spy(self):
    torch.save(self.loss.own_state(), Path(sys.argv[4]) / f"{self.args.process_index}.pt")
    ends(self)

trainer._Trainer._load_best_model = spy
settings = {"steps": 12, "batch_size": 8, "held_back": 40, "evaluations": 2}
distill(*sys.argv[1:4], objective="adversarial + adversarial-alternating + mean-pool", **settings)
"""


@pytest.mark.slow
def test_two_processes_train_one_discriminator(teacher_folder: Path, bitext: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(SPYING)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    places = [str(place) for place in (teacher_folder, bitext, tmp_path / "student", tmp_path)]
    without_gpu = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [*launcher, str(program), *places]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=without_gpu)
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"{process}.pt", weights_only=True) for process in (0, 1))
    for name, value in first.items():
        if "accuracy" in name:
            assert not torch.equal(value, second[name])  # each has batches of its own
        else:
            assert torch.equal(value, second[name]), name
