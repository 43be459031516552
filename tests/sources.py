"""The repository's own files, read for the tests that look at them as text or syntax."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
_BINARY: Final = {".pdf", ".png", ".ttf", ".otf", ".gz", ".parquet", ".arrow"}
_DATA: Final = (Path("benchmarks/data"), Path("tests/data"))

_STATEMENT: Final = re.compile(
    r"^\s*(SELECT\s.*\sFROM\s|WITH\s.*\sSELECT\s|INSERT\s+INTO\s|UPDATE\s.*\sSET\s|DELETE\s+FROM\s"
    r"|(CREATE|ALTER|DROP|RENAME|TRUNCATE)\s+(TABLE|DATABASE|SCHEMA|INDEX|VIEW|ROLE)\s)",
    re.IGNORECASE | re.DOTALL,
)


@cache
def files() -> tuple[Path, ...]:
    """Every file that is, or is about to be, in the repository; relative to its root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = (Path(name) for name in listed.split("\0") if name)
    return tuple(sorted(path for path in paths if (ROOT / path).is_file()))


@cache
def texts() -> dict[Path, str]:
    """What people wrote here: every file but binaries and data that came from elsewhere."""
    return {
        path: (ROOT / path).read_text(encoding="utf-8")
        for path in files()
        if path.suffix not in _BINARY and not any(path.is_relative_to(folder) for folder in _DATA)
    }


def python(*folders: str) -> Iterator[tuple[Path, str]]:
    """Path and text of Python files, all of them or those below `folders`."""
    for path, text in texts().items():
        if path.suffix == ".py" and (not folders or path.parts[0] in folders):
            yield path, text


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(texts()[path], str(path))


@cache
def project() -> dict[str, Any]:
    """The content of `pyproject.toml`."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def packages() -> set[str]:
    """Top-level directories that are Python packages, tests aside."""
    return {path.parts[0] for path in files() if path.parts[1:] == ("__init__.py",)} - {"tests"}


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or attribute; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def uses(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every name, attribute and import."""
    for node in ast.walk(module):
        if isinstance(node, ast.Name | ast.Attribute):
            yield node.lineno, dotted(node)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)


def strings(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every string literal that is not a docstring; f-strings as one text."""
    documentation = {
        id(node.value)
        for node in ast.walk(module)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    pieces: set[int] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.JoinedStr):
            pieces |= {id(part) for part in node.values}
            parts = (part.value if isinstance(part, ast.Constant) else "?" for part in node.values)
            yield node.lineno, "".join(map(str, parts))
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in documentation | pieces
        ):
            yield node.lineno, node.value


def statements(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every string literal that is a SQL statement."""
    return ((line, text) for line, text in strings(module) if _STATEMENT.match(text))


def comments(text: str) -> Iterator[tuple[int, str]]:
    """Line and text of every comment."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
