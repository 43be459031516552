"""How commands take and show rate limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from core.rate_limits import Rate, RateLimits

EventsRate = Annotated[
    str | None,
    typer.Option("--events", help="Events a second: RATE or RATE:BURST; `default`: the server's."),
]
BytesRate = Annotated[
    str | None,
    typer.Option("--bytes", help="Bytes of bodies a second, likewise."),
]

_DEFAULT: Final = "default"


def changed_limits(before: RateLimits, events: str | None, size: str | None) -> RateLimits:
    """`before`, with what the two options say. Raises `ValidationError`."""
    from core.rate_limits import RateLimits, parse_bytes_rate, parse_events_rate

    rates = [before.events, before.bytes]
    given = ((events, "--events", parse_events_rate), (size, "--bytes", parse_bytes_rate))
    for place, (text, option, parse) in enumerate(given):
        if text is not None:
            rates[place] = None if text == _DEFAULT else parse(text, option)
    return RateLimits(*rates)


def limits_of_options(option: str, events: str | None, size: str | None) -> RateLimits:
    """What `OPTION-events` and `OPTION-bytes` say. Raises `ValidationError`."""
    from core.rate_limits import RateLimits, parse_bytes_rate, parse_events_rate

    return RateLimits(
        None if events is None else parse_events_rate(events, f"{option}-events"),
        None if size is None else parse_bytes_rate(size, f"{option}-bytes"),
    )


def rate_text(rate: Rate | None) -> str:
    """As it is written in an option."""
    return _DEFAULT if rate is None else f"{rate.per_second}:{rate.burst}"
