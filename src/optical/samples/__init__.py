"""A small collection in English, Swahili and Amharic, bundled with the package (see README.md in this folder)."""

from importlib.resources import files
from pathlib import Path

from optical.errors import OpticalError


def sample(name: str) -> Path:
    """Return the path of the bundled sample file ``name``, for example ``passages.tsv``."""
    folder = Path(str(files(__name__)))
    known = sorted(path.name for path in folder.glob("*.tsv"))
    if name not in known:
        raise OpticalError(f"There is no sample file {name!r}. The known ones are: {', '.join(known)}.")
    return folder / name


def languages() -> list[str]:
    """Return the codes of the languages that the sample has questions in."""
    return sorted(path.name.split(".")[1] for path in Path(str(files(__name__))).glob("queries.*.tsv"))
