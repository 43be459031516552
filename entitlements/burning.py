"""How limits and grants are used up: pure.

Use goes by stretches of time in which the limit is one. In each window what the limit leaves is
used first; what goes beyond takes from the grants that hold in its stretch, in their order. What a
grant gave stays given, also where use falls again; what nothing covers stays over the limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, localcontext
from typing import Final

from core.period import Period
from entitlements.facts import Grant

EXACT: Final = Context(prec=80)
"""Of sums and differences of quantities: far more digits than they have, so none is rounded."""

_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a window, what may be used in the whole window, and what was used in this part.

    `limit` None: without end; also where nothing was given, so that no grant was used.
    """

    period: Period
    window: Period
    limit: Decimal | None
    used: Decimal


@dataclass(frozen=True, slots=True)
class Burnt:
    """The last window: what was used in it, what grants gave or still give, what is left of both.

    `room` None: without end.
    """

    used: Decimal
    granted: Decimal
    room: Decimal | None


def burn(stretches: Sequence[Stretch], grants: Sequence[Grant], at: datetime) -> Burnt:
    """Use up limits and grants, stretch by stretch in order of time; `at` lies in the last one.

    The stretches touch, and no window begins within one.
    """
    order = sorted(grants, key=lambda each: each.order)
    left = {grant.id: grant.quantity for grant in grants}
    given = [_NOTHING] * len(stretches)
    with localcontext(EXACT):
        for n, stretch in enumerate(stretches):
            if stretch.limit is None:
                continue
            used, drawn = _so_far(stretches, given, n)
            over = used - stretch.limit - drawn
            need = max(_NOTHING, over + stretch.used) - max(_NOTHING, over)
            for grant in order:
                if need > 0 and grant.holds(stretch.period.start):
                    taken = min(need, left[grant.id])
                    left[grant.id] -= taken
                    given[n] += taken
                    need -= taken
        last = stretches[-1]
        used, drawn = _so_far(stretches, given, len(stretches) - 1)
        used, drawn = used + last.used, drawn + given[-1]
        still = sum((left[grant.id] for grant in grants if grant.holds(at)), _NOTHING)
        room = None if last.limit is None else max(_NOTHING, last.limit + drawn - used) + still
        return Burnt(used, drawn + still, room)


def _so_far(
    stretches: Sequence[Stretch], given: Sequence[Decimal], n: int
) -> tuple[Decimal, Decimal]:
    """What was used in the window of stretch `n` before it, and what grants gave of that."""
    used = drawn = _NOTHING
    for before in range(n - 1, -1, -1):
        if stretches[before].period.start < stretches[n].window.start:
            break
        used += stretches[before].used
        drawn += given[before]
    return used, drawn
