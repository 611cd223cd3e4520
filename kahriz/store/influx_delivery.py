"""A batch on its way to InfluxDB, and which of its points the server refuses for good.

A refusal says only that something in the request was refused (`kahriz.store.influx_answers`). So:
one harmless point first. Refused too: the server is sick, everything is kept for later. Accepted:
the request is halved until single points are left; one that is refused alone is refused for good.
Sending the others again changes nothing.
"""

from __future__ import annotations

from concurrent.futures import Executor, wait
from dataclasses import dataclass, field
from typing import Protocol

from kahriz.errors import StoreUnavailable
from kahriz.store.influx_answers import RefusedError, TooLargeError
from kahriz.store.line_protocol import CANARY, Lines

_LINES_PER_REQUEST = 5000


class _Writer(Protocol):
    def write(self, body: bytes) -> None:
        """Write lines, or raise RefusedError, TooLargeError or StoreUnavailable."""


@dataclass(slots=True)
class Delivery:
    """One batch on its way, and which of its rows the server refuses for good."""

    server: _Writer
    where: str
    lines: Lines
    _refused: dict[int, str] = field(default_factory=dict)
    _is_server_well: bool = False

    def send(self, side_by_side: Executor) -> dict[int, str]:
        """Return the refused rows with the server's reason; all the others are stored.

        A large batch goes as several requests at once, since the server works on each by one of its
        cores. When one of them fails the others are waited for: nothing of a batch that was given
        up comes late, behind what the next try wrote.
        """
        firsts = range(0, len(self.lines), _LINES_PER_REQUEST)
        if len(firsts) == 1:
            self._send(0, len(self.lines))
            return self._refused
        requests = [side_by_side.submit(self._send_some, first) for first in firsts]
        wait(requests)
        for request in requests:
            request.result()
        return self._refused

    def _send_some(self, first: int) -> None:
        self._send(first, min(first + _LINES_PER_REQUEST, len(self.lines)))

    def _send(self, first: int, stop: int) -> None:
        try:
            self.server.write(self.lines.body(first, stop))
        except TooLargeError as error:
            if stop - first == 1:
                self._make_sure_server_is_well(error)
            self._halve(first, stop, str(error), are_all_refused=False)
        except RefusedError as error:
            self._make_sure_server_is_well(error)
            are_all_refused = error.dropped == stop - first
            self._halve(first, stop, str(error), are_all_refused=are_all_refused)

    def _halve(self, first: int, stop: int, reason: str, *, are_all_refused: bool) -> None:
        if stop - first == 1 or are_all_refused:
            self._refused.update((row, reason) for row in self.lines.rows[first:stop])
            return
        middle = (first + stop) // 2
        self._send(first, middle)
        self._send(middle, stop)

    def _make_sure_server_is_well(self, refusal: Exception) -> None:
        # A server that refuses even a harmless point is sick: nothing may be given up for that.
        if self._is_server_well:
            return
        try:
            self.server.write(CANARY)
        except (RefusedError, TooLargeError) as error:
            raise StoreUnavailable(
                f"{self.where}: refuses everything, even a harmless point: {refusal}"
            ) from error
        self._is_server_well = True
