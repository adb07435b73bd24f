"""Supervised training by two processes on the CPU (gloo)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sentence_transformers import MultiVectorEncoder

from optical.distillation import graft
from optical.encoders import fingerprint, load_encoder, read_provenance

from .collection import Collection


@pytest.mark.slow
def test_two_processes_make_one_artefact(
    teacher_folder: Path, collection: Collection, tmp_path: Path
) -> None:
    output = tmp_path / "made" / "student"
    graft(teacher_folder, collection.bitext, tmp_path / "graft")
    places = {
        **{"teacher": teacher_folder, "student": tmp_path / "graft", "output": output},
        **{
            "queries": collection.queries,
            "passages": collection.passages,
            "qrels": collection.judgements,
        },
        **{"negatives": collection.negatives, "translations": collection.translations},
        **{"objective": "contrastive + kl", "embedding-learning-rate": 1e-2, "learning-rate": 1e-3},
        **{"steps": 20, "batch-size": 8, "held-back": 30, "evaluations": 2},
    }
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*launcher, "-m", "optical", "supervise"]
    command += [str(part) for name, value in places.items() for part in (f"--{name}", value)]
    without_gpu = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=without_gpu)
    assert done.returncode == 0, done.stderr
    assert [each.name for each in output.parent.iterdir()] == ["student"]
    made = read_provenance(output)
    assert made["processes"] == 2
    assert made["development_after"]["mrr_10"] > made["development_before"]["mrr_10"]
    encoder = MultiVectorEncoder(str(output))
    assert fingerprint(encoder) == fingerprint(load_encoder(teacher_folder))
