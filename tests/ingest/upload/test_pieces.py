from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.cloudevents.wire import WireEvent
from core.errors import ValidationError
from ingest.formats.registry import format_for
from ingest.upload import csv_pieces, ndjson_pieces, pieces
from ingest.upload.pieces import Defaults, Piece, digest_of
from ingest.upload.registry import CUTTERS, cutter_of

ROWS = 25
NAMES = ("id", "source", "type", "subject", "tokens")


def _rows(count: int = ROWS) -> list[dict[str, str]]:
    values = ("{n}", "/a", "t", "s{n}", "{n}.50")
    return [
        {name: value.format(n=n) for name, value in zip(NAMES, values, strict=True)}
        for n in range(1, count + 1)
    ]


def _write(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=7)
    else:
        events = [
            {name: text for name, text in row.items() if name != "tokens"}
            | {"specversion": "1.0", "data": {"tokens": row["tokens"]}}
            for row in rows
        ]
        path.write_text("".join(json.dumps(event) + "\n\n" for event in events))
    return path


def _read(found: Sequence[Piece]) -> dict[int, WireEvent]:
    """What a server reads, by row."""
    events = {}
    for piece in found:
        decoded = format_for({"content-type": piece.media_type}).decode(piece.body)
        assert len(decoded) == piece.rows
        for row, event in enumerate(decoded, piece.first_row):
            assert isinstance(event, WireEvent), event
            events[row] = event
    return events


def _cut(path: Path, defaults: Defaults | None = None) -> tuple[list[Piece], list[tuple[int, str]]]:
    said: list[tuple[int, str]] = []
    cut, filled = cutter_of(path), defaults or Defaults()
    found = list(cut(path, digest_of(path), filled, lambda *refused: said.append(refused)))
    return found, said


@pytest.mark.parametrize("ending", list(CUTTERS))
@pytest.mark.parametrize(("rows_max", "bytes_max"), [(5_000, 2**22), (4, 2**22), (5_000, 700)])
def test_every_row_is_sent_once_in_requests_within_the_bounds(
    ending: str, rows_max: int, bytes_max: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (pieces, ndjson_pieces):
        monkeypatch.setattr(module, "ROWS_MAX", rows_max)
        monkeypatch.setattr(module, "BYTES_MAX", bytes_max)
    found, said = _cut(_write(tmp_path / f"usage{ending}", _rows()))
    events = _read(found)
    assert said == []
    assert list(events) == list(range(1, ROWS + 1))
    for row, event in events.items():
        assert (event.id, event.source, event.type, event.subject) == (
            str(row), "/a", "t", f"s{row}",
        )  # fmt: skip
        assert json.loads(bytes(event.data)) == {"tokens": f"{row}.50"}
    assert max(piece.rows for piece in found) <= rows_max
    if rows_max < ROWS or bytes_max < 1_000:
        assert len(found) > 3


@pytest.mark.parametrize("ending", list(CUTTERS))
def test_what_the_file_does_not_say_is_filled_in_the_same_way_each_time(
    ending: str, tmp_path: Path
) -> None:
    rows = [{"subject": row["subject"], "tokens": row["tokens"]} for row in _rows()]
    file = _write(tmp_path / f"usage{ending}", rows)
    again = _write(tmp_path / f"again{ending}", rows)
    defaults = Defaults("/export", "llm.request")
    events, repeated = _read(_cut(file, defaults)[0]), _read(_cut(again, defaults)[0])
    assert events == repeated
    assert {(event.source, event.type) for event in events.values()} == {("/export", "llm.request")}
    assert [e.id for e in events.values()] == [f"{digest_of(file)[:32]}-{n}" for n in events]
    other = _write(tmp_path / f"other{ending}", rows[1:])
    assert not {e.id for e in events.values()} & {
        e.id for e in _read(_cut(other, defaults)[0]).values()
    }


def test_rows_of_csv_that_cannot_be_sent_are_named_and_the_others_keep_their_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_pieces, "_BLOCK_BYTES", 64)
    lines = _write(tmp_path / "good.csv", _rows()).read_text().splitlines()
    for number in (1, 2, 11, ROWS):
        lines[number] += ",more"
    file = tmp_path / "usage.csv"
    file.write_text("\n".join(lines) + "\n")
    found, said = _cut(file)
    assert said == [(row, "row: 6 cells, the header has 5") for row in (1, 2, 11, ROWS)]
    events = _read(found)
    assert {row: event.id for row, event in events.items()} == {
        row: str(row) for row in range(1, ROWS + 1) if row not in {1, 2, 11, ROWS}
    }


def test_a_line_that_is_too_long_is_named_and_the_others_keep_their_rows(tmp_path: Path) -> None:
    lines = _write(tmp_path / "good.ndjson", _rows(4)).read_text().split()
    text = [line for line in "".join(lines).replace("}}", "}}\n").splitlines() if line]
    text[1] = json.dumps({"text": "x" * 2**20})
    file = tmp_path / "usage.ndjson"
    file.write_text("\n".join(text))
    found, said = _cut(file)
    assert said == [(2, "event: over the limit of 262144 bytes")]
    assert {row: event.id for row, event in _read(found).items()} == {1: "1", 3: "3", 4: "4"}


@pytest.mark.parametrize("name", ["usage.txt", "usage", "usage.csv.gz"])
def test_other_endings_are_refused_with_those_that_work(name: str) -> None:
    with pytest.raises(ValidationError, match=r"ends in one of \.csv, \.ndjson"):
        cutter_of(Path(name))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"missing\.csv: cannot be read: No such file"):
        _cut(tmp_path / "missing.csv")
    for ending, content in ((".parquet", b"PAR1"), (".csv", b"\xff\xfe")):
        file = tmp_path / f"bad{ending}"
        file.write_bytes(content)
        with pytest.raises(ValidationError, match=rf"bad{ending}: .*no"):
            _cut(file)
