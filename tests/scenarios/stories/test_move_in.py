"""Three customers move in on 17 March 2026, in the middle of their periods; March closes.

March 2026 has 31 days. Everybody lives in UTC. What another system billed is never billed again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from core.acting import Acting
from core.clock import ManualClock
from invoicing.model import Invoice
from subscriptions.customers.customer import read_customer
from subscriptions.moving.move_in import RowReport, Totals, move_in, tables_of
from tests.scenarios.stories.teller import Line, Town, lines_of

CUSTOMERS = "slug,currency\ncarl,EUR\ndora,EUR\nemil,EUR\n"
SUBJECTS = "customer,subject,from\ncarl,carl-app,\ndora,dora-app,2025-11-20\nemil,emil-app,\n"
SUBSCRIPTIONS = """\
slug,customer,plan,start,current_period_start,billed_through,cut_period,quantities
carl,carl,team,2025-05-01,2026-03-01,2026-03-01,,seats=4
dora,dora,basic,2025-11-20,2026-02-20,2026-02-20,,
emil,emil,pro,2026-01-01,2026-03-01,2026-03-10,true,
"""


def day(month: int, number: int, hour: int = 0) -> datetime:
    return datetime(2026, month, number, hour, tzinfo=UTC)


def bring(town: Town, folder: Path, at: datetime) -> tuple[Totals, list[RowReport]]:
    reports: list[RowReport] = []
    acting = Acting(town.tenant_id, "mover")
    totals = move_in(town.database, ManualClock(at), acting, tables_of(folder), reports.append)
    return totals, reports


def by_customer(town: Town, invoices: list[Invoice]) -> dict[str, list[list[Line]]]:
    found: dict[str, list[list[Line]]] = {"carl": [], "dora": [], "emil": []}
    with town.database.transaction(Acting(town.tenant_id)) as conn:
        ids = {read_customer(conn, town.tenant_id, slug).id: slug for slug in found}
    for invoice in sorted(invoices, key=lambda each: each.period.start):
        found[ids[invoice.customer_id]].append(lines_of(invoice))
    return found


def test_three_customers_move_in_and_march_is_billed_once(town: Town, tmp_path: Path) -> None:
    for name, text in (
        ("customers", CUSTOMERS),
        ("subjects", SUBJECTS),
        ("subscriptions", SUBSCRIPTIONS),
    ):
        (tmp_path / f"{name}.csv").write_text(text)
    for subject, at, quantity in (
        ("carl-app", day(2, 27), "500"),  # billed elsewhere: before 1 March
        ("dora-app", day(2, 10), "100"),  # billed elsewhere: before 20 February
        ("dora-app", day(2, 20), "250"),
        ("dora-app", day(3, 19, 23), "50"),
        ("dora-app", day(3, 20), "1000"),  # the next period's
        ("emil-app", day(3, 9, 23), "40"),  # billed elsewhere: before 10 March
        ("emil-app", day(3, 10), "150"),
    ):
        town.use(subject, at, quantity)
    assert bring(town, tmp_path, day(3, 17, 9))[0].clean
    assert by_customer(town, town.close(day(4, 1))) == {
        # Fee 30.00, and 4 seats at 15.00.
        "carl": [[("fee", "03-01..04-01", 3000), ("seats", "03-01..04-01", 6000)]],
        # Her month ends on the 20th: fee 30.00, and 250 + 50 tokens at 0.01.
        "dora": [[("fee", "02-20..03-20", 3000), ("tokens", "02-20..03-20", 300)]],
        # From 10 March: 90.00 x 22/31 = 63.870..., and 100 x 0.10 + 50 x 0.01.
        "emil": [[("fee", "03-10..04-01", 6387), ("tokens", "03-10..04-01", 1050)]],
    }
    totals, reports = bring(town, tmp_path, day(4, 2))
    assert totals.clean
    assert {each.outcome for each in reports} == {"equal"}
    assert town.close(day(4, 2)) == []
    assert by_customer(town, town.close(day(5, 1))) == {
        "carl": [[("fee", "04-01..05-01", 3000), ("seats", "04-01..05-01", 6000)]],
        # 1,000 tokens at 0.01.
        "dora": [[("fee", "03-20..04-20", 3000), ("tokens", "03-20..04-20", 1000)]],
        "emil": [[("fee", "04-01..05-01", 9000), ("tokens", "04-01..05-01", 0)]],
    }
