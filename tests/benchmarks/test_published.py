"""What is published about ingest is what was stored, with the machine it was measured on."""

from __future__ import annotations

import json

import pytest

from benchmarks.figures import RESULTS


@pytest.mark.req("SCL-08")
def test_rates_and_latency_of_ingest_stand_in_the_table_with_the_hardware() -> None:
    found = json.loads((RESULTS / "ingest.json").read_text(encoding="utf-8"))
    page = (RESULTS.parent / "README.md").read_text(encoding="utf-8")
    figures, machine = found["figures"], found["machine"]
    for batch in ("1", "100", "1,000"):
        rate = figures[f"{batch}: events per core second"]
        assert f"{round(rate, -2 if batch == '1' else -3):,.0f}" in page, batch
    late_ms = figures["1: p99 at 70 % of saturation, ms"]
    assert f"p99 {late_ms:.0f} ms" in page
    assert f"{machine['cores']} cores" in page
    assert machine["cpu"]
    assert machine["memory_bytes"] > 0
