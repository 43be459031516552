from __future__ import annotations

import os
import socket
import threading
from dataclasses import astuple

import pytest

from infra.local import ports
from infra.local.errors import PortTakenError
from infra.local.ports import Ports


def test_ports_not_named_are_chosen_free_and_all_different() -> None:
    chosen = Ports(kafka=29_092).chosen()
    assert chosen.kafka == 29_092
    assert len(set(astuple(chosen))) == 4
    assert all(ports.is_free(port) for port in astuple(chosen)[1:])


def test_chosen_ports_lie_below_those_of_outgoing_connections() -> None:
    assert all(17_000 <= port < 32_768 for port in astuple(Ports().chosen()))


def test_one_port_for_two_parts_is_refused() -> None:
    with pytest.raises(PortTakenError, match="29092 is named twice"):
        Ports(kafka=29_092, postgres=29_092).chosen()


def test_named_ports_go_over_kept_ones() -> None:
    assert Ports(postgres=5).over(Ports(1, 2, 3, 4)) == Ports(1, 2, 3, 5)


def test_a_taken_port_is_refused_with_its_holder_and_the_option() -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        assert ports.answers(port)
        with pytest.raises(PortTakenError) as caught:
            ports.require_free(port, "kafka", "--kafka-port")
    assert f"port {port} for kafka is taken by pid {os.getpid()}" in caught.value.message
    assert "`tollbook up --kafka-port PORT`" in caught.value.message
    ports.require_free(port, "kafka", "--kafka-port")


def test_a_port_that_is_given_up_in_time_is_free() -> None:
    server = socket.create_server((ports.LOOPBACK, 0))
    port = server.getsockname()[1]
    timer = threading.Timer(0.5, server.close)
    timer.start()
    ports.require_free(port, "kafka", "--kafka-port")
    timer.join()
