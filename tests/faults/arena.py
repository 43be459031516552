"""Servers of one's own, each behind a proxy, and a nursery of processes: where faults happen."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from core.endpoints import VARIABLES, Endpoints
from infra.local.kafka.part import KafkaPart
from infra.local.part import Part, Report
from infra.local.ports import free_port
from infra.local.stack import LocalStack
from infra.local.state import StackFile
from tests.faults.nursery import Nursery
from tests.faults.proxy import Proxy
from tests.plugins.installations import Installer

PARTS: Final = ("kafka", "clickhouse", "postgres")


class ProxiedKafkaPart(KafkaPart):
    """A broker with a second listener, which it advertises under the address of a proxy.

    A Kafka client goes where the broker's metadata send it, not where it connected first.
    """

    inner_port: int
    proxy_port: int

    def prepare(self, report: Report) -> None:
        """As always, and then the second listener: of two equal settings the later one holds."""
        super().prepare(report)
        text = self._properties.read_text(encoding="utf-8")
        found = dict(line.split("=", 1) for line in text.splitlines())
        more = {
            "listeners": f"{found['listeners']},PROXIED://127.0.0.1:{self.inner_port}",
            "advertised.listeners": (
                f"{found['advertised.listeners']},PROXIED://127.0.0.1:{self.proxy_port}"
            ),
            "listener.security.protocol.map": (
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT"
            ),
            "inter.broker.listener.name": "PLAINTEXT",
        }
        lines = "".join(f"{name}={value}\n" for name, value in more.items())
        self._properties.write_text(text + lines, encoding="utf-8")


class ProxiedStack(LocalStack):
    """A stack whose broker can be reached both directly and through a proxy."""

    def __init__(self, state_dir: Path, inner_port: int, proxy_port: int) -> None:
        environ = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        super().__init__(state_dir, environ=environ, tie_to_parent=True)
        self._kafka_ports = inner_port, proxy_port

    def _parts(self, content: StackFile) -> dict[str, Part]:
        at = content.ports
        kafka = ProxiedKafkaPart(
            self.state.data("kafka"), self._environ, at.kafka, at.kafka_controller
        )
        kafka.inner_port, kafka.proxy_port = self._kafka_ports
        return super()._parts(content) | {"kafka": kafka}


@dataclass(frozen=True, slots=True)
class Arena:
    """A stack, a proxy before each part, and what starts processes and installations.

    `through` turns endpoints of the stack into the same endpoints behind the proxies.
    """

    folder: Path
    stack: LocalStack
    proxies: dict[str, Proxy]
    nursery: Nursery
    installer: Installer

    def through(self, endpoints: Endpoints) -> Endpoints:
        """The same servers, reached through the proxies."""
        ports = {name: proxy.port for name, proxy in self.proxies.items()}
        return replace(
            endpoints,
            kafka=f"127.0.0.1:{ports['kafka']}",
            clickhouse=_with_port(endpoints.clickhouse, ports["clickhouse"]),
            postgres=_with_port(endpoints.postgres, ports["postgres"]),
        )

    def heal(self) -> None:
        """Start what does not run, and let everything through."""
        for part in PARTS:
            self.stack.start_part(part)
        for proxy in self.proxies.values():
            proxy.heal()


@contextmanager
def open_arena(folder: Path) -> Iterator[Arena]:
    """Everything started; gone afterwards, also when this process is killed."""
    taken: set[int] = set()
    for _ in range(len(PARTS) + 1):
        taken.add(free_port(taken))
    inner, *outer = taken
    stack = ProxiedStack(folder / "stack", inner, outer[0])
    with ExitStack() as cleanup:
        cleanup.callback(stack.state.delete)
        cleanup.callback(stack.stop)
        stack.start()
        servers = stack.endpoints()
        targets = {
            "kafka": inner,
            "clickhouse": _port(servers.clickhouse),
            "postgres": _port(servers.postgres),
        }
        proxies = {
            name: Proxy(port, targets[name]) for name, port in zip(PARTS, outer, strict=True)
        }
        for proxy in proxies.values():
            cleanup.callback(proxy.close)
        nursery = Nursery(os.environ)
        cleanup.callback(nursery.close)
        yield Arena(folder, stack, proxies, nursery, Installer(servers))


def _port(url: str) -> int:
    found = re.search(r":(\d+)/", url)
    assert found, url
    return int(found[1])


def _with_port(url: str, port: int) -> str:
    return re.sub(r":\d+/", f":{port}/", url, count=1)
