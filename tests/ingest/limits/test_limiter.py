"""What a key and a tenant may send, over any number of processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.snapshot_content import ApiKeyPrincipal
from core.errors import RateLimitError, TooLargeError
from core.ids import TenantId
from core.rate_limits import PARTS, Rate, RateLimits
from ingest.limits.account import Defaults
from ingest.limits.limiter import Limiter, Sender
from ingest.limits.shared_slots import SharedSlots

_TENANT = TenantId(UUID(int=1))
_KEY = ApiKeyPrincipal(_TENANT, UUID(int=2), frozenset())
_FREE = Defaults()


class _Processes:
    """Limiters that share a file and a clock, as ingest processes do."""

    def __init__(self, path: Path, many: int = 2, defaults: Defaults = _FREE) -> None:
        self.now_ns = 10**15
        self._slots = [SharedSlots(path) for _ in range(many)]
        path.unlink()
        self.limiters = [Limiter(slots, defaults, lambda: self.now_ns) for slots in self._slots]

    def close(self) -> None:
        for slots in self._slots:
            slots.close()

    def send(
        self, who: ApiKeyPrincipal, events: int, size: int = 100, at: int = 0, declared: int = 100
    ) -> Sender:
        sender = self.limiters[at % len(self.limiters)].sender(who, declared)
        sender.spend(events, size)
        return sender


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[_Processes]:
    made = _Processes(tmp_path / "limits")
    yield made
    made.close()


def _refused(processes: _Processes, who: ApiKeyPrincipal, events: int, at: int = 0) -> int:
    """After how many seconds a request may come again."""
    with pytest.raises(RateLimitError) as caught:
        processes.send(who, events, at=at)
    return caught.value.retry_after_seconds


def test_without_limits_nothing_is_counted(processes: _Processes) -> None:
    sender = processes.send(_KEY, 10**6, 10**9)
    assert sender.tenant_id == _TENANT
    assert sender.headers() == {}


@pytest.mark.req("ING-19")
def test_the_call_after_the_burst_is_refused_and_the_wait_is_true(processes: _Processes) -> None:
    who = replace(_KEY, limits=RateLimits(events=Rate(2, 10)))
    for number in range(10):
        processes.send(who, 1, at=number)
    assert _refused(processes, who, 1) == 1
    assert _refused(processes, who, 4, at=1) == 2
    processes.now_ns += 2 * PARTS
    processes.send(who, 4, at=1)
    assert _refused(processes, who, 1) == 1
    assert _refused(processes, who, 10, at=1) == 5
    processes.now_ns += 5 * PARTS - 1
    assert _refused(processes, who, 10, at=1) == 1
    processes.now_ns += 1
    processes.send(who, 10)


@pytest.mark.req("SEC-09")
def test_keys_have_limits_of_their_own_and_share_those_of_their_tenant(
    processes: _Processes,
) -> None:
    first = replace(
        _KEY, limits=RateLimits(events=Rate(1, 6)), tenant_limits=RateLimits(events=Rate(1, 10))
    )
    second = replace(first, key_id=UUID(int=3))
    stranger = replace(first, key_id=UUID(int=4), tenant_id=TenantId(UUID(int=5)))
    processes.send(first, 6)
    with pytest.raises(RateLimitError, match=r"^events: this API key may send 1 a second, 6 at"):
        processes.send(first, 1)
    processes.send(second, 4, at=1)
    with pytest.raises(RateLimitError, match=r"^events: all API keys of this tenant together"):
        processes.send(second, 2)
    processes.send(stranger, 6)


def test_a_refusal_by_one_limit_costs_nothing_of_the_others(processes: _Processes) -> None:
    who = replace(
        _KEY,
        limits=RateLimits(Rate(1, 10), Rate(1, 1000)),
        tenant_limits=RateLimits(Rate(1, 100), Rate(1, 500)),
    )
    with pytest.raises(TooLargeError, match="501 bytes, and all API keys of this tenant"):
        processes.send(who, 1, 501, declared=0)
    processes.send(who, 8, 400, at=1, declared=0)
    with pytest.raises(RateLimitError, match=r"^bytes: all API keys"):
        processes.send(who, 1, 200, declared=0)
    with pytest.raises(RateLimitError, match=r"^events: this API key"):
        processes.send(who, 3, 100, declared=0)
    said = processes.send(who, 2, 100, declared=0).headers()
    assert said == {
        "RateLimit-Policy": '"key-events";q=10;w=10;qu="events",'
        ' "key-bytes";q=1000;w=1000;qu="content-bytes",'
        ' "tenant-events";q=100;w=100;qu="events", "tenant-bytes";q=500;w=500;qu="content-bytes"',
        "RateLimit": '"key-events";r=0;t=10, "key-bytes";r=500;t=500,'
        ' "tenant-events";r=90;t=10, "tenant-bytes";r=0;t=500',
    }


def test_what_never_fits_is_too_large_and_says_what_would(processes: _Processes) -> None:
    who = replace(_KEY, limits=RateLimits(Rate(100, 10), Rate(100, 1000)))
    with pytest.raises(TooLargeError, match=r"body: 11 events, .* 10 at once: .* smaller batches"):
        processes.send(who, 11)
    with pytest.raises(TooLargeError, match=r"body: 1001 bytes, .* 1000 at once"):
        processes.limiters[0].sender(who, 1001)
    processes.send(who, 10, 1000)


def test_bytes_are_asked_for_before_the_body_is_read(processes: _Processes) -> None:
    who = replace(_KEY, limits=RateLimits(bytes=Rate(100, 1000)))
    processes.send(who, 1, 900)
    with pytest.raises(RateLimitError) as caught:
        processes.limiters[1].sender(who, 200)
    assert caught.value.retry_after_seconds == 1
    assert caught.value.headers["RateLimit"] == '"key-bytes";r=100;t=9'
    processes.limiters[1].sender(who, 100)


def test_whoever_was_refused_and_sends_as_much_again_is_refused_unread(
    processes: _Processes,
) -> None:
    who = replace(_KEY, limits=RateLimits(events=Rate(10, 100)))
    processes.send(who, 60)
    limiter = processes.limiters[0]
    assert _refused(processes, who, 50) == 1  # decoded: nobody could know
    with pytest.raises(RateLimitError) as caught:
        limiter.sender(who, 100)
    assert caught.value.retry_after_seconds == 1
    with pytest.raises(RateLimitError) as caught:
        limiter.sender(who, 170)  # taken for 96 events, and surely for more than 40
    assert caught.value.retry_after_seconds == 6
    with pytest.raises(RateLimitError) as caught:
        limiter.sender(who, 10**6)  # never for more than a burst
    assert caught.value.retry_after_seconds == 6
    limiter.sender(who, 160).spend(39, 160)  # this one might fit, and did
    assert _refused(processes, who, 50) == 5
    limiter.sender(who, 0)  # of a body without a length nothing is known
    limiter.sender(who, 99).spend(1, 99)  # less may hold few enough
    limiter.sender(who, 160)  # and now that one was admitted, nobody knows


def test_what_could_not_be_published_does_not_cost_twice(processes: _Processes) -> None:
    who = replace(_KEY, limits=RateLimits(Rate(1, 10), Rate(1, 1000)))
    sender = processes.send(who, 10, 1000)
    assert _refused(processes, who, 1, at=1) > 0
    sender.give_back()
    processes.send(who, 10, 1000, at=1)
    processes.send(_KEY, 1).give_back()


def test_changed_limits_hold_from_the_next_request_on(processes: _Processes) -> None:
    who = replace(_KEY, limits=RateLimits(events=Rate(1, 10)))
    processes.send(who, 8)
    wider = replace(who, limits=RateLimits(events=Rate(1, 20)))
    processes.send(wider, 12)
    narrow = replace(who, limits=RateLimits(events=Rate(10, 10)))
    assert _refused(processes, narrow, 1) == 2
    assert processes.send(replace(who, limits=RateLimits()), 99).headers() == {}


def test_defaults_fill_in_what_is_not_stored(tmp_path: Path) -> None:
    defaults = Defaults(RateLimits(events=Rate(1, 5)), RateLimits(bytes=Rate(1, 500)))
    processes = _Processes(tmp_path / "limits", defaults=defaults)
    own = replace(_KEY, limits=RateLimits(events=Rate(1, 7)))
    with pytest.raises(TooLargeError, match="8 events"):
        processes.send(own, 8)
    with pytest.raises(TooLargeError, match="6 events"):
        processes.send(_KEY, 6)
    with pytest.raises(TooLargeError, match="501 bytes"):
        processes.send(own, 1, 501)
    processes.close()


_STEPS = st.tuples(
    st.integers(0, 2 * PARTS),  # nanoseconds since the step before
    st.integers(0, 1),  # process
    st.integers(2, 3),  # key
    st.integers(1, 6),  # events
    st.sampled_from([0, 100, 300]),  # declared bytes
)


@given(steps=st.lists(_STEPS, max_size=40))
def test_over_processes_and_keys_no_window_has_more_and_waits_are_kept(
    steps: list[tuple[int, int, int, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    processes = _Processes(tmp_path_factory.getbasetemp() / "limits-of-an-example")
    key_rate, tenant_rate = Rate(2, 6), Rate(3, 9)
    admitted: list[tuple[int, int, int]] = []
    for pause, process, key, events, declared in steps:
        processes.now_ns += pause
        who = replace(
            _KEY,
            key_id=UUID(int=key),
            limits=RateLimits(events=key_rate),
            tenant_limits=RateLimits(events=tenant_rate),
        )
        try:
            processes.send(who, events, at=process, declared=declared)
        except RateLimitError as error:
            if len(admitted) % 3 == 0:  # the very same request, when it was told to come
                processes.now_ns += error.retry_after_seconds * PARTS
                _send_until_admitted(processes, who, events, process, declared)
                admitted.append((processes.now_ns, key, events))
        else:
            admitted.append((processes.now_ns, key, events))
    for first, (began, _, _) in enumerate(admitted):
        for key, rate in ((0, tenant_rate), (2, key_rate), (3, key_rate)):
            total = 0
            for at, whose, events in admitted[first:]:
                total += events if key in {0, whose} else 0
                assert (total - rate.burst) * PARTS <= (at - began) * rate.per_second
    processes.close()


def _send_until_admitted(
    processes: _Processes, who: ApiKeyPrincipal, events: int, process: int, declared: int
) -> None:
    """A refusal of what was not decoded is a guess; the next one is exact, and kept."""
    try:
        processes.send(who, events, at=process, declared=declared)
    except RateLimitError as error:
        processes.now_ns += error.retry_after_seconds * PARTS
        processes.send(who, events, at=process, declared=declared)


def test_headers_are_structured_fields(processes: _Processes) -> None:
    who = replace(_KEY, limits=RateLimits(Rate(3, 10), Rate(7, 600)))
    member = r'"[a-z-]+"(;[a-z]+=(\d+|"[a-z-]+"))+'
    for text in processes.send(who, 1).headers().values():
        assert re.fullmatch(rf"{member}(, {member})*", text)
