"""Rewrite `jars.sha256` after a change of `pom.xml`: `python -m infra.local.kafka`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from infra.local.kafka.jars import HASHES, fetch_into, hashes_of


def main() -> None:
    """Fetch the jars afresh and record their hashes."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "libs"
        folder.mkdir()
        fetch_into(os.environ, folder)
        lines = [f"{digest}  {name}\n" for name, digest in hashes_of(folder).items()]
    HASHES.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
