"""Ports on loopback: which are free, and who holds one that is not."""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from dataclasses import asdict, dataclass
from typing import Final

import psutil

from core.clock import monotonic_seconds
from infra.local.errors import PortTakenError

LOOPBACK: Final = "127.0.0.1"

# Below the range that operating systems hand out for outgoing connections: a part that is down for
# a moment must find its port free again.
_FIRST_PORT: Final = 17_000
_PORT_COUNT: Final = 15_000
_ATTEMPTS: Final = 200
_PATIENCE_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Ports:
    """The stack's ports; 0 stands for "choose a free one and keep it"."""

    kafka: int = 0
    kafka_controller: int = 0
    clickhouse: int = 0
    postgres: int = 0

    def chosen(self) -> Ports:
        """The same with every 0 replaced by a free port. Raises `PortTakenError` on equal ports."""
        taken: set[int] = set()
        ports: dict[str, int] = {}
        for name, wanted in sorted(asdict(self).items(), key=lambda item: item[1] == 0):
            port = wanted or free_port(taken)
            if port in taken:
                raise PortTakenError(f"port {port} is named twice: each part needs its own")
            taken.add(port)
            ports[name] = port
        return Ports(**ports)

    def over(self, kept: Ports) -> Ports:
        """These ports where one is named, else the kept ones."""
        return Ports(**{name: port or getattr(kept, name) for name, port in asdict(self).items()})


def free_port(avoid: set[int]) -> int:
    """A loopback port that nobody listens on now. Raises `PortTakenError` when none is found."""
    for _ in range(_ATTEMPTS):
        port = _FIRST_PORT + secrets.randbelow(_PORT_COUNT)
        if port not in avoid and is_free(port):
            return port
    raise PortTakenError(
        f"no free port found between {_FIRST_PORT} and {_FIRST_PORT + _PORT_COUNT}:"
        " name free ones, for example `tollbook up --kafka-port 9092`"
    )


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def require_free(port: int, part: str, option: str) -> None:
    """Raise `PortTakenError`, naming the holder and the option to choose another port.

    Has a little patience: a process that was killed may be gone before its port is.
    """
    deadline = monotonic_seconds() + _PATIENCE_SECONDS
    while not is_free(port):
        if monotonic_seconds() < deadline:
            time.sleep(_POLL_SECONDS)
            continue
        raise PortTakenError(
            f"port {port} for {part} is taken by {_holder(port)}:"
            f" stop that process, or choose another with `tollbook up {option} PORT`",
            port=port,
            part=part,
        )


def _holder(port: int) -> str:
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status != psutil.CONN_LISTEN or connection.pid is None:
                continue
            if connection.laddr and connection.laddr.port == port:
                return f"pid {connection.pid} ({psutil.Process(connection.pid).name()})"
    return "another process"
