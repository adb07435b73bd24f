"""The log of requests."""

import json
import logging
import time

import httpx
import pytest

from optical.serving.observation import JsonLines


def lines(caplog: pytest.LogCaptureFixture, count: int) -> list[dict]:
    """Return the lines of ``count`` requests; the last may be written when its answer has been read already."""
    records: list[logging.LogRecord] = []
    until = time.monotonic() + 20
    while len(records) < count and time.monotonic() < until:
        time.sleep(0.01)
        records = [each for each in caplog.records if each.name == "optical.serving.observation"]
    return [json.loads(JsonLines().format(each)) for each in records]


def test_a_line_of_each_request_without_its_text(
    http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="optical")
    http.post("/search", json={"text": "zebrawords", "lang": "en", "k": 3})
    http.post("/search", json={"text": "zebrawords", "lang": "zebra"})
    http.get("/zebrawords?zebrawords")
    found, refused, unknown = lines(caplog, 3)
    assert found.pop("ms") > 0
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "info",
        "logger": "optical.serving.observation",
        "message": "POST /search",
        "method": "POST",
        "route": "/search",
        "status": 200,
        "languages": ["en"],
        "hits": 3,
    }
    assert (refused["route"], refused["status"]) == ("/search", 422)
    assert (unknown["route"], unknown["status"]) == ("other", 404)
    assert "zebra" not in json.dumps([found, refused, unknown])


def test_a_passage_too_long_for_its_encoder_is_not_repeated(http: httpx.Client) -> None:
    assert not logging.getLogger("optical.encoders.tokens").isEnabledFor(logging.WARNING)


def test_an_exception_is_one_line() -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError as error:
        record = logging.LogRecord("optical", 40, "x.py", 1, "It %s", ("failed",), (type(error), error, None))
    line = JsonLines().format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == "It failed"
    assert "second" in json.loads(line)["traceback"]


def test_a_line_is_a_line_to_every_reader_whatever_it_repeats() -> None:
    record = logging.LogRecord("optical", 40, "x.py", 1, "of %s", ("a\u2028b\x85c\ud800\x7f",), None)
    line = JsonLines().format(record)
    assert line.isascii()
    assert line.splitlines() == [line]
    assert json.loads(line)["message"] == "of a\u2028b\x85c\ud800\x7f"
