from __future__ import annotations

import json

import pytest

from core.endpoints import Endpoints
from core.generation_end import end_marker, end_marker_headers, is_end_marker
from core.topics import generation_of, usage_events_topic


def test_a_marker_is_json_that_names_its_generation() -> None:
    assert json.loads(end_marker(3)) == {"tollbook": "end of generation", "generation": 3}
    assert dict(end_marker_headers())["tollbook-events"] == b"0"


@pytest.mark.parametrize(
    "value", [None, b"", end_marker(2), end_marker(12), end_marker(1) + b" ", end_marker(1)[:-1]]
)
def test_only_the_very_bytes_of_the_generation_end_it(value: bytes | None) -> None:
    assert is_end_marker(end_marker(1), 1)
    assert not is_end_marker(value, 1)


@pytest.mark.parametrize("number", [1, 2, 10, 4096])
def test_a_topic_name_says_its_generation_and_back(number: int) -> None:
    assert generation_of(usage_events_topic(number)) == number
    endpoints = Endpoints("k", "c", "p", topic_prefix="x.")
    assert endpoints.generation_of(endpoints.usage_events_topic(number)) == number
    assert Endpoints("k", "c", "p").generation_of(endpoints.usage_events_topic(number)) is None


@pytest.mark.parametrize(
    "topic", ["usage.events.", "usage.events.1", "usage.events.01", "usage.events.2x", "usage", ""]
)
def test_other_topics_are_no_generation(topic: str) -> None:
    assert generation_of(topic) is None
