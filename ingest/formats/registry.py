"""A request's headers name the format of its body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ingest.errors import UnsupportedMediaTypeError
from ingest.formats import arrow, binary, csv, json, ndjson, parquet
from ingest.formats.wire_format import WireFormat

FORMATS: Final[Mapping[str, WireFormat]] = {
    json.SINGLE_TYPE: json.SINGLE,
    json.BATCH_TYPE: json.BATCH,
    json.EITHER_TYPE: json.EITHER,
    ndjson.MEDIA_TYPE: ndjson.FORMAT,
    csv.MEDIA_TYPE: csv.FORMAT,
    arrow.MEDIA_TYPE: arrow.FORMAT,
    parquet.MEDIA_TYPE: parquet.FORMAT,
}
"""Media type, in lower case and without parameters -> format."""

_STRUCTURED: Final = "application/cloudevents"
_UTF8_NAMES: Final = {"utf-8", "utf8"}


def format_for(headers: Mapping[str, str]) -> WireFormat:
    """The format of a body with these headers, whose names are in lower case.

    As CloudEvents over HTTP has it: a structured media type says so, else an attribute among the
    headers makes it binary mode. Raises `UnsupportedMediaTypeError`.
    """
    content_type = headers.get("content-type", "")
    media_type, *parameters = content_type.lower().split(";")
    media_type = media_type.strip()
    pairs = (parameter.partition("=") for parameter in parameters)
    charsets = {value.strip(' "') for name, _, value in pairs if name.strip() == "charset"}
    if binary.MARK in headers and not media_type.startswith(_STRUCTURED):
        found = binary.format_of(headers) if media_type in binary.MEDIA_TYPES else None
    else:
        found = FORMATS.get(media_type)
    if found is None or not charsets <= _UTF8_NAMES:
        raise UnsupportedMediaTypeError(
            f"content-type: {content_type[:100]!r} is not supported: send {', '.join(FORMATS)}"
            " in UTF-8",
            supported=list(FORMATS),
        )
    return found
