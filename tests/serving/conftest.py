"""A small service: 60 passages in made-up English, encoders called sw and en, on a port of this machine."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from sentence_transformers import MultiVectorEncoder

from optical.bitext import Bitext, QueryTranslations
from optical.collections import MetadataValue, Passage
from optical.encoders import assemble
from optical.encoders.artefact import TRANSLATIONS_FILE
from optical.encoders.students import graft
from optical.index import Index
from optical.serving import Keys, SearchService, Settings, create_application
from optical.serving.server import bind

from ..conftest import copy_index
from ..distillation.toy import make_pairs
from ..encoders.conftest import MakeTeacher, make_teacher

__all__ = ["make_teacher"]

PAIRS = make_pairs(60, seed=99)
EXAMPLES = {"sw": [PAIRS[0][1], PAIRS[1][1]], "en": [PAIRS[2][0]]}
METADATA: list[dict[str, MetadataValue]] = [
    {"source": "who", "tags": ("health", "water"), "open": True},
    {"source": "library"},
]


@pytest.fixture(scope="session")
def passages() -> list[Passage]:
    return [
        Passage(f"p{n}", english, f"Title {n}" if n % 2 else "", {**METADATA[n % 2], "year": 2000 + n})
        for n, (english, _) in enumerate(PAIRS)
    ]


@dataclass(frozen=True)
class Made:
    """Folders: encoders by language, the index that they search, and the encoder of another teacher."""

    encoders: dict[str, str]
    index: Path
    stranger: str

    def copy_index(self, folder: Path) -> str:
        copy_index(self.index, folder / "index")
        return str(folder / "index")

    def copy_encoder(self, language: str, folder: Path) -> Path:
        return Path(shutil.copytree(self.encoders[language], folder / language))


@pytest.fixture(scope="session")
def made(
    make_teacher: MakeTeacher, passages: list[Passage], tmp_path_factory: pytest.TempPathFactory
) -> Made:
    folder = tmp_path_factory.mktemp("served")
    teacher = make_teacher()
    english, foreign = zip(*make_pairs(300), strict=True)
    student, _ = graft(teacher, Bitext(list(english), list(foreign)))
    assemble(student, teacher).save_pretrained(str(folder / "sw"))
    teacher.save_pretrained(str(folder / "en"))
    make_teacher(prompts={"query": "", "document": "text: "}).save_pretrained(str(folder / "stranger"))
    Index.create(folder / "index", teacher, passages).close()
    encoders = {language: str(folder / language) for language in ("sw", "en")}
    return Made(encoders, folder / "index", str(folder / "stranger"))


@pytest.fixture(scope="session")
def with_words(made: Made, passages: list[Passage], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The same with words of the passages, and translations for sw."""
    folder = tmp_path_factory.mktemp("with-words")
    shutil.copytree(made.encoders["sw"], folder / "sw")
    english, foreign = zip(*make_pairs(300), strict=True)
    QueryTranslations.estimate(Bitext(list(english), list(foreign))).save(folder / "sw" / TRANSLATIONS_FILE)
    teacher = MultiVectorEncoder(made.encoders["en"], device="cpu")
    Index.create(folder / "index", teacher, passages, lexical=True).close()
    return Made({**made.encoders, "sw": str(folder / "sw")}, folder / "index", made.stranger)


@pytest.fixture(scope="session")
def encoder(made: Made) -> MultiVectorEncoder:
    return MultiVectorEncoder(made.encoders["sw"], device="cpu").eval()


@pytest.fixture(scope="session")
def live(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the service, served by uvicorn in a thread."""
    service = SearchService(made.copy_index(tmp_path_factory.mktemp("live")), made.encoders)
    settings = Settings(rate=100_000, origins=("https://page.example",))
    with serving(create_application(service, settings, Keys({}), EXAMPLES)) as url:
        yield url


@contextmanager
def serving(application: FastAPI) -> Iterator[str]:
    """Serve with uvicorn in a thread, and give the URL."""
    listener = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(application, log_config=None))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive()
    yield url
    server.should_exit = True
    thread.join()


@pytest.fixture
def http(live: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live, timeout=30) as client:
        yield client
