"""At least 60 crashes over a million events, in parallel lanes: every law holds in every round."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.campaign import Campaign, run_campaign
from tests.faults.kinds import WORKER_POINTS

CRASHES = 60
EVENTS = 1_000_000
MINUTES = 25
"""On a quiet machine with two cores it takes three; one that is four times slower gets its time."""


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.clickhouse
@pytest.mark.postgres
def test_no_crash_loses_an_event_or_counts_one_twice(seed: int, tmp_path: Path) -> None:
    campaign = Campaign(
        seed, CRASHES, EVENTS, MINUTES, lanes=3, faults_per_round=10, outage_seconds=(1.0, 2.0),
        crashes_per_fault=1.1, every_point=True,
    )  # fmt: skip
    run_campaign(campaign, tmp_path / "report.json", tmp_path)
    assert campaign.failures == [], f"--seed {seed}"
    crashes, events = campaign.figures()
    assert crashes >= CRASHES
    assert events >= EVENTS
    tally = campaign.tally()
    missed = set(WORKER_POINTS) - set(tally.points)
    assert not missed
