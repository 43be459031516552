"""One error for every trouble with ClickHouse: nothing was done, try again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from core.errors import DependencyDownError


@contextmanager
def clickhouse_troubles() -> Iterator[None]:
    """Whatever keeps ClickHouse from answering becomes `DependencyDownError`.

    An answer that breaks off in the middle is a trouble of ClickHouse, too.
    """
    try:
        yield
    except (ClickHouseError, HTTPError, OSError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DependencyDownError(f"ClickHouse does not answer: {reason}") from error
