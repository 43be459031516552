"""A run that is killed is run again, and ends as if nothing had been; memory does not grow."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from itertools import count
from pathlib import Path

from core.acting import Acting
from db.outbox import changes_after
from subscriptions.moving.rows import CUSTOMER_COLUMNS
from subscriptions.moving.tables import Table
from tests.subscriptions.moving.moving_world import House

PEOPLE = 450


def crowd(house: House) -> None:
    numbers = range(PEOPLE)
    house.write(
        customers="slug,currency\n" + "".join(f"c-{n},EUR\n" for n in numbers),
        subjects="customer,subject\n" + "".join(f"c-{n},s-{n}\n" for n in numbers),
        subscriptions="slug,customer,plan,start,billed_through,quantities,paused_since\n"
        + "".join(
            f"sub-{n},c-{n},team,2026-01-0{n % 9 + 1},2026-03-0{n % 9 + 1},seats={n},"
            f"{'2026-03-11' if n % 7 == 0 else ''}\n"
            for n in numbers
        ),
    )


def test_a_killed_run_is_run_again_to_the_same_end(house: House, database_url: str) -> None:
    crowd(house)
    environ = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "CLICKHOUSE_URL": "http://127.0.0.1:9/x",
        "DATABASE_URL": database_url,
    }
    command = [sys.executable, "-m", "cli.main", "move-in", str(house.folder)]
    for table, least in (("customers", 1), ("subscriptions", 200)):
        with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as process:
            for _ in count():
                assert process.poll() is None, "it ended before it was killed"
                if house.rows()[table] >= least:
                    break
                time.sleep(0.02)
            process.kill()
        assert process.returncode == -9
        assert house.rows()["subscriptions"] < PEOPLE
    house.now = house.now.replace(year=2027)  # later than the killed runs, by their own clock
    assert house.move().clean
    assert Counter(each.outcome for each in house.reports)["equal"] > 2 * PEOPLE
    before = house.rows()
    assert {before[name] for name in ("customers", "subjects", "subscriptions")} == {PEOPLE}
    assert before["subscription_changes"] == PEOPLE
    assert house.move().clean
    assert {each.outcome for each in house.reports} == {"equal"}
    assert house.rows() == before
    assert told(house)["subscription.created"] == told(house)["customer.created"] == PEOPLE
    paused = [house.subscription(f"sub-{n}").standing.pause is not None for n in range(14)]
    assert paused == [n % 7 == 0 for n in range(14)]


def told(house: House) -> Counter[str]:
    """The events of the tenant, by what they say."""
    found: Counter[str] = Counter()
    reached = 0
    with house.database.transaction(Acting(house.tenant_id)) as conn:
        while page := changes_after(conn, house.tenant_id, reached, 1000).events:
            found.update(each.subject for each in page)
            reached = page[-1].position
    return found


def test_a_hundred_thousand_rows_take_the_memory_of_a_few(tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    with file.open("w") as rows:
        rows.write("slug,name,currency\n")
        for number in range(100_000):
            rows.write(f"customer-{number},Somebody with a longer name,EUR\n")
    table = Table(file, "customers", CUSTOMER_COLUMNS, ("slug",))
    table.check()
    tracemalloc.start()
    try:
        found = sum(1 for row in table.rows() if row.problem is None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == 100_000
    assert peak < 1_000_000, "the file has 5 MB"
