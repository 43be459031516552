"""What became of an event: every place in the log where it stands, with the verdict there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from core.endpoints import Endpoints
from core.errors import NotFoundError
from core.events import event_key
from core.ids import TenantId
from streams.letters import Filter, Letter, read_letters
from usage.conflicts import conflicts
from usage.event_search import FoundEvent, Wanted, search_events
from usage.unmeterable import ALL_TIME

_PLACES_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event stands in the log, by generation/partition/offset/row, and what it is there.

    `verdict`: accepted, void (takes back the copy before it), conflict (a copy that says something
    else; the accepted one counts) or rejected, then `said` is the reason, else the data.
    """

    verdict: str
    position: str
    logged_at: str
    source: str
    said: str

    def as_document(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def trail_of(
    endpoints: Endpoints, tenant_id: TenantId, event_id: str, source: str | None
) -> list[Place]:
    """All places of an event, in the order of the log's time. Equal copies leave none.

    Raises `NotFoundError` when there is none, and `DependencyDownError`.
    """
    letters = Filter(tenant_id=str(tenant_id), event_id=event_id)
    found = [_of_letter(letter) for letter in read_letters(endpoints, letters, _PLACES_MAX)]
    others = conflicts(endpoints.clickhouse, tenant_id, ALL_TIME, _PLACES_MAX, [event_id])
    found += map(_of_conflict, others.to_dicts())
    known = search_events(endpoints.clickhouse, tenant_id, Wanted(ids=(event_id,)), _PLACES_MAX)
    sources = {event.source for event in known} if source is None else {source}
    keys = tuple(event_key(str(tenant_id), each, event_id) for each in sorted(sources))
    if keys:
        wanted = Wanted(keys=keys, with_voids=True)
        found += map(_of_event, search_events(endpoints.clickhouse, tenant_id, wanted, _PLACES_MAX))
    chosen = [place for place in found if source in {None, place.source} or place.verdict == "void"]
    if not chosen:
        raise NotFoundError(
            f"{event_id}: no worker has seen an event with this id: it was not sent, was refused"
            " when it was (its sender got the reason), or is still to be read (`tollbook lag`)"
        )
    return sorted(chosen, key=lambda place: place.logged_at)


def _of_letter(letter: Letter) -> Place:
    at = datetime.fromtimestamp(letter.log_time_ms / 1000, UTC)
    source = str(letter.body.get("source", ""))
    return Place("rejected", letter.position, _shown(at), source, letter.reason)


def _of_conflict(row: dict[str, Any]) -> Place:
    position = "/".join(str(row[n]) for n in ("generation", "partition", "offset", "row"))
    return Place("conflict", position, _shown(row["log_time"]), row["source"], row["data"])


def _of_event(event: FoundEvent) -> Place:
    verdict = "accepted" if event.sign > 0 else "void"
    data = event.data.decode(errors="replace")
    return Place(verdict, event.position, _shown(event.log_time), event.source, data)


def _shown(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
