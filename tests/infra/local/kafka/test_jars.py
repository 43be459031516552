from __future__ import annotations

import hashlib
import shlex
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.local.errors import MissingToolError, StackError
from infra.local.kafka import jars

MakeMaven = Callable[[str], dict[str, str]]


@pytest.fixture
def maven(tmp_path: Path) -> MakeMaven:
    """Put a script in Maven's place; it finds the output folder in `$folder`."""

    def make(body: str) -> dict[str, str]:
        binaries = tmp_path / "bin"
        binaries.mkdir()
        script = binaries / "mvn"
        find = (
            'for word in "$@"; do case $word in -DoutputDirectory=*) folder=${word#*=};; esac; done'
        )
        script.write_text(f"#!/bin/sh\n{find}\n{body}\n")
        script.chmod(0o755)
        return {"PATH": f"{binaries}:/bin:/usr/bin", "TOLLBOOK_CACHE_DIR": str(tmp_path / "cache")}

    return make


def _quiet(_phrase: str) -> None:
    pass


def test_without_maven_and_jars_the_message_says_what_to_install(tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path), "TOLLBOOK_CACHE_DIR": str(tmp_path / "cache")}
    with pytest.raises(MissingToolError) as caught:
        jars.ensure_jars(environ, _quiet)
    for cure in ("apt-get install maven", "KAFKA_HOME", "KAFKA_BOOTSTRAP_SERVERS"):
        assert cure in caught.value.message


def test_kafka_home_is_respected_and_must_hold_libs(tmp_path: Path) -> None:
    environ = {"KAFKA_HOME": str(tmp_path)}
    with pytest.raises(MissingToolError, match="KAFKA_HOME"):
        jars.ensure_jars(environ, _quiet)
    (tmp_path / "libs").mkdir()
    assert jars.ensure_jars(environ, _quiet) == tmp_path / "libs"


def test_what_maven_says_is_shown_when_it_fails(maven: MakeMaven, tmp_path: Path) -> None:
    environ = maven("echo 'no route to the repository' >&2; exit 1")
    with pytest.raises(StackError, match="no route to the repository"):
        jars.ensure_jars(environ, _quiet)
    assert not jars.jar_dir(environ).exists()


def test_a_jar_with_another_hash_is_refused_by_name(maven: MakeMaven) -> None:
    name = next(iter(jars.recorded_hashes()))
    environ = maven(f"echo tampered > $folder/{shlex.quote(name)}")
    with pytest.raises(StackError, match="not the recorded ones") as caught:
        jars.ensure_jars(environ, _quiet)
    assert name in caught.value.message
    assert not jars.jar_dir(environ).exists()


def test_two_stacks_at_once_fetch_only_once(
    maven: MakeMaven, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(b"jar\n").hexdigest()
    monkeypatch.setattr(jars, "recorded_hashes", lambda: {"a.jar": digest})
    environ = maven(f"echo run >> {tmp_path}/runs; sleep 0.3; echo jar > $folder/a.jar")
    threads = [threading.Thread(target=jars.ensure_jars, args=(environ, _quiet)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "runs").read_text() == "run\n"
    assert jars.hashes_of(jars.jar_dir(environ)) == {"a.jar": digest}


def test_the_cache_is_where_the_platform_keeps_caches(tmp_path: Path) -> None:
    home, other = str(tmp_path / "home"), str(tmp_path / "other")
    assert jars.cache_dir({"HOME": home}) == tmp_path / "home" / ".cache" / "tollbook"
    assert jars.cache_dir({"HOME": home, "XDG_CACHE_HOME": other}) == tmp_path / "other/tollbook"
    assert jars.cache_dir({"HOME": home, "TOLLBOOK_CACHE_DIR": other}) == tmp_path / "other"


def test_every_recorded_hash_is_a_sha256_of_a_jar() -> None:
    recorded = jars.recorded_hashes()
    assert f"kafka_2.13-{jars.KAFKA_VERSION}.jar" in recorded
    assert all(name.endswith(".jar") and len(digest) == 64 for name, digest in recorded.items())
