"""Debian's own gammu-smsd between us and a modem: what a phone shows, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kahriz.notify import Fate, Message
from kahriz.notify.gammu import GammuNotifier
from kahriz.notify.gammu_sql import Smsd
from kahriz.notify.segments import encoding, parts
from tests import servers
from tests.fake_modem import EXPIRED, FakeModem
from tests.smsd import in_sqlite, sent_statuses, sqlite_tables, within

pytestmark = pytest.mark.server

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
CHAIR = "+994500000001"
FOLDED = "#K7 Ag Dere: kehriz tixanib. Su 1,2 L/s [-61%] {günde 41 L}. Quyuya düsmeyin."
FULL = (
    "#K7 Ağ Dərə, Molla Cəlilli: kəhriz tıxanıb. Su 1,2 L/s (-61%). Adambaşına gündə 41 L."
    " Quyuya düşməyin. Zəng: kankan +994500000003."
)


def message(id: int, text: str, **changes: object) -> Message:
    known = {"contact": "Chair", "language": "az", "created_at": NOW, "alert_code": "K7"}
    known |= {"encoding": encoding(text), "parts": parts(text), "address": CHAIR}
    return Message(id=id, text=text, **(known | changes))  # type: ignore[arg-type]


@pytest.fixture
def notifier(tmp_path: Path) -> Iterator[GammuNotifier]:
    smsd = Smsd(sqlite_tables(tmp_path))
    yield GammuNotifier(smsd, patience_s=1)
    smsd.close()


def test_texts_are_shown_whole_their_fates_come_back_and_so_do_answers(
    notifier: GammuNotifier, tmp_path: Path
) -> None:
    folded = notifier.send(message(1, FOLDED, expires_at=NOW + timedelta(hours=12))).reference
    full = notifier.send(message(2, FULL)).reference
    long = notifier.send(message(3, FOLDED * 3)).reference
    with FakeModem() as modem, servers.gammu_smsd(modem.path, in_sqlite(tmp_path)):
        modem.wait_for(lambda m: len(m.shown()) == 3)
        fates: dict[str, Fate] = {}

        def all_told() -> bool:
            fates.update({fate.reference: fate for fate in notifier.news(NOW).fates})
            return set(fates) == {folded, full, long}

        within(20, all_told)
        modem.receive(CHAIR, "1")
        modem.receive(CHAIR, "Şükür, su gəldi. " * 8)
        within(20, lambda: len(notifier.news(NOW).arrived) == 2)
        answers = notifier.news(NOW).arrived
        is_well = notifier.trouble()

    assert [text for _, text in modem.shown()] == [FOLDED, FULL, FOLDED * 3]
    assert [len(s.text) for s in modem.sent if s.coding == "ucs2"] == [67, len(FULL) - 67]
    assert modem.sent[0].validity == 143  # 12 h, 3GPP TS 23.040
    assert {fate.state for fate in fates.values()} == {"delivered"}
    assert [(a.address, a.text) for a in answers] == [
        (CHAIR, "1"),
        (CHAIR, "Şükür, su gəldi. " * 8),
    ]
    assert is_well is None

    notifier.taken([folded, full, long, *(a.reference for a in answers)])
    news = notifier.news(NOW)
    assert (news.fates, news.arrived) == ((), ())


def test_what_the_network_gives_up_and_what_the_modem_refuses_is_told(
    notifier: GammuNotifier, tmp_path: Path
) -> None:
    switched_off = notifier.send(message(1, FOLDED)).reference
    with (
        FakeModem(reports=None) as modem,
        servers.gammu_smsd(modem.path, in_sqlite(tmp_path)) as smsd,
    ):
        modem.wait_for(lambda m: len(m.sent) == 1)
        within(10, lambda: "SendingOK" in sent_statuses(tmp_path))
        modem.report_late(EXPIRED)
        expired = within(20, lambda: notifier.news(NOW).fates)
        notifier.taken([switched_off])

        modem.refuse = [38] * 20  # network out of order
        refused = [notifier.send(message(i, FULL)).reference for i in (2, 3, 4)]
        within(30, lambda: len(notifier.news(NOW).fates) == 3)
        fates = notifier.news(NOW).fates
        trouble = notifier.trouble()

        modem.hang_up()
        late = message(5, FULL, expires_at=NOW + timedelta(hours=1))
        stuck = notifier.send(late).reference
        dead = within(40, lambda: "heard" in (notifier.trouble() or "") and notifier.trouble())
        smsd.kill()

    assert [(f.reference, f.state) for f in expired] == [(switched_off, "expired")]
    assert [(f.reference, f.state) for f in fates] == [(r, "failed") for r in refused]
    assert trouble == "the modem refused the last 3 texts"
    assert "gammu-smsd, or its modem, has not been heard of since" in str(dead)

    notifier.taken(refused)
    assert notifier.news(NOW).fates == ()
    too_late = within(70, lambda: notifier.news(NOW + timedelta(hours=1)).fates)
    assert [(f.reference, f.state) for f in too_late] == [(stuck, "expired")]
