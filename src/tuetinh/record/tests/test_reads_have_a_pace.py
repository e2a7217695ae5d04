"""An account reads so many times a minute and no faster; others, writes and connected systems are not disturbed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tuetinh.record import audit, pace
from tuetinh.record.asker import SYSTEM
from tuetinh.record.errors import TooMany
from tuetinh.record.pace import Pace
from tuetinh.record.tests.door_world import rows

DOCTOR = replace(SYSTEM, account="7", role="doctor")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the pace goes by."""
    now = [1000.0]
    monkeypatch.setattr(pace, "monotonic", lambda: now[0])
    return now


def test_an_allowance_is_spent_at_once_and_comes_back_evenly(clock: list[float]) -> None:
    reads = Pace(60)
    assert [reads.take("a") for _ in range(62)] == [*[0.0] * 60, 1.0, 1.0]
    assert reads.take("b") == 0
    clock[0] += 2
    assert [reads.take("a") for _ in range(3)] == [0.0, 0.0, 1.0]
    clock[0] += 600
    assert [reads.take("a") for _ in range(61)] == [*[0.0] * 60, 1.0]


def test_who_is_too_fast_is_told_once_a_minute(clock: list[float]) -> None:
    reads = Pace(60)
    assert [reads.is_first("a"), reads.is_first("a"), reads.is_first("b")] == [True, False, True]
    clock[0] += 60
    assert reads.is_first("a")


def test_what_is_whole_is_forgotten(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "TIDY", 2)
    reads = Pace(60)
    reads.take("a")
    clock[0] += 30
    reads.take("b")
    reads.take("c")
    assert set(reads._whole) == {"b", "c"}


def test_apps_have_an_allowance_beside_that_of_their_person(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "people", Pace(1))
    monkeypatch.setattr(pace, "systems", Pace(0))
    noted: list[Any] = []
    monkeypatch.setattr(audit, "note", lambda asker, *_, **more: noted.append((asker.account, more)))
    app = replace(DOCTOR, client="growth")
    pace.read(DOCTOR)
    pace.read(app)
    for asker in (DOCTOR, app, DOCTOR):
        with pytest.raises(TooMany) as refused:
            pace.read(asker)
        assert refused.value.seconds == 60
    assert noted == [("7", {"outcome": "4", "reason": "throttled"})] * 2
    for _ in range(100):
        pace.read(SYSTEM)


def test_a_setting_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUETINH_READS", "many")
    with pytest.raises(ValueError, match="TUETINH_READS is a number of reads a minute, not 'many'"):
        pace.allowed("TUETINH_READS")


@pytest.mark.django_db
def test_the_door_answers_429_and_goes_on_writing(
    fhir: Any, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "people", Pace(3))
    patient = {"resourceType": "Patient", "id": "pang"}
    assert fhir.put("/Patient/pang", patient, "doctor").status_code == 201
    entries = [{"request": {"method": "GET", "url": "Patient/pang"}}, {"request": {"method": "GET", "url": "Patient"}}]
    batch = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    assert fhir.get("/Patient/pang", "doctor").status_code == 200
    told = fhir.post("/", batch, "doctor").json()["entry"]
    assert [one["response"]["status"][:3] for one in told] == ["200", "200"]
    for path in ("/Patient/pang", "/Patient?name=x", "/Patient/pang/$everything"):
        refused = fhir.get(path, "doctor")
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "20"
        assert refused.json()["issue"][0]["code"] == "throttled"
    assert fhir.post("/", batch, "doctor").json()["entry"][0]["response"]["status"][:3] == "429"
    refused = fhir.post("/", batch | {"type": "transaction"}, "doctor")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "20")
    assert fhir.put("/Patient/pang", patient | {"gender": "female"}, "doctor").status_code == 200
    assert [fhir.get("/Patient/pang", who).status_code for who in ("reader", "system", "system")] == [200, 200, 200]
    clock[0] += 20
    assert [fhir.get("/Patient/pang", "doctor").status_code for _ in range(2)] == [200, 429]
    audit.writer.close()
    found = rows("SELECT account, action, reason FROM record.audit WHERE outcome = '4' AND account = 'doctor'")
    assert found == [("doctor", "read", "throttled")]
