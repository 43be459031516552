from __future__ import annotations

import socket
from pathlib import Path

from typer.testing import CliRunner

from cli.main import build_app

_ENVIRON = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "CLICKHOUSE_URL": "http://127.0.0.1:9/x",
    "DATABASE_URL": "postgresql://127.0.0.1:9/x",
}


def test_a_taken_port_is_one_clear_line_and_exit_code_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        arguments = ["serve", "ingest", "--port", port, "--state-dir", str(tmp_path)]
        result = CliRunner().invoke(build_app(), arguments, env=_ENVIRON)
    assert result.exit_code == 1
    assert result.stderr == f"error: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_each_process_says_how_it_is_started() -> None:
    for name in ("ingest", "compat", "api", "subscriptions", "streams", "bridge"):
        result = CliRunner().invoke(build_app(), ["serve", name, "--help"])
        assert result.exit_code == 0
        assert f"Example: tollbook serve {name}" in result.stdout
