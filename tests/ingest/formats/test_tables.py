from __future__ import annotations

import decimal
import json
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from core.cloudevents.wire import Rejection, WireEvent
from core.errors import TooLargeError, ValidationError
from ingest.formats import arrow, csv, parquet, parquet_pages
from ingest.formats.parquet_reader import read_table
from tests.ingest.formats.test_contract import EVENT, arrow_of, parquet_of, table_of

NEEDED = {name: [EVENT[name]] for name in ("id", "source", "type", "subject")}


def one(columns: dict[str, Any]) -> WireEvent:
    (event,) = arrow.decode(arrow_of(pa.table(NEEDED | columns)))
    assert isinstance(event, WireEvent), event
    return event


def data_of(kind: pa.DataType, value: object) -> str:
    return bytes(one({"x": pa.array([value], kind)}).data).decode()


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (pa.int64(), 2**63 - 1, "9223372036854775807"),
        (pa.uint64(), 2**64 - 1, "18446744073709551615"),
        (pa.float64(), 0.1, "0.1"),
        (pa.float32(), 0.1, "0.1"),
        (pa.float64(), 1e300, "1e+300"),
        (pa.decimal128(38, 20), decimal.Decimal("1.10"), "1.10000000000000000000"),
        (pa.decimal256(60, 0), decimal.Decimal(10**59), "1" + "0" * 59),
        (pa.bool_(), True, "true"),
        (pa.string(), 'a "b"\n', '"a \\"b\\"\\n"'),
        (pa.dictionary(pa.int8(), pa.string()), "gpt", '"gpt"'),
        (pa.date32(), date(2026, 2, 28), '"2026-02-28"'),
        (pa.timestamp("ms", "Europe/Berlin"), datetime(2026, 1, 1, tzinfo=UTC),
         '"2026-01-01T00:00:00Z"'),
        (pa.timestamp("ns", "UTC"), datetime(2026, 1, 1, 0, 0, 0, 5, tzinfo=UTC),
         '"2026-01-01T00:00:00.000005Z"'),
    ],
)  # fmt: skip
def test_values_become_json_exactly(kind: pa.DataType, value: object, text: str) -> None:
    assert data_of(kind, value) == f'{{"x":{text}}}'
    assert data_of(kind, None) == "{}"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_in_json_is_refused_with_its_column(value: float) -> None:
    columns = NEEDED | {"x": pa.array([value])}
    (rejection,) = arrow.decode(arrow_of(pa.table(columns)))
    assert isinstance(rejection, Rejection)
    assert (rejection.id, rejection.message) == (
        "1",
        f"data.x: {value} is no number in JSON: send null",
    )


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.int8()), pa.struct([("a", pa.int8())]), pa.time32("s"), pa.timestamp("s")]
)
def test_types_without_a_form_in_json_are_refused_with_what_to_do(kind: pa.DataType) -> None:
    with pytest.raises(ValidationError, match=r"column x: .* send a column `data` with JSON texts"):
        one({"x": pa.array([None], kind)})


def test_a_column_data_is_kept_as_it_is_and_others_are_ignored() -> None:
    event = one({"data": ['{"a" : 1.0}'], "comment": [5]})
    assert bytes(event.data) == b'{"a" : 1.0}'
    as_bytes = one({"data": pa.array([b'{"a" : 1.0}'], pa.binary())})
    assert as_bytes == event


def test_data_that_is_no_json_refuses_its_row() -> None:
    (rejection,) = arrow.decode(arrow_of(pa.table(NEEDED | {"data": ["{"]})))
    assert isinstance(rejection, Rejection)
    assert rejection.message.startswith("data: ")


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (pa.string(), "2026-11-21T12:00:00+02:00", "2026-11-21T12:00:00+02:00"),
        (pa.timestamp("us", "UTC"), datetime(2026, 11, 21, tzinfo=UTC), "2026-11-21T00:00:00Z"),
        (pa.timestamp("ns", "Asia/Tokyo"), datetime(2026, 11, 21, tzinfo=UTC),
         "2026-11-21T00:00:00Z"),
    ],
)  # fmt: skip
def test_times_are_texts_or_instants(kind: pa.DataType, value: object, text: str) -> None:
    assert one({"time": pa.array([value], kind)}).time == text
    assert one({"time": pa.array([None], kind)}).time is None


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"time": pa.array([0], pa.timestamp("us"))}, "column time: a timestamp needs a time zone"),
        ({"time": [1]}, "column time: expected text in RFC 3339, or a timestamp with a zone"),
        ({"id": [1]}, "column id: expected text, got int64: cast it"),
        ({"data": [1]}, "column data: expected text that is a JSON object"),
        ({"subject": pa.array([b"\xff"], pa.binary())}, "column subject: not UTF-8"),
    ],
)
def test_attributes_of_another_type_are_refused(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        one(columns)


def test_missing_and_repeated_columns_are_named() -> None:
    with pytest.raises(ValidationError, match="columns: source, type: missing"):
        arrow.decode(arrow_of(pa.table({"id": ["1"], "subject": ["s"]})))
    with pytest.raises(ValidationError, match="columns: id: given more than once"):
        csv.decode(b"id,id,source,type,subject\n")
    many = {f"x{n}": [1] for n in range(252)}
    assert arrow.decode(arrow_of(pa.table(NEEDED | many)))
    with pytest.raises(TooLargeError, match="257 columns, the limit is 256"):
        arrow.decode(arrow_of(pa.table(NEEDED | many | {"y": [1]})))


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_buffers_are_bounded_before_they_are_inflated(codec: str) -> None:
    coded = table_of([EVENT] * 3).unify_dictionaries()
    dictionary = coded.column("source").dictionary_encode()
    coded = coded.set_column(2, "source", dictionary)
    assert len(arrow.decode(arrow_of(coded, compression=codec))) == 3
    spaces = pa.array(['{"text":"' + " " * (11 * 2**20) + '"}'])
    for data in (spaces, spaces.dictionary_encode()):
        body = arrow_of(pa.table(NEEDED | {"data": data}), compression=codec)
        assert len(body) < 2**17
        before = pa.total_allocated_bytes()
        with pytest.raises(TooLargeError, match="over the limit of 10485760 bytes"):
            arrow.decode(body)
        assert pa.total_allocated_bytes() - before < 2**20


@pytest.mark.parametrize(("size", "fits"), [(900, True), (1_100, False)])
def test_a_text_that_every_row_repeats_counts_in_every_row(size: int, fits: bool) -> None:
    rows = 10_000
    table = table_of([EVENT]).take([0] * rows)
    coded = pa.array(['{"text":"' + "x" * size + '"}'] * rows).dictionary_encode()
    table = table.set_column(table.num_columns - 1, "data", coded)
    for decode, body in (
        (arrow.decode, arrow_of(table)),
        (parquet.FORMAT.decode, parquet_of(table)),
    ):
        assert len(body) < 2**20
        if fits:
            assert len(decode(body)) == rows
        else:
            with pytest.raises(TooLargeError, match="over the limit of 10485760 bytes"):
                decode(body)


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
def test_parquet_of_every_codec_is_read(codec: str) -> None:
    for version in ("1.0", "2.0"):
        body = parquet_of(table_of([EVENT] * 3), compression=codec, data_page_version=version)
        assert len(parquet.FORMAT.decode(body)) == 3


def test_parquet_pages_that_inflate_beyond_the_limit_are_refused_before_they_are() -> None:
    rows = pa.table(NEEDED | {"data": ['{"text":"' + " " * (11 * 2**20) + '"}']})
    body = parquet_of(rows, compression="zstd", use_dictionary=False, write_statistics=False)
    assert len(body) < 2**16
    before = pa.total_allocated_bytes()
    with pytest.raises(TooLargeError, match="over the limit of 10485760 bytes"):
        read_table(body)
    assert pa.total_allocated_bytes() - before < 2**20
    with pytest.raises(TooLargeError, match="over the limit of 10485760 bytes"):
        parquet.FORMAT.decode(body)


def test_parquet_of_prefixed_values_is_refused() -> None:
    table = table_of([EVENT] * 3)
    encoding = dict.fromkeys(table.column_names, "DELTA_BYTE_ARRAY")
    body = parquet_of(table, use_dictionary=False, column_encoding=encoding)
    with pytest.raises(ValidationError, match="DELTA_BYTE_ARRAY is not supported"):
        parquet.FORMAT.decode(body)


def test_parquet_with_nested_columns_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"column x: struct.* has no form in JSON"):
        parquet.FORMAT.decode(parquet_of(pa.table(NEEDED | {"x": [{"a": 1, "b": 2}]})))


def test_dictionaries_that_grow_and_streams_without_end_are_refused() -> None:
    sink = pa.BufferOutputStream()
    schema = pa.schema([(n, pa.dictionary(pa.int8(), pa.string())) for n in NEEDED])
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with pa.ipc.new_stream(sink, schema, options=options) as writer:
        for values in (["1"], ["1", "2"]):
            grown = pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), values)
            writer.write_batch(pa.record_batch([grown] * 4, schema=schema))
    with pytest.raises(ValidationError, match="a dictionary that grows"):
        arrow.decode(sink.getvalue().to_pybytes())
    table = table_of([EVENT])
    assert len(arrow.decode(arrow_of(pa.concat_tables([table] * 1_000)))) == 1_000
    with pytest.raises(ValidationError, match="more than 1000 messages"):
        arrow.decode(arrow_of(pa.concat_tables([table] * 1_001)))


def test_what_a_table_becomes_counts_with_the_names_of_its_columns() -> None:
    head = ",".join(["id", "source", "type", "subject", *(f"{n:0>1000}" for n in range(250))])
    row = ",".join(["1", "/a", "t", "s", *["1"] * 250])
    few, many = (f"{head}\n" + f"{row}\n" * rows for rows in (41, 42))
    assert len(csv.decode(few.encode())) == 41
    with pytest.raises(TooLargeError, match="over the limit of 10485760 bytes"):
        csv.decode(many.encode())


def test_many_cells_and_many_bad_rows_are_refused() -> None:
    flags = {f"x{n}": pa.array([True] * 10_000) for n in range(97)}
    rows = pa.table({name: texts * 10_000 for name, texts in NEEDED.items()} | flags)
    with pytest.raises(TooLargeError, match="1010000 cells, the limit is 1000000"):
        arrow.decode(arrow_of(rows))
    with pytest.raises(TooLargeError, match="10001 events"):
        csv.decode(b"id,source,type,subject\n" + b"a\n" * 2**19)


@pytest.mark.parametrize(
    ("kind", "value"),
    [(pa.timestamp("ms", "UTC"), 2**60), (pa.timestamp("s", "UTC"), 2**62), (pa.date32(), 2**30)],
)
def test_instants_beyond_any_calendar_are_refused(kind: pa.DataType, value: int) -> None:
    far = pa.array([value], pa.int32() if kind == pa.date32() else pa.int64()).cast(kind)
    columns = {"time": far} if pa.types.is_timestamp(kind) else {"x": far}
    with pytest.raises(ValidationError, match="body: not an Arrow IPC stream: "):
        one(columns)


def test_the_size_of_an_event_is_that_of_its_bytes() -> None:
    for count, fits in ((60_000, True), (70_000, False)):
        text = json.dumps({"x": "\U0001f600" * count}, ensure_ascii=False)
        (event,) = arrow.decode(arrow_of(pa.table(NEEDED | {"data": [text]})))
        assert isinstance(event, WireEvent) == fits


def test_bytes_that_every_row_repeats_are_bounded_in_parquet_too() -> None:
    table = table_of([EVENT]).take([0] * 150)
    large = pa.array([b'{"text":"' + b"x" * 2**17 + b'"}'] * 150, pa.binary())
    body = parquet_of(table.set_column(table.num_columns - 1, "data", large))
    assert len(body) < 2**18
    with pytest.raises(TooLargeError, match="over the limit of 10485760 bytes"):
        parquet.FORMAT.decode(body)


def test_a_page_header_that_claims_to_go_on_is_refused() -> None:
    header = bytes([0x19, 0xF7, *[0xFF] * 8, 0x01])  # field 1: a list of very many doubles
    with pytest.raises(ValueError, match="ends too early"):
        parquet_pages._Reader(header, 0, len(header)).struct(0)


def test_a_file_that_ends_its_reader_or_takes_too_long_is_refused_and_the_next_is_read() -> None:
    body = parquet_of(table_of([EVENT] * 3))
    reader = parquet.Reader(seconds_max=0.0)
    with pytest.raises(ValidationError, match=r"not one that can be read in 0 s"):
        reader.decode(body)
    patient = parquet.Reader()
    assert len(patient.decode(body)) == 3
    assert patient._process is not None
    first = patient._process
    first.kill()
    first.wait()
    assert len(patient.decode(body)) == 3, "its reader died before: that says nothing about it"
    patient.close()
    assert len(patient.decode(body)) == 3
    patient.close()


def test_rows_of_several_groups_and_batches_are_one_list() -> None:
    events = [EVENT | {"id": str(number)} for number in range(7)]
    body = parquet_of(table_of(events), row_group_size=2)
    assert [getattr(each, "id", None) for each in parquet.FORMAT.decode(body)] == list("0123456")
    batches = pa.Table.from_batches(table_of(events).to_batches(max_chunksize=3))
    found = arrow.decode(arrow_of(batches))
    assert [getattr(each, "id", None) for each in found] == list("0123456")


def test_cells_of_csv_are_texts_and_empty_ones_are_absent() -> None:
    body = (
        "\ufeffid,source,type,subject,time,tokens,note\r\n"
        '1,/a,t,s,2026-11-21T10:00:00Z,0012.50,"two\nlines, ""quoted"""\r\n'
        '2,/a,t,s,,,""\r\n'
    ).encode()
    first, second = csv.decode(body)
    assert isinstance(first, WireEvent)
    assert isinstance(second, WireEvent)
    assert json.loads(bytes(first.data)) == {"tokens": "0012.50", "note": 'two\nlines, "quoted"'}
    assert (second.time, bytes(second.data)) == (None, b'{"note":""}')


def test_rows_with_other_numbers_of_cells_are_refused_at_their_places() -> None:
    head = b"id,source,type,subject,n\n"
    found = csv.decode(head + b"1,/a,t,s,1\n2,/a\n3,/a,t,s,3\n4,/a,t,s,4,5,6\n5,/a,t,s,5\n")
    shown = [e.message if isinstance(e, Rejection) else e.id for e in found]
    assert shown == [
        "1",
        "row: 2 cells, the header has 5",
        "3",
        "row: 7 cells, the header has 5",
        "5",
    ]
    assert [e.index for e in found if isinstance(e, Rejection)] == [1, 3]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "columns: id, source, type, subject: missing"),
        (b"\xff,a\n", "body: not UTF-8 at byte 0"),
    ],
)
def test_what_is_no_csv_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        csv.decode(body)
