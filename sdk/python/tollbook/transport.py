"""One try to send one batch over HTTP, and what its answer means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

import httpx

from tollbook.clock import utc_now
from tollbook.retries import is_retried, retry_after_of

_CONTENT_TYPE = "application/cloudevents-batch+json"
_ACCEPTED = 202
_ALL_REJECTED = 400
_KEY_REFUSED = frozenset({401, 403})
_CONTENT_REFUSED = frozenset({400, 413, 422})


class Fault(Enum):
    """Why a try failed, by what may help."""

    PASSING = "the network, or a server that is busy or down"
    KEY = "the API key"
    CONTENT = "the batch: too large, or an event in it that the server cannot read"
    ENDPOINT = "the address, or whatever answers there"


@dataclass(frozen=True)
class Refusal:
    """One event of the batch, by its index, that the server refused."""

    index: int
    code: str
    message: str


@dataclass(frozen=True)
class Verdict:
    """The server's word on every event of a batch."""

    accepted: int
    refused: tuple[Refusal, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failure:
    """A try without a verdict."""

    fault: Fault
    message: str
    status: int | None = None
    retry_after_seconds: float = 0.0


class Transport:
    """Sends batches through one connection that is kept. Not shared between threads."""

    def __init__(self, url: str, api_key: str, timeout_seconds: float) -> None:
        is_secure = httpx.URL(url).scheme == "https"  # else there is nothing to verify
        self._http = httpx.Client(base_url=url, timeout=timeout_seconds, verify=is_secure)
        self._headers = {"Authorization": f"Bearer {api_key}", "Content-Type": _CONTENT_TYPE}

    def send(self, wires: Sequence[bytes]) -> Verdict | Failure:
        """Send once."""
        body = b"[" + b",".join(wires) + b"]"
        try:
            response = self._http.post("/v1/events", content=body, headers=self._headers)
        except httpx.HTTPError as error:
            return Failure(Fault.PASSING, f"{type(error).__name__}: {error}")
        return _read(response, len(wires))

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


def _read(response: httpx.Response, events: int) -> Verdict | Failure:
    status, document = response.status_code, _document(response)
    error = document.get("error")
    error = error if isinstance(error, dict) else {}
    details = error.get("details")
    try:
        if status == _ACCEPTED:
            notices = tuple(str(notice["message"]) for notice in document.get("notices", ()))
            return Verdict(int(document["accepted"]), _refused(document, events), notices)
        if status == _ALL_REJECTED and isinstance(details, dict) and "rejected" in details:
            return Verdict(0, _refused(details, events))
    except (KeyError, TypeError, ValueError):
        pass  # whatever answers there is no ingest server: the status below says it all
    message = f"the server answered {status}: {error.get('message') or response.text[:200]}"
    asked = retry_after_of(response.headers.get("Retry-After"), _server_now(response))
    return Failure(_fault(status), message, status, asked)


def _fault(status: int) -> Fault:
    if is_retried(status):
        return Fault.PASSING
    if status in _KEY_REFUSED:
        return Fault.KEY
    return Fault.CONTENT if status in _CONTENT_REFUSED else Fault.ENDPOINT


def _refused(document: dict[str, Any], events: int) -> tuple[Refusal, ...]:
    """Raises `KeyError`, `TypeError` or `ValueError` where this is no list of refusals."""
    refused = tuple(
        Refusal(int(item["index"]), str(item["code"]), str(item["message"]))
        for item in document.get("rejected", ())
    )
    if not all(0 <= each.index < events for each in refused):
        raise ValueError("rejected: names an event that was not sent")
    return refused


def _document(response: httpx.Response) -> dict[str, Any]:
    """The body as a JSON object; empty when it is something else."""
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _server_now(response: httpx.Response) -> datetime:
    try:
        return parsedate_to_datetime(response.headers["Date"])
    except (KeyError, TypeError, ValueError):
        return utc_now()
