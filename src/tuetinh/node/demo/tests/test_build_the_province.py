"""The living province: complete after the plan, valid, the same from the same seed, coherent over time."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.db import connection

from tuetinh.care.insurance.filling.summary import leaving
from tuetinh.care.insurance.models import SimulatedCard
from tuetinh.care.lab import api as lab
from tuetinh.care.lab.models import Analyser
from tuetinh.commons.access.models import Account
from tuetinh.commons.catalogues import api as catalogues
from tuetinh.commons.identity.api import check_number, find_people, identifier
from tuetinh.node import demo
from tuetinh.node.demo import histories, people, places, staff
from tuetinh.node.demo.desks import WAITING
from tuetinh.node.demo.province import doctors_of
from tuetinh.node.serve import Options
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter
from tuetinh.record.validate import check

DAY = date(2026, 11, 20)
ROLES = "reception doctor nurse lab imaging pharmacist cashier archivist station citizen official admin outsider"


def doctors(seed: int = 2026) -> histories.Doctors:
    return doctors_of(staff.people(seed))


def everything(seed: int, population: int, on: str = "") -> list[r4.Resource]:
    workers, day = staff.people(seed), date.fromisoformat(on) if on else DAY
    treating = doctors_of(workers)
    out = [*places.resources(), *staff.resources(workers)]
    for person in people.residents(population, seed, day):
        out += [people.patient(person), *histories.history(person, seed, day, treating)]
    return out


def test_the_facilities_are_those_of_the_plan() -> None:
    kinds = Counter(facility.kind for facility in places.facilities())
    assert kinds == {
        "department": 1, "general": 1, "specialised": 2, "district": 8, "clinic": 4, "station": 103, "outside": 1,
    }  # fmt: skip
    assert len(places.by_id()) == 120
    for facility in places.facilities():
        commune = catalogues.commune(facility.commune)
        assert commune is not None
        assert (commune.province == "12") == (facility.kind != "outside")


def test_every_resource_is_valid_and_has_its_own_id() -> None:
    made = everything(seed=5, population=60)
    for resource in made:
        assert check(r4.encode(resource))[1] == []
    assert len({(type(r).__name__, r.id) for r in made}) == len(made)


def test_the_same_seed_builds_the_same_province() -> None:
    one, other = ([r4.encode(r) for r in everything(seed=9, population=40)] for _ in range(2))
    assert one == other
    assert one != [r4.encode(r) for r in everything(seed=10, population=40)]


def test_people_have_numbers_that_are_valid_and_their_own() -> None:
    residents = list(people.residents(3000, 1, DAY))
    assert len(residents) == 3000
    for person in residents:
        assert (
            check_number(person.cccd, birth=person.birth.isoformat(), gender="female" if person.female else "male")
            == []
        )
        assert person.birth < DAY
    for number in ("id", "cccd", "bhxh"):
        assert len({getattr(person, number) for person in residents}) == 3000
    groups = Counter(person.people for person in residents)
    assert groups["03"] > groups["01"] > groups["35"] > 0
    assert 0.9 < sum(bool(person.card) for person in residents) / 3000 < 0.99


def test_a_diabetic_has_a_falling_series_of_hba1c() -> None:
    citizen = next(people.residents(1, 2026, DAY))
    history = list(histories.history(citizen, 2026, DAY, doctors()))
    series = [
        (o.effectiveDateTime or "", float(o.valueQuantity.value or 0))
        for o in history
        if isinstance(o, r4.Observation) and o.valueQuantity and o.code and (o.code.coding or [])[0].code == "4548-4"
    ]
    assert len(series) >= 8
    assert series == sorted(series)
    assert series[0][1] > series[-1][1] + 0.8
    names = {
        (m.medicationCodeableConcept.text or "").split()[0]
        for m in history
        if isinstance(m, r4.MedicationRequest) and m.medicationCodeableConcept
    }
    assert {"Metformin", "Amlodipin"} <= names
    assert any(isinstance(r, r4.AllergyIntolerance) for r in history)


def test_a_past_visit_ended_as_the_insurance_asks() -> None:
    citizen = next(people.residents(1, 2026, DAY))
    visits = [r for r in histories.history(citizen, 2026, DAY, doctors()) if isinstance(r, r4.Encounter)]
    assert len(visits) >= 8
    for visit in visits:
        told = leaving(visit)
        assert (told["ket-qua-dtri"], told["ma-loai-rv"]) == ("2", "1")


def test_children_have_only_the_doses_that_are_due() -> None:
    for person in people.residents(400, 3, DAY):
        doses = [r for r in histories.history(person, 3, DAY, doctors()) if isinstance(r, r4.Immunization)]
        if person.age(DAY) >= 6:
            assert doses == []
        assert all(person.birth.isoformat() < (d.occurrenceDateTime or "") < DAY.isoformat() for d in doses)


def test_nothing_of_the_past_lies_ahead() -> None:
    for person in people.residents(60, 3, DAY):
        newborn = replace(person, birth=DAY - timedelta(days=1), detailed=True)
        visits = [r for r in histories.history(newborn, 3, DAY, doctors()) if isinstance(r, r4.Encounter)]
        assert [v.id for v in visits if v.period and (v.period.start or "") >= DAY.isoformat()] == []


@pytest.mark.django_db(transaction=True)
def test_the_province_is_built_once_and_everyone_can_log_in(tmp_path: Path) -> None:
    told: dict[str, tuple[int, int]] = {}
    demo.build(tmp_path, 30, 2026, lambda what, done, total: told.update({what: (done, total)}))
    assert told["Người dân"] == (30, 30)
    demo.write_demo_json(Options(tmp_path, port=8123))
    path = tmp_path / "demo.json"
    written = json.loads(path.read_text())
    assert path.stat().st_mode & 0o777 == 0o600
    assert set(written) == {"url", "accounts", "client", "ports", "ae_title"}
    assert (written["url"], written["ae_title"], written["client"]["id"]) == (
        "http://127.0.0.1:8123",
        "TUETINH",
        "demo",
    )
    assert set(written["ports"]) == {"mllp", "astm", "dicom", "mqtt", "gateway", "bank", "machines"}
    assert sorted(a["role"] for a in written["accounts"]) == sorted(ROLES.split())
    for account in written["accounts"]:
        assert Account.objects.get(username=account["username"]).check_password(account["password"])
    first = find_people(SYSTEM, "Lò Thị Pâng 0399000001")[0]
    citizen = record.read(SYSTEM, "Patient", first.id)
    assert isinstance(citizen, r4.Patient)
    assert Account.objects.get(username="citizen").patient == first.id
    assert SimulatedCard.objects.get(number=identifier(citizen, "card")).name == "Lò Thị Pâng"

    machines = list(lab.analysers(SYSTEM).values_list("sender", "facility"))

    demo.build(tmp_path, 90, 7, lambda *_: pytest.fail("it is there already"))
    assert machines == [("XN-1000|LAB", places.CAST), ("BS-240|LAB", places.CAST)]
    assert lab.analysers(SYSTEM).count() == 2
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM identity_person")
        assert cursor.fetchone()[0] == 30


@pytest.mark.django_db(transaction=True)
def test_a_broken_off_build_goes_on_and_makes_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuetinh.node.demo.province.BATCH", 300)

    class Stop(Exception):
        pass

    def stop(what: str, done: int, total: int) -> None:
        if what == "Người dân" and done >= 15:
            raise Stop

    with pytest.raises(Stop):
        demo.build(tmp_path, 60, 2026, stop)
    broken = stored()
    assert 0 < broken["Patient"] < 60
    assert Account.objects.count() == 0
    demo.build(tmp_path, 999, 1, lambda *_: None)
    begun = json.loads((tmp_path / "keys" / "demo-build.json").read_text())["today"]
    at_desks = {"Encounter": len(WAITING), "ChargeItem": len(WAITING)}  # who waits
    today = Counter(at_desks | {"Device": Analyser.objects.count()})
    assert stored() - today == Counter(type(r).__name__ for r in everything(2026, 60, begun))
    assert Account.objects.filter(username="reception").count() == 1


def stored() -> Counter[str]:
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("SELECT type, count(*) FROM record.resource GROUP BY type")
        return Counter(dict(cursor.fetchall()))
