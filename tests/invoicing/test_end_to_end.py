"""From a set-up file and events in the log to invoices: the real reader, the real command."""

from __future__ import annotations

import json
import os
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from pypdf import PdfReader

from cli.main import main
from core.clock import SystemClock, monotonic_seconds
from core.endpoints import Endpoints
from core.envelope import envelope_headers
from core.events import event_key, partition_of
from db.postgres import Database
from identity.tenants import ensure_tenant
from infra.local.child import Child
from subscriptions.setup import apply_catalog
from tests.plugins.database import do
from tests.streams.log_oracle import Sent
from tests.streams.logs import envelope
from usage.reader import UsageReader

SET_UP = Path(__file__).parent / "standard.toml"
CLOSE = ("close", "--as-of", "2023-12-02T00:00:00Z", "--tenant", "acme", "--json")
PRICES = {"tokens": Decimal("0.0000025"), "requests": Decimal("0.004")}
MOVED = datetime(2023, 11, 15, 11, 30, tzinfo=UTC)
NOVEMBER = {
    "Berlin AG": (
        datetime(2023, 10, 31, 23, tzinfo=UTC),
        datetime(2023, 11, 30, 23, tzinfo=UTC),
    ),
    "Universal Ltd": (datetime(2023, 11, 1, tzinfo=UTC), datetime(2023, 12, 1, tzinfo=UTC)),
}


def events(tenant: str) -> Iterator[Sent]:
    """Every 40 minutes one event of each subject, around both customers' November."""
    start = datetime(2023, 10, 31, 20, tzinfo=UTC).timestamp()
    for number in range(1100):
        at = datetime.fromtimestamp(start + number * 2400, tz=UTC)
        for subject in ("chat", "code", "roamer", "stranger"):
            data = json.dumps({"usage": {"tokens": 1000 + number}})
            yield Sent(tenant, "test", f"{subject}-{number}", "llm", subject, at, data)


def owner(event: Sent) -> str | None:
    """Who pays for an event, by hand."""
    name = {
        "chat": "Berlin AG",
        "code": "Universal Ltd",
        "roamer": "Berlin AG" if event.time < MOVED else "Universal Ltd",
    }.get(event.subject)
    if name is None:
        return None
    start, end = NOVEMBER[name]
    return name if start <= event.time < end else None


def recount(sent: list[Sent]) -> dict[str, dict[str, Decimal]]:
    """Per customer and line the amount, in plain Decimal."""
    amounts = {}
    for name in NOVEMBER:
        mine = [event for event in sent if owner(event) == name]
        tokens = sum(json.loads(event.data)["usage"]["tokens"] for event in mine)
        used = {"tokens": Decimal(tokens), "requests": Decimal(len(mine))}
        amounts[name] = {
            key: (quantity * PRICES[key]).quantize(Decimal("0.01"), ROUND_HALF_UP)
            for key, quantity in used.items()
        } | {"fee": Decimal("49.00")}
    return amounts


def publish(endpoints: Endpoints, sent: list[Sent]) -> dict[str, int]:
    """Write the events into the log; returns the cut that covers them."""
    by_partition: dict[int, list[Sent]] = {}
    for event in sent:
        key = event_key(event.tenant, event.source, event.id)
        by_partition.setdefault(partition_of(key, 4), []).append(event)
    producer = Producer({"bootstrap.servers": endpoints.kafka, "acks": "all"})
    for partition, group in by_partition.items():
        producer.produce(
            endpoints.usage_events_topic(),
            envelope(tuple(group)),
            partition=partition,
            headers=list(envelope_headers(len(group))),
        )
    assert producer.flush(30) == 0
    return {f"1/{partition}": 1 for partition in by_partition}


def stream_until(endpoints: Endpoints, folder: Path, cut: dict[str, int]) -> None:
    worker = Child(
        "worker",
        ["serve", "streams", "--worker-id", "one", "--state-dir", str(folder / "state")],
        endpoints,
        folder,
        os.environ,
    )
    worker.start()
    try:
        deadline = monotonic_seconds() + 90
        with closing(UsageReader(endpoints.clickhouse)) as reader:
            while reader.cut().offsets != cut:
                assert worker.alive(), worker.read_log()[-2000:]
                assert monotonic_seconds() < deadline, worker.read_log()[-2000:]
                time.sleep(0.2)
    finally:
        worker.end()


class Tollbook:
    """The `tollbook` command in this process, against an installation."""

    def __init__(
        self, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[bytes], endpoints: Endpoints
    ) -> None:
        self._patch, self._capture = patch, capture
        for name, value in endpoints.as_environment().items():
            patch.setenv(name, value)

    def __call__(self, *arguments: str) -> tuple[int, bytes, bytes]:
        """Exit code, stdout, stderr."""
        self._patch.setattr(sys, "argv", ["tollbook", *arguments])
        self._capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capture.readouterr()
        return int(ended.value.code or 0), out, err


@pytest.fixture
def tollbook(
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
    installation: Endpoints,
) -> Tollbook:
    return Tollbook(monkeypatch, capsysbinary, installation)


@pytest.mark.req("INV-05", "INV-06", "INV-16")
def test_events_in_the_log_become_invoices_that_a_recount_confirms(
    installation: Endpoints, tollbook: Tollbook, tmp_path: Path
) -> None:
    with Database(installation.postgres) as db:
        applied = apply_catalog(db, SystemClock(), tomllib.loads(SET_UP.read_text()))
    sent = list(events(str(applied.tenant_id)))
    stream_until(installation, tmp_path, publish(installation, sent))

    code, preview, problem = tollbook(*CLOSE, "--dry-run")
    assert code == 0, problem
    code, done, problem = tollbook(*CLOSE)
    assert code == 0, problem
    [drafted], [closed] = json.loads(preview), json.loads(done)
    hashes = [
        [invoice["content_hash"] for invoice in result["invoices"]] for result in (drafted, closed)
    ]
    assert hashes[0] == hashes[1]
    assert [each["number"] for each in closed["invoices"]] == ["INV-000001", "INV-000002"]

    expected = recount(sent)
    for invoice in closed["invoices"]:
        amounts = {line["key"]: Decimal(line["amount"]["amount"]) for line in invoice["lines"]}
        assert amounts == expected[invoice["buyer"]["name"]]
        assert Decimal(invoice["total"]["amount"]) == sum(amounts.values())
        check_files(tollbook, tmp_path / "invoice.pdf", invoice)

    _, again, _ = tollbook(*CLOSE)
    assert json.loads(again) == [{"tenant": "acme", "invoices": [], "parked": []}]


def check_files(tollbook: Tollbook, path: Path, invoice: dict[str, Any]) -> None:
    shown = {tollbook("invoices", "show", invoice[name])[1] for name in ("number", "id")}
    assert [json.loads(each) for each in shown] == [invoice]
    code, printed, _ = tollbook("invoices", "show", invoice["number"], "--text")
    lines = printed.decode().splitlines()
    assert code == 0
    assert invoice["buyer"]["name"] in lines[0]
    assert lines[-1].split()[-1] == invoice["total"]["amount"]
    code, _, problem = tollbook("invoices", "pdf", invoice["number"], "-o", str(path))
    assert code == 0, problem
    text = PdfReader(BytesIO(path.read_bytes())).pages[0].extract_text()
    assert invoice["number"] in text
    assert f"EUR {invoice['total']['amount']}" in text
    assert invoice["content_hash"] in text


def test_commands_answer_with_one_line_when_something_is_wrong(
    installation: Endpoints, tollbook: Tollbook
) -> None:
    code, _, problem = tollbook("invoices", "list")
    assert (code, problem.count(b"\n")) == (1, 1)
    assert b"there is none yet; make one with `tollbook apply FILE`" in problem
    with Database(installation.postgres) as db:
        do(db, ensure_tenant, SystemClock(), "acme", "Acme")
    wrong = {
        ("close", "--as-of", "2023-12-01"): b"error: --as-of: expected an instant",
        ("close", "--as-of", "2100-01-01T00:00:00Z", "--tenant", "x"): b"there is none called 'x'",
        ("invoices", "show", "INV-000009"): b"error: invoice INV-000009: no such invoice",
        ("invoices", "show", "inv_1"): b"expected an id like inv_",
    }
    for arguments, message in wrong.items():
        code, _, problem = tollbook(*arguments)
        assert code == 1
        assert message in problem
        assert problem.count(b"\n") == 1, problem
    code, listed, _ = tollbook("invoices", "list", "--json")
    assert (code, json.loads(listed)) == (0, [])
