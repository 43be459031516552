"""Token counts out of responses, by the names of their fields: objects and dicts alike.

What each side calls them, and the one name used here:

| here | OpenAI chat completions | OpenAI responses | Anthropic messages |
|---|---|---|---|
| input_tokens | prompt_tokens | input_tokens | input_tokens + both caches |
| cached_input_tokens | prompt_tokens_details.… | input_tokens_details.… | cache_read_… |
| cache_write_input_tokens | | | cache_creation_input_tokens |
| output_tokens | completion_tokens | output_tokens | output_tokens |
| reasoning_tokens | completion_tokens_details.… | output_tokens_details.… | |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_COUNTS = (
    "prompt_tokens",
    "completion_tokens",
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
_DETAILS = (
    ("prompt_tokens_details", "cached_tokens"),
    ("input_tokens_details", "cached_tokens"),
    ("completion_tokens_details", "reasoning_tokens"),
    ("output_tokens_details", "reasoning_tokens"),
)


@dataclass(frozen=True)
class TokenUsage:
    """Counts of one call; None where the response does not say.

    Attributes:
        input_tokens: Everything that the model read, cached or not.
        output_tokens: Everything that it wrote, its reasoning included.
        cached_input_tokens: Of the input, what came from a cache.
        cache_write_input_tokens: Of the input, what was written into a cache.
        reasoning_tokens: Of the output, what is reasoning.
        model: The model that answered.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    model: str | None = None


def read_usage(response: object) -> TokenUsage | None:
    """The usage of a response; None where it names none."""
    reader = UsageReader()
    reader.add(response)
    return reader.usage()


class UsageReader:
    """Gathers usage over a response or the chunks of a stream.

    Counts in streams are cumulative and come late, or in parts: the last value of each holds.

    Attributes:
        model: The model that the responses name.
    """

    def __init__(self) -> None:
        self.model: str | None = None
        self._counts: dict[str, int] = {}

    def add(self, said: object) -> None:
        """Read a response, or a chunk; usage may lie in its `message` or its `response`."""
        for holder in (said, _get(said, "message"), _get(said, "response")):
            model = _get(holder, "model")
            if isinstance(model, str) and model:
                self.model = model
            usage = _get(holder, "usage")
            for name in _COUNTS:
                self._keep(name, _get(usage, name))
            for group, name in _DETAILS:
                self._keep(name, _get(_get(usage, group), name))

    def usage(self) -> TokenUsage | None:
        """What was read; None where no input and no output was named."""
        counts = self._counts
        read, written = (
            counts.get("cache_read_input_tokens"),
            counts.get("cache_creation_input_tokens"),
        )
        total = counts.get("prompt_tokens")
        if total is None and "input_tokens" in counts:
            total = counts["input_tokens"] + (read or 0) + (written or 0)
        output = counts.get("completion_tokens", counts.get("output_tokens"))
        if total is None and output is None:
            return None
        return TokenUsage(
            input_tokens=total,
            output_tokens=output,
            cached_input_tokens=counts.get("cached_tokens", read),
            cache_write_input_tokens=written,
            reasoning_tokens=counts.get("reasoning_tokens"),
            model=self.model,
        )

    def _keep(self, name: str, count: object) -> None:
        if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
            self._counts[name] = count


def _get(holder: object, name: str) -> object:
    if isinstance(holder, Mapping):
        return holder.get(name)
    return getattr(holder, name, None)
