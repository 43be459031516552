"""Parts of tables that are gone after a power loss, and holes in the ledger."""

from __future__ import annotations

import random
import signal

import pytest

from infra.local.stack import LocalStack
from streams.rebuild.rebuild import Damage
from tests.scenarios.derived import (
    all_bytes,
    assert_equal,
    change,
    delete_parts,
    end_workers,
    finish,
    folders_of_tables,
    parts_on_disk,
    set_chunks,
    wait_until,
)
from tests.scenarios.test_log_loss import forget
from tests.scenarios.traffic import Journal, make_batches
from tests.scenarios.world import Sender, World

pytestmark = pytest.mark.slow


def send(world: World, url: str, rng: random.Random, journal: Journal | None = None) -> Journal:
    first = len(journal.first) if journal else 0
    batches = [
        [event | {"id": f"{event['id']}-{first}"} for event in batch]
        for batch in make_batches(rng, 1_500, batch=10)
    ]
    sender = Sender(url, world.api_key, batches, seconds=3)
    sender.journal = journal or sender.journal
    sender.start()
    return sender.finish()


def test_what_a_power_loss_took_is_read_again_from_the_log(
    fragile_world: World, fresh_stack: LocalStack, seed: int
) -> None:
    """All proofs since the last sync point are gone, and any of the rows that they proved."""
    world, rng = fragile_world, random.Random(seed)
    set_chunks(world, 2)
    url, worker = world.ingest(), world.worker("a")
    journal = send(world, url, rng)
    world.wait_until_proved(worker.start, seconds=300)
    folders = folders_of_tables(world)
    synced = parts_on_disk(folders)
    journal = send(world, url, rng, journal)
    world.wait_until_proved(worker.start, seconds=300)
    end_workers([worker])
    assert "blocked" in finish(world.process("compact-1", "compact", "--json"))
    before = all_bytes(world)

    fresh_stack.kill("clickhouse")
    lost = 0
    for table, parts in parts_on_disk(folders).items():
        gone = parts - synced[table]
        lost += delete_parts(
            part for part in sorted(gone) if table == "stream_ledger" or rng.random() < 0.7
        )
    assert lost > 10, "this power loss took nothing"
    fresh_stack.start_part("clickhouse")
    assert all_bytes(world) != before

    world.wait_until_proved(worker.start, seconds=300)
    end_workers([worker])
    finish(world.process("compact-2", "compact"))
    assert_equal(all_bytes(world), before)
    world.check(journal, f"--seed {seed}")


def test_proved_events_that_are_gone_are_found_and_made_again(world: World, seed: int) -> None:
    """The ledger survived and the events did not: no worker goes on, until `repair` was run."""
    rng = random.Random(seed)
    set_chunks(world, 2)
    url, worker = world.ingest(), world.worker("a")
    journal = send(world, url, rng)
    world.wait_until_proved(worker.start, seconds=300)
    end_workers([worker])

    parts = world.rows(
        "SELECT name FROM system.parts WHERE active AND rows > 0 AND table = 'usage_events'"
        " AND database = currentDatabase() ORDER BY rows DESC"
    )
    change(world, f"ALTER TABLE usage_events DROP PART '{parts[0][0]}'")
    found = Damage.of((each.what, each.cell) for each in world.verify().differences)
    assert found.chunks, "verify finds them"

    journal = send(world, url, rng, journal)  # a partition without records has no lane
    stranger = world.worker("b")  # the other one has keys on its own disk
    stranger.wait_for("ClickHouse shows less than it proved; waiting")
    stranger.signal(signal.SIGKILL)
    shown = finish(world.process("repair", "repair", "--yes"))
    assert f"{len(found.chunks)} chunks have other events than the ledger proves" in shown, shown
    world.wait_until_proved(worker.start, seconds=300)
    end_workers([worker])
    world.check(journal, f"--seed {seed}")


def test_a_hole_in_the_ledger_is_closed_from_the_log_or_refused(world: World, seed: int) -> None:
    rng, url = random.Random(seed), world.ingest()
    set_chunks(world, 2)
    worker = world.worker("a")
    journal = send(world, url, rng)
    world.wait_until_proved(worker.start, seconds=300)
    wait_until(world, lambda: bool(world.rows("SELECT 1 FROM stream_ledger WHERE level = 1")))
    end_workers([worker])
    finish(world.process("compact-1", "compact"))
    before = all_bytes(world)
    run = rng.randrange(20)
    hole = f"ALTER TABLE stream_ledger DELETE WHERE partition = 1 AND level = 0 AND run = {run}"
    change(world, hole)
    world.wait_until_proved(worker.start, seconds=300)
    end_workers([worker])
    assert_equal(all_bytes(world), before)
    world.check(journal, f"--seed {seed}")

    forget(world, {1: 2 * run + 1})
    change(world, hole)
    worker.start()
    worker.wait_for(f"the log begins at offset {2 * run + 1}, but only {2 * run} offsets")
    refused = finish(world.process("rebuild", "rebuild", "--yes"))
    assert f"1/1 begins at offset {2 * run + 1}" in refused
