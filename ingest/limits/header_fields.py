"""`RateLimit-Policy` and `RateLimit`, as draft 10 of the IETF's httpapi group has them.

Both are lists with a name for each limit. Policy: `q` is what may be sent at once (the burst), `w`
the seconds in which so much is gained again, `qu` the unit. State: `r` is what may be sent now, `t`
the seconds until the whole burst may be again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from core.rate_limits import PARTS, Rate

POLICY_FIELD: Final = "RateLimit-Policy"
STATE_FIELD: Final = "RateLimit"


class Policy(NamedTuple):
    """One limit, what it is called in both fields, and its place among what is spent."""

    name: str
    unit: str
    rate: Rate
    place: int


def policy_field(policies: Iterable[Policy]) -> str:
    """What the limits are."""
    return ", ".join(
        f'"{name}";q={rate.burst};w={-(-rate.burst // rate.per_second)};qu="{unit}"'
        for name, unit, rate, _ in policies
    )


def state_field(policies: Iterable[Policy], spent: Sequence[int]) -> str:
    """What is left of them."""
    return ", ".join(
        f'"{name}";r={max(0, burst - -(-spent[place] // PARTS))}'
        f";t={-(-spent[place] // (per_second * PARTS))}"
        for name, _, (per_second, burst), place in policies
    )
