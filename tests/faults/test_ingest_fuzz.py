"""Tens of thousands of damaged requests: each is answered honestly, and what is taken is logged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.endpoints import Endpoints
from tests.faults.nursery import ROOT
from tests.ingest.service import Service

REQUESTS = int(os.environ.get("TOLLBOOK_INGEST_FUZZ_REQUESTS", "20000"))


@pytest.mark.slow
def test_no_damaged_request_makes_ingest_fail_or_lie(
    installation: Endpoints, tmp_path: Path, seed: int
) -> None:
    command = [sys.executable, "-m", "tests.faults.ingest_fuzz", "--seed", str(seed)]
    ended = subprocess.run(
        [*command, "--requests", str(REQUESTS)],
        cwd=ROOT, env={**os.environ, **installation.as_environment()}, capture_output=True,
        text=True, check=False, timeout=max(600, REQUESTS / 50),
    )  # fmt: skip
    assert ended.returncode == 0, f"--seed {seed}: {ended.returncode}\n{ended.stderr[-3000:]}"
    done = json.loads(ended.stdout)
    assert done["requests"] == REQUESTS
    assert done["accepted"] > REQUESTS / 4, "hardly anything was taken: this shows little"
    assert done["rejected"] > REQUESTS / 20
    assert len(Service(installation, tmp_path).logged_ids()) == done["accepted"]
