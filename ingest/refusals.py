"""Why there is no connection to the broker, in one line an operator can act on."""

from __future__ import annotations

NOT_AUTHORISED = (0x86, 0x87)
TAKEN_OVER = 0x8E

SHORT_S = 10.0
"""A connection that ended sooner is not one to come back to at once."""


def unreachable(where: str, reason: str) -> str:
    """Return what is said where nothing listens at `where`."""
    return f"broker {where} cannot be reached: {reason}"


def refused(where: str, user: str, code: int | None, said: str) -> str:
    """Return what is said of a broker that did not let us in.

    Parameters
    ----------
    where, user
        ``host:port``, and the user name we gave; empty: none.
    code, said
        The broker's reason, in MQTT 5's numbers, and in words. None: it gave no answer that is
        MQTT.
    """
    if code is None:
        return f"broker {where} {said}: is it an MQTT broker?"
    who = f"user {user!r}" if user else "a connection without user name"
    hint = " (mqtt.username, mqtt.password)" if code in NOT_AUTHORISED else ""
    return f"broker {where} refuses {who}: {said}{hint}"


def lost(where: str, client_id: str, code: int | None, lived_s: float) -> str:
    """Return what is said where a connection that was established `lived_s` seconds ended.

    Not every broker says so when somebody else comes under our name: it closes, at once each time.
    """
    if code == TAKEN_OVER or lived_s < SHORT_S:
        return (
            f"broker {where} closed the connection after {lived_s:.0f} s: it was stopped, or"
            f" another client is called {client_id!r} too (mqtt.client_id)"
        )
    return f"broker {where}: connection lost"
