"""What a fork must not share: the child gets nothing of the parent's senders, queues and locks."""

from __future__ import annotations

import os
import threading
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """Something that holds threads, connections or locks of files."""

    def after_fork_in_child(self) -> None:
        """Forget all that belongs to the parent."""


guard = threading.RLock()
"""Held while a lock of a file is taken or given back, so that no fork falls between."""

_objects: WeakSet[Forkable] = WeakSet()


def watch(one: Forkable) -> None:
    """Tell an object, for as long as it lives, that it finds itself in a child."""
    with guard:
        _objects.add(one)


def _in_child() -> None:
    guard.release()
    for one in tuple(_objects):
        one.after_fork_in_child()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork either
    os.register_at_fork(
        before=guard.acquire, after_in_parent=guard.release, after_in_child=_in_child
    )
