"""Kafka's jars: from `KAFKA_HOME`, else fetched once with Maven into a cache that stacks share."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from infra.local.errors import MissingToolError, StackError
from infra.local.part import Report

KAFKA_VERSION: Final = "4.2.0"
POM: Final = Path(__file__).with_name("pom.xml")
HASHES: Final = Path(__file__).with_name("jars.sha256")

_FETCH_TIMEOUT_SECONDS: Final = 600
_MAVEN_HELP: Final = (
    "install Maven (`apt-get install maven` or `brew install maven`), or set KAFKA_HOME to an"
    " unpacked Apache Kafka 4.x, or KAFKA_BOOTSTRAP_SERVERS to a running cluster"
)


def cache_dir(environ: Mapping[str, str]) -> Path:
    """Where downloads are kept for all stacks of this user.

    `TOLLBOOK_CACHE_DIR`, else the platform's cache directory (`XDG_CACHE_HOME` or `~/.cache`).
    """
    if named := environ.get("TOLLBOOK_CACHE_DIR"):
        return Path(named).absolute()
    base = environ.get("XDG_CACHE_HOME")
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    return (Path(base) if base else home / ".cache") / "tollbook"


def jar_dir(environ: Mapping[str, str]) -> Path:
    """The folder of the jars that will be used, there or not."""
    if home := environ.get("KAFKA_HOME"):
        return Path(home) / "libs"
    return cache_dir(environ) / f"kafka-{KAFKA_VERSION}-{_pom_digest()}"


def find_maven(environ: Mapping[str, str]) -> str | None:
    """The `mvn` on the path, if any."""
    return shutil.which("mvn", path=environ.get("PATH", os.defpath))


def ensure_jars(environ: Mapping[str, str], report: Report) -> Path:
    """The folder of the jars, fetched and checked if it was not there.

    Raises `MissingToolError` where Maven is needed and not installed, `StackError` when the
    download fails or a jar is not the recorded one.
    """
    target = jar_dir(environ)
    if target.is_dir():
        return target
    if environ.get("KAFKA_HOME"):
        raise MissingToolError(
            f"KAFKA_HOME: {target} does not exist; point KAFKA_HOME at an unpacked Kafka 4.x"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with _one_fetcher(target.parent):
        if not target.is_dir():
            report("fetching Kafka with Maven (first time only)")
            _fetch(environ, target)
    return target


def fetch_into(environ: Mapping[str, str], folder: Path) -> None:
    """Let Maven copy the jars of `pom.xml` into `folder`."""
    maven = find_maven(environ)
    if maven is None:
        raise MissingToolError(
            f"Kafka's jars are not there and Maven is not installed: {_MAVEN_HELP}"
        )
    # The plugin writes beside the pom: the package's own folder may be read-only.
    pom = shutil.copy(POM, folder.parent / "pom.xml")
    command = [maven, "-q", "-B", "-C", "-f", str(pom), "dependency:copy-dependencies"]
    command += [f"-DoutputDirectory={folder}", "-DincludeScope=runtime"]
    try:
        subprocess.run(
            command,
            env=dict(environ),
            check=True,
            capture_output=True,
            text=True,
            timeout=_FETCH_TIMEOUT_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        last = "\n".join((error.stdout + error.stderr).strip().splitlines()[-8:])
        raise StackError(f"Maven could not fetch Kafka's jars; it said:\n{last}") from error
    except subprocess.TimeoutExpired as error:
        raise StackError(
            f"Maven did not fetch Kafka's jars within {_FETCH_TIMEOUT_SECONDS} s:"
            " check the network, then try again"
        ) from error


def hashes_of(folder: Path) -> dict[str, str]:
    """Jar name -> SHA-256, hex."""
    return {
        jar.name: hashlib.sha256(jar.read_bytes()).hexdigest()
        for jar in sorted(folder.glob("*.jar"))
    }


def recorded_hashes() -> dict[str, str]:
    """What `jars.sha256` says, in the same form."""
    lines = HASHES.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _fetch(environ: Mapping[str, str], target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="fetch-") as scratch:
        folder = Path(scratch) / "libs"
        folder.mkdir()
        fetch_into(environ, folder)
        found, expected = hashes_of(folder), recorded_hashes()
        wrong = sorted(name for name in found | expected if found.get(name) != expected.get(name))
        if wrong:
            raise StackError(
                f"Kafka's jars are not the recorded ones: {', '.join(wrong)};"
                f" something on the way to Maven's repository changed them (see {HASHES.name})"
            )
        folder.rename(target)  # whole or not at all


@contextmanager
def _one_fetcher(folder: Path) -> Iterator[None]:
    handle = os.open(folder / "fetch.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _pom_digest() -> str:
    return hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
