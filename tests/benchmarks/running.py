"""Benchmarks as their commands run them, at small sizes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from infra.local.stack import LocalStack

LIMIT_SECONDS = 600


def run_benchmark(
    name: str, stack: LocalStack | None, folder: Path, *arguments: str, exit_code: int = 0
) -> dict[str, Any]:
    """The document that `python -m benchmarks.NAME` prints and stores, on servers of the test."""
    stored = folder / "results.json"
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json", "--results", str(stored)]
    done = subprocess.run(
        [*command, *arguments],
        env={**os.environ, **(stack.endpoints().as_environment() if stack else {})},
        capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == exit_code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found == json.loads(stored.read_text(encoding="utf-8"))
    return found
