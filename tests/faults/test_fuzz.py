"""Tens of thousands of malformed records: each becomes a dead letter or an event, none an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.faults.nursery import ROOT

RECORDS = int(os.environ.get("TOLLBOOK_FUZZ_RECORDS", "30000"))


@pytest.mark.slow
def test_no_malformed_record_ends_a_worker(seed: int) -> None:
    command = [sys.executable, "-m", "tests.faults.fuzz", "--seed", str(seed)]
    ended = subprocess.run(
        [*command, "--records", str(RECORDS)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert ended.returncode == 0, f"--seed {seed}: {ended.returncode}\n{ended.stderr[-3000:]}"
    done = json.loads(ended.stdout)
    assert done["records"] == RECORDS
    assert done["kept"] > 0, "nothing was read: this shows nothing"
    assert sum(count for what, count in done.items() if what.startswith("envelope")) > RECORDS / 4
