"""The trace: every request of two LLM services on one day of November 2023, as usage events."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DATA: Final = Path(__file__).parents[1] / "data" / "azure-llm"
SERVICES: Final = {"code": "azure-code", "conv": "azure-conv"}
"""File of the trace -> subject of its events."""

EVENT_TYPE: Final = "llm.request"
BATCH_EVENTS: Final = 250


@dataclass(frozen=True, slots=True)
class Request:
    """One row of the trace; the token counts are exact integers."""

    service: str
    row: int
    time: str
    context_tokens: int
    generated_tokens: int

    def as_event(self) -> dict[str, Any]:
        """Arguments of the client's `record`: an id that a second sending has again."""
        return {
            "type": EVENT_TYPE,
            "subject": SERVICES[self.service],
            "data": {
                "context_tokens": self.context_tokens,
                "generated_tokens": self.generated_tokens,
            },
            "id": f"{self.service}-{self.row}",
            "time": self.time,
        }


def read_requests() -> Iterator[Request]:
    """All requests of both files, in the order of the files; times as they were recorded."""
    for service in SERVICES:
        path = DATA / f"AzureLLMInferenceTrace_{service}.csv"
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), start=1):
                yield Request(
                    service,
                    number,
                    f"{row['TIMESTAMP'].replace(' ', 'T')}Z",
                    int(row["ContextTokens"]),
                    int(row["GeneratedTokens"]),
                )
