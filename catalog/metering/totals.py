"""One view's groups of measured events, and what they hold of each value, as usage rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from catalog.metering.accumulate import (
    COUNTS,
    NO_ROW,
    POSITION_DIGITS,
    Cells,
    Chosen,
    Places,
    Words,
    count_cells,
    find_extremes,
    find_latest,
    pick_cells,
    sum_cells,
    write_positions,
)
from catalog.metering.aggregations import names_that_need
from catalog.metering.blank import Blank
from catalog.metering.decimals import FOUND
from catalog.metering.evaluate import TAKEN, TAKEN_TOO_LONG
from catalog.metering.grouping import Codes, find_groups
from catalog.metering.json_paths import Ints
from catalog.metering.measuring import strings
from catalog.metering.plans import NO_VALUE
from catalog.metering.rows import INSTANT, QUANTITY, REASON_COLUMNS

_Flags = npt.NDArray[np.bool_]
_NOTHING: Final = np.empty(0, np.uint8)
_COUNTED: Final = ("event_count", "voided_count", *REASON_COLUMNS)


class View:
    """The groups of one view in a frame of measured events.

    A group has one plan and equal codes in `keys`; groups are sorted by them. `rows` are the events
    that the view takes.
    """

    def __init__(
        self, measured: pl.DataFrame, view: int, plan: Ints, keys: Sequence[Codes], rows: Ints
    ) -> None:
        self._measured = measured
        groups = find_groups([Codes(plan, int(plan.max(initial=0)) + 1), *keys], rows)
        self._firsts = rows[groups.firsts]
        self._plan = plan[self._firsts]
        everything = pl.repeat(TAKEN, len(plan), dtype=pl.UInt8, eager=True)
        self._dimensions = measured[f"dimensions_{view}"] if view else None
        taken = measured[f"taken_{view}"] if view else everything
        self._chosen = Chosen(rows, groups.group_of, array_of(measured["sign"]), array_of(taken))

    def rows(self, meters: pl.DataFrame, places: Places | None, outer: Ints | None) -> pl.DataFrame:
        """The rows of the view's meters, by meter in the order given, then by group.

        outer: a code for each event by which the rows are sorted first, None: they are not. Returns
        `meter` (a place in `meters`), `first` (an event of the group) and the columns of a usage
        row from `event_count` on. Without `places` nothing has a latest value.
        """
        plans = meters["plan"].to_numpy()
        starts = np.searchsorted(self._plan, plans, "left")
        sizes = np.searchsorted(self._plan, plans, "right") - starts
        meter = np.repeat(np.arange(len(meters)), sizes)
        group = np.arange(len(meter)) + np.repeat(starts - np.cumsum(sizes) + sizes, sizes)
        if outer is not None:
            order = np.argsort(outer[self._firsts][group], kind="stable")
            meter, group = meter[order], group[order]
        readings, which = _readings(meters)
        stack = self._cells(readings, places)
        at = (which * len(self._firsts))[meter] + group

        def needed(column: str) -> _Flags:
            wanted = meters["aggregation"].is_in(names_that_need(column)).to_numpy()
            return np.repeat(wanted, sizes) if outer is None else wanted[meter]

        columns = {
            "meter": pl.Series(meter.astype(np.uint32)),
            "first": pl.Series(self._firsts.astype(np.uint32)[group]),
        }
        blank = Blank(len(at))
        columns |= _counts(stack, at, blank)
        columns["sum"] = _gathered(stack.sum, at, needed("sum"), None)
        for name, words in (("min", stack.min), ("max", stack.max)):
            wanted = needed(name)
            columns[name] = (
                _gathered(words, at, wanted, stack.seen) if wanted.any() else blank.column(name)
            )
        rows = None if places is None else np.where(needed("latest"), stack.latest[at], NO_ROW)
        columns |= self._latest(rows, meters["value"].to_numpy()[meter], places, blank)
        columns["distinct_values"] = self._distinct(meters["text"].to_numpy()[meter], group, blank)
        return pl.DataFrame(columns)

    def _cells(self, readings: Mapping[tuple[int, int], set[str]], places: Places | None) -> Cells:
        """What the groups hold of each (value, text), one after another; of neither: counts.

        Each is given with the aggregations of it that there are.
        """
        many = len(self._firsts)
        size = many * len(readings)
        stack = Cells(
            np.zeros((COUNTS, size), np.int64),
            np.zeros((size, 2), np.uint64),
            np.zeros((size, 2), np.uint64),
            np.zeros((size, 2), np.uint64),
            np.zeros(size, np.bool_),
            np.full(size, NO_ROW, np.int64),
        )
        for number, ((value, text), names) in enumerate(readings.items()):
            mine = slice(number * many, (number + 1) * many)
            reason = _NOTHING
            if value != NO_VALUE or text != NO_VALUE:
                name = f"reason_{value}" if value != NO_VALUE else f"text_reason_{text}"
                reason = array_of(self._measured[name])
            count_cells(self._chosen, reason, stack.counts[:, mine])
            if value == NO_VALUE:
                continue
            high = array_of(self._measured[f"high_{value}"])
            low = array_of(self._measured[f"low_{value}"])
            if names.intersection(names_that_need("sum")):
                sum_cells(self._chosen, reason, high, low, stack.sum[mine])
            if names.intersection({*names_that_need("min"), *names_that_need("max")}):
                find_extremes(
                    self._chosen, reason, high, low, stack.min[mine], stack.max[mine],
                    stack.seen[mine],
                )  # fmt: skip
            if places is not None and names.intersection(names_that_need("latest")):
                find_latest(self._chosen, reason, places, stack.latest[mine])
        return stack

    def _latest(
        self, rows: Ints | None, value: Ints, places: Places | None, blank: Blank
    ) -> dict[str, pl.Series]:
        """Latest value, its time and its position, from the event found for each row."""
        if places is None or rows is None or (rows == NO_ROW).all():
            return {
                name: blank.column(name) for name in ("latest", "latest_time", "latest_position")
            }
        there = rows != NO_ROW
        limbs = np.zeros((len(rows), 2), np.uint64)
        for each in np.unique(value[there]):
            mine = there & (value == each)
            limbs[mine, 0] = self._measured[f"low_{each}"].to_numpy()[rows[mine]]
            limbs[mine, 1] = self._measured[f"high_{each}"].to_numpy()[rows[mine]].view(np.uint64)
        at = rows[there]
        digits = np.zeros((len(at), POSITION_DIGITS), np.uint8)
        write_positions(at, places, digits)
        ends = np.concatenate(([0], np.cumsum(there * POSITION_DIGITS))).astype(np.int64)
        micros = np.zeros(len(rows), np.int64)
        micros[there] = places.time[at]
        time = pl.Series(micros).cast(INSTANT)
        return {
            "latest": _decimals(limbs, there),
            "latest_time": time if there.all() else time.set(~pl.Series(there), None),
            "latest_position": strings(digits.reshape(-1), ends),
        }

    def _distinct(self, text: Ints, group: Ints, blank: Blank) -> pl.Series:
        """The distinct texts of the events, sorted, for each row; [] where its text is none."""
        out = blank.column("distinct_values")
        rows, group_of = self._chosen.rows, self._chosen.group_of
        for each in np.unique(text[text != NO_VALUE]):
            measured = self._measured.select(
                "sign", reason=pl.col(f"text_reason_{each}"), text=pl.col(f"text_{each}")
            )[rows].with_columns(group=group_of, taken=self._chosen.taken[rows])
            lists = (
                measured.filter(
                    (pl.col("sign") > 0)
                    & (pl.col("reason") == FOUND)
                    & (pl.col("taken") != TAKEN_TOO_LONG)
                )
                .select("group", "text")
                .unique()
                .sort("group", "text")
                .group_by("group", maintain_order=True)
                .agg("text")
            )
            wanted = pl.DataFrame({"group": group, "mine": text == each})
            found = wanted.join(lists, on="group", how="left", maintain_order="left")
            out = found.select(
                pl.when("mine").then(pl.col("text").fill_null([])).otherwise(pl.lit(out))
            ).to_series()
        return out


def array_of(column: pl.Series) -> npt.NDArray[Any]:
    """A column's values, read-only: one type of array for the compiled loops."""
    array = column.to_numpy().view()
    array.flags.writeable = False
    return array


def places_of(measured: pl.DataFrame) -> Places:
    """When and where in the log measured events are."""
    generation = measured["generation"].cast(pl.UInt64).to_numpy()
    partition = measured["partition"].cast(pl.UInt64).to_numpy()
    return Places(
        array_of(measured["time"].to_physical()),
        (generation << np.uint64(16)) | partition,
        array_of(measured["offset"].cast(pl.UInt64)),
        array_of(measured["row"].cast(pl.Int64)),
    )


def _readings(meters: pl.DataFrame) -> tuple[dict[tuple[int, int], set[str]], Ints]:
    """The distinct (value, text) with their aggregations, and which of them each meter reads."""
    readings: dict[tuple[int, int], set[str]] = {}
    for value, text, aggregation in meters.select("value", "text", "aggregation").rows():
        readings.setdefault((value, text), set()).add(aggregation)
    places = {pair: place for place, pair in enumerate(readings)}
    which = [places[pair] for pair in meters.select("value", "text").rows()]
    return readings, np.array(which, np.int64)


def _counts(stack: Cells, at: Ints, blank: Blank) -> dict[str, pl.Series]:
    columns, whole = {}, None
    for name, counts in zip(_COUNTED, stack.counts, strict=True):
        if not counts.any():  # no voids, and most reasons never occur
            columns[name] = blank.column(name)
            continue
        found = counts[at]
        if name in REASON_COLUMNS:
            columns[name] = pl.Series(found)
            whole = found if whole is None else whole + found
        else:
            columns[name] = pl.Series(found.view(np.uint64))
    unmeterable = blank.column("unmeterable_count") if whole is None else pl.Series(whole)
    return columns | {"unmeterable_count": unmeterable}


def _gathered(words: Words, at: Ints, needed: _Flags, seen: _Flags | None) -> pl.Series:
    """The cells at places as Decimal(38, 12) where needed; elsewhere, and if not seen, null.

    With None for `seen`: elsewhere 0.
    """
    if seen is not None:
        needed = needed & seen[at]
    limbs = np.empty((len(at), 2), np.uint64)
    pick_cells(at, needed, words, limbs)
    return _decimals(limbs, None if seen is None else needed)


def _decimals(limbs: Words, valid: _Flags | None) -> pl.Series:
    """Decimal(38, 12) of (n, 2) limbs, null where not valid."""
    validity = None
    if valid is not None:
        validity = pa.py_buffer(np.packbits(valid, bitorder="little").data)
    buffers = [validity, pa.py_buffer(limbs.data)]
    array = pa.Array.from_buffers(pa.decimal128(38, 12), len(limbs), buffers)
    return pl.Series(array, dtype=QUANTITY)
