"""Faults of the store: a real InfluxDB, and a proxy in front of it that answers as servers do."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from tests.campaign.influx_faults import InfluxFaults, Treatment
from tests.campaign.world import World
from tests.contract.influx_fakes import Answer, Asked
from tests.servers import Server

_UNPARSABLE = b"\nobservation,kahriz= value=nonsense"
_LAG_S = 0.7


class _Proxied:
    """A fault of the proxy's: every request is treated in one way."""

    def __init__(self, name: str, treat: Treatment, shows: str | None = "store") -> None:
        self.name = name
        self.shows = shows
        self._treat = treat

    def begin(self, world: World) -> None:
        _proxy(world).fail(self._treat)

    def end(self, world: World) -> None:
        _proxy(world).mend()


class Refused:
    """Nobody listens on its port."""

    name = "store refuses connections"
    shows = "store"

    def begin(self, world: World) -> None:
        _proxy(world).refuse()

    def end(self, world: World) -> None:
        _proxy(world).mend()


class BackingOff(_Proxied):
    """503 with Retry-After: what the server asks for is kept to."""

    RETRY_AFTER_S = 2

    def __init__(self) -> None:
        headers = {"Retry-After": str(self.RETRY_AFTER_S)}
        unavailable = Answer(
            503, b'{"error":"engine: cache maximum memory size exceeded"}', headers
        )
        super().__init__("store 503, Retry-After", lambda _f, _a: unavailable)

    def end(self, world: World) -> None:
        writes = [at for at, path in _proxy(world).asked_at if path.endswith("/write")]
        gaps = [later - earlier for earlier, later in itertools.pairwise(writes)]
        super().end(world)
        assert all(gap > 0.95 * self.RETRY_AFTER_S for gap in gaps), gaps


class FreezeInflux:
    """The server itself is stopped, its connections open: SIGSTOP."""

    name = "freeze influxd"
    shows = "store"

    def __init__(self, server: Server) -> None:
        self._server = server

    def begin(self, world: World) -> None:
        self._server.freeze()

    def end(self, world: World) -> None:
        self._server.thaw()


class KillInflux:
    """kill -9 of the server; it comes back with what it had promised."""

    name = "kill -9 influxd"
    shows = "store"

    def __init__(self, server: Server) -> None:
        self._server = server

    def begin(self, world: World) -> None:
        self._server.kill()
        world.kills += 1

    def end(self, world: World) -> None:
        self._server.start()


def _proxy(world: World) -> InfluxFaults:
    assert world.influx is not None, "this world's store is no InfluxDB"
    return world.influx


def _frozen(faults: InfluxFaults, asked: Asked) -> Answer | None:
    faults.thawed.wait(60)
    return None


def _slow(faults: InfluxFaults, asked: Asked) -> Answer | None:
    faults.thawed.wait(_LAG_S)
    return faults.pass_on(asked)


def _answer_lost(faults: InfluxFaults, asked: Asked) -> Answer | None:
    """Apply a write and hang up: whoever wrote cannot know."""
    faults.pass_on(asked)
    return None


class PartlyRefused(_Proxied):
    """Every third write comes with a line the server cannot parse: a 400, the rest is stored."""

    def __init__(self) -> None:
        self._turn = itertools.cycle((True, False, False))
        super().__init__("store 400, partial", self._spoil, shows=None)

    def _spoil(self, faults: InfluxFaults, asked: Asked) -> Answer | None:
        if asked.method == "POST" and asked.path.endswith("/write") and next(self._turn):
            answer = faults.pass_on(asked, asked.body + _UNPARSABLE)
            assert answer is None or answer.status == 400
            return answer
        return faults.pass_on(asked)

    def begin(self, world: World) -> None:
        super().begin(world)
        world.pass_(world.chance.uniform(1, 2))


def _saying(status: int, text: str) -> Treatment:
    answer = Answer.json(status, {"error": text})
    return lambda _faults, _asked: answer


def proxied() -> Iterator[_Proxied]:
    """Yield the faults that the proxy alone makes, but for a frozen answer."""
    yield BackingOff()
    yield _Proxied("store 429", _saying(429, "too many requests"))
    yield _Proxied("store 401", _saying(401, "authorization failed"))
    yield _Proxied("store 404", _saying(404, "not found"))
    yield PartlyRefused()
    yield _Proxied("store slow", _slow, shows=None)
    yield _Proxied("store answers lost", _answer_lost)


def frozen() -> _Proxied:
    """Return the fault of a store that takes every request and never answers."""
    return _Proxied("store never answers", _frozen)
