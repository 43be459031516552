"""The one way loops over bytes and keys are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba

_P = ParamSpec("_P")
_R = TypeVar("_R")


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a function of scalars and NumPy arrays to machine code at its first call.

    The code is cached on disk beside the module, and runs without the interpreter's lock. It cannot
    allocate arrays: Numba's memory manager (`_nrt`) is off, because counting references to every
    array of every call costs more than the loops themselves.
    """
    return _compile(function, {})


def inlined(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """As `compiled`, and put into every compiled function that calls it."""
    return _compile(function, {"forceinline": True})


def _compile(function: Callable[_P, _R], more: dict[str, Any]) -> Callable[_P, _R]:
    options: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False, **more}
    compile_ = numba.njit(**options)
    return cast("Callable[_P, _R]", compile_(function))
