"""The campaigns recorded in docs/guarantees.md are never below what is promised there."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "guarantees.md"
ROUNDS_MIN = 20
ROW = re.compile(
    r"^\| Exactly once under SIGKILL \| (?P<green>\d+) of (?P<rounds>\d+) rounds green[^|]*\|"
    r" (?P<seeds>[\d ]+) \|",
    re.MULTILINE,
)


def test_the_recorded_campaign_keeps_the_promise() -> None:
    found = ROW.search(PAGE.read_text(encoding="utf-8"))
    assert found, "the campaign is not recorded"
    assert int(found["rounds"]) >= ROUNDS_MIN
    assert found["green"] == found["rounds"], "a round that failed is not a guarantee"
    seeds = found["seeds"].split()
    assert len(set(seeds)) == int(found["rounds"])
