"""Leave one rule of the data plane out and show the smallest schedule that then goes wrong.

Each entry of `LEFT_OUT` replaces the parts of the model that keep one rule; `hunting` looks for the
schedules that show why the rule is there.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any
from unittest.mock import patch

from tests.model import lanes
from tests.model import world as whole
from tests.model.lanes import Lane, Writer
from tests.model.log import (
    CHUNK,
    HORIZON,
    NEVER,
    ROLL,
    Held,
    LedgerRow,
    Part,
    Table,
    Totals,
    aggregate,
    judge,
)
from tests.model.world import World

flush, read, load_keys = Lane.flush, Lane.read, Lane.load_keys
insert, assign, job, covered = Table.insert, World.assign, World.job, World.covered


def any_copy_holds(index: Any, now: int, record: Any) -> Any:
    """Every position holds its key; a reload from usage_events knows accepted ones only."""
    now, verdicts = max(now, record.time), []
    for event in record.events:
        held = index.get(event.key)
        old = held is None or held.time < now - HORIZON
        same = held is not None and held.event == event
        verdicts.append(
            "rejected"
            if event.value == 0
            else "accepted"
            if old
            else "duplicate"
            if same
            else "conflict"
        )
        index[event.key] = Held(now, event)
    return now, verdicts


def reordered(order: tuple[int, ...]) -> Callable[[Lane], None]:
    """The three inserts of a flush (events, usage, ledger) in another order."""

    def flush_reordered(lane: Lane) -> None:
        before = len(lane.queue)
        flush(lane)
        added = list(lane.queue)[before:]
        lane.queue = type(lane.queue)(
            [*list(lane.queue)[:before], *[added[i] for i in order if added], *added[3:]]
        )

    return flush_reordered


def chunk_from_what_is_left(world: World, part: Part, catalog: int) -> Any:
    start = min(world.committed.get(part, world.first[part]), world.covered(part)) // CHUNK * CHUNK
    with patch.object(World, "start", lambda *_: start), patch.dict(world.first, {part: 0}):
        lane = assign(world, part, catalog)
    if lane:
        lane.offset = max(start, world.first[part])
    return lane


def go_on_after_gap(lane: Lane, count: int = NEVER) -> None:
    """auto.offset.reset = earliest."""
    lane.offset = max(lane.offset, lane.world.first[lane.part])
    read(lane, count)


def drained_for_now(world: World, part: Part, catalog: int) -> Any:
    """No end marker: the older generation counts as drained when nothing waits in it."""

    def end(world: World, other: Part) -> int:
        return len(world.log[other]) if other.generation < part.generation else NEVER

    with patch.object(World, "end", end):
        return assign(world, part, catalog)


def end_in_a_table(world: World, part: Part) -> None:
    """End offsets are read first and published later; a lane that looks in between does not
    see them.
    """
    pending = world.__dict__.setdefault("pending", {})
    if part in pending:
        world.__dict__.setdefault("published", {}).setdefault(part, pending[part])
    elif part.generation < max(world.bound):
        pending[part] = len(world.log[part])


def published_end(world: World, part: Part) -> int:
    return int(world.__dict__.get("published", {}).get(part, NEVER))


def stop_at_published_end(lane: Lane) -> None:
    if lane.offset > published_end(lane.world, lane.part):
        lane.stop()
    else:
        flush(lane)


def read_to_published_end(lane: Lane, count: int = NEVER) -> None:
    read(lane, min(count, max(0, published_end(lane.world, lane.part) - lane.offset)))


def bridge_from_pending(world: World, rng: Random) -> None:
    with patch.object(
        World, "end", lambda world, part: world.__dict__.get("pending", {}).get(part, NEVER)
    ):
        append(world, rng)


append = World.append


def newest_catalog_at_once(lane: Lane, catalog: int) -> None:
    lane.new_catalog = lane.catalog = catalog


def highest_visible(world: World, ahead: int) -> None:
    world.visible.add([meter for meter in range(1, 99) if meter not in world.visible][ahead])
    world.catalogs.append(max(world.visible))
    world.__dict__.setdefault("snapshots", {}).setdefault(max(world.visible), set(world.visible))


def snapshot(world: World, catalog: int) -> set[int]:
    return set(world.__dict__.get("snapshots", {}).get(catalog, {1} if catalog == 1 else ()))


def back_fill_open_chunks(world: World, part: Part, level: int, run: int) -> Writer | None:
    """The open chunk too, up to the last offset that usage_events has."""
    row = world.ledger.read().get(cell := world.cell(part, 0, run))
    if level or not row or row.catalog >= world.catalogs[-1]:
        return job(world, part, level, run) if level else None
    here = [
        at.offset for at in world.events.read() if at.part == part and at.offset // CHUNK == run
    ]
    missing = world.meters(world.catalogs[-1]) - world.meters(row.catalog)
    totals = aggregate(world.stored(part, run * CHUNK, (run + 1) * CHUNK), missing)
    world.writers.append(writer := Writer(world))
    writer.queue += world.usage_and_ledger(cell, totals, row._replace(last=max([row.last, *here])))[
        :1
    ]
    writer.queue += world.usage_and_ledger(
        cell, Totals(), row._replace(catalog=world.catalogs[-1])
    )[1:]
    return writer


def children(world: World, part: Part, level: int, run: int, below: int) -> Totals:
    cells, totals = [world.cell(part, level - 1, run * ROLL + n) for n in range(ROLL)], Totals()
    for (meter, hour, cell), total in world.usage.read().items():
        totals[meter, hour] += total * (cell in cells and meter <= below)
    return +totals


def roll_up_any(world: World, part: Part, level: int, run: int) -> Writer | None:
    """Whatever rows the level below has, and no ledger row."""
    if not level:
        return job(world, part, level, run)
    row = LedgerRow((run + 1) * CHUNK * ROLL**level - 1, 0, 0, [])
    world.writers.append(writer := Writer(world))
    totals = children(world, part, level, run, NEVER)
    writer.queue += world.usage_and_ledger(world.cell(part, level, run), totals, row)[:1]
    return writer


def presence_tells(world: World, look: Any, cell: Any, end: int, cut: int, meter: int) -> bool:
    """A roll-up is taken for complete where it has rows and all of it is within the cut."""
    if cell[2]:
        return end <= cut and any(key[2] == cell for key in world.usage.read())
    return end <= cut and cell in look.ledger and look.ledger[cell].catalog >= meter


def roll_up_every_meter(world: World, part: Part, level: int, run: int) -> Writer | None:
    writer = job(world, part, level, run)
    if level and writer:
        row = writer.queue[1][1][0][2]
        totals = children(world, part, level, run, NEVER)
        writer.queue[0] = world.usage_and_ledger(world.cell(part, level, run), totals, row)[0]
    return writer


def usable(check_chunk: bool, check_roll_up: bool, open_chunk: bool) -> Callable[..., bool]:
    def usable_with(world: World, look: Any, cell: Any, end: int, cut: int, meter: int) -> bool:
        checked = check_roll_up if cell[2] else check_chunk
        inside = end <= cut or (open_chunk and cell[2] == 0)
        return (
            inside and cell in look.ledger and (look.ledger[cell].catalog >= meter or not checked)
        )

    return usable_with


def remember_blocks(table: Table, rows: Any, acknowledged: bool) -> None:
    """ClickHouse's insert deduplication: what was inserted once is not inserted again, even
    if it was lost since.
    """
    known = table.__dict__.setdefault("known", set())
    fresh = [row for row in rows if repr(row) not in known]
    known |= {repr(row) for row in rows}
    insert(table, fresh, acknowledged)


def lagging(seed: int, guard: bool) -> Callable[..., Any]:
    """A new lane loads from a replica on which the last few inserted rows of each table are
    still missing.
    """

    def assign_lagging(world: World, part: Part, catalog: int) -> Any:
        rng = Random(f"{seed} {world.clock} {part} {world.events.serial}")
        lag = {
            id(table): table.serial - rng.choice((0, 0, 1, 3))
            for table in (world.events, world.usage, world.ledger)
        }

        def seen(table: Table) -> dict[Any, Any]:
            kept = {
                key: [row for row in rows if row[1] <= lag[id(table)]]
                for key, rows in table.rows.items()
            }
            return {key: max(rows)[2] for key, rows in kept.items() if rows}

        with patch.object(Table, "read", seen):
            if guard:
                for cell, row in world.ledger.read().items():
                    if cell[2] == 0:
                        first, stored = cell[3] * CHUNK, Part(cell[0], cell[1])
                        if row.counts[0] != len(world.stored(stored, first, row.last + 1)):
                            return None
            return assign(world, part, catalog)

    return assign_lagging


def settle_without_lag(world: World) -> None:
    with patch.object(World, "assign", assign):
        settle(world)


settle = World.settle


def no_usage_in_open_chunk(lane: Lane) -> None:
    complete, before = lane.offset % CHUNK == 0, len(lane.queue)
    flush(lane)
    if not complete and len(lane.queue) > before:
        del lane.queue[before + 1]


def version_without_catalog(world: World, cell: Any, totals: Totals, row: LedgerRow) -> Any:
    usage = [((*key, cell), row.last, total) for key, total in totals.items()]
    return [(world.usage, usage), (world.ledger, [(cell, row.last, row)])]


def raw_time(index: Any, now: int, record: Any) -> Any:
    return judge(index, -NEVER, record)


def flush_anywhere(lane: Lane) -> None:
    with patch.object(World, "right_topic", lambda world, part: True):
        flush(lane)


def settle_published(world: World) -> None:
    for part in [*world.topics, *world.topics]:
        world.mark_end(part)
    settle(world)


Change = tuple[Any, str, Any]
LEFT_OUT: dict[str, list[Change]] = {
    "only an accepted copy holds a key": [
        (lanes, "judge", any_copy_holds),
        (whole, "judge", any_copy_holds),
    ],
    "log time never falls": [(lanes, "judge", raw_time), (whole, "judge", raw_time)],
    "keys are loaded back from log time, not from now": [
        (
            Lane,
            "load_keys",
            lambda lane, start, since: load_keys(lane, start, lane.world.clock - HORIZON),
        )
    ],
    "keys before the start only": [
        (Lane, "load_keys", lambda lane, start, since: load_keys(lane, NEVER, since))
    ],
    "ledger last: ledger first": [(Lane, "flush", reordered((2, 0, 1)))],
    "ledger last: events last": [(Lane, "flush", reordered((1, 2, 0)))],
    "ledger last: usage last": [(Lane, "flush", reordered((0, 2, 1)))],
    "acknowledged means on disk": [
        (Table, "insert", lambda table, rows, acknowledged: insert(table, rows, False))
    ],
    "insert deduplication is off": [(Table, "insert", remember_blocks)],
    "loads see every acknowledged insert (no guard)": [
        (World, "assign", lagging(1, guard=False)),
        (World, "settle", settle_without_lag),
    ],
    "CHOICE loads on a lagging replica, guarded by the ledger's counts": [
        (World, "assign", lagging(1, guard=True)),
        (World, "settle", settle_without_lag),
    ],
    "head of a truncated chunk comes from usage_events": [
        (World, "assign", chunk_from_what_is_left)
    ],
    "a gap in the offsets stops the lane": [(Lane, "read", go_on_after_gap)],
    "generation in keys": [
        (World, "cell", lambda world, part, level, run: (0, part.number, level, run))
    ],
    "level in keys": [(World, "cell", lambda world, part, level, run: (*part, 0, run))],
    "generations end": [
        (World, "mark_end", lambda world, part: None),
        (World, "assign", drained_for_now),
    ],
    "the end is in the log, not in a table": [
        (World, "mark_end", end_in_a_table),
        (World, "end", published_end),
        (Lane, "flush", stop_at_published_end),
        (Lane, "read", read_to_published_end),
        (World, "append", bridge_from_pending),
        (World, "settle", settle_published),
    ],
    "topic is checked before every write": [(Lane, "flush", flush_anywhere)],
    "catalog changes between chunks": [(Lane, "learn", newest_catalog_at_once)],
    "catalog without gaps": [(World, "create_meter", highest_visible), (World, "meters", snapshot)],
    "back-fill of complete chunks": [(World, "job", back_fill_open_chunks)],
    "reader checks the catalog of a chunk": [(World, "usable", usable(False, True, False))],
    "roll-up of complete runs, with a ledger row": [
        (World, "job", roll_up_any),
        (World, "usable", presence_tells),
    ],
    "reader checks the catalog of a roll-up": [(World, "usable", usable(True, False, False))],
    "a roll-up holds no meter above its catalog": [(World, "job", roll_up_every_meter)],
    "open chunk is read from usage_events": [(World, "usable", usable(True, True, True))],
    "CHOICE usage before events": [(Lane, "flush", reordered((1, 0, 2)))],
    "CHOICE open chunk not in meter_usage": [(Lane, "flush", no_usage_in_open_chunk)],
    "CHOICE resume after the ledger": [(World, "start", covered)],
    "CHOICE ledger version without catalog": [(World, "usage_and_ledger", version_without_catalog)],
}
