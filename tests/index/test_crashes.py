"""An index that is changed and searched by processes killed at random moments, one after another."""

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from sentence_transformers import MultiVectorEncoder

from optical.index import Index

from .random_changes import IDS, Synthetic, Versions, assert_answers, assert_holds, passage


def changed(versions: Versions, changes: dict[str, int | None]) -> Versions:
    return {id_: version for id_, version in {**versions, **changes}.items() if version is not None}


@pytest.mark.parametrize("kills", [15, pytest.param(50, marks=pytest.mark.slow)])
def test_nothing_acknowledged_is_lost_and_nothing_wrong_is_found_after_kills(
    kills: int, tmp_path: Path, tiny_teacher: MultiVectorEncoder
) -> None:
    folder, teacher = tmp_path / "index", tmp_path / "teacher"
    tiny_teacher.save_pretrained(str(teacher))
    versions: Versions = dict.fromkeys(IDS[:30], 0)
    optimised = False
    first = [passage(id_, version) for id_, version in versions.items()]
    Index.create(folder, tiny_teacher, first, workers=Synthetic()).close()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.index.random_changes", str(folder), str(teacher)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as forking:
        assert forking.stdin is not None
        assert forking.stdout is not None
        for seed in range(1, kills + 1):
            random = Random(seed)
            # Within a step, of which some take a hundred times as long as others, or soon after.
            lines, seconds = 2 * random.randint(0, 7) + 1, 10 ** random.uniform(-3.5, -0.7)
            print(json.dumps([seed, versions, lines, seconds]), file=forking.stdin)
            status, said = json.loads(forking.stdout.readline())
            assert status == -9, "it ended by itself"
            steps = said[::2]
            name, changes = steps.pop() if len(said) % 2 else ("nothing", {})
            for done, acknowledged in steps:
                versions = changed(versions, acknowledged)
                optimised = optimised or done == "optimise"

            with Index.open(folder) as index:
                assert {each.name for each in folder.iterdir()} <= {
                    "index.json",
                    "centroids.safetensors",
                    "shard",
                }
                stored = [each.passage for each in index._engine.documents()]
                held = {each.id: int(each.metadata["version"]) for each in stored}
                complete = changed(versions, changes)
                for id_ in IDS:
                    assert held.get(id_) in (versions.get(id_), complete.get(id_))
                if name == "delete":
                    assert held in (versions, complete)
                if name != "optimise":
                    assert (index.info["centroids"] > 0) == optimised
                versions, optimised = held, index.info["centroids"] > 0
                assert_holds(index, versions)
                assert_answers(index, versions, random)
