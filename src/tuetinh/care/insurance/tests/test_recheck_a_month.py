"""A month of claims is checked again: what is found stays with each claim, and nothing is counted twice."""

# ruff: noqa: E501 - tables of cases read better unbroken

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tuetinh.care.insurance.models import ClaimCase, Recheck
from tuetinh.care.insurance.rules import recheck as module
from tuetinh.care.insurance.rules.busy import Busy, Line
from tuetinh.care.insurance.rules.recheck import recheck
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

ENDED = datetime(2026, 11, 2, 3, 40, tzinfo=UTC)


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.DATA = tmp_path
    return tmp_path


def case(encounter: str, ended: datetime = ENDED, facility: str = "12001") -> ClaimCase:
    return ClaimCase.objects.create(
        encounter=encounter, facility=facility, patient="p", ended=ended, due=ended, by=ended.date()
    )


def spoil(encounter: str) -> None:
    """Give the visit a principal diagnosis that may not be one."""
    (condition,) = record.search(SYSTEM, "Condition", f"encounter=Encounter/{encounter}").resources
    assert isinstance(condition, r4.Condition)
    condition.code = r4.CodeableConcept(coding=[r4.Coding(system="http://hl7.org/fhir/sid/icd-10", code="B95.0")])
    record.update(SYSTEM, condition)


def test_what_is_found_stays_with_the_claim_and_is_summed(visit: str, folder: Path) -> None:
    mine = case(visit)
    done = recheck("2026-11")
    assert (done.visits, done.lines, done.faulty, done.found) == (1, 3, 0, {})
    spoil(visit)
    done = recheck("2026-11", "12001")
    assert (done.visits, done.faulty) == (1, 1)
    assert done.found == {"ICD-PRINCIPAL": 1}
    mine.refresh_from_db()
    assert [(one["code"], one["severity"], one["value"]) for one in mine.findings] == [
        ("ICD-PRINCIPAL", "block", "B95.0")
    ]
    assert mine.checked is not None
    assert mine.state == ClaimCase.State.WAITING  # looking is not touching
    assert list((folder / "recheck").iterdir()) == []


def test_only_claims_of_the_month_and_the_facility_are_looked_at(visit: str) -> None:
    case(visit, datetime(2026, 10, 31, 17, 0, tzinfo=UTC))  # 1 November in Vietnam
    assert recheck("2026-10").visits == 0
    assert recheck("2026-11", "12104").visits == 0
    assert recheck("2026-11").visits == 1
    with pytest.raises(ValueError, match="month must be in"):
        recheck("2026-13")


def test_an_interrupted_one_goes_on_where_it_was(visit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 1)
    cases = [case(visit), case("gone-visit"), case("other-visit")]
    seen: list[int] = []

    def stop(run: Recheck, total: int) -> None:
        seen.append(run.visits)
        assert total == 3
        if run.visits == 2 and len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recheck("2026-11", told=stop)
    stopped = Recheck.objects.get()
    assert (stopped.visits, stopped.after, stopped.ended) == (2, cases[1].pk, None)
    done = recheck("2026-11", told=stop)
    assert done.pk == stopped.pk
    assert (done.visits, done.lines, seen) == (3, 3, [1, 2, 3])
    assert done.ended is not None
    assert recheck("2026-11").pk != done.pk  # a finished one is done anew


def work(pk: int, kind: str, who: str, began: str, ended: str) -> Line:
    return Line(pk, f"LK{pk}", 1, kind, who, began, ended)


def test_one_machine_or_person_in_two_places_is_found() -> None:
    with Busy(1) as busy:
        busy.put([1, 2], [work(1, "machine", "CT1", "202611020800", "202611020830"), work(2, "machine", "CT1", "202611020815", "202611020845")])  # fmt: skip
        busy.put([3], [work(3, "machine", "CT1", "202611020845", "202611020900"), work(3, "person", "D", "202611020845", "202611020900")])  # fmt: skip
        busy.put([4], [work(4, "person", "D", "202611020859", "202611020910")])
        busy.put([4], [work(4, "person", "D", "202611020859", "202611020910")])  # again, after an interruption
        assert busy.met() == [1, 2, 3, 4]  # 3 begins when 2 ends, but meets 4
        assert busy.meetings([1, 3, 4]) == {
            1: {("XML3", 1): ("LK2", "")},
            3: {("XML3", 1): ("", "LK4")},
            4: {("XML3", 1): ("", "LK3")},
        }
        busy.forget()


def test_claims_that_meet_are_asked_once_more_and_agree_with_one_visit_alone(
    visit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = case(visit)
    meeting: dict[int, Any] = {mine.pk: {("XML3", 2): ("LK9", "")}}
    monkeypatch.setattr(Busy, "met", lambda _self: [mine.pk])
    monkeypatch.setattr(Busy, "meetings", lambda _self, pks: {pk: meeting[pk] for pk in pks})
    done = recheck("2026-11")
    assert done.found == {"TWO-PLACES-MACHINE": 1}
    mine.refresh_from_db()
    alone = module.look_at([(mine.pk, visit)], meeting)
    assert mine.findings == alone.found[mine.pk]
    assert [one["code"] for one in mine.findings] == ["TWO-PLACES-MACHINE"]
