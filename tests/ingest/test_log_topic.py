from __future__ import annotations

import pytest

from core.endpoints import Endpoints
from ingest.log_topic import Following, LogTopic

ENDPOINTS = Endpoints("k", "c", "p", topic_prefix="x.")
FIRST = LogTopic(1, "x.usage.events", 4, "id-1")
SECOND = LogTopic(2, "x.usage.events.2", 6, "id-2")


@pytest.mark.parametrize(
    ("names", "newest"),
    [
        ([], "x.usage.events"),
        (["x.usage.events", "x.usage.inbox", "usage.events.7"], "x.usage.events"),
        (["x.usage.events", "x.usage.events.2", "x.usage.events.10"], "x.usage.events.10"),
        (["x.usage.events.2"], "x.usage.events.2"),
        (["x.usage.events.02", "x.usage.events.1", "x.usage.events.2b"], "x.usage.events"),
        (["y.usage.events.3", "x.usage.events.²"], "x.usage.events"),
    ],
)
def test_the_newest_generation_is_the_highest_number_of_this_installation(
    names: list[str], newest: str
) -> None:
    assert Following(ENDPOINTS).newest_of(names) == newest


def test_a_newer_generation_is_followed_and_never_left() -> None:
    following = Following(ENDPOINTS)
    following.see(FIRST)
    assert (following.topic, following.fault) == (FIRST, None)
    following.see(SECOND)
    assert (following.topic, following.fault, following.wrong_log) == (SECOND, None, False)
    following.see(FIRST)
    assert (following.topic, following.wrong_log) == (SECOND, True)
    assert following.fault == "the topic x.usage.events.2 does not exist any more: it was deleted"
    following.see(SECOND)
    assert not following.wrong_log


@pytest.mark.parametrize("change", [{"topic_id": "other"}, {"partitions": 8}], ids=str)
def test_a_topic_that_is_another_one_is_not_the_log(change: dict[str, object]) -> None:
    following = Following(ENDPOINTS)
    following.see(FIRST)
    following.see(FIRST._replace(**change))  # type: ignore[arg-type]  # names of LogTopic
    assert following.wrong_log
    assert "it is not the log any more" in (following.fault or "")
    assert following.topic == FIRST
