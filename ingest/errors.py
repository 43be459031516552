"""Errors that only an ingest request can meet."""

from __future__ import annotations

from core.errors import TollbookError


class UnsupportedMediaTypeError(TollbookError):
    """The body's content type or encoding has no decoder; `details` name those that have."""

    code = "unsupported_media_type"
