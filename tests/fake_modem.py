"""A GSM modem on a pseudo-terminal: what a real gammu-smsd speaks AT commands to in tests.

It answers as a modem in PDU mode, takes SUBMIT PDUs apart by its own reading of 3GPP TS 23.040, so
that `FakeModem.shown` is what a phone would show, and hands out DELIVER and STATUS-REPORT PDUs.
`refuse` lets it answer ``+CMS ERROR`` to a text, `hang_up` lets the line go dead.
"""

from __future__ import annotations

import os
import pty
import select
import threading
import tty
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from tests.sms_pdu import Submitted, deliver, read_submit, status_report

DELIVERED = 0x00
EXPIRED = 0x46
"""TP-Status: the validity period is over."""

_ANSWERS = {
    "AT+CGMI": "KAHRIZ",
    "AT+CGMM": "FAKE-1",
    "AT+CGMR": "1.0",
    "AT+CGSN": "356938035643809",
    "AT+CIMI": "400010000000001",
    "AT+CPIN?": "+CPIN: READY",
    "AT+CREG?": '+CREG: 2,1,"0001","0001"',
    "AT+CGREG?": "+CGREG: 0,1",
    "AT+COPS?": '+COPS: 0,2,"40001"',
    "AT+CSQ": "+CSQ: 20,99",
    "AT+CBC": "+CBC: 0,100",
    "AT+CSCA?": '+CSCA: "+994500000000",145',
    "AT+CMGF=?": "+CMGF: (0,1)",
    "AT+CMGF?": "+CMGF: 0",
    "AT+CPMS=?": '+CPMS: ("SM"),("SM"),("SM")',
    "AT+CNMI=?": "+CNMI: (0,1,2),(0,1),(0,2),(0,1),(0,1)",
    "AT+CSCS=?": '+CSCS: ("GSM","UCS2","IRA")',
    "AT+CSCS?": '+CSCS: "GSM"',
    "AT+CSMP?": "+CSMP: 49,167,0,0",
    "AT+CPBS=?": '+CPBS: ("SM")',
}
_CAPACITY = 50


@dataclass
class FakeModem:
    """One modem; answers within ``with``.

    Attributes
    ----------
    reports
        What it tells of each text's fate: the TP-Status, or None for no report.
    refuse
        Numbers of ``+CMS ERROR`` that the next texts are answered with, one each.
    now
        The network's time, which stands in what it hands out: SMSD believes no report from afar.
    sent, sent_at
        Every part it sent, and when by `clock`.
    """

    reports: int | None = DELIVERED
    refuse: list[int] = field(default_factory=list)
    sent: list[Submitted] = field(default_factory=list)
    sent_at: list[datetime] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._stored: dict[int, bytes] = {}
        self._reference = 0
        self._held: list[Submitted] = []
        self._wants_pdu = False
        self._tells = False
        self._is_dead = threading.Event()
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._stop_reading, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._run, name="modem")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        os.write(self._stop, b"x")
        self._thread.join()
        for end in (self._master, self._slave, self._stop, self._stop_reading):
            os.close(end)

    def hang_up(self) -> None:
        """Answer nothing any more, as a modem without power."""
        self._is_dead.set()

    def come_back(self) -> None:
        """Answer again."""
        self._is_dead.clear()

    def shown(self) -> list[tuple[str, str]]:
        """Return (number, text) as phones would show them: the parts of a long text joined."""
        with self._changed:
            return _joined(self.sent)

    def wait_for(self, is_so: Callable[[FakeModem], object], seconds: float = 30) -> None:
        """Return as soon as `is_so`; AssertionError where it takes too long."""
        with self._changed:
            came = self._changed.wait_for(lambda: is_so(self), seconds)
        assert came, f"not within {seconds} s; sent {self.sent}, heard last {self.heard[-12:]}"

    def receive(self, number: str, text: str) -> None:
        """Let a text come in from `number`; a long one in parts."""
        with self._changed:
            for pdu in deliver(number, text, self.now()):
                self._store(pdu)

    def report_late(self, status: int = DELIVERED) -> None:
        """From now on report this fate, of every text that has had no report yet too."""
        with self._changed:
            self.reports = status
            self._report_held()

    def _report_held(self) -> None:
        if self.reports is not None:
            for submitted in self._held:
                self._report(submitted, self.reports)
            self._held.clear()

    def _store(self, pdu: bytes) -> None:
        place = next(i for i in range(1, _CAPACITY + 1) if i not in self._stored)
        self._stored[place] = pdu
        if self._tells:
            os.write(self._master, f'\r\n+CMTI: "SM",{place}\r\n'.encode())
        self._changed.notify_all()

    def _report(self, submitted: Submitted, status: int) -> None:
        pdu = status_report(submitted, status, self.now())
        told = f"\r\n+CDS: {_length(pdu)}\r\n{pdu.hex().upper()}\r\n"
        os.write(self._master, told.encode())

    def _run(self) -> None:
        waiting = b""
        while True:
            ready, _, _ = select.select([self._master, self._stop_reading], [], [])
            if self._stop_reading in ready:
                return
            waiting += os.read(self._master, 4096)
            waiting = self._take(waiting)

    def _take(self, waiting: bytes) -> bytes:
        while True:
            ends = [i for i in (waiting.find(b"\r"), waiting.find(b"\x1a")) if i >= 0]
            if not ends:
                return waiting
            line, waiting = waiting[: min(ends)], waiting[min(ends) + 1 :].lstrip(b"\n")
            said = line.replace(b"\x1b", b"").decode("ascii", "replace").strip()
            if self._is_dead.is_set():
                self._wants_pdu = False
                continue
            with self._changed:
                self.heard.append(said)
                answer = self._submit(said) if self._wants_pdu else self._command(said)
                # gammu tells an answer by the command it repeats.
                os.write(self._master, line + b"\r" + answer)
                if said.startswith("AT+CPMS="):
                    # A network takes its time: SMSD has written the text down by then.
                    self._report_held()
                self._changed.notify_all()

    def _command(self, said: str) -> bytes:
        if said in _ANSWERS:
            return _lines(_ANSWERS[said])
        if said.startswith("AT+CMGS="):
            self._wants_pdu = True
            return b"\r\n> "
        if said.startswith("AT+CPMS="):
            used = f"{len(self._stored)},{_CAPACITY}"
            return _lines(f"+CPMS: {used},{used},{used}")
        if said == "AT+CPMS?":
            used = f'"SM",{len(self._stored)},{_CAPACITY}'
            return _lines(f"+CPMS: {used},{used},{used}")
        if said.startswith("AT+CMGL"):
            return _lines(*self._listed())
        if said.startswith("AT+CMGR="):
            return self._read(int(said.removeprefix("AT+CMGR=")))
        if said.startswith("AT+CMGD="):
            self._stored.pop(int(said.removeprefix("AT+CMGD=").split(",")[0]), None)
            return _lines()
        self._tells |= said.startswith("AT+CNMI=2")
        return _lines()

    def _listed(self) -> list[str]:
        found = []
        for place, pdu in sorted(self._stored.items()):
            found += [f"+CMGL: {place},1,,{_length(pdu)}", pdu.hex().upper()]
        return found

    def _read(self, place: int) -> bytes:
        if place not in self._stored:
            return b"\r\n+CMS ERROR: 321\r\n"
        pdu = self._stored[place]
        return _lines(f"+CMGR: 1,,{_length(pdu)}", pdu.hex().upper())

    def _submit(self, said: str) -> bytes:
        self._wants_pdu = False
        if self.refuse:
            return f"\r\n+CMS ERROR: {self.refuse.pop(0)}\r\n".encode()
        self._reference = self._reference % 255 + 1
        submitted = read_submit(bytes.fromhex(said), self._reference)
        self.sent.append(submitted)
        self.sent_at.append(self.clock())
        if submitted.wants_report:
            self._held.append(submitted)
        return _lines(f"+CMGS: {self._reference}")


def _lines(*lines: str) -> bytes:
    return "".join(f"\r\n{line}\r\n" for line in [*lines, "OK"]).encode("ascii")


def _length(pdu: bytes) -> int:
    """Octets without the address of the service centre, as +CMGL counts them."""
    return len(pdu) - 1 - pdu[0]


def _joined(sent: list[Submitted]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    open_parts: dict[tuple[str, int], dict[int, str]] = {}
    for one in sent:
        if one.joins is None:
            found.append((one.number, one.text))
            continue
        reference, total, position = one.joins
        parts = open_parts.setdefault((one.number, reference), {})
        parts[position] = one.text
        if len(parts) == total:
            found.append((one.number, "".join(parts[i] for i in range(1, total + 1))))
            del open_parts[one.number, reference]
    return found
