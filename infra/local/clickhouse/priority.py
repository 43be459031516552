"""Settings under which queries leave room for everything else: pings, inserts, small questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from infra.local.clickhouse.engine import Engine

_NICE: Final = "10"
"""A tenth of a core's time where an insert or the event loop wants it, all of it where none does.

The engine lowers its threads for the query alone and raises them again, which Linux allows only
with CAP_SYS_NICE; without it the engine leaves the setting unused, and the bound on threads and the
kernel's fairness remain.
"""


def of_queries(engine: Engine) -> Mapping[str, str]:
    """What a query runs with unless its session, request or text says otherwise.

    It gets all threads that the engine would give it but one, and at least one.
    """
    threads = int(engine.scalar(b"SELECT getSetting('max_threads')"))
    return {"max_threads": str(max(threads - 1, 1)), "os_threads_nice_value_query": _NICE}
