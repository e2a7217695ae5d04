"""The claims of some days are those of the visits that ended on them, by the clock of Vietnam."""

from __future__ import annotations

import re

import pytest

from tuetinh.node.claims import build
from tuetinh.node.errors import Refused
from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM

VISITS = {
    "before": ("2026-10-30T08:00:00+07:00", "2026-10-31T23:59:59+07:00"),
    "over-midnight": ("2026-10-31T22:00:00+07:00", "2026-11-01T00:30:00+07:00"),
    "early": ("2026-11-01T06:00:00+07:00", "2026-11-01T06:59:00+07:00"),
    "late": ("2026-11-30T23:00:00+07:00", "2026-11-30T23:59:59+07:00"),
    "into-the-next": ("2026-11-30T20:00:00+07:00", "2026-12-01T00:00:00+07:00"),
    "in-utc": ("2026-11-30T01:00:00Z", "2026-11-30T17:30:00Z"),
}


def test_each_claim_has_a_file_within_the_folder() -> None:
    named: set[str] = set()
    told = ["12001-1", "12001-1", "../../etc/cron.d/x", "a/b", "A/B", ".", "", "Đợt 1", "x" * 200]
    assert [build.file_name(one, named) for one in told] == [
        "12001-1", "12001-1~2", "_.._etc_cron.d_x", "a_b", "A_B~2", "_", "_~2", "Đợt_1", "x" * 100,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("since", "until"), [("30/11/2026", ""), ("", "2026-02-30"), ("0001-01-01", ""), ("", "9999-12-31")]
)
def test_what_is_no_day_is_refused(since: str, until: str) -> None:
    with pytest.raises(Refused, match=re.escape(since or until)):
        next(build.finished_visits("", since, until))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2026-11-01", "2026-11-30", {"over-midnight", "early", "late"}),
        ("2026-11-01", "2026-11-01", {"over-midnight", "early"}),
        ("2026-12-01", "", {"into-the-next", "in-utc"}),
        ("", "2026-10-31", {"before"}),
        ("", "", set(VISITS)),
    ],
)
def test_visits_that_ended_on_these_days(since: str, until: str, expected: set[str]) -> None:
    for id_, (start, end) in VISITS.items():
        visit = r4.Encounter(
            id=id_, status="finished", class_=r4.Coding(code="AMB"), period=r4.Period(start=start, end=end)
        )
        api.create(SYSTEM, visit)
    assert set(build.finished_visits("", since, until)) == expected
