"""A fault in the thread that reads from the broker is met like a broken connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence

import pytest

from ingest.mqtt import Intake
from ingest.waiting import Incoming
from kahriz.settings import MqttSettings

CONNACK, SUBACK = b"\x20\x02\x00\x00", b"\x90\x05\x00\x01\x01\x01\x01"
AT_QOS_0 = b"\x30\x04\x00\x01ax"


def _take_in(listener: socket.socket, times: list[int]) -> None:
    """Be a broker that takes everybody in, and sends two messages of QoS 0 at once."""
    while len(times) < 2:
        line, _ = listener.accept()
        with line:
            line.recv(4096)
            line.sendall(CONNACK)
            line.recv(4096)
            line.sendall(SUBACK + 2 * AT_QOS_0)
            times.append(1)
            while line.recv(4096):
                pass


# The fault shows on standard error, as that of any thread does.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_after_a_fault_while_reading_ingest_connects_again() -> None:
    def fault(messages: Sequence[Incoming]) -> None:
        raise RuntimeError("a fault of ours")

    times: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        broker = threading.Thread(target=_take_in, args=(listener, times), daemon=True)
        broker.start()
        settings = MqttSettings(port=listener.getsockname()[1], protocol="3.1.1", max_inflight=1)
        intake = Intake(settings, fault)  # there is room for one
        intake.start()
        broker.join(5)
        intake.stop()

    assert len(times) == 2, intake.state
