"""What a user can get wrong: one sentence with the remedy, exit code 2, nothing half-written."""

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from optical.bitext import Bitext, QueryTranslations
from optical.collections import Passage
from optical.encoders import assemble, load_encoder
from optical.index import Index

from ..conftest import largest_file
from ..distillation.toy import make_pairs
from .conftest import Outcome

SMALL = ("--steps", 4, "--batch-size", 16, "--held-back", 40, "--evaluations", 2)
Command = Callable[..., Outcome]


def assert_refused(outcome: Outcome, *mentions: object) -> None:
    assert outcome.code == 2
    assert "Traceback" not in outcome.out + outcome.err
    (line,) = [each for each in outcome.err.splitlines() if each.startswith("Error:")]
    assert outcome.err.rstrip().endswith(line.rstrip()), "one line, and the last one"
    assert len(line) < 600
    for mention in mentions:
        assert str(mention) in line


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder for outputs that is to stay empty."""
    (tmp_path / "made").mkdir()
    return tmp_path / "made"


@pytest.fixture
def passages(tmp_path: Path) -> Path:
    path = tmp_path / "passages.tsv"
    path.write_text("".join(f"p{n}\t{english}\n" for n, (english, _) in enumerate(make_pairs(20))))
    return path


@pytest.fixture
def index(teacher: Path, tmp_path: Path) -> Path:
    texts = [Passage(f"p{n}", english) for n, (english, _) in enumerate(make_pairs(20))]
    Index.create(tmp_path / "index", load_encoder(teacher), texts).close()
    return tmp_path / "index"


BITEXTS = {
    "missing": (None, (), ("does not exist", "Check the path")),
    "empty": (b"", (), ("is empty", "Name a file")),
    "blank": (b"\n\n", (), ("No usable pair", "Give lines")),
    "one column": (b"water\nriver\n", (), ("No usable pair", "1 column(s)", ":1:")),
    "columns, strict": (b"water\tbado\nriver\tkilo\tlima\n", ("--strict",), (":2:", "3 column(s)", "Mend")),
    "Latin-1, strict": (b"water\tbado\nriver\tk\xe9lo\n", ("--strict",), (":2:", "not UTF-8", "Mend")),
    "English twice": (
        b"water\twater\nriver\tRiver\n",
        (),
        ("No usable pair", "identical sides 2", "second side in the new language"),
    ),
    "UTF-16": ("water\tbado\n".encode("utf-16"), (), ("No usable pair", "UTF-8")),
}


@pytest.mark.parametrize("verb", ["graft", "distill"])
@pytest.mark.parametrize("case", BITEXTS)
def test_bitext(verb: str, case: str, command: Command, teacher: Path, tmp_path: Path, made: Path) -> None:
    content, options, mentions = BITEXTS[case]
    bitext = tmp_path / "bitext.tsv"
    if content is not None:
        bitext.write_bytes(content)
    places = ("--teacher", teacher, "--bitext", bitext, "--output", made / "student")
    assert_refused(command(verb, *places, *options), bitext, *mentions)
    assert not any(made.iterdir())


def test_broken_gzip(command: Command, teacher: Path, tmp_path: Path, made: Path) -> None:
    bitext = tmp_path / "bitext.tsv.gz"
    bitext.write_bytes(b"water\tbado\n")
    outcome = command("graft", "--teacher", teacher, "--bitext", bitext, "--output", made / "student")
    assert_refused(outcome, bitext, "gzip")
    assert not any(made.iterdir())


def test_aligned_files_of_different_length(
    command: Command, teacher: Path, tmp_path: Path, made: Path
) -> None:
    english, foreign = tmp_path / "train.en", tmp_path / "train.xx"
    english.write_text("water\nriver\n")
    foreign.write_text("bado\n")
    source = f"{english},{foreign}"
    outcome = command("graft", "--teacher", teacher, "--bitext", source, "--output", made / "student")
    assert_refused(outcome, english, "2 lines", foreign, "has 1", "align")
    assert not any(made.iterdir())


@pytest.mark.parametrize(
    ("content", "mentions"),
    [
        (None, ("does not exist",)),
        (b"", ("is empty",)),
        (b"p1\twater\np2\n", (":2:", "1 column(s)", "Mend")),
        (b"p1\twater\np2\tr\xe9ver\n", (":2:", "not UTF-8", "UTF-8")),
        (b"p1\twater\np1\triver\n", (":2:", "p1", "Rename")),
    ],
)
def test_passages(
    content: bytes | None,
    mentions: tuple[str, ...],
    command: Command,
    teacher: Path,
    tmp_path: Path,
    made: Path,
) -> None:
    path = tmp_path / "texts.tsv"
    if content is not None:
        path.write_bytes(content)
    outcome = command("index", "--encoder", teacher, "--passages", path, "--output", made / "index")
    assert_refused(outcome, path, *mentions)
    assert not any(made.iterdir())


QUERIES, QRELS = b"q1\twater\nq2\triver\n", b"q1\tp1\t1\nq2\tp2\t1\n"


@pytest.mark.parametrize(
    ("queries", "qrels", "file", "mentions"),
    [
        (None, QRELS, "queries", ("does not exist",)),
        (QUERIES, None, "qrels", ("does not exist",)),
        (b"", QRELS, "queries", ("is empty",)),
        (QUERIES, b"", "qrels", ("is empty",)),
        (b"q1\n", QRELS, "queries", (":1:", "1 column(s)")),
        (QUERIES, b"q1\tp1\n", "qrels", (":1:", "column(s)", "Mend")),
        (b"q1\tw\xe4ter\n", QRELS, "queries", (":1:", "not UTF-8")),
        (QUERIES, b"q1\tp1\thigh\n", "qrels", (":1:", "'high'")),
        (QUERIES, b"q8\tp1\t1\n", "", ("judge", "Use the judgements")),
    ],
)
def test_queries_and_judgements(
    queries: bytes | None,
    qrels: bytes | None,
    file: str,
    mentions: tuple[str, ...],
    command: Command,
    teacher: Path,
    index: Path,
    tmp_path: Path,
    made: Path,
) -> None:
    paths = {"queries": tmp_path / "queries.tsv", "qrels": tmp_path / "qrels.tsv"}
    for path, content in zip(paths.values(), (queries, qrels), strict=True):
        if content is not None:
            path.write_bytes(content)
    outcome = command(
        *("evaluate", index, "--encoder", teacher, "--queries", paths["queries"], "--qrels", paths["qrels"]),
        *("--run", made / "run.trec", "--json", made / "figures.json"),
    )
    assert_refused(outcome, paths.get(file, ""), *mentions)
    assert not any(made.iterdir())


def test_unknown_hub_id_while_offline(bitext: Path, passages: Path, index: Path, made: Path) -> None:
    # A process of its own, as libraries read HF_HUB_OFFLINE when they are imported; one for all commands.
    name = "nobody/no-such-model"
    commands = [
        ["graft", "--teacher", name, "--bitext", bitext, "--output", made / "student"],
        ["distill", "--teacher", name, "--bitext", bitext, "--output", made / "student"],
        ["index", "--encoder", name, "--passages", passages, "--output", made / "index"],
        ["search", index, "water", "--encoder", name],
    ]
    program = f"""
import sys
from optical.cli import main
for arguments in {[[str(each) for each in arguments] for arguments in commands]!r}:
    sys.argv = ["optical", *arguments]
    try:
        main()
    except SystemExit as leaving:
        print(leaving.code)
"""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.split() == ["2"] * 4
    sentences = done.stderr.splitlines()
    assert len(sentences) == 4
    for sentence in sentences:
        assert_refused(Outcome(2, "", sentence), name, "Check the name", "local folder")
    assert not any(made.iterdir())


def test_folder_that_holds_no_encoder(command: Command, tmp_path: Path, bitext: Path, made: Path) -> None:
    (tmp_path / "nothing").mkdir()
    outcome = command(
        *("graft", "--teacher", tmp_path / "nothing", "--bitext", bitext, "--output", made / "student")
    )
    assert_refused(outcome, tmp_path / "nothing", "holds no encoder", "Give")
    assert not any(made.iterdir())


def test_student_of_another_dimension(
    command: Command,
    tiny_teacher: MultiVectorEncoder,
    teacher: Path,
    bitext: Path,
    tmp_path: Path,
    made: Path,
) -> None:
    tiny_teacher[1].linear = torch.nn.Linear(32, 8, bias=False)
    tiny_teacher[1].out_features = 8
    narrow = tmp_path / "narrow"
    tiny_teacher.save_pretrained(str(narrow))
    outcome = command(
        *("distill", "--teacher", teacher, "--student", narrow, "--bitext", bitext),
        *("--output", made / "student"),
    )
    assert_refused(outcome, narrow, "8 dimensions", "16", "Choose")
    assert not any(made.iterdir())


def test_dimension_that_the_teacher_cannot_have(
    command: Command, bert_folder: Path, bitext: Path, made: Path
) -> None:
    outcome = command(
        *("graft", "--teacher", bert_folder, "--bitext", bitext, "--output", made / "student"),
        *("--dimension", 100),
    )
    assert_refused(outcome, "100 dimensions", "width 32", "Ask for")
    assert not any(made.iterdir())


@pytest.mark.parametrize(
    ("option", "value", "mentions"),
    [
        ("--steps", 0, ("steps is 0", "at least 1")),
        ("--objective", "opticl", ("'opticl'", "optical, mean-pool")),
        ("--batch-size", 0, ("batch_size is 0", "at least 1")),
    ],
)
def test_settings(
    option: str,
    value: object,
    mentions: tuple[str, ...],
    command: Command,
    teacher: Path,
    bitext: Path,
    made: Path,
) -> None:
    places = ("--teacher", teacher, "--bitext", bitext, "--output", made / "student")
    assert_refused(command("distill", *places, option, value), *mentions)
    assert not any(made.iterdir())


@pytest.mark.parametrize("verb", ["search", "evaluate"])
def test_index_of_another_teacher(
    verb: str, command: Command, tiny_teacher: MultiVectorEncoder, index: Path, tmp_path: Path, made: Path
) -> None:
    with torch.no_grad():
        tiny_teacher[1].linear.weight.neg_()
    other = tmp_path / "other"
    tiny_teacher.save_pretrained(str(other))
    (tmp_path / "queries.tsv").write_bytes(QUERIES)
    (tmp_path / "qrels.tsv").write_bytes(QRELS)
    files = ("--queries", tmp_path / "queries.tsv", "--qrels", tmp_path / "qrels.tsv", "--run", made / "run")
    rest = ("water",) if verb == "search" else files
    assert_refused(command(verb, index, *rest, "--encoder", other), index, "teacher", "rebuild")
    assert not any(made.iterdir())


@pytest.mark.parametrize(
    ("query", "k", "mentions"),
    [
        ("water " * 80, 3, ("82 tokens", "64", "Shorten")),
        ("  ", 3, ("query is empty", "at least one word")),
        ("water", 0, ("0", "1")),
    ],
)
def test_search(
    query: str, k: int, mentions: tuple[str, ...], command: Command, teacher: Path, index: Path
) -> None:
    assert_refused(command("search", index, query, "--encoder", teacher, "-k", k), *mentions)


def test_hybrid_search(command: Command, teacher: Path, index: Path, tmp_path: Path) -> None:
    student = tmp_path / "student"
    assemble(load_encoder(teacher), load_encoder(teacher)).save_pretrained(str(student))
    searching = ("search", index, "water", "-k", 3, "--hybrid", "--encoder")
    mentions = ("query-translations.json.gz", "made without bitext", "optical graft")
    assert_refused(command(*searching, student), *mentions)
    (student / "query-translations.json.gz").write_bytes(b"nothing")
    assert_refused(command(*searching, student), "query-translations.json.gz", "damaged", "Copy it again")
    QueryTranslations.estimate(Bitext(["water"], ["maji"])).save(student / "query-translations.json.gz")
    for encoder in (student, teacher):
        assert_refused(command(*searching, encoder), "no lexical vectors", "optical index --lexical")


@pytest.mark.parametrize(
    ("picture", "options", "mentions"),
    [
        ("pair.jpg", (), ("pair.jpg", ".png, .svg or .pdf")),
        ("pair", (), ("pair is", ".png, .svg or .pdf")),
        ("folder.png", (), ("folder.png is a folder", "Name a file")),
        ("pair.png", ("--eps", "0"), ("eps is 0", "at least 0.0001")),
        ("pair.png", ("--eps", "nan"), ("eps is nan", "at least 0.0001")),
    ],
)
def test_align_before_any_encoder_is_loaded(
    picture: str, options: tuple[str, ...], mentions: tuple[str, ...], command: Command, made: Path
) -> None:
    (made / "folder.png").mkdir()
    arguments = ("align", "water", "bado", "--encoder", made / "nowhere", "--picture", made / picture)
    assert_refused(command(*arguments, *options), *mentions)
    assert [each.name for each in made.iterdir()] == ["folder.png"]


def test_align_without_matplotlib(command: Command, monkeypatch: pytest.MonkeyPatch, made: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    arguments = ("align", "water", "bado", "--encoder", made / "nowhere", "--picture", made / "pair.png")
    assert_refused(command(*arguments), "matplotlib", "pip install 'optical[plots]'")
    assert not any(made.iterdir())


@pytest.mark.parametrize("options", [(), ("--special-tokens",)])
@pytest.mark.parametrize(
    ("sentences", "which"), [(("", "river"), "English"), (("water", " \u200b"), "foreign")]
)
def test_align_without_words(
    sentences: tuple[str, str],
    which: str,
    options: tuple[str, ...],
    command: Command,
    teacher: Path,
    made: Path,
) -> None:
    outcome = command("align", *sentences, "--encoder", teacher, "--picture", made / "pair.png", *options)
    assert_refused(outcome, f"The {which} sentence is empty", "at least one word")
    assert not any(made.iterdir())


def test_no_index_there(command: Command, teacher: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert_refused(command("search", nowhere, "water", "--encoder", teacher), nowhere, "Give the folder")
    assert_refused(command("search", teacher, "water", "--encoder", teacher), teacher, "is not an index")


@pytest.mark.parametrize("verb", ["graft", "distill", "index", "demo"])
def test_output_that_exists(
    verb: str, command: Command, teacher: Path, bitext: Path, passages: Path, made: Path
) -> None:
    (made / "precious.txt").write_text("years of work")
    sources: dict[str, tuple[object, ...]] = {
        "graft": ("--teacher", teacher, "--bitext", bitext),
        "distill": ("--teacher", teacher, "--bitext", bitext),
        "index": ("--encoder", teacher, "--passages", passages),
        "demo": (),
    }
    assert_refused(command(verb, *sources[verb], "--output", made), f"{made} exists already", "Remove it")
    assert [each.name for each in made.iterdir()] == ["precious.txt"]
    assert (made / "precious.txt").read_text() == "years of work"


def test_output_inside_a_file(command: Command, teacher: Path, bitext: Path) -> None:
    outcome = command("graft", "--teacher", teacher, "--bitext", bitext, "--output", bitext / "student")
    assert_refused(outcome, bitext, "not a folder")


def test_output_with_an_impossible_name(command: Command, teacher: Path, bitext: Path, made: Path) -> None:
    long = made / ("x" * 300)
    outcome = command("graft", "--teacher", teacher, "--bitext", bitext, "--output", long)
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    assert os.strerror(errno.ENAMETOOLONG) in outcome.err
    assert not any(made.iterdir())


# The sizes are those that break a different writer each: weights, tokenizer, optimiser state, vectors.
@pytest.mark.parametrize(("verb", "size"), [("graft", 3_000), ("graft", 40_000), ("index", 3_000)])
def test_full_disk(
    verb: str, size: int, command: Command, teacher: Path, bitext: Path, passages: Path, made: Path
) -> None:
    sources: dict[str, tuple[object, ...]] = {
        "graft": ("--teacher", teacher, "--bitext", bitext),
        "index": ("--encoder", teacher, "--passages", passages),
    }
    with largest_file(size):
        outcome = command(verb, *sources[verb], "--output", made / "result")
    assert_refused(outcome, "could not be written" if verb == "index" else "disk is full")
    assert not any(made.iterdir())
    assert command(verb, *sources[verb], "--output", made / "result").code == 0


@pytest.mark.parametrize("size", [3_000, 30_000, 200_000])
def test_full_disk_leaves_a_distillation_that_can_go_on(
    size: int, command: Command, teacher: Path, bitext: Path, made: Path
) -> None:
    arguments = ("distill", "--teacher", teacher, "--bitext", bitext, "--output", made / "student", *SMALL)
    with largest_file(size):
        outcome = command(*arguments)
    assert_refused(outcome, "disk is full", "Free some space")
    assert not (made / "student").exists()
    assert command(*arguments).code == 0
    assert [each.name for each in made.iterdir()] == ["student"]


def test_full_disk_while_writing_results(
    command: Command, teacher: Path, index: Path, tmp_path: Path, made: Path
) -> None:
    (tmp_path / "queries.tsv").write_bytes(QUERIES)
    (tmp_path / "qrels.tsv").write_bytes(QRELS)
    files = ("--queries", tmp_path / "queries.tsv", "--qrels", tmp_path / "qrels.tsv")
    for option in ("--run", "--json"):
        with largest_file(50):
            outcome = command("evaluate", index, *files, "--encoder", teacher, option, made / "result")
        assert_refused(outcome, os.strerror(errno.EFBIG))
        assert not any(made.iterdir())


def test_full_disk_while_drawing(command: Command, teacher: Path, made: Path) -> None:
    for suffix in ("png", "svg", "pdf"):
        picture = made / f"pair.{suffix}"
        with largest_file(1_000):
            outcome = command("align", "water", "river", "--encoder", teacher, "--picture", picture)
        assert_refused(outcome, "disk is full", "Free some space")
        assert not any(made.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("verb", ["graft", "distill", "index"])
def test_stopped_by_a_signal(
    verb: str, number: int, command: Command, teacher: Path, tmp_path: Path, made: Path
) -> None:
    pipe = tmp_path / "pipe.tsv"
    os.mkfifo(pipe)

    def write_and_interrupt() -> None:
        # Opening waits for the command to open the other end, so it is interrupted while it reads.
        with pipe.open("w") as file:
            file.write("p1\twater\n")
            file.flush()
            os.kill(os.getpid(), number)
            finished.wait()

    finished = threading.Event()
    interrupter = threading.Thread(target=write_and_interrupt)
    interrupter.start()
    encoder, source = ("encoder", "passages") if verb == "index" else ("teacher", "bitext")
    try:
        outcome = command(verb, f"--{encoder}", teacher, f"--{source}", pipe, "--output", made / "result")
    finally:
        finished.set()
        interrupter.join()
    assert outcome.code == 130
    assert "Stopped" in outcome.err
    assert "Traceback" not in outcome.err
    assert not any(made.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("search",),
        ("graft", "--teacher", "teacher"),
        ("search", "index", "water", "--encoder", "encoder", "-k", "many"),
        ("search", "index", "water", "--encoder", "encoder", "--nonsense"),
    ],
)
def test_usage(arguments: tuple[str, ...], command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    # As torchrun, or any other program that is run as a module, has it.
    monkeypatch.setattr(sys.modules["__main__"], "__package__", "another", raising=False)
    outcome = command(*arguments)
    assert outcome.code == 2
    assert "Usage: optical" in outcome.err
    assert "Traceback" not in outcome.err
