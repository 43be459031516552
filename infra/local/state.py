"""What a stack remembers between commands: one directory, one `stack.json`, one record per part.

| path | what |
|---|---|
| `stack.json` | ports, passwords and endpoints; readable by its owner only |
| `lock` | held (flock) while a command starts or stops parts |
| `run/<part>.json` | pid and start time of a part that was started |
| `logs/<part>.log` | its output |
| `data/<part>/` | its data |
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from core.endpoints import VARIABLES, Endpoints
from core.errors import ValidationError
from infra.local import process
from infra.local.errors import StackError, StateInUseError
from infra.local.ports import Ports
from infra.local.process import ProcessRecord

DEFAULT_STATE_DIR: Final = Path(".tollbook")
_LOCK_WAIT_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class StackFile:
    """The content of `stack.json`. `endpoints` maps a part to its URL, passwords included."""

    ports: Ports
    passwords: Mapping[str, str] = field(default_factory=dict)
    endpoints: Mapping[str, str] = field(default_factory=dict)


class StateDir:
    """The files of one stack."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def log(self, part: str) -> Path:
        """Where a part's output goes."""
        return self.root / "logs" / f"{part}.log"

    def data(self, part: str) -> Path:
        """Where a part keeps its data."""
        return self.root / "data" / part

    def exists(self) -> bool:
        """Whether a stack was ever started here."""
        return (self.root / "stack.json").exists()

    def create(self) -> None:
        """Make the folders, closed to other users."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("logs", "run", "data"):
            (self.root / name).mkdir(exist_ok=True)

    def read(self) -> StackFile | None:
        """The stack's file; None before the first start. Raises `StackError` when unreadable."""
        path = self.root / "stack.json"
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return StackFile(Ports(**content["ports"]), content["passwords"], content["endpoints"])
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise StackError(
                f"{path}: not a stack file ({error}); delete {self.root} to start afresh"
            ) from error

    def write(self, content: StackFile) -> None:
        """Replace the stack's file, whole or not at all."""
        _write_private(self.root / "stack.json", asdict(content))

    def record(self, part: str) -> ProcessRecord | None:
        """The process last started for a part, alive or not; None when there is none."""
        try:
            text = (self.root / "run" / f"{part}.json").read_text(encoding="utf-8")
            return ProcessRecord(**json.loads(text))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            return None  # torn by a crash: the check for users of the data directory still guards

    def write_record(self, part: str, record: ProcessRecord) -> None:
        """Remember a part's process."""
        _write_private(self.root / "run" / f"{part}.json", asdict(record))

    def forget_record(self, part: str) -> None:
        """Forget a part that was stopped on purpose."""
        (self.root / "run" / f"{part}.json").unlink(missing_ok=True)

    def delete(self) -> None:
        """Remove everything. Call it only when no part runs."""
        shutil.rmtree(self.root, ignore_errors=False)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands from starting or stopping parts meanwhile.

        The kernel frees the lock when its holder ends, however it ends: it is never stale.
        Raises `StateInUseError` when another command holds it for two minutes.
        """
        self.create()
        handle = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not process.wait_for(lambda: _try_lock(handle), _LOCK_WAIT_SECONDS):
                raise StateInUseError(
                    f"{self.root}: another tollbook command is starting or stopping this stack;"
                    " wait for it, or name another directory with --state-dir"
                )
            yield
        finally:
            os.close(handle)


def resolve_endpoints(environ: Mapping[str, str], state_dir: Path) -> Endpoints:
    """Where the servers are: environment variables first, else what `tollbook up` wrote.

    Raises `ValidationError` naming the variables that neither gives.
    """
    content = StateDir(state_dir).read()
    known = {} if content is None else content.endpoints
    written = {name: known[part] for name, part in VARIABLES.items() if part in known}
    given = {name: value for name, value in environ.items() if value}
    try:
        return Endpoints.from_environment(written | given)
    except ValidationError as error:
        raise ValidationError(
            f"{error.message} (no running stack is known in {state_dir})", **error.details
        ) from error


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_private(path: Path, content: object) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
