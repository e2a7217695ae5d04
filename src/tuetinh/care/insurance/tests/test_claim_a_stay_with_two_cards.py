"""A card that changes during a stay: each charge by the card of its day, both cards in table 1."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from tuetinh.care.insurance.claims import claim
from tuetinh.care.insurance.situations import charged_code
from tuetinh.commons.catalogues.api import codes, service, service_code
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
FIRST, SECOND = "DN4129999999001", "HN2129999999001"


def replace_cards(patient: r4.Reference | None) -> None:
    """The first card until 30 October, the second since."""
    old = record.search(SYSTEM, "Coverage", "_count=10").resources[0]
    assert isinstance(old, r4.Coverage)
    for number, period in (
        (FIRST, r4.Period(start="2026-01-01", end="2026-10-30")),
        (SECOND, r4.Period(start="2026-10-31", end="2026-12-31")),
    ):
        old.id, old.identifier = None, None
        old.subscriberId, old.period, old.beneficiary = number, period, patient
        record.create(SYSTEM, old)


def test_both_cards_are_written_and_each_charge_has_the_rate_of_its_day(visit: str) -> None:
    encounter = record.read(SYSTEM, "Encounter", visit)
    assert isinstance(encounter, r4.Encounter)
    known = record.search(SYSTEM, "Coverage", "_count=10").resources
    replace_cards(encounter.subject)
    for one in known:
        record.delete(SYSTEM, "Coverage", one.id or "")
    assert encounter.period is not None
    encounter.period.start = "2026-10-29T08:15:00+07:00"
    record.update(SYSTEM, encounter)
    charges = record.search(SYSTEM, "ChargeItem", f"context=Encounter/{visit}&_count=10").resources
    for item in charges:
        assert isinstance(item, r4.ChargeItem)
        if item.occurrenceDateTime and "08:31" in item.occurrenceDateTime:
            item.occurrenceDateTime = "2026-10-30T08:31:00+07:00"
            record.update(SYSTEM, item)
    made = claim(SYSTEM, visit)
    row = made.summary
    assert (row["MA_THE_BHYT"], row["GT_THE_TU"], row["GT_THE_DEN"]) == (
        f"{FIRST};{SECOND}",
        "20260101;20261031",
        "20261030;20261231",
    )
    assert len(row["MA_DKBD"].split(";")) == 2
    assert {line.line.on.isoformat(): line.rate for line in made.split.lines if line.line.on} == {
        "2026-10-30": D(80),
        "2026-11-02": D(100),
    }
    assert not [
        problem for problem in made.problems if problem.field in ("MA_THE_BHYT", "MA_DKBD", "GT_THE_TU", "GT_THE_DEN")
    ]


def test_the_second_examination_of_a_visit_is_paid_in_part_by_itself(visit: str) -> None:
    known = next(one for one in map(service, codes("MA_KHAM")) if one)
    charges = record.search(SYSTEM, "ChargeItem", f"context=Encounter/{visit}&_count=10").resources
    exam = next(c for c in charges if isinstance(c, r4.ChargeItem) and charged_code(c) == "02.1897")
    exam.code = service_code(known)
    record.update(SYSTEM, exam)
    exam.id = None
    record.create(SYSTEM, exam)
    shares = [row["TYLE_TT_DV"] for row in claim(SYSTEM, visit).tables["XML3"] if row["MA_NHOM"] == "13"]
    assert shares == ["100", "30"]
