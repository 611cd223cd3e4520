"""The simulated devices on the wire: what a real firmware is measured against keeps the letter."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import servers
from tests.campaign.oracle import counts
from tests.e2e.processes import House, wait_until
from tests.mqtt_wire.proxy import Segments, WireProxy, as_read, tiny, wire

pytestmark = [pytest.mark.server, pytest.mark.timeout(60)]

BROKER = "allow_anonymous true\nmax_inflight_messages 50\n"


@pytest.mark.parametrize(("version", "segments"), [(5, as_read), (5, tiny), (4, as_read)])
def test_nine_devices_deliver_a_backlog_through_cuts_to_the_letter(
    tmp_path: Path, version: int, segments: Segments
) -> None:
    ledger = tmp_path / "sim" / "ledger.sqlite"
    with (
        servers.mosquitto(BROKER) as broker,
        wire(broker.port, segments, knows_5=version == 5) as proxy,
    ):
        house = House(tmp_path, broker.port)
        arguments = ["run", "three_kahrizes", "--state", str(tmp_path / "sim"), "--speed", "1"]
        arguments += ["--port", str(proxy.port), "--history", "1"]
        with house.run("ingest"):
            house.wait_for_ingest()
            proxy.cut_after("client", 9000)
            with house.run("firmware_sim", *arguments):
                wait_until(lambda: counts(ledger).acked > 0, "the devices are heard")
                # A line that is cut before its answer makes a device try the other version.
                wait_until(lambda: _n_connected(proxy) == 9, "every device is there")
                proxy.cut()
                wait_until(lambda: 0 <= counts(ledger).behind < 9 < counts(ledger).acked, "all")
                wait_until(lambda: _n_connected(proxy) == 9, "every device is back")
    last = {c.client.client_id: c.client for c in proxy.connections if c.client.client_id}

    assert proxy.findings == []
    assert len(proxy.connections) >= 9 + 9
    assert len(last) == 9
    assert all(line.is_left for line in last.values()), "each device parted with DISCONNECT"
    assert {line.version for line in last.values()} == {version}


def _n_connected(proxy: WireProxy) -> int:
    return sum(c.client.is_accepted and not c.n_over for c in proxy.connections)
