"""Running Postgres when the caller is root, which Postgres refuses.

The server then runs as the unprivileged user `nobody`, and its data belongs to that user. Where
that user may not walk down to the binaries or the data (both may lie below a home directory closed
to others), the process keeps one capability, to pass file permissions; no permission is widened,
no user is created.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from infra.local.errors import MissingToolError

_USER: Final = "nobody"


def is_root() -> bool:
    """Whether this process runs as root."""
    return os.geteuid() == 0


def give_to_server_user(directory: Path) -> None:
    """Make the server's user the owner of an empty directory, when the caller is root."""
    if is_root():
        entry = pwd.getpwnam(_USER)
        os.chown(directory, entry.pw_uid, entry.pw_gid)


def unprivileged(
    argv: Sequence[str], environ: Mapping[str, str], paths: Sequence[Path]
) -> list[str]:
    """`argv` as it must be run: as it is, or as root through `setpriv`.

    `paths` are what the process must reach. Raises `MissingToolError` without `setpriv`.
    """
    if not is_root():
        return list(argv)
    setpriv = shutil.which("setpriv", path=environ.get("PATH", os.defpath))
    if setpriv is None:
        raise MissingToolError(
            "Postgres does not run as root, and setpriv is missing to change the user:"
            " `apt-get install util-linux`, or work as another user, or set DATABASE_URL"
        )
    entry = pwd.getpwnam(_USER)
    drop = [setpriv, f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    if not all(_open_to_others(path) for path in paths):
        drop += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return [*drop, "--", *argv]


def _open_to_others(path: Path) -> bool:
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents)
