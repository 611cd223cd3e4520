"""The peer: what tutorials on MQTT and InfluxDB in Python show.

paho's ``on_message``, ``json``, a `Point` a reading, and the client's batching `WriteApi` with its
defaults (1000 points or a second). It acknowledges a message when it is received, not when it is
stored. As a command: prints ``ready`` once subscribed, then runs until stopped. With a session (the
broker keeps what comes while it is away), which tutorials leave out, it loses less.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from typing import Any

import paho.mqtt.client as paho
from influxdb_client import InfluxDBClient, Point, WritePrecision
from paho.mqtt.enums import CallbackAPIVersion


def _speak_1x(client: Any, database: str) -> None:
    """Send writes to ``/write``: InfluxDB 1.6 has no ``/api/v2/write`` yet."""
    request = client.api_client.request

    def routed(method: str, url: str, **rest: Any) -> Any:
        url = url.replace("/api/v2/write", "/write")
        rest["query_params"] = [("db", database), ("precision", "ms")]
        return request(method, url, **rest)

    client.api_client.request = routed


def main() -> None:
    """Consume until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mqtt-port", type=int, required=True)
    parser.add_argument("--influx", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--session", help="client id of a session the broker keeps")
    options = parser.parse_args()

    influx = InfluxDBClient(url=options.influx, token="", org="-")
    _speak_1x(influx, options.database)
    write_api = influx.write_api()

    def on_connect(client: paho.Client, *_: Any) -> None:
        client.subscribe("kahriz/v1/+/up", qos=1)

    def on_subscribe(*_: Any) -> None:
        print("ready", flush=True)

    def on_message(_client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        kahriz, _, site = message.topic.split("/")[2].rpartition("-")
        for t_ms, values in json.loads(message.payload)["r"]:
            for channel, value in values.items():
                point = (
                    Point("observation")
                    .tag("kahriz", kahriz)
                    .tag("site", site)
                    .tag("property", channel.rpartition("_")[0])
                    .field("value", float(value))
                    .time(t_ms, WritePrecision.MS)
                )
                write_api.write(bucket=options.database, record=point)

    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=options.session or "",
        clean_session=options.session is None,
    )
    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = on_message

    def stop(*_: Any) -> None:
        write_api.close()
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    client.connect("127.0.0.1", options.mqtt_port)
    client.loop_forever()


if __name__ == "__main__":
    main()
