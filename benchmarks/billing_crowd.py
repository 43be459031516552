"""Finding, claiming and moving on the due periods of a crowd, as a billing run does, and plainly.

`python -m benchmarks.billing_crowd TENANT_ID` is one worker: it says that it is ready, waits for a
line, bills all that it gets, and prints what that was.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from benchmarks.crowd import AS_OF, Crowd, Span
from benchmarks.errors import BenchmarkError
from benchmarks.installation import load_sql
from core.acting import BILLING, Acting
from core.clock import monotonic_seconds
from core.collecting import YOUNG_OBJECTS_OF_BATCH, collect_less
from core.endpoints import Endpoints
from core.ids import TenantId
from db.postgres import Database, Role
from invoicing.drafting import due_blocks
from invoicing.model import RunTerms
from subscriptions.periods import DuePeriod, claim, mark_billed
from usage.cut import Cut

BLOCK_CUSTOMERS: Final = 5_000
"""A page has twice as many periods."""

_REPOSITORY: Final = Path(__file__).parents[1]
_READY: Final = "ready"
_LIMIT_SECONDS: Final = 1_800
Told = Callable[[int], None]


@dataclass(slots=True)
class Billing:
    """What one worker got, as `Made` says it, and the seconds that it took."""

    got: list[tuple[int, Span, Span | None]] = field(default_factory=list)
    find_seconds: float = 0.0
    claim_seconds: float = 0.0
    mark_seconds: float = 0.0

    @property
    def subscriptions(self) -> int:
        """How many subscriptions the periods are of."""
        return len({number for number, _, _ in self.got})


def bill(url: str, tenant_id: TenantId, *, mark: bool, tell: Told = lambda _: None) -> Billing:
    """Find all that is due, block by block, and hold it; with `mark` as if it were invoiced.

    What somebody else holds is left to them. Nothing is priced: this is what a billing run costs
    before and after that.
    """
    done = Billing()
    terms = RunTerms(tenant_id, AS_OF, Cut({}), {}, 0)
    with Database(url, Role.BILLING) as db:
        blocks = due_blocks(db, tenant_id, terms, BLOCK_CUSTOMERS)
        while True:
            began = monotonic_seconds()
            block = next(blocks, None)
            found = monotonic_seconds()
            done.find_seconds += found - began
            if block is None:
                return done
            with db.transaction(Acting(tenant_id, BILLING)) as conn:
                mine, _ = claim(conn, tenant_id, block, wait=False)
                claimed = monotonic_seconds()
                if mark:
                    mark_billed(conn, mine)
            done.claim_seconds += claimed - found
            done.mark_seconds += monotonic_seconds() - claimed
            # Kept as plain values: objects in their thousands would slow the collector down.
            done.got += map(_plain, mine)
            tell(len(done.got))


def _plain(due: DuePeriod) -> tuple[int, Span, Span | None]:
    """A due period as far as it can be told from its number; 0 where its subject is another one."""
    named = len(due.subjects) == 1 and not due.partial_subjects
    number = int(due.subjects[0].removeprefix("subject-")) if named else 0
    billed = [(each.start, each.end) for each in due.terms if each.end is not None]
    period = due.period.start, due.period.end
    return number, period, billed[0] if billed else None


def bill_one_by_one(url: str, tenant_id: TenantId, many: int) -> float:
    """Seconds that as many subscriptions take one at a time, a commit each, one period of each."""
    values = {"tenant_id": tenant_id, "as_of": AS_OF}
    due, move = load_sql("claim_one_due"), load_sql("move_one_due")
    began = monotonic_seconds()
    with Database(url, Role.BILLING) as db:
        for _ in range(many):
            with db.transaction(Acting(tenant_id, BILLING)) as conn:
                row = conn.execute(due, values).fetchone()
                if row is None:
                    raise BenchmarkError(f"fewer than {many} periods are due")
                conn.execute(move, {"id": row["id"], "until": row["period_end"]})
    return monotonic_seconds() - began


def bill_together(endpoints: Endpoints, tenant_id: TenantId, workers: int) -> list[Billing]:
    """The same by so many processes at a time, which go through the same periods."""
    command = [sys.executable, "-m", "benchmarks.billing_crowd", str(tenant_id)]
    with ExitStack() as running:
        started = [
            running.enter_context(
                subprocess.Popen(
                    command, cwd=_REPOSITORY, env={**os.environ, **endpoints.as_environment()},
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                )
            )
            for _ in range(workers)
        ]  # fmt: skip
        for each in started:
            running.callback(each.kill)
            assert each.stdout is not None
            if each.stdout.readline().strip() != _READY:
                raise BenchmarkError("a worker ended before it began")
        for each in started:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        return [_told(each) for each in started]


def _told(process: subprocess.Popen[str]) -> Billing:
    output, _ = process.communicate(timeout=_LIMIT_SECONDS)
    if process.returncode:
        raise BenchmarkError(f"a worker ended with {process.returncode}")
    return msgspec.json.decode(output, type=Billing)


def differ(crowd: Crowd, *done: Billing) -> list[str]:
    """What was billed wrongly: each worker in order, and together each period once, as made."""
    lines = [
        "periods came out of order"
        for each in done
        if each.got != sorted(each.got, key=lambda got: got[:2])
    ]
    got = Counter(found for each in done for found in each.got)
    made = Counter((each.number, each.period, each.billed) for each in crowd.due())
    for title, wrong in (("missing or too few", made - got), ("too many or wrong", got - made)):
        if wrong:
            lines.append(f"{wrong.total()} periods {title}, such as {next(iter(wrong))}")
    return lines


def main() -> None:
    """One of several workers."""
    collect_less(YOUNG_OBJECTS_OF_BATCH)
    url = Endpoints.from_environment(os.environ).postgres
    print(_READY, flush=True)
    sys.stdin.readline()
    print(msgspec.json.encode(bill(url, TenantId(UUID(sys.argv[1])), mark=True)).decode())


if __name__ == "__main__":
    main()
