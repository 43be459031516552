"""The least that a server can do: a callable that reads the body, counts its events and answers.

`python -m benchmarks.null_ingest`. What any Python server behind uvicorn has to pay.
"""

from __future__ import annotations

from typing import Any

from benchmarks.serving import serve

_EVENT = b'"specversion"'


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Read, count, answer."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    said = b'{"accepted":%d,"rejected":[],"notices":[]}' % body.count(_EVENT)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(said)).encode()),
    ]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": said})


if __name__ == "__main__":
    serve(answer, lifespan="off")
