"""What pydantic finds in a document, as one error of ours that names the path and the fix."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pydantic

from core.errors import BusinessLogicError, ConflictError, NotFoundError, ValidationError


@contextmanager
def located(path: str) -> Iterator[None]:
    """Put a path in a document before the message of a refusal; nothing where it is empty."""
    try:
        yield
    except (ValidationError, ConflictError, NotFoundError, BusinessLogicError) as error:
        if path:
            error.message = f"{path}.{error.message}"
            error.args = (error.message,)
        raise


def refusal_of(error: pydantic.ValidationError, at: str = "") -> ValidationError:
    """The first problem, with its path below `at`, and how many others there are."""
    problems = error.errors(include_url=False)
    first = problems[0]
    path = _path(first["loc"], at)
    others = {_path(problem["loc"], at) for problem in problems} - {path}
    more = f" (and {len(others)} more)" if others else ""
    return ValidationError(f"{path}: {_problem(first)}{more}", field=path)


def _path(location: tuple[int | str, ...], at: str) -> str:
    """`("customers", 1, "subjects", 0)` → `customers[1].subjects[0]`, without names of types."""
    steps = (
        f"[{step}]" if isinstance(step, int) else f".{step}"
        for step in location
        if step not in {"date", "datetime", "str", "int"}
    )
    return (at + "".join(steps)).lstrip(".")


def _problem(error: Any) -> str:
    if error["type"] == "missing":
        return "missing; add it"
    if error["type"] == "extra_forbidden":
        return "there is no such field; check its spelling"
    if error["type"] == "value_error":
        return f"{error['ctx']['error']}, got {error['input']!r}"
    if error["type"] in {"string_type", "int_type"} and isinstance(error["input"], float):
        return f'write the number in quotes, "{error["input"]}", so that it stays exact'
    return f"{error['msg'][:1].lower()}{error['msg'][1:]}, got {error['input']!r}"
