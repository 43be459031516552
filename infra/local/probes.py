"""Does a server really answer? The same question for parts of ours and for outside servers."""

from __future__ import annotations

import logging
import socket
import uuid
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from core.endpoints import Endpoints

_TIMEOUT_SECONDS: Final = 5
_READINESS_TOPIC: Final = "tollbook.readiness"


def probe(part: str, url: str) -> str | None:
    """None when the server of `part` at `url` answers a real request, else what went wrong."""
    probes = {"kafka": probe_kafka, "clickhouse": probe_clickhouse, "postgres": probe_postgres}
    return probes[part](url)


def probe_kafka(bootstrap: str) -> str | None:
    """Ask for the cluster's brokers."""
    refusals = [_refusal(address) for address in bootstrap.split(",")]
    if all(refusals):  # the Kafka client would go on trying until the time is over
        return "; ".join(str(refusal) for refusal in refusals)
    try:
        found = _admin(bootstrap).list_topics(timeout=_TIMEOUT_SECONDS)
    except KafkaException as error:
        return _kafka_text(error)
    return None if found.brokers else "no broker in the cluster's metadata"


def probe_kafka_produce(bootstrap: str) -> str | None:
    """Ask for more: have a record of our own topic acknowledged. For a broker of ours only."""
    admin = _admin(bootstrap)
    try:
        topic = NewTopic(_READINESS_TOPIC, num_partitions=1, replication_factor=1)
        admin.create_topics([topic])[_READINESS_TOPIC].result(timeout=_TIMEOUT_SECONDS)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            return _kafka_text(error)
    except TimeoutError:
        return "a topic was not created in time"
    problems: list[str] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            problems.append(error.str())

    settings = _kafka_settings(bootstrap) | {"message.timeout.ms": _TIMEOUT_SECONDS * 1000}
    producer = Producer(settings, logger=_silent_logger())
    producer.produce(_READINESS_TOPIC, uuid.uuid4().bytes, on_delivery=delivered)
    unsent = producer.flush(_TIMEOUT_SECONDS)
    if unsent:
        return "a record was not acknowledged in time"
    return problems[0] if problems else None


def probe_clickhouse(url: str) -> str | None:
    """Ask for `/ping`, then for the answer to a query with the user and password of the URL."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    base = urlunsplit((parts.scheme, f"{host}:{parts.port}" if parts.port else host, "", "", ""))
    try:
        with httpx.Client(base_url=base, timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            client.get("/ping").raise_for_status()
            user = (parts.username or "default", parts.password or "")
            client.post("/", auth=user, content="SELECT 1").raise_for_status()
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__
    return None


def probe_postgres(url: str) -> str | None:
    """Connect and have the simplest query answered."""
    try:
        with psycopg.connect(url, connect_timeout=_TIMEOUT_SECONDS) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as error:
        return str(error).strip()
    return None


def probe_all(endpoints: Endpoints) -> dict[str, str | None]:
    """Part name -> None, or what went wrong with it."""
    return {
        part: probe(part, getattr(endpoints, part)) for part in ("kafka", "clickhouse", "postgres")
    }


def _refusal(address: str) -> str | None:
    """Why nothing listens at `host:port`; None when something does."""
    host, _, port = address.strip().rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _TIMEOUT_SECONDS).close()
    except (OSError, ValueError) as error:
        return f"{address}: {error}"
    return None


def _admin(bootstrap: str) -> AdminClient:
    return AdminClient(_kafka_settings(bootstrap), logger=_silent_logger())


def _kafka_settings(bootstrap: str) -> dict[str, str | int | float | bool]:
    return {
        "bootstrap.servers": bootstrap,
        "socket.timeout.ms": _TIMEOUT_SECONDS * 1000,
        "reconnect.backoff.max.ms": 200,
        "log_level": 0,
    }


def _silent_logger() -> logging.Logger:
    logger = logging.Logger("infra.local.kafka")  # noqa: LOG001 - outside the tree: heard by nobody
    logger.addHandler(logging.NullHandler())
    return logger


def _kafka_text(error: KafkaException) -> str:
    return str(error.args[0].str())
