from __future__ import annotations

import re

from core import metric_names
from tests.sources import ROOT

_NAMES = {name: value for name, value in vars(metric_names).items() if name.isupper()}


def test_every_name_is_documented_and_says_its_package_and_unit() -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(tollbook_\w+)` \|", page, re.MULTILINE)
    assert sorted(listed) == sorted(_NAMES.values())
    for name in listed:
        assert re.fullmatch(r"tollbook_(http|ingest|stream|entitlement)_[a-z]+(_[a-z]+)*", name)


def test_every_name_is_measured_somewhere() -> None:
    texts = [
        (ROOT / path).read_text(encoding="utf-8")
        for path in (
            "api/connections.py",
            "api/observing.py",
            "api/routes/public_plans.py",
            "api/usage_sending.py",
            "entitlements/memory.py",
            "ingest/metrics.py",
            "streams/metrics.py",
        )
    ]
    for name in _NAMES:
        assert any(f"metric_names.{name}" in text for text in texts), name
