"""Meter calls of language models: a with-block, a decorator, and a reader of token usage.

    from tollbook import llm

    with llm.meter(client, subject="team-7") as call:
        response = call.read(openai_client.chat.completions.create(...))

    @llm.metered(client, subject=lambda question, team: team)
    def ask(question, team): ...

Owns: reading token counts from responses and streams in the styles of OpenAI and Anthropic.
Does not own: calling a model; prices.
Invariants: what a metered function returns and raises is passed on as it is; an event that cannot
be recorded is logged and never breaks the call; a count that was not read is left out, never zero.
"""

from tollbook.llm.calls import Call, meter
from tollbook.llm.decorator import metered
from tollbook.llm.usage import TokenUsage, read_usage

__all__ = ["Call", "TokenUsage", "meter", "metered", "read_usage"]
