"""What the types of events in the outbox are: their subject, version, payload, and when they come.

Each context has its own in its module `events`. A payload has all the fields that its type says and
no others: to add one is a change of the type; to take one away, or give it another meaning, is
another version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Labels = dict[str, Any]
"""What a tenant writes on its things."""

At = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""An instant with its offset."""


class Payload(BaseModel):
    """What an event tells of a thing; exactly these fields, as JSON has them."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Money(Payload):
    """An exact amount."""

    amount: str
    currency: str


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event. `when` is what it tells of, put as: it comes when this happens."""

    subject: str
    when: str
    payload: type[Payload]
    version: int = 1

    def check(self, payload: Mapping[str, Any], version: int) -> None:
        """Raise `pydantic.ValidationError`, or `ValueError` for another version."""
        if version != self.version:
            raise ValueError(f"{self.subject}: version {version} is not {self.version}")
        self.payload.model_validate(dict(payload))

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the event as it is shown, without what all events have alike."""
        return {
            "type": "object",
            "title": self.subject,
            "description": f"Comes when {self.when}.",
            "properties": {
                "subject": {"const": self.subject},
                "version": {"const": self.version},
                "payload": self.payload.model_json_schema(),
            },
            "required": ["subject", "version", "payload"],
        }


def types_of(payload: type[Payload], context: str, when: Mapping[str, str]) -> dict[str, EventType]:
    """Types with one payload: `when` has what happened, the end of the subject, and when."""
    made = [EventType(f"{context}.{name}", told, payload) for name, told in when.items()]
    return {each.subject: each for each in made}
