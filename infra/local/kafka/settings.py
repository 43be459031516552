"""The broker's settings, each with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Final

MAX_MESSAGE_BYTES: Final = 8 * 1024 * 1024
"""The largest envelope the broker takes; ingest stays well below."""

_RETENTION_DAYS: Final = 90  # more than the 35-day dedupe horizon and any repair after it


def server_properties(data_dir: Path, port: int, controller_port: int) -> str:
    """The text of `server.properties` for one node that is broker and controller."""
    listeners = f"PLAINTEXT://127.0.0.1:{port}"
    settings: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"{listeners},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": listeners,
        "log.dirs": data_dir / "log",
        # Broker time is part of the log: the dedupe horizon counts it.
        "log.message.timestamp.type": "LogAppendTime",
        "log.retention.ms": _RETENTION_DAYS * 24 * 3600 * 1000,
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "replica.fetch.max.bytes": MAX_MESSAGE_BYTES,
        "socket.request.max.bytes": 4 * MAX_MESSAGE_BYTES,
        # A misspelt topic is an error, not a new topic with default settings.
        "auto.create.topics.enable": "false",
        # Groups form at once, and a worker that was killed is missed after seconds.
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # One node: everything has one replica, and internal topics few partitions.
        "default.replication.factor": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        # After SIGKILL the broker registers again as soon as its old session is over.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        # A small machine: few threads, small buffers, small index files.
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "log.index.size.max.bytes": 1024 * 1024,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())
