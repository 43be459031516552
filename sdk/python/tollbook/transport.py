"""One batch over HTTP: the same bytes until the server has said something final."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import httpx

from tollbook.errors import AuthenticationError, ConnectionFailedError, RequestRejectedError
from tollbook.events import Event
from tollbook.retries import RETRIED_STATUSES, RetryPolicy, retry_after_of
from tollbook.verdicts import FlushResult, Rejection

_CONTENT_TYPE = "application/cloudevents-batch+json"
_ACCEPTED = 202
_ALL_REJECTED = 400


class Transport:
    """Sends batches through `http`; waits between tries with `sleep`."""

    def __init__(
        self,
        http: httpx.Client,
        api_key: str,
        retry: RetryPolicy,
        sleep: Callable[[float], None],
    ) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {api_key}", "Content-Type": _CONTENT_TYPE}
        self._retry = retry
        self._sleep = sleep

    def send(self, events: Sequence[Event]) -> FlushResult:
        """Send until the server has a verdict on every event. Raises a `DeliveryError`."""
        body = b"[" + b",".join(event.wire for event in events) + b"]"
        failures = 0
        while True:
            response, problem = self._try(body)
            status = None if response is None else response.status_code
            if response is not None and status not in RETRIED_STATUSES:
                return _verdict(response, events)
            failures += 1
            asked = (
                None if response is None else retry_after_of(response.headers.get("Retry-After"))
            )
            wait_seconds = self._retry.wait_seconds(failures, asked)
            if wait_seconds is None:
                raise ConnectionFailedError(
                    f"{len(events)} events not delivered after {failures} tries: {problem}",
                    events,
                    status,
                )
            self._sleep(wait_seconds)

    def _try(self, body: bytes) -> tuple[httpx.Response | None, str]:
        """One try: the answer, if there was one, and what to say if it was the last."""
        try:
            response = self._http.post("/v1/events", content=body, headers=self._headers)
        except httpx.TransportError as error:
            return None, f"{type(error).__name__}: {error}"
        return response, _message(response)


def _verdict(response: httpx.Response, events: Sequence[Event]) -> FlushResult:
    """Read a final answer. Raises `AuthenticationError` or `RequestRejectedError`."""
    status = response.status_code
    document = _document(response)
    if status == _ACCEPTED and "accepted" in document:
        notices = tuple(notice["message"] for notice in document.get("notices", ()))
        return FlushResult(document["accepted"], _rejections(document, events), notices)
    details = document.get("error", {}).get("details", {})
    if status == _ALL_REJECTED and "rejected" in details:
        return FlushResult(0, _rejections(details, events))
    error = AuthenticationError if status in {401, 403} else RequestRejectedError
    raise error(f"{len(events)} events not delivered: {_message(response)}", events, status)


def _rejections(document: dict[str, Any], events: Sequence[Event]) -> tuple[Rejection, ...]:
    return tuple(
        Rejection(events[item["index"]], item["code"], item["message"])
        for item in document.get("rejected", ())
    )


def _document(response: httpx.Response) -> dict[str, Any]:
    """The body as a JSON object; empty when it is something else."""
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _message(response: httpx.Response) -> str:
    said = _document(response).get("error", {}).get("message", "")
    return f"the server answered {response.status_code}: {said or response.text[:200]}"
