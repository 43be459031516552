"""The package as a service installs it: built, installed beside nothing of ours, used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_PACKAGE = Path(__file__).parents[1]
_USE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import tollbook
assert Path(tollbook.__file__).is_relative_to(sys.argv[1]), tollbook.__file__
client = tollbook.Client("http://127.0.0.1:9", "key", spool=Path(sys.argv[2]))
client.record("llm.request", "team-7", {"tokens": 120})
client.close(0.1)
is_spooled = any(each.is_file() for each in Path(sys.argv[2]).rglob("*"))
print(is_spooled, (Path(tollbook.__file__).parent / "py.typed").exists())
"""


@pytest.mark.req("DEV-05")
def test_the_built_package_is_installed_and_records(tmp_path: Path) -> None:
    wheels, installed = tmp_path / "wheels", tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, *build, "--wheel-dir", str(wheels), str(_PACKAGE)], check=True)
    [wheel] = wheels.glob("tollbook_client-*-py3-none-any.whl")
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-index", "--target", str(installed), str(wheel)],
        check=True,
    )
    used = subprocess.run(
        [sys.executable, "-c", _USE, str(installed), str(tmp_path / "spool")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert used.stdout.split() == ["True", "True"], used.stderr
