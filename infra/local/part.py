"""What the stack asks of each of its three servers."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Report = Callable[[str], None]
"""Takes one short phrase on what is being done, for people."""


@dataclass(frozen=True, slots=True)
class Command:
    """How to start a process: argument list, and variables beside the inherited ones."""

    argv: Sequence[str]
    variables: Mapping[str, str]


class Part(ABC):
    """One server of the stack. Methods raise `StackError` with the cure in the message."""

    name: str
    program: str
    """How the server's process is called, to find one that nobody recorded."""
    stop_signal: signal.Signals = signal.SIGTERM
    start_timeout_seconds: float = 60.0
    stop_timeout_seconds: float = 20.0

    def __init__(self, data_dir: Path, environ: Mapping[str, str]) -> None:
        self.data_dir = data_dir
        self.environ = environ

    @property
    @abstractmethod
    def ports(self) -> Mapping[str, int]:
        """The command-line option of `tollbook up` -> the port it sets, for each port used."""

    @abstractmethod
    def url(self) -> str:
        """The endpoint, in the form of `core.endpoints.Endpoints`."""

    @abstractmethod
    def prepare(self, report: Report) -> None:
        """Fetch and initialise what a start needs; does nothing the second time."""

    @abstractmethod
    def command(self) -> Command:
        """How to run the server, once prepared."""

    @abstractmethod
    def probe(self) -> str | None:
        """None when the server really does its work, else what went wrong."""

    @abstractmethod
    def finish(self) -> None:
        """What needs the running server, such as its database; does nothing the second time."""
