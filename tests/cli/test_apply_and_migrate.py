from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core.endpoints import Endpoints
from db.clickhouse import connect_clickhouse
from subscriptions import document


def _tollbook(endpoints: Endpoints, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        env=os.environ | endpoints.as_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The example of the set-up file's documentation."""
    lines = inspect.cleandoc(document.__doc__ or "").splitlines()
    path = tmp_path / "acme.toml"
    path.write_text("\n".join(line[4:] for line in lines if line.startswith("    ")))
    return path


def test_a_file_is_applied_once_and_shows_its_key_once(installation: Endpoints, file: Path) -> None:
    first = _tollbook(installation, "apply", str(file))
    assert first.returncode == 0, first.stderr
    assert "created subscription contoso-standard" in first.stdout
    assert "tb_live_" in first.stdout

    again = _tollbook(installation, "apply", str(file), "--json")
    assert again.returncode == 0, again.stderr
    answer = json.loads(again.stdout)
    assert (answer["api_key"], answer["changes"]) == (None, [])
    assert answer["customers"].keys() == {"contoso", "contoso-labs"}


def test_a_mistake_is_one_line_with_file_path_and_fix(installation: Endpoints, file: Path) -> None:
    file.write_text(file.read_text().replace('customer = "contoso"', 'customer = "fabrikam"'))
    refused = _tollbook(installation, "apply", str(file))
    assert refused.returncode == 1
    expected = f"{file}: subscriptions[0].customer: there is none called 'fabrikam'"
    assert refused.stderr.strip() == f"error: {expected}"

    file.write_text("[tenant\n")
    refused = _tollbook(installation, "apply", str(file))
    assert refused.returncode == 1
    assert f"{file}: not TOML: " in refused.stderr
    missing = _tollbook(installation, "apply", str(file.parent / "none.toml"))
    assert missing.returncode == 1
    assert "cannot be read: No such file" in missing.stderr


def test_migrate_says_when_there_is_nothing_to_do(installation: Endpoints) -> None:
    done = _tollbook(installation, "migrate", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"applied": []}
    assert _tollbook(installation, "migrate").stdout == "The schemas are up to date.\n"


def test_the_chunks_of_a_log_are_settled_when_it_is_created(installation: Endpoints) -> None:
    client = connect_clickhouse(installation.clickhouse)
    client.command("TRUNCATE TABLE stream_generations")
    client.close()
    bare = replace(installation, topic_prefix=f"{installation.topic_prefix}bare.")
    made = _tollbook(bare, "migrate", "--chunk-records", "7")
    assert made.returncode == 0, made.stderr
    shown = json.loads(_tollbook(bare, "generations", "list", "--json").stdout)
    assert [each["chunk_records"] for each in shown] == [7]
    assert _tollbook(bare, "migrate").returncode == 0
    refused = _tollbook(bare, "migrate", "--chunk-records", "8")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: chunk_records: the log has chunks of 7 records;")


def test_a_changed_migration_is_one_clear_line(installation: Endpoints) -> None:
    client = connect_clickhouse(installation.clickhouse)
    client.command("TRUNCATE TABLE schema_migrations")
    client.command(
        "INSERT INTO schema_migrations (number, name, sha256)"
        " VALUES (1, '0001_create_usage_events', 'x')"
    )
    client.close()
    refused = _tollbook(installation, "migrate")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: 0001_create_usage_events: the file was changed")
