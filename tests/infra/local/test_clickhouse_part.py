"""The engine's share of the memory."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from infra.local.clickhouse_part import ClickHousePart, memory_limit_bytes


@pytest.mark.parametrize("limit", ["max\n", str(1 << 60)])
def test_the_engine_may_use_two_fifths_of_the_memory(tmp_path: Path, limit: str) -> None:
    share = psutil.virtual_memory().total * 40 // 100
    assert memory_limit_bytes(tmp_path / "missing") == share
    (tmp_path / "memory.max").write_text(limit)
    assert memory_limit_bytes(tmp_path / "memory.max") == share


def test_a_containers_smaller_limit_counts(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000000000\n")
    assert memory_limit_bytes(tmp_path / "memory.max") == 400_000_000


def test_the_owner_is_told_its_limit(tmp_path: Path) -> None:
    argv = ClickHousePart(tmp_path / "clickhouse", {}, 1, "x").command().argv
    assert argv[argv.index("--memory-bytes") + 1] == str(memory_limit_bytes())
