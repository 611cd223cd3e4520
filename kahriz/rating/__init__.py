"""Stage to discharge: dated curves with their limits and uncertainty.

Contract of every rating:

- Vectorised over stage (n,) [m]; returns discharge (n,) [L/s] and flags (n,) of `Quality`.
- Extrapolation is refused: outside the curve's limits discharge is NaN and the flag FAIL.
  Where the head is in the formula's limits but under its best range, the flag is SUSPECT.
- Head at or below 0 is no flow: discharge 0, SUSPECT when below -5 mm.
- Standard uncertainty of discharge comes with it, from that of the stage and of the curve.
- `limits` says at which stages that is; whoever draws the curve or gauges asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kahriz.observations import Flags, Values

RATINGS: dict[str, str] = {
    "v_notch_90": "kahriz.rating.v_notch:VNotch90",
    "v_notch": "kahriz.rating.v_notch_any:VNotch",
    "rectangular": "kahriz.rating.rectangular:Rectangular",
    "cipolletti": "kahriz.rating.cipolletti:Cipolletti",
    "parshall": "kahriz.rating.parshall:Parshall",
    "cutthroat": "kahriz.rating.cutthroat:Cutthroat",
    "power_law": "kahriz.rating.power_law:PowerLaw",
    "table": "kahriz.rating.table:Table",
}


@dataclass(frozen=True, slots=True)
class Rated:
    """What a rating makes of stages (n,)."""

    discharge_lps: Values
    uncertainty_lps: Values
    """Standard uncertainty (k = 1); NaN where discharge is."""
    quality: Flags


@dataclass(frozen=True, slots=True)
class Limits:
    """Stages [m] between which a rating says anything.

    Attributes
    ----------
    zero_m
        No flow at and below it.
    lowest_m, highest_m
        Below the first (and above `zero_m`) and above the second it is refused.
    best_from_m
        Below it, SUSPECT.
    """

    zero_m: float
    lowest_m: float
    best_from_m: float
    highest_m: float


class Rating(Protocol):
    """Stage to discharge by one formula; see the module for the contract."""

    @property
    def limits(self) -> Limits:
        """The stages between which it says anything."""
        ...

    def discharge(self, stage_m: Values) -> Rated:
        """Return discharge of `stage_m` (n,) [m]."""
        ...

    def stage(self, discharge_lps: Values) -> Values:
        """Return the stage (n,) [m] that gives `discharge_lps` (n,); NaN outside the limits."""
        ...
