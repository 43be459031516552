from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cli.invoices import parse_instant
from core.errors import ValidationError


def test_an_instant_is_read_in_utc() -> None:
    found = parse_instant("2026-03-01T00:00+05:30", "--from")
    assert (found, found.tzinfo) == (datetime(2026, 2, 28, 18, 30, tzinfo=UTC), UTC)


@pytest.mark.parametrize(
    "text", ["", "x", "2026-03-01", "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"]
)
def test_what_is_no_instant_is_refused_with_its_option(text: str) -> None:
    with pytest.raises(ValidationError, match=r"^--from: "):
        parse_instant(text, "--from")
