"""The cut: up to which offset of each partition an answer counts. Readable for ever."""

from __future__ import annotations

import json
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

import sql


@dataclass(frozen=True, slots=True)
class Cut:
    """Offsets by "generation/partition", each exclusive: everything before them is counted."""

    offsets: dict[str, int]

    def as_json(self) -> str:
        """Canonical text: keys sorted, no spaces."""
        return json.dumps(self.offsets, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Cut:
        """Read the text of `as_json` back."""
        return cls({str(part): int(offset) for part, offset in json.loads(text).items()})


def read_cut(client: Client) -> Cut:
    """The newest cut: what the ledger proves without a hole, in every partition."""
    rows = client.query(sql.load("clickhouse/queries/ledger_cut")).result_rows
    return Cut({f"{generation}/{partition}": end for generation, partition, end in rows})
