"""The clients of other products, as their makers publish them, in an environment of their own."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tests.sources import ROOT

LOCK: Final = ROOT / "tests/compat/clients.lock"
_FOLDER: Final = ROOT / ".venv-clients"
_SECONDS: Final = 300


def clients_python() -> Path:
    """Python with the locked clients; installed where there is none, or the lock has changed."""
    python, stamp = _FOLDER / "bin/python", _FOLDER / "lock.sha256"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text(encoding="ascii") != wanted:
        shutil.rmtree(_FOLDER, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(_FOLDER)])
        _install(python)
        stamp.write_text(wanted, encoding="ascii")
    return python


def _install(python: Path) -> None:
    locked = ["--quiet", "--require-hashes", "-r", str(LOCK)]
    uv = Path(sys.executable).with_name("uv")
    try:
        _run([str(uv), "pip", "install", "--python", str(python), *locked])
    except (OSError, AssertionError):  # as in the Makefile: pip can where uv cannot
        _run([str(python), "-m", "pip", "install", *locked])


def run_client(python: Path, name: str, question: dict[str, Any]) -> dict[str, Any]:
    """What `clients/<name>.py` says to a question, both as JSON."""
    script = ROOT / f"tests/compat/clients/{name}.py"
    said = _run([str(python), "-I", str(script)], json.dumps(question))
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def _run(command: list[str], stdin: str = "") -> str:
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout
