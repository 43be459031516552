"""Memory and disk of twenty million keys, in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
KEYS = 20_000_000
HOT_KEYS_MAX = 6_000_000
BUFFERS_BYTES = 200_000_000
"""One piece of a run, one of a segment, and what the interpreter keeps."""


@pytest.mark.slow
def test_twenty_million_keys_stay_within_their_memory_and_disk(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "tests.streams.index.many_keys", "--folder", str(tmp_path / "f"),
            "--keys", str(KEYS), "--hot-keys-max", str(HOT_KEYS_MAX),
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    cold = figures["keys_on_disk"]
    assert cold >= KEYS - HOT_KEYS_MAX
    allowed = 32 * HOT_KEYS_MAX + 2 * cold + BUFFERS_BYTES
    assert figures["rss_bytes"] - figures["rss_before_bytes"] <= allowed
    assert figures["disk_bytes"] <= 25 * cold
    assert figures["restored_keys"] >= KEYS


def test_a_disk_that_is_too_small_is_said_before_anything_begins(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "tests.streams.index.many_keys", "--folder", str(tmp_path / "f"),
            "--keys", str(10**15),
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "bytes free" in done.stderr
