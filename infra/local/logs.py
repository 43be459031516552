"""Reading the servers' logs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from infra.local.errors import StackError

_POLL_SECONDS: Final = 0.2


def tail_lines(log: Path, lines: int, offset: int = 0) -> list[str]:
    """The last `lines` lines after byte `offset`. Raises `StackError` when there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(offset)
            last = deque(file, maxlen=lines)
    except FileNotFoundError as error:
        raise StackError(f"{log}: no log yet; the part was never started here") from error
    return [line.decode("utf-8", "replace").rstrip("\n") for line in last]


def follow_lines(log: Path) -> Iterator[str]:
    """Lines as they are written, from the present end on; never ends by itself."""
    with log.open(encoding="utf-8", errors="replace") as file:
        file.seek(0, 2)
        while True:
            line = file.readline()
            if line:
                yield line.rstrip("\n")
            else:
                time.sleep(_POLL_SECONDS)
