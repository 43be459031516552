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


FAULTS = re.compile(
    r"^\| Faults of every kind \| (?P<crashes>[\d,]+) processes ended in (?P<rounds>\d+) rounds,"
    r" (?P<events>[\d,]+) events: 0 lost, 0 counted twice, 0 unbalanced chunks;"
    r" `make proof PART=crashes SEED=(?P<seed>\d+)`[^|]*\| (?P=seed) \| [^|]+ \| [0-9a-f]{7,} \|$",
    re.MULTILINE,
)
KEYS = re.compile(
    r"^\| A billion keys in one index \| (?P<keys>[\d,]+) keys, each verdict checked: 0 wrong;"
    r" (?P<gigabytes>[\d.]+) GB resident",
    re.MULTILINE,
)
KEYS_MIN, RESIDENT_GIGABYTES_MAX = 1_000_000_000, 4
CRASHES_MIN, EVENTS_MIN = 600, 10_000_000


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_the_recorded_faults_are_as_many_as_promised() -> None:
    found = FAULTS.search(PAGE.read_text(encoding="utf-8"))
    assert found, "the campaign of faults is not recorded"
    assert number(found["crashes"]) >= CRASHES_MIN
    assert number(found["events"]) >= EVENTS_MIN


def test_the_recorded_index_held_a_billion_keys_in_the_promised_memory() -> None:
    found = KEYS.search(PAGE.read_text(encoding="utf-8"))
    assert found, "the run is not recorded"
    assert number(found["keys"]) >= KEYS_MIN
    assert float(found["gigabytes"]) <= RESIDENT_GIGABYTES_MAX


def test_the_recorded_campaign_keeps_the_promise() -> None:
    found = ROW.search(PAGE.read_text(encoding="utf-8"))
    assert found, "the campaign is not recorded"
    assert int(found["rounds"]) >= ROUNDS_MIN
    assert found["green"] == found["rounds"], "a round that failed is not a guarantee"
    seeds = found["seeds"].split()
    assert len(set(seeds)) == int(found["rounds"])
