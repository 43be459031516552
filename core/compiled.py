"""The one way loops over bytes and keys are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

_P = ParamSpec("_P")
_R = TypeVar("_R")


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a function of scalars and NumPy arrays to machine code at its first call.

    The code is cached on disk beside the module, and runs without the interpreter's lock.
    """
    return cast("Callable[_P, _R]", numba.njit(cache=True, nogil=True)(function))
