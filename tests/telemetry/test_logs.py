from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from telemetry.correlation import RequestId, current_request
from telemetry.logs import set_up_logs


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """Give the process its own handlers back."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in list(root.handlers):
        root.removeHandler(handler)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)


def test_a_line_is_one_json_object_with_time_level_service_message_and_context() -> None:
    stream = io.StringIO()
    set_up_logs("ingest", stream=stream)
    log = logging.getLogger("ingest.test")
    log.debug("not this")
    log.info("tables %d", 3, extra={"context": {"rows": 7}})
    log.warning("slow")
    try:
        int("broken\nline")
    except ValueError:
        log.exception("failed")
    log.critical("the end")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["level"] for line in lines] == ["INFO", "WARN", "ERROR", "ERROR"]
    assert lines[0].keys() == {"timestamp", "level", "service", "message", "context"}
    assert (lines[0]["service"], lines[0]["message"]) == ("ingest", "tables 3")
    assert lines[0]["context"] == {"logger": "ingest.test", "rows": 7}
    assert lines[0]["timestamp"].endswith("Z")
    assert "ValueError: invalid literal" in lines[2]["context"]["traceback"]


def test_the_id_of_the_request_is_in_every_line_about_it() -> None:
    stream = io.StringIO()
    set_up_logs("api", stream=stream)
    token = current_request.set(RequestId("r-1", brought=True))
    logging.getLogger("x").info("within")
    current_request.reset(token)
    logging.getLogger("x").info("after")
    within, after = (json.loads(line)["context"] for line in stream.getvalue().splitlines())
    assert (within["request_id"], "request_id" in after) == ("r-1", False)


def test_people_get_plain_text() -> None:
    stream = io.StringIO()
    set_up_logs("api", "DEBUG", "text", stream)
    logging.getLogger("x").debug("hello", extra={"context": {"n": 1}})
    assert stream.getvalue().endswith("Z DEBUG hello n=1\n")


def test_chatty_libraries_are_heard_from_warnings_on() -> None:
    stream = io.StringIO()
    set_up_logs("streams", "DEBUG", stream=stream)
    logging.getLogger("faust.app").info("step by step")
    logging.getLogger("faust.app").warning("trouble")
    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == ["WARN"]
