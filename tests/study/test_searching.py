"""That a cell is known by all the code that decides its figures."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import optical
from optical.study.kinds import KINDS

SOURCE = Path(optical.__file__).parent

# What these do wrong ends a cell, or is in what the cell is made of otherwise: digests of bitext, tests and teacher.
_DECIDES_NOTHING = {
    "bitext/reading.py",
    "collections/judgements.py",
    "collections/lines.py",
    "collections/recognition.py",
    "errors.py",
    "files.py",
    "models/__init__.py",
    "packages.py",
    "progress.py",
    "rivals/system.py",
    # Of hybrid search, which no system of a study is.
    "bitext/query_translations.py",
    "index/index.py",
}
# Encoders that are there already, and the training of a translator, use nothing of what makes students.
_OF_STUDENTS = {
    "bitext/bitext.py",
    "bitext/coverage.py",
    "bitext/translation_table.py",
    "bitext/words.py",
    "objectives/__init__.py",
    "objectives/objective.py",
    "objectives/optimal_transport.py",
    "transport/solver.py",
    "transport/weights.py",
}
_WITHOUT_STUDENTS = {"encoder", "ceiling", "translated", "translated-from-scratch"}


def code_of(kind: str) -> set[Path]:
    named = [SOURCE / name for name in KINDS[kind].code]
    return {file for path in named for file in (path.rglob("*.py") if path.is_dir() else [path])}


def imported(file: Path) -> Iterator[Path]:
    """The files of the package that ``file`` takes something from."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("optical"):
            for alias in node.names:
                yield defining(str(node.module), alias.name)


def defining(module: str, name: str) -> Path:
    """The file that defines a name, which packages pass on."""
    path = SOURCE.joinpath(*module.split(".")[1:])
    if not path.is_dir():
        return path.with_suffix(".py")
    if (path / f"{name}.py").exists() and not (path / name).is_dir():
        return path / f"{name}.py"
    package = path / "__init__.py"
    for node in ast.walk(ast.parse(package.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and any(alias.name == name for alias in node.names):
            return defining(str(node.module), name)
    return package


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_is_known_by_all_the_code_that_decides_its_figures(kind: str) -> None:
    known = code_of(kind)
    assert all(file.exists() for file in known)
    taken = {
        str(other.relative_to(SOURCE)) for file in known for other in imported(file) if other not in known
    }
    assert taken <= _DECIDES_NOTHING | (_OF_STUDENTS if kind in _WITHOUT_STUDENTS else set())
