"""What a billing run would make now: the run's own pure function, and nothing written."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from core.acting import BILLING, Acting
from core.clock import Clock
from core.ids import BillingRunId, CustomerId
from db.postgres import Database
from identity.sandboxes import clock_of
from invoicing import runs
from invoicing.billing_run import check_as_of, terms_of
from invoicing.drafting import draft_block, due_blocks, in_halves
from invoicing.joining import as_numbered
from invoicing.model import Invoice
from invoicing.runs import BillingRun, ParkedCustomer
from invoicing.settings import BLOCK_CUSTOMERS
from invoicing.tenants import BillingTenant
from invoicing.usage_source import UsageSource


@dataclass(frozen=True, slots=True)
class Preview:
    """Invoices in the order in which a run would number them, and who would be parked.

    Those that another tenant invoices are among them.
    """

    tenant: BillingTenant
    invoices: list[Invoice] = field(default_factory=list)
    parked: list[ParkedCustomer] = field(default_factory=list)


def preview(
    db: Database,
    usage: UsageSource,
    clock: Clock,
    tenant: BillingTenant,
    as_of: datetime,
    block_customers: int = BLOCK_CUSTOMERS,
) -> Preview:
    """The invoices that `BillingRunner.close` would make at this instant; reads only.

    An unfinished run of the same instant lends its cut, as it would to the run. Raises
    `FutureCloseError`.
    """
    with db.transaction(Acting(tenant.tenant_id, BILLING), snapshot=True) as conn:
        check_as_of(as_of, clock_of(conn, clock, tenant.tenant_id))
        unfinished = runs.unfinished_runs(conn, tenant.tenant_id)
    cuts = [run.cut for run in unfinished if run.as_of == as_of] or [usage.cut()]
    run = BillingRun(BillingRunId(UUID(int=0)), tenant.tenant_id, as_of, cuts[0])
    terms = terms_of(tenant, run)
    found = Preview(tenant)

    def park(customer_id: CustomerId, error: Exception) -> None:
        found.parked.append(runs.parked_by(customer_id, error))

    for block in due_blocks(db, tenant.tenant_id, terms, block_customers):
        for drafts in in_halves(block, lambda part: draft_block(db, usage, terms, part), park):
            found.invoices.extend(draft for draft in drafts if draft is not None)
    with db.transaction(Acting(tenant.tenant_id, BILLING), snapshot=True) as conn:
        return replace(found, invoices=as_numbered(conn, terms, found.invoices))
