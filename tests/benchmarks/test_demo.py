"""The demo, run whole, its invoices computed once more from the CSV with nothing but `Decimal`."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pypdf
import pytest

from core.endpoints import VARIABLES

ROOT = Path(__file__).parents[2]
TRACE = ROOT / "benchmarks" / "data" / "azure-llm"
CLOSING_LINE = "demo passed: 28185 requests, 2 invoices, 0 lost, 0 counted twice"
NAMES = {"code": "Code Completion GmbH", "conv": "Conversation Ltd"}
AT_ONE_EVENT = {"requests": "0.0004", "context-tokens": "0.000003", "generated-tokens": "0.000015"}


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def bill(service: str) -> dict[str, tuple[Decimal, Decimal]]:
    """Line key -> quantity and amount."""
    with (TRACE / f"AzureLLMInferenceTrace_{service}.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    quantities = {
        "requests": Decimal(len(rows)),
        "context-tokens": sum((Decimal(row["ContextTokens"]) for row in rows), Decimal(0)),
        "generated-tokens": sum((Decimal(row["GeneratedTokens"]) for row in rows), Decimal(0)),
    }
    lines = {
        key: (quantity, cents(quantity * Decimal(AT_ONE_EVENT[key])))
        for key, quantity in quantities.items()
    }
    return lines | {"platform": (Decimal(1), Decimal("49.00"))}


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.clickhouse
@pytest.mark.postgres
def test_the_demo_bills_the_trace_to_the_cent(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.demo", "--folder", str(tmp_path)],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == CLOSING_LINE
    invoices = [json.loads(path.read_text()) for path in (tmp_path / "invoices").glob("*.json")]
    by_name = {invoice["buyer"]["name"]: invoice for invoice in invoices}
    assert sorted(invoice["number"] for invoice in invoices) == ["MH-2023-000001", "MH-2023-000002"]
    for service, name in NAMES.items():
        invoice, expected = by_name[name], bill(service)
        found = {
            line["key"]: (Decimal(line["quantity"]), Decimal(line["amount"]["amount"]))
            for line in invoice["lines"]
        }
        assert found == expected
        total = sum((amount for _, amount in expected.values()), Decimal(0))
        assert invoice["total"] == {"amount": str(total), "currency": "EUR"}
        pdf = pypdf.PdfReader(tmp_path / "invoices" / f"{invoice['number']}.pdf")
        text = "\n".join(page.extract_text() for page in pdf.pages)
        assert invoice["number"] in text
        assert f"{total:,}" in text
