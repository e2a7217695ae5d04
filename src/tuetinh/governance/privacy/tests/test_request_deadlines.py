"""Until when a request must be answered and done, by the law that was in force when it came."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.requests import rules
from tuetinh.governance.privacy.words import KINDS, REFUSALS

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")


def at(text: str) -> datetime:
    return datetime.strptime(text, "%d/%m/%Y %H:%M").replace(tzinfo=HANOI)


@pytest.mark.parametrize(
    ("kind", "received", "answered", "done"),
    [
        ("view", "27/11/2026 16:30", "01/12/2026 23:59", "07/12/2026 23:59"),  # a Friday
        ("correct", "23/11/2026 08:00", "25/11/2026 23:59", "03/12/2026 23:59"),
        ("copy", "29/04/2026 08:00", "05/05/2026 23:59", "09/05/2026 23:59"),  # before holidays
        ("delete", "02/11/2026 08:00", "04/11/2026 23:59", "22/11/2026 23:59"),
        ("withdraw", "02/11/2026 08:00", "04/11/2026 23:59", "17/11/2026 23:59"),
        ("restrict", "02/11/2026 08:00", "04/11/2026 23:59", "17/11/2026 23:59"),
        ("object", "02/11/2026 00:10", "04/11/2026 23:59", "17/11/2026 23:59"),
        ("delete", "31/12/2025 23:59", "03/01/2026 23:59", "03/01/2026 23:59"),  # the old decree: 72 hours
        ("view", "01/01/2026 00:00", "05/01/2026 23:59", "11/01/2026 23:59"),
    ],
)
def test_deadlines(kind: str, received: str, answered: str, done: str) -> None:
    law = rules.on(at(received))
    ends = (law.answer.ends(at(received)), law.kinds[kind].ends(at(received)))
    assert tuple(f"{end.astimezone(HANOI):%d/%m/%Y %H:%M}" for end in ends) == (answered, done)


def test_before_there_was_a_law_nothing_can_have_been_asked_for() -> None:
    with pytest.raises(PrivacyError) as caught:
        rules.on(at("30/06/2023 23:59"))
    assert caught.value.code == "received"


def test_tables_and_words_agree() -> None:
    for received in ("01/07/2023 00:00", "01/01/2026 00:00"):
        assert set(rules.on(at(received)).kinds) == set(KINDS)
    assert set(rules.refusals()) == set(REFUSALS)
    assert {kind for one in rules.refusals().values() for kind in one.kinds} == set(KINDS)
