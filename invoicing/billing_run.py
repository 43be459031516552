"""The billing run: due periods → usage → rating → drafts, block by block; then numbers, once.

What makes it safe to kill, to repeat and to run twice at a time:

1. A run's instant and cut are stored before anything else; a repeat finds and finishes it.
2. A block is computed and written in one transaction that holds the run (shared) and those of its
   subscriptions that nobody else holds: several processes share one run, and none does what another
   one does. Periods that somebody else billed meanwhile are dropped there.
3. Drafts and the progress of their subscriptions commit together.
4. Then the periods are gone through again, and whoever holds one is waited for, until nothing is
   left: what another process had begun, and died.
5. Numbers are given when no due period is left, under the run's lock, which no block then holds:
   every draft of the run is in, whoever wrote it. Before that, drafts for a payer that another
   tenant invoices are handed over, and those for a payer that pays for others become one invoice.
   All this and finishing commit together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.acting import BILLING, Acting
from core.clock import Clock
from core.ids import CustomerId
from db.postgres import Database, wait_for_locks
from identity.sandboxes import clock_of
from invoicing import runs, store
from invoicing.credits import pass_on_credits
from invoicing.drafting import draft_block, due_blocks, in_halves
from invoicing.errors import FutureCloseError
from invoicing.hand_over import hand_over_drafts
from invoicing.joining import join_drafts
from invoicing.model import Invoice, RunTerms
from invoicing.numbering import number_drafts, series_id
from invoicing.runs import BillingRun, ParkedCustomer
from invoicing.settings import BLOCK_CUSTOMERS
from invoicing.tenants import BillingTenant
from invoicing.usage_source import UsageSource
from subscriptions.periods import DuePeriod, claim, mark_billed

CHECKPOINTS: Final = (
    "cut read",
    "run started",
    "block rated",
    "drafts inserted",
    "periods marked",
    "block committed",
    "customer parked",
    "drafts complete",
    "drafts numbered",
    "run finished",
)
"""Every step after which a run may be killed; `checkpoint` is called with each once reached."""


@dataclass(frozen=True, slots=True)
class Closed:
    """What a run left: its invoices in the order of their numbers, and who was left out."""

    run: BillingRun
    tenant: BillingTenant
    invoices: list[Invoice]
    parked: list[ParkedCustomer]


def _no_checkpoint(_name: str) -> None:
    """Nobody watches."""


def _no_progress(_customers: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class BillingRunner:
    """Closes periods of tenants. Any number of processes may do so at the same time."""

    db: Database
    usage: UsageSource
    clock: Clock
    block_customers: int = BLOCK_CUSTOMERS
    checkpoint: Callable[[str], None] = _no_checkpoint
    progress: Callable[[int], None] = _no_progress
    """Called with the number of customers that a block was about."""

    def close(self, tenant: BillingTenant, as_of: datetime) -> list[Closed]:
        """Invoice every period of the tenant that ended by `as_of`, after runs left unfinished.

        Returns one result per run, this one last. Raises `FutureCloseError`; where it raises
        `DependencyDownError` or `ConflictError`, call again: what was done is kept and not
        repeated.
        """
        cut = self.usage.cut()
        self.checkpoint("cut read")
        with self.db.transaction(Acting(tenant.tenant_id, BILLING)) as conn:
            clock = clock_of(conn, self.clock, tenant.tenant_id)
            check_as_of(as_of, clock)
            runs.start_run(conn, clock, tenant.tenant_id, as_of, cut)
        self.checkpoint("run started")
        with self.db.transaction(Acting(tenant.tenant_id, BILLING)) as conn:
            unfinished = runs.unfinished_runs(conn, tenant.tenant_id)
        return [self._finish(tenant, run) for run in unfinished]

    def _finish(self, tenant: BillingTenant, run: BillingRun) -> Closed:
        terms = terms_of(tenant, run)
        wait = False
        while not self._bill_all(tenant, run, terms, wait=wait):
            wait = True
        self.checkpoint("drafts complete")
        with self.db.transaction(Acting(tenant.tenant_id, BILLING)) as conn:
            wait_for_locks(conn)
            if runs.lock_run(conn, run):
                clock = clock_of(conn, self.clock, tenant.tenant_id)
                hand_over_drafts(conn, clock, run)
                join_drafts(conn, clock, run, terms, tenant.terms.prefix)
                number_drafts(conn, clock, run)
                self.checkpoint("drafts numbered")
                runs.finish_run(conn, clock, run)
        self.checkpoint("run finished")
        with self.db.transaction(Acting(tenant.tenant_id, BILLING), snapshot=True) as conn:
            return Closed(
                run,
                tenant,
                store.select_invoices(conn, tenant_id=tenant.tenant_id, billing_run_id=run.run_id),
                runs.parked_customers(conn, run),
            )

    def _bill_all(
        self, tenant: BillingTenant, run: BillingRun, terms: RunTerms, *, wait: bool
    ) -> bool:
        """Go through all that is due; whether nothing of it was left to others."""
        complete = True
        for block in due_blocks(self.db, tenant.tenant_id, terms, self.block_customers):
            for whole in in_halves(
                block,
                lambda part: self._bill(tenant, run, terms, part, wait=wait),
                lambda customer_id, error: self._park(run, customer_id, error),
            ):
                complete &= whole
            if not wait:
                self.progress(len({due.customer_id for due in block}))
        return complete

    def _bill(
        self,
        tenant: BillingTenant,
        run: BillingRun,
        terms: RunTerms,
        block: Sequence[DuePeriod],
        *,
        wait: bool,
    ) -> bool:
        with self.db.transaction(Acting(tenant.tenant_id, BILLING)) as conn:
            if wait:
                wait_for_locks(conn)
            if not runs.lock_run(conn, run, shared=True):
                return True  # another process finished this run meanwhile
            mine, whole = claim(conn, tenant.tenant_id, block, wait=wait)
            if not mine:
                return whole
            drafts = draft_block(self.db, self.usage, terms, mine)
            self.checkpoint("block rated")
            clock = clock_of(conn, self.clock, tenant.tenant_id)
            series = series_id(conn, clock, tenant.tenant_id, tenant.terms.prefix)
            made = [draft for draft in drafts if draft is not None]
            store.insert_drafts(
                conn,
                made,
                billing_run_id=run.run_id,
                series_id=series,
                created_at=clock.now(),
            )
            self.checkpoint("drafts inserted")
            mark_billed(conn, mine)
            pass_on_credits(conn, clock, tenant.tenant_id, mine, made)
            runs.unpark_customers(conn, run, {due.customer_id for due in mine})
            self.checkpoint("periods marked")
        self.checkpoint("block committed")
        return whole

    def _park(self, run: BillingRun, customer_id: CustomerId, error: Exception) -> None:
        with self.db.transaction(Acting(run.tenant_id, BILLING)) as conn:
            clock = clock_of(conn, self.clock, run.tenant_id)
            runs.park_customer(conn, clock, run, customer_id, error)
        self.checkpoint("customer parked")


def terms_of(tenant: BillingTenant, run: BillingRun) -> RunTerms:
    """What all invoices of a run share."""
    return RunTerms(
        tenant_id=tenant.tenant_id,
        as_of=run.as_of,
        cut=run.cut,
        seller=tenant.terms.seller,
        payment_days=tenant.terms.payment_days,
        sandbox=tenant.sandbox,
    )


def check_as_of(as_of: datetime, clock: Clock) -> None:
    """Raise `FutureCloseError` for an instant that has not come, `ValueError` for a naive one."""
    if as_of.tzinfo is None:
        raise ValueError("as_of needs a time zone")
    now = clock.now()
    if as_of > now:
        raise FutureCloseError(
            f"as-of: {as_of.isoformat()} lies in the future; give an instant up to"
            f" {now.isoformat()}",
            field="as_of",
        )
