"""The peer: what tutorials on FastAPI and InfluxDB show, asked for what our API tells.

A ``def`` handler a route, which FastAPI runs in its thread pool, one InfluxQL query over the raw
readings each, dicts through FastAPI's own JSON. No key, no gaps, no revisions, no alerts: it has
none. As a command it serves until it is stopped.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import uvicorn
from fastapi import FastAPI

from bench.rig import Influx

_DAY_MS = 86_400_000


def app(influx: Influx) -> FastAPI:
    """Return the tutorial over one database."""
    made = FastAPI()

    def days(kahriz: str, n: int) -> list[dict[str, Any]]:
        now_ms = int(time.time() * 1000)
        found = influx.ask(
            "SELECT integral(value) / 1000 AS volume_m3 FROM observation"
            f" WHERE kahriz = '{kahriz}' AND site = 'delivery' AND property = 'discharge'"
            f" AND time >= {now_ms - n * _DAY_MS}ms AND time < {now_ms}ms GROUP BY time(1d)"
        )
        values = found[0]["values"] if found else []
        return [{"time": at, "volume_m3": volume} for at, volume in values]

    @made.get("/api/v1/latest")
    def latest() -> dict[str, Any]:
        found = influx.ask(
            'SELECT last(value) FROM observation GROUP BY "kahriz", "site", "property"'
        )
        return {"observations": [{**s["tags"], "value": s["values"][0][1]} for s in found]}

    @made.get("/api/v1/kahrizes/{kahriz}/water")
    def water(kahriz: str) -> dict[str, Any]:
        return {"rows": days(kahriz, 30)}

    @made.get("/api/v1/kahrizes/{kahriz}/summary")
    def summary(kahriz: str) -> dict[str, Any]:
        volumes = [day["volume_m3"] or 0.0 for day in days(kahriz, 365)]
        return {"volume_m3": sum(volumes), "days": len(volumes)}

    @made.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    return made


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--influx", required=True)
    parser.add_argument("--database", required=True)
    options = parser.parse_args()
    made = app(Influx(options.influx, options.database))
    uvicorn.run(made, host="127.0.0.1", port=options.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
