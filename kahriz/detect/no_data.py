"""A device fell silent: no signal, which is never said to be no water."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from kahriz.clock import iso
from kahriz.detect import Detection, KahrizView, Kind
from kahriz.observations import datastream_id
from kahriz.sites import Kahriz


class NoData:
    """Report every device that has been silent for longer than it ever is when all is well.

    Silent means for two hours, or for eight of its usual intervals, whichever is later. The usual
    interval is the median step of its readings in the look-back; a device silent for all of it is
    judged by the two hours alone.

    Limits
    ------
    Says nothing of a device never heard: there is no instant to count from, and it may not be
    installed yet; the page shows it as unknown. Cannot tell a dead battery from a dead modem or a
    network that is down, nor whether the service itself hears nobody.

    Parameters
    ----------
    least
        Shortest silence reported; > 0.
    intervals
        So many usual intervals of silence are reported; >= 1.
    """

    name = "no_data"

    def __init__(self, least: timedelta = timedelta(hours=2), intervals: float = 8.0) -> None:
        if least <= timedelta(0):
            raise ValueError(f"no_data: least {least} is not above 0")
        if intervals < 1:
            raise ValueError(f"no_data: intervals {intervals!r} is under 1")
        self.look_back = timedelta(days=4)
        self._least = least
        self._intervals = intervals

    def detect(self, view: KahrizView, now: datetime) -> tuple[Detection, ...]:
        """Return one detection, keyed by the device, for each that is silent at `now`."""
        said = (self._silence(view, device, now) for device in _devices(view.kahriz))
        return tuple(detection for detection in said if detection is not None)

    def _silence(self, view: KahrizView, device: str, now: datetime) -> Detection | None:
        heard = view.last_seen.get(device)
        if heard is None:
            return None
        silent = now - heard
        if silent < self._least:
            return None  # the usual interval can only make it wait longer
        usual = _usual_interval(view, device)
        limit = self._least if usual is None else max(self._least, self._intervals * usual)
        if silent < limit:
            return None
        evidence: dict[str, float | str] = {
            "device": device,
            "silent_h": round(silent / timedelta(hours=1), 2),
            "limit_h": round(limit / timedelta(hours=1), 2),
        }
        if usual is not None:
            evidence["usual_interval_min"] = round(usual / timedelta(minutes=1), 1)
        text = f"{device} silent since {iso(heard)} ({evidence['silent_h']} h)."
        return Detection(Kind.OFFLINE, self.name, heard, evidence, text, device)


def _devices(kahriz: Kahriz) -> list[str]:
    return list(dict.fromkeys(sensor.device for site in kahriz.site for sensor in site.sensor))


def _usual_interval(view: KahrizView, device: str) -> timedelta | None:
    """Return the median step of the device's best-sampled channel; None with under three."""
    steps = np.empty(0, "timedelta64[ms]")
    for site in view.kahriz.site:
        for sensor in site.sensor:
            series = view.series.get(datastream_id(view.kahriz.id, site.id, sensor.measures))
            if sensor.device == device and series is not None and len(series) > len(steps) + 1:
                steps = np.diff(series.time)
    if len(steps) < 3:
        return None
    return timedelta(milliseconds=float(np.median(steps.astype(np.int64))))
