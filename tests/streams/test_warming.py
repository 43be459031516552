from __future__ import annotations

from streams.warming import warm_up


def test_the_imaginary_event_is_accepted_once_so_every_kernel_ran() -> None:
    assert warm_up() == 1
