from pathlib import Path

import pytest

from optical.study.cells import code_digest

from .conftest import Toy


def written(folder: Path, name: str, code: str) -> str:
    (folder / name).mkdir()
    (folder / name / "module.py").write_text(code, encoding="utf-8")
    return code_digest(folder / name)


CODE = '''"""A module."""

def double(x):
    """Twice x."""
    return 2 * x  # so
'''


def test_code_is_known_by_what_it_does(tmp_path: Path) -> None:
    digest = written(tmp_path, "a", CODE)
    reworded = CODE.replace("A module", "Another").replace("Twice x", "x, twice").replace("so", "so it is")
    assert written(tmp_path, "b", reworded) == digest
    assert written(tmp_path, "c", CODE.replace("2 *", "3 *")) != digest
    assert written(tmp_path, "d", CODE.replace("return 2 * x", "pass")) != digest


def test_all_versions_of_python_know_code_by_the_same_name(tmp_path: Path) -> None:
    assert written(tmp_path, "a", CODE) == "34dfeb087fbe82a46dc0ca981fce5815"


def test_a_function_of_nothing_but_a_docstring_can_be_named(tmp_path: Path) -> None:
    assert written(tmp_path, "a", 'def f():\n    """Nothing."""\n') == written(
        tmp_path, "b", 'def f():\n    """None."""\n'
    )


@pytest.mark.parametrize(
    "system",
    [
        'kind = "distilled", student = "FOLDER"',
        'kind = "distilled", student = "graft:FOLDER"',
        'kind = "encoder", encoder = "FOLDER"',
        'kind = "translated", translator = "FOLDER"',
    ],
)
def test_a_folder_that_a_system_starts_from_or_searches_with_is_known_by_its_content(
    toy: Toy, system: str
) -> None:
    folder = toy.folder / "pretrained"
    folder.mkdir()
    (folder / "weights").write_text("1", encoding="utf-8")
    systems = (
        'ceiling = { kind = "ceiling" }\nzero-shot = { kind = "distilled" }\n'
        f"optical = {{ {system.replace('FOLDER', str(folder))} }}\n"
    )
    toy.declare(systems, **{"seeds = [0, 1]": "seeds = [0]", 'amounts = [200, "all"]': 'amounts = ["all"]'})
    before = toy.identities()
    (folder / "weights").write_text("2", encoding="utf-8")
    after = toy.identities()
    changed = {
        cell.system: [what for what in made if made[what] != after[cell][what]]
        for cell, made in before.items()
    }
    assert changed == {"ceiling": [], "zero-shot": [], "optical": ["checkpoint"]}
