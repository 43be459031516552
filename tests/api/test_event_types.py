"""Types of events: each has a schema and a version, and what does not fit is refused."""

from __future__ import annotations

import ast
import re
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from api.event_types import CONTEXTS, EVENT_TYPES, page_schema
from subscriptions.commands import COMMANDS
from subscriptions.life.lifecycle import Event
from tests import sources

STATUS: dict[str, Any] = {
    "subscription": "sub_1",
    "old_status": "FREE",
    "new_status": "ACTIVE",
    "at": "2026-01-01T00:00:00+00:00",
    "because": "activate",
}
ELSEWHERE = {"fail_payment", "exhaust_retries", "settle", "reactivate"}
"""What moves the state within a command that is told by its own name."""


@pytest.mark.req("OUT-18")
def test_a_payload_that_is_not_as_its_type_says_is_refused() -> None:
    changed = EVENT_TYPES["subscription.status.changed"]
    changed.check(STATUS, 1)
    wrong = (
        STATUS | {"new_status": "GONE"},
        STATUS | {"at": None},
        STATUS | {"more": 1},
        {name: value for name, value in STATUS.items() if name != "because"},
    )
    for payload in wrong:
        with pytest.raises(ValidationError):
            changed.check(payload, 1)
    with pytest.raises(ValueError, match="version 2 is not 1"):
        changed.check(STATUS, 2)


def test_each_subject_belongs_to_one_context() -> None:
    subjects = [subject for events in CONTEXTS.values() for subject in events]
    assert len(subjects) == len(set(subjects)) == len(EVENT_TYPES)
    for subject, each in EVENT_TYPES.items():
        assert (subject, each.version >= 1) == (each.subject, True)


def test_every_command_and_step_of_a_subscription_has_its_event() -> None:
    names = {"created", "begin_terms", "resume", *COMMANDS, *set(get_args(Event)) - ELSEWHERE}
    assert {f"subscription.{name}" for name in names} <= EVENT_TYPES.keys()


def test_every_subject_that_the_code_writes_out_is_known() -> None:
    subject = re.compile(r"[a-z_]+(\.[a-z_]+)+")
    written = [
        node.args[0].value
        for path, _ in sources.python(*sources.packages() - {"benchmarks"})
        for node in ast.walk(sources.tree(path))
        if isinstance(node, ast.Call)
        and sources.dotted(node.func).rpartition(".")[2] == "Change"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ]
    found = {each for each in written if isinstance(each, str) and subject.fullmatch(each)}
    assert {"invoice.finalised", "subscription.created"} <= found
    assert found <= EVENT_TYPES.keys()


@pytest.mark.req("OUT-18")
def test_the_openapi_document_tells_every_type_with_its_version() -> None:
    options = page_schema()["properties"]["data"]["items"]["oneOf"]
    told = {
        each["properties"]["subject"]["const"]: each["properties"]["version"]["const"]
        for each in options
    }
    assert told == {subject: each.version for subject, each in EVENT_TYPES.items()}
    assert "$ref" not in str(options)
