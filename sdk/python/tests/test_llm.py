from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.common import KEY
from tests.receiver import Receiver
from tollbook import AsyncClient, Client, llm
from tollbook.llm import TokenUsage

OPENAI_CHAT = {
    "id": "chatcmpl-1",
    "model": "gpt-x",
    "choices": [{"message": {"role": "assistant", "content": "Hi"}}],
    "usage": {
        "prompt_tokens": 1200,
        "completion_tokens": 300,
        "total_tokens": 1500,
        "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 256},
    },
}
OPENAI_RESPONSE = {
    "object": "response",
    "model": "gpt-x",
    "usage": {
        "input_tokens": 1200,
        "input_tokens_details": {"cached_tokens": 1024},
        "output_tokens": 300,
        "output_tokens_details": {"reasoning_tokens": 256},
    },
}
ANTHROPIC = {
    "type": "message",
    "model": "claude-x",
    "usage": {
        "input_tokens": 76,
        "cache_read_input_tokens": 1024,
        "cache_creation_input_tokens": 100,
        "output_tokens": 300,
    },
}
OPENAI_USAGE = TokenUsage(1200, 300, 1024, None, 256, "gpt-x")

CHAT_CHUNKS = [
    {"model": "gpt-x", "choices": [{"delta": {"content": "H"}}], "usage": None},
    {"model": "gpt-x", "choices": [{"delta": {"content": "i"}}]},
    {**OPENAI_CHAT, "choices": []},
]
RESPONSE_EVENTS = [
    {"type": "response.created", "response": {"model": "gpt-x", "usage": None}},
    {"type": "response.output_text.delta", "delta": "Hi"},
    {"type": "response.completed", "response": OPENAI_RESPONSE},
]
ANTHROPIC_EVENTS = [
    {"type": "message_start", "message": {**ANTHROPIC, "usage": {
        "input_tokens": 76, "cache_read_input_tokens": 1024, "cache_creation_input_tokens": 100,
        "output_tokens": 1,
    }}},
    {"type": "content_block_delta", "delta": {"text": "Hi"}},
    {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 300}},
    {"type": "message_stop"},
]  # fmt: skip


def as_objects(said: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(said, dict):
        return SimpleNamespace(**{name: as_objects(value) for name, value in said.items()})
    return [as_objects(each) for each in said] if isinstance(said, list) else said


RESPONSES = [
    pytest.param(OPENAI_CHAT, OPENAI_USAGE, id="openai-chat"),
    pytest.param(OPENAI_RESPONSE, OPENAI_USAGE, id="openai-responses"),
    # Anthropic counts what its caches hold beside the input: 76 + 1024 + 100.
    pytest.param(ANTHROPIC, TokenUsage(1200, 300, 1024, 100, None, "claude-x"), id="anthropic"),
]


@pytest.mark.parametrize(("response", "usage"), RESPONSES)
def test_usage_is_read_from_dicts_and_objects(response: Any, usage: TokenUsage) -> None:  # noqa: ANN401 - JSON
    assert llm.read_usage(response) == usage
    assert llm.read_usage(as_objects(response)) == usage


@pytest.mark.parametrize(
    "response", [None, "text", 5, {}, {"usage": None}, {"usage": {"prompt_tokens": True}}, object()]
)
def test_what_names_no_usage_has_none(response: object) -> None:
    assert llm.read_usage(response) is None


def recorded(receiver: Receiver) -> list[dict[str, Any]]:
    return [event["data"] for batch in receiver.batches() for event in batch]


def test_a_with_block_records_one_event(receiver: Receiver) -> None:
    with Client(receiver.url, KEY) as client:
        with llm.meter(client, subject="team-7", data={"feature": "chat"}) as call:
            assert call.read(OPENAI_CHAT) is OPENAI_CHAT
            call.data["attempt"] = 2
        with llm.meter(client, subject="team-7", model="mine", type="my.call") as call:
            call.read(ANTHROPIC)
    ((first, second),) = receiver.batches()
    assert (first["type"], first["subject"]) == ("llm.request", "team-7")
    duration = first["data"].pop("duration_ms")
    assert isinstance(duration, int)
    assert duration >= 0
    assert first["data"] == {
        "model": "gpt-x",
        "input_tokens": 1200,
        "cached_input_tokens": 1024,
        "output_tokens": 300,
        "reasoning_tokens": 256,
        "status": "ok",
        "feature": "chat",
        "attempt": 2,
    }
    assert (second["type"], second["data"]["model"]) == ("my.call", "mine")


def test_an_exception_passes_and_records_nothing_unless_asked(receiver: Receiver) -> None:
    error = RuntimeError("overloaded")
    with Client(receiver.url, KEY) as client:
        for asked in (False, True):
            with (
                pytest.raises(RuntimeError) as raised,
                llm.meter(client, subject="s", model="m", record_failures=asked),
            ):
                raise error
            assert raised.value is error
    (data,) = recorded(receiver)
    assert (data["status"], data["model"]) == ("error", "m")
    assert "input_tokens" not in data


def name_team(question: str, team: int) -> str:
    return f"team-{team} {question}".split()[0]


def test_a_decorated_function_returns_and_raises_what_it_did(receiver: Receiver) -> None:
    with Client(receiver.url, KEY) as client:

        @llm.metered(client, subject=name_team)
        def ask(question: str, team: int) -> dict[str, Any]:
            """Ask a model."""
            if not question:
                raise KeyError(team)
            return OPENAI_CHAT

        assert ask("What?", team=7) is OPENAI_CHAT
        with pytest.raises(KeyError, match="7"):
            ask("", 7)
        assert (ask.__name__, ask.__doc__) == ("ask", "Ask a model.")
    ((event,),) = receiver.batches()
    assert event["subject"] == "team-7"
    assert event["data"]["input_tokens"] == 1200


STREAMS = [
    pytest.param(CHAT_CHUNKS, 1200, id="openai-chat"),
    pytest.param(RESPONSE_EVENTS, 1200, id="openai-responses"),
    pytest.param(ANTHROPIC_EVENTS, 1200, id="anthropic"),
]


@pytest.mark.parametrize(("chunks", "tokens"), STREAMS)
def test_a_stream_is_passed_on_and_recorded_at_its_end(
    receiver: Receiver, chunks: list[Any], tokens: int
) -> None:
    with Client(receiver.url, KEY) as client:

        @llm.metered(client, subject="s")
        def ask() -> Iterator[Any]:
            yield from chunks

        stream = ask()
        assert next(stream) is chunks[0]
        assert client.pending == 0
        assert list(stream) == chunks[1:]
        with llm.meter(client, subject="s") as call:
            assert [call.read(chunk) for chunk in as_objects(chunks)] != []
    both = recorded(receiver)
    assert [(data["input_tokens"], data["output_tokens"]) for data in both] == [(tokens, 300)] * 2


class Stream:
    """As vendors have them: an iterator that is a context manager with attributes."""

    def __init__(self) -> None:
        self.response = "headers"
        self.is_closed = False
        self._chunks = iter(CHAT_CHUNKS)

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Any:  # noqa: ANN401 - JSON
        return next(self._chunks)

    def __enter__(self) -> Stream:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("asked", [False, True])
def test_a_stream_that_is_left_early_has_failed(receiver: Receiver, asked: bool) -> None:
    inner = Stream()
    with Client(receiver.url, KEY) as client:

        @llm.metered(client, subject="s", record_failures=asked)
        def ask() -> Stream:
            return inner

        with ask() as stream:
            next(stream)
            assert stream.response == "headers"
        assert inner.is_closed
        stream.close()
    assert [data["status"] for data in recorded(receiver)] == (["error"] if asked else [])


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_async_functions_streams_and_blocks_take_either_client(
    receiver: Receiver, kind: type[Client | AsyncClient]
) -> None:
    async def run() -> None:
        client = kind(receiver.url, KEY)

        @llm.metered(client, subject="function")
        async def ask() -> dict[str, Any]:
            return ANTHROPIC

        @llm.metered(client, subject="stream")
        async def stream() -> AsyncIterator[Any]:
            for chunk in ANTHROPIC_EVENTS:
                yield chunk

        @llm.metered(client, subject="broken")
        async def fail() -> None:
            raise RuntimeError("overloaded")

        assert await ask() is ANTHROPIC
        assert [chunk async for chunk in stream()] == ANTHROPIC_EVENTS
        with pytest.raises(RuntimeError, match="overloaded"):
            await fail()
        async with llm.meter(client, subject="block") as call:
            call.read(ANTHROPIC)
        if isinstance(client, AsyncClient):
            await client.close()
        else:
            client.close()

    asyncio.run(run())
    events = [event for batch in receiver.batches() for event in batch]
    assert [event["subject"] for event in events] == ["function", "stream", "block"]
    assert {event["data"]["input_tokens"] for event in events} == {1200}


def test_an_async_client_is_refused_where_nothing_can_wait_for_it() -> None:
    client = AsyncClient("http://127.0.0.1:9", KEY)
    with pytest.raises(TypeError, match="async functions only"):
        llm.metered(client, subject="s")(lambda: None)
    with pytest.raises(TypeError, match="async with"), llm.meter(client, subject="s"):
        pass
    asyncio.run(client.close())


def test_an_event_that_cannot_be_recorded_does_not_break_the_call(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    with Client(receiver.url, KEY) as client:

        @llm.metered(client, subject="")
        def ask() -> dict[str, Any]:
            return OPENAI_CHAT

        assert ask() is OPENAI_CHAT
    assert "was not recorded" in caplog.text
    assert receiver.bodies == []


def test_a_response_without_usage_is_recorded_without_counts(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING, "tollbook"),
        Client(receiver.url, KEY) as client,
        llm.meter(client, subject="s") as call,
    ):
        call.read("text")
    (data,) = recorded(receiver)
    assert set(data) == {"duration_ms", "status"}
    assert "no token usage" in caplog.text
