"""``optical serve`` and ``optical key``: what is refused at the start, and a whole life of a service."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from optical.cli.serve import _log
from optical.serving import Keys, SearchService
from optical.serving.server import bind, listen

from ..distillation.toy import DICTIONARY
from ..encoders.conftest import make_teacher
from ..serving.conftest import PAIRS, Made, made, passages
from .conftest import Outcome
from .test_refusals import assert_refused

__all__ = ["made", "make_teacher", "passages"]

Command = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def no_keys_and_no_log_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("OPTICAL_KEYS", raising=False)
    loggers = [
        logging.getLogger(name) for name in ("optical", "optical.encoders.tokens", "uvicorn", "asyncio")
    ]
    before = [(each.handlers, each.level, each.propagate) for each in loggers]
    hangup = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, hangup)
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.mark.parametrize("given", ["sw", "sw=", "=folder", "auto=folder", "s w=folder"])
def test_an_encoder_without_language(command: Command, given: str) -> None:
    assert_refused(
        command("serve", "--index", "i", "--encoder", given), repr(given), "--encoder sw=sw-encoder"
    )


def test_no_encoder_and_two_of_a_language(command: Command) -> None:
    assert_refused(command("serve", "--index", "i"), "no encoder to serve")
    assert_refused(
        command("serve", "--index", "i", "--encoder", "en=a", "--teacher", "b"), "two encoders for en"
    )


def test_examples_of_what_is_not_there(command: Command, tmp_path: Path) -> None:
    serve = ("serve", "--index", "i", "--encoder", "sw=folder", "--examples")
    for given in ("sw", "am=queries.tsv", "sw=", "samples"):
        assert_refused(command(*serve, given), repr(given), "(sw)", "--examples sw=queries.tsv")
    assert_refused(command(*serve, f"sw={tmp_path / 'none.tsv'}"), tmp_path / "none.tsv")


def test_other_machines_need_keys(command: Command, made: Made, tmp_path: Path) -> None:
    serve = ("serve", "--index", made.index, "--encoder", f"sw={made.encoders['sw']}")
    assert_refused(command(*serve, "--host", "0.0.0.0"), "0.0.0.0", "no API keys", "optical key")
    assert_refused(command(*serve, "--host", "::"), "::", "no API keys")
    assert_refused(command(*serve, "--keys", tmp_path / "keys"), "keys does not exist")
    (tmp_path / "keys").write_text("secret\n")
    refused = command(*serve, "--keys", tmp_path / "keys")
    assert_refused(refused, "keys:1 is no entry")
    assert "secret" not in refused.err


def test_a_port_in_use_and_a_host_that_is_not_here(
    command: Command, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = ("serve", "--index", made.index, "--encoder", f"sw={made.encoders['sw']}")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert_refused(command(*serve, "--port", port), f"Port {port}", "in use", "--port")
    too_high = command(*serve, "--port", 99_999)
    assert too_high.code == 2
    assert "65535" in too_high.err
    monkeypatch.setenv("OPTICAL_KEYS", f"test:{HASH}")
    # An address for documents only (RFC 5737): no machine has it.
    assert_refused(command(*serve, "--host", "192.0.2.1"), "192.0.2.1", "cannot be listened at")
    assert_refused(command(*serve, "--host", "a..b"), "a..b", "cannot be listened at")


def test_a_port_that_is_taken_while_the_encoders_load(
    command: Command, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bind("127.0.0.1", 0) as other:
        port = other.getsockname()[1]

        def load(index: str, encoders: dict[str, str]) -> SearchService:
            listen(other)
            return SearchService(index, encoders)

        monkeypatch.setattr("optical.serving.SearchService", load)
        options = ["--index", made.copy_index(tmp_path), "--encoder", f"sw={made.encoders['sw']}"]
        refused = command("serve", *options, "--port", port)
        assert_refused(refused, f"Port {port}", "in use", "--port")
        assert "Serving" not in refused.out


def test_what_cannot_be_loaded(command: Command, made: Made, tmp_path: Path) -> None:
    english, index = made.encoders["en"], made.copy_index(tmp_path)

    def serve(index: object, **encoders: object) -> Outcome:
        options = [each for item in encoders.items() for each in ("--encoder", "{}={}".format(*item))]
        return command("serve", "--port", 0, "--index", index, *options)

    assert_refused(serve(tmp_path / "none", sw=english), "There is no folder")
    assert_refused(serve(index, en=english, sw=tmp_path / "none"), tmp_path / "none", "could not be loaded")
    stranger = serve(index, en=english, sw=made.stranger)
    teachers = [json.loads((Path(index) / "index.json").read_text())["teacher"]]
    assert_refused(stranger, *teachers, "belongs to", made.stranger, "sw")
    damaged = Path(index) / "index.json"
    damaged.write_text(damaged.read_text()[:40])
    assert_refused(serve(index, en=english), "damaged")
    index = made.copy_index(tmp_path / "second")
    for each in (Path(index) / "shard").rglob("*"):
        if each.is_file():
            each.write_bytes(b"")
    assert_refused(serve(index, en=english), index)


def test_the_log_of_the_event_loop_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    _log()
    logging.getLogger("asyncio").error("Task exception was never retrieved")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["logger"] == "asyncio"


def test_a_key_and_its_entry(command: Command, tmp_path: Path) -> None:
    made = command("key", "website")
    assert made.code == 0
    secret, entry = (made.out.splitlines()[line] for line in (1, -1))
    (tmp_path / "keys").write_text(entry + "\n")
    assert Keys.read(tmp_path / "keys").owner(secret) == "website"
    assert_refused(command("key", "my website"), "'my website' is no name")


@pytest.fixture
def process(made: Made, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """``optical serve`` with a key, and an encoder of its own folder."""
    (tmp_path / "sw").symlink_to(made.encoders["sw"])
    environment = {
        **os.environ,
        "OPTICAL_KEYS": f"test:{HASH}",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    options = ["--index", made.copy_index(tmp_path), "--encoder", f"sw={tmp_path / 'sw'}", "--port", "0"]
    options += ["--examples", "sample"]
    with subprocess.Popen(
        [sys.executable, "-m", "optical", "serve", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    ) as process:
        yield process
        process.kill()


HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"  # of "test"


def test_a_reload_and_an_end_in_the_middle_of_requests_lose_none(
    process: "subprocess.Popen[str]", made: Made, tmp_path: Path
) -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    first = process.stdout.readline()
    assert first.startswith("Serving 60 passages in sw at http://127.0.0.1:"), process.stderr.read()
    url = first.split()[-1]
    log: list[dict] = []
    reloaded = threading.Event()

    def read_log() -> None:
        for line in process.stderr or ():
            log.append(json.loads(line))
            if "loaded anew" in log[-1]["message"]:
                reloaded.set()

    reading = threading.Thread(target=read_log)
    reading.start()
    word = DICTIONARY["river"]
    ask = {"text": PAIRS[0][1], "lang": "sw", "k": 2}
    statuses: list[int] = []
    refused: list[str] = []
    stop = threading.Event()

    def keep_asking() -> None:
        # A connection for each request. At the end the system refuses it, or resets it if it came in the moment
        # before the service would have accepted it; one that was accepted is answered, never closed in silence
        # (httpx.RemoteProtocolError).
        headers = {"Authorization": "Bearer test", "Connection": "close"}
        while not stop.is_set():
            try:
                statuses.append(
                    httpx.post(f"{url}/search", json=ask, headers=headers, timeout=30).status_code
                )
            except httpx.NetworkError as error:
                refused.append(str(error))
                return

    hello = {"Authorization": "Bearer test"}
    with httpx.Client(base_url=url, headers=hello, timeout=30) as client:
        while client.get("/readyz").status_code != 200:
            pass
        before = client.post("/encode", json={"text": word}).json()["vectors"]
        askers = [threading.Thread(target=keep_asking) for _ in range(4)]
        for each in askers:
            each.start()
        (tmp_path / "new").symlink_to(made.encoders["en"])
        (tmp_path / "new").replace(tmp_path / "sw")
        process.send_signal(signal.SIGHUP)
        assert reloaded.wait(60)
        after = client.post("/encode", json={"text": word}).json()["vectors"]
        assert len(after) > len(before)  # the teacher has no token for the word
        assert httpx.post(f"{url}/search", json=ask).status_code == 401
        process.send_signal(signal.SIGTERM)
    for each in askers:
        each.join(60)
    stop.set()
    assert process.wait(60) == -signal.SIGTERM
    reading.join(60)
    assert set(statuses) == {200}
    assert len(refused) == 4, "all asked until nothing was accepted any more"
    answered = [each for each in log if each.get("route") == "/search" and each["status"] == 200]
    assert len(answered) == len(statuses)
    assert {each["client"] for each in answered} == {"test"}
    assert not [each for each in log if each["level"] in ("error", "critical")]
    assert PAIRS[0][1] not in json.dumps(log)
