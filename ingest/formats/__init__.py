"""Wire formats: a content type names the function that reads its body.

Owns: one module for each format, and this table of them. Does not own: the contract of an event.
Invariants: a decoder returns one entry for each event of the body, in order, an event or the reason
why it cannot be read; a body that is no sequence of events at all is a `ValidationError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ingest.errors import UnsupportedMediaTypeError
from ingest.formats import cloudevents_json
from ingest.wire import Rejection, WireEvent

Decoder = Callable[[bytes], Sequence[WireEvent | Rejection]]

DECODERS: Final[Mapping[str, Decoder]] = {
    "application/cloudevents+json": cloudevents_json.decode_single,
    "application/cloudevents-batch+json": cloudevents_json.decode_batch,
    "application/json": cloudevents_json.decode_either,
}
"""Media type, in lower case and without parameters -> decoder."""

_UTF8_NAMES: Final = {"utf-8", "utf8"}


def decoder_for(content_type: str) -> Decoder:
    """The decoder that a Content-Type header names. Raises `UnsupportedMediaTypeError`."""
    media_type, *parameters = content_type.lower().split(";")
    pairs = (parameter.partition("=") for parameter in parameters)
    charsets = {value.strip(' "') for name, _, value in pairs if name.strip() == "charset"}
    decoder = DECODERS.get(media_type.strip())
    if decoder is None or not charsets <= _UTF8_NAMES:
        raise UnsupportedMediaTypeError(
            f"content-type: {content_type[:100]!r} is not supported: send {', '.join(DECODERS)}"
            " in UTF-8",
            supported=list(DECODERS),
        )
    return decoder
