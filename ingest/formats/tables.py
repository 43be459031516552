"""Rows of a table as events: what Arrow, Parquet and CSV bodies share.

Columns with the names of attributes are those; `specversion` may be left out. A column `data` holds
the JSON text of an object; without it every other column is a member of the data under its name,
absent where the row has null.
"""

from __future__ import annotations

import decimal
import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.cloudevents import json_format
from core.cloudevents.json_format import require_few
from core.cloudevents.wire import NO_DATA, Rejection, WireEvent
from core.errors import TooLargeError, ValidationError
from core.events import EVENT_BYTES_MAX
from ingest.encodings import too_large
from ingest.settings import BODY_BYTES_MAX

COLUMNS_MAX: Final = 256
"""Most columns of a table."""

CELLS_MAX: Final = 1_000_000
"""Most cells of a table: each costs its time, however few bytes it has."""

_REQUIRED: Final = ("id", "source", "type", "subject")
_ATTRIBUTES: Final = (*_REQUIRED, "time", "specversion")
_DATA: Final = "data"
_Cell = Callable[[Any], str]


class _CellError(ValueError):
    """A value that JSON has no form for."""


def check_shape(rows: int, names: Sequence[str]) -> None:
    """Raises `TooLargeError` for too many rows or columns, `ValidationError` for bad names."""
    require_few(rows)
    if len(names) > COLUMNS_MAX:
        raise TooLargeError(
            f"body: {len(names)} columns, the limit is {COLUMNS_MAX}", columns_max=COLUMNS_MAX
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValidationError(f"columns: {', '.join(twice)}: given more than once")
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        raise ValidationError(
            f"columns: {', '.join(missing)}: missing; a table of events needs the columns"
            f" {', '.join(_REQUIRED)}",
            missing=missing,
        )


def needed_columns(schema: pa.Schema) -> list[str]:
    """The columns that `events_of` reads.

    Raises `ValidationError` for one of a type without a meaning, before anything of it is read.
    """
    texts = {name for name in (*_ATTRIBUTES, _DATA) if name in schema.names}
    for field in schema:
        if field.name in texts:
            _check_text(field.name, field.type)
        elif _DATA not in texts:
            _cell_of(field.name, field.type)
    return [name for name in schema.names if name in texts or _DATA not in texts]


def events_of(table: pa.Table) -> list[WireEvent | Rejection]:
    """An event for each row. Raises `ValidationError` for a column of a type without a meaning.

    The table's shape has been checked, and its buffers are valid.
    """
    cells = table.num_rows * table.num_columns
    if cells > CELLS_MAX:
        raise TooLargeError(
            f"body: {cells} cells, the limit is {CELLS_MAX}: send it in smaller batches",
            cells_max=CELLS_MAX,
        )
    _bound_texts(table)
    attributes: dict[str, list[str | None]] = {
        name: _text_column(name, table.column(name))
        for name in _ATTRIBUTES
        if name in table.column_names
    }
    attributes.setdefault("specversion", ["1.0"] * table.num_rows)
    members: dict[str, tuple[_Cell, list[Any]]] = {}
    if _DATA in table.column_names:
        attributes[_DATA] = _text_column(_DATA, table.column(_DATA))
    else:
        for name in table.column_names:
            if name not in attributes:
                column = table.column(name)
                cell = _cell_of(name, column.type)
                column = _micros(column) if _is_zoned(column.type) else column
                members[name] = (cell, column.to_pylist())
    names, written = list(attributes), 0
    found: list[WireEvent | Rejection] = []
    for index, row in enumerate(zip(*attributes.values(), strict=True)):
        event = _event(index, dict(zip(names, row, strict=True)), members)
        found.append(event)
        # The names of columns stand in every row.
        written += len(event.data) if isinstance(event, WireEvent) else 0
        if written > BODY_BYTES_MAX:
            raise too_large(BODY_BYTES_MAX)
    return found


def _event(
    index: int,
    row: dict[str, str | None],
    members: Mapping[str, tuple[_Cell, list[Any]]],
) -> WireEvent | Rejection:
    data = row.pop(_DATA, None)
    try:
        if members:
            data = _object({n: (cell, cells[index]) for n, (cell, cells) in members.items()})
        raw = NO_DATA if data is None else json_format.json_text(data.encode())
    except _CellError as error:
        return Rejection(index, row["id"], "invalid_event", str(error))
    except ValidationError as error:
        message = error.message.replace("body:", "data:", 1)
        return Rejection(index, row["id"], "invalid_event", message)
    size = len(raw) + sum(len((text or "").encode()) for text in row.values())
    if size > EVENT_BYTES_MAX:
        message = f"event: {size} bytes, the limit is {EVENT_BYTES_MAX}"
        return Rejection(index, row["id"], "event_too_large", message)
    return WireEvent(**row, data=raw)


def _object(members: Mapping[str, tuple[_Cell, Any]]) -> str:
    texts = []
    for name, (cell, value) in members.items():
        if value is None:
            continue
        try:
            texts.append(f"{json.dumps(name)}:{cell(value)}")
        except ValueError as error:
            raise _CellError(f"data.{name}: {error}") from error
    return "{" + ",".join(texts) + "}"


def _text_column(name: str, column: pa.ChunkedArray[Any]) -> list[str | None]:
    kind = column.type
    _check_text(name, kind)
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_timestamp(kind):
        return [None if at is None else _instant(at) for at in _micros(column).to_pylist()]
    if is_bytes(kind):
        try:
            column = column.cast(pa.large_string())
        except pa.ArrowInvalid as error:
            raise ValidationError(f"column {name}: not UTF-8") from error
    found: list[str | None] = column.to_pylist()
    return found


def _check_text(name: str, kind: pa.DataType) -> None:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if name == "time" and pa.types.is_timestamp(kind):
        if kind.tz is None:
            raise ValidationError("column time: a timestamp needs a time zone: cast it to UTC")
    elif not (is_text(kind) or is_bytes(kind) or pa.types.is_null(kind)):
        raise ValidationError(f"column {name}: expected text{_or_what(name)}, got {kind}: cast it")


def _or_what(name: str) -> str:
    if name == "time":
        return " in RFC 3339, or a timestamp with a zone"
    return " that is a JSON object" if name == _DATA else ""


def _micros(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """To the microsecond, as texts of instants are read: what is finer is cut off."""
    target = pa.timestamp("us", "UTC")
    options = pc.CastOptions(target, allow_time_truncate=True)
    found: pa.ChunkedArray[Any] = column.cast(options=options)
    return found


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def is_text(kind: pa.DataType) -> bool:
    """Whether a column's values are texts."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def is_bytes(kind: pa.DataType) -> bool:
    """Whether they are bytes, which may be UTF-8."""
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _bound_texts(table: pa.Table) -> None:
    """A dictionary or a run of equal values writes out to far more than it was."""
    total = 0
    for column in table.columns:
        for chunk in column.chunks:
            total += _text_bytes(chunk)
    if total > BODY_BYTES_MAX:
        raise too_large(BODY_BYTES_MAX)


def _text_bytes(chunk: pa.Array[Any]) -> int:
    if isinstance(chunk, pa.DictionaryArray):
        kind = chunk.type.value_type
        if not (is_text(kind) or is_bytes(kind)):
            return chunk.nbytes
        texts = cast("pa.StringArray", chunk.dictionary)
        lengths = pc.binary_length(texts).take(chunk.indices)
        return int(pc.sum(lengths).as_py() or 0)
    return int(chunk.nbytes)


def _cell_of(name: str, kind: pa.DataType) -> _Cell:
    """How a value of a column becomes JSON, exactly."""
    if pa.types.is_dictionary(kind):
        return _cell_of(name, kind.value_type)
    for is_kind, cell in _CELLS:
        if is_kind(kind):
            return cell
    raise ValidationError(
        f"column {name}: {kind} has no form in JSON: cast it to text or a number, or send a column"
        " `data` with JSON texts"
    )


def _of_number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number in JSON: send null")
    return repr(float(value))


def _of_single(value: float) -> str:
    """With the digits that tell the value from its neighbours of single precision, no more."""
    _of_number(value)
    return str(np.float32(value))


def _of_decimal(value: decimal.Decimal) -> str:
    return format(value, "f")


def _of_time(value: date | datetime) -> str:
    return f'"{_instant(value) if isinstance(value, datetime) else value.isoformat()}"'


def _of_text(value: str) -> str:
    return msgspec.json.encode(value).decode()


def _is_zoned(kind: pa.DataType) -> bool:
    return pa.types.is_timestamp(kind) and kind.tz is not None


_CELLS: Final[tuple[tuple[Callable[[pa.DataType], bool], _Cell], ...]] = (
    (is_text, _of_text),
    (pa.types.is_boolean, lambda value: "true" if value else "false"),
    (pa.types.is_integer, str),
    (pa.types.is_float64, _of_number),
    (pa.types.is_float32, _of_single),
    (pa.types.is_decimal, _of_decimal),
    (pa.types.is_date, _of_time),
    (_is_zoned, _of_time),
    (pa.types.is_null, str),
)
