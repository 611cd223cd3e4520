"""A scenario's devices as the service's registry has them: a ``sites.toml`` to play it with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from firmware_sim.scenario import DeviceSpec, KahrizSpec, Scenario
from kahriz.sites import LONGEST_NAME

_KINDS = {
    "outlet": "outlet",
    "mother_well": "mother_well",
    "shaft": "shaft",
    "lower_shaft": "shaft",
    "reservoir": "reservoir",
    "line": "delivery_line",
}
_RANGES: Mapping[str, tuple[float, float]] = {
    "stage_m": (-0.1, 65.0),
    "discharge_lps": (-0.1, 600.0),
    "turbidity_ntu": (-1.0, 4000.0),
    "water_temperature_degc": (-5.0, 50.0),
    "battery_v": (2.0, 16.0),
}
"""What a sensor can say at all, by channel."""


def sites_toml(scenario: Scenario) -> str:
    """Return the registry of what a scenario plays; names and villages are its ids."""
    head = f"# The devices of the scenario {scenario.name}; names and villages are placeholders."
    return "\n".join([head, *(line for kahriz in scenario.kahriz for line in _kahriz(kahriz))])


def _kahriz(kahriz: KahrizSpec) -> Iterator[str]:
    use = "drinking" if kahriz.delivery.pattern == "drinking" else "irrigation"
    yield from ("", "[[kahriz]]", f'id = "{kahriz.id}"', f'name = "{kahriz.id[:LONGEST_NAME]}"')
    yield from ('village = "simulated"', 'district = "simulated"', f'use = "{use}"')
    yield f'timezone = "{kahriz.delivery.timezone}"'
    yield 'placeholder = ["name", "village", "district", "sensor limits"]'
    for at in _KINDS:
        devices = [device for device in kahriz.device if device.at == at]
        if devices:
            yield from _site(at, devices)


def _site(at: str, devices: list[DeviceSpec]) -> Iterator[str]:
    name = at.replace("_", "-")
    yield from ("[[kahriz.site]]", f'id = "{name}"', f'kind = "{_KINDS[at]}"', f'name = "{name}"')
    for device in devices:
        for channel in device.channels:
            low, high = _RANGES[channel]
            yield from ("[[kahriz.site.sensor]]", f'device = "{device.id}"')
            yield from (f'channel = "{channel}"', f"range_fail = [{low}, {high}]")
    if at == "outlet" and any("stage_m" in device.channels for device in devices):
        yield from ("[[kahriz.site.rating]]", 'method = "v_notch_90"', "valid_from = 2000-01-01")
