"""What several tests share."""

from __future__ import annotations

import time
from collections.abc import Callable

from tollbook import RetryPolicy

KEY = "tb_live_test"
QUICK = RetryPolicy(tries=3, first_seconds=0.001)


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)


def error_body(code: str, message: str, **details: object) -> dict[str, object]:
    error = {"code": code, "message": message, "details": details}
    return {"success": False, "error": error}
