"""The worked examples of a reference page: what is written, and the table below it."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from tests.sources import ROOT

Example = tuple[dict[str, Any], list[dict[str, str]]]


def examples(page: str, key: str) -> list[Example]:
    """Each TOML block of the table `key`, with the rows of the table that follows it."""
    text = (ROOT / "docs/reference/prices" / f"{page}.md").read_text(encoding="utf-8")
    found = []
    for written, table in re.findall(r"```toml\n(.*?)```\n+((?:\|[^\n]*\n)+)", text, re.DOTALL):
        head, _, *rows = [
            [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()
        ]
        content = tomllib.loads(written)
        assert list(content) == [key]
        found.append((content[key], [dict(zip(head, row, strict=True)) for row in rows]))
    assert found
    return found
