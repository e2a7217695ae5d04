"""What each role sees by the rules: as shipped, as an administrator of the province or of a facility made them."""

from __future__ import annotations

import csv
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import SightRule
from tuetinh.commons.access.roles import ROLES, SENSITIVE
from tuetinh.commons.access.sight import labelled, rules
from tuetinh.record import api, labels, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import Forbidden, NotFound

if TYPE_CHECKING:
    from tuetinh.commons.access.models import Account

pytestmark = pytest.mark.django_db
ICD10 = "http://hl7.org/fhir/sid/icd-10"
HERE, THERE = "12104", "12001"
EVERY = {"doctor", "nurse", "lab", "imaging", "pharmacist", "archivist", "station"}
"""Roles that read diagnoses."""


def condition(id_: str, code: str, patient: str = "cast-citizen") -> r4.Condition:
    return r4.Condition(
        id=id_,
        subject=r4.Reference(reference=f"Patient/{patient}"),
        code=r4.CodeableConcept(coding=[r4.Coding(system=ICD10, code=code)]),
    )


def visit(facility: str, patient: str = "cast-citizen") -> r4.Encounter:
    return r4.Encounter(
        status="in-progress",
        class_=r4.Coding(code="AMB"),
        subject=r4.Reference(reference=f"Patient/{patient}"),
        serviceProvider=r4.Reference(reference=f"Organization/{facility}"),
    )


def at(facility: str) -> Asker:
    return replace(SYSTEM, facility=facility)


def sees(account: Account, *ids: str) -> list[str]:
    """Which of these Conditions exist for an account, by reading and by searching alike."""
    who = replace(asker_of(account), scopes=frozenset({"user/*.rs"}))
    found = sorted(str(one.id) for one in api.search(who, "Condition", "").resources)
    for id_ in ids:
        if id_ in found:
            assert api.read(who, "Condition", id_).id == id_
        else:
            with pytest.raises(NotFound):
                api.read(who, "Condition", id_)
    return found


def rule(role: str, facility: str = "", **fields: Any) -> None:
    known = rules.shipped(role)
    given = {"whole": rules.OPEN, "labels": " ".join(known.labels), "own_labels": " ".join(known.own_labels)}
    given |= {"purpose": known.purpose, "after_days": 30}
    SightRule.objects.create(role=role, facility=facility, **given | {"glass_hours": known.glass_hours} | fields)
    rules.forget()


@pytest.mark.parametrize(
    ("code", "label"),
    [
        *(("B20", "HIV"), ("B24", "HIV"), ("Z21", "HIV"), ("R75", "HIV"), ("B20.7", "HIV"), ("O98.7", "HIV")),
        *(("F10.2", "ETH"), ("F19", "ETH"), ("A50", "STD"), ("A64", "STD"), ("T74.2", "SDV"), ("Y05", "SDV")),
        *(("Y07.1", "SDV"), ("F20", "PSY"), ("F99", "PSY")),
        *(("B25", ""), ("B19", ""), ("R74", ""), ("Z20", ""), ("A65", ""), ("A49", ""), ("O98.4", "")),
        *(("F01", "PSY"), ("T74.1", "SDV"), ("Y04", "SDV"), ("Z20.6", "HIV"), ("Z71.7", "HIV"), ("b20", "HIV")),
        *(("O98.1", "STD"), ("O98.3", "STD")),
        *(("X85", "SDV"), ("X99", "SDV"), ("Y00", "SDV"), ("Y08", "SDV"), ("Y09", "SDV"), ("Z04.4", "SDV")),
        *(("Z61.4", "SDV"), ("Z61.6", "SDV"), ("Z11.4", "HIV"), ("Z83.0", "HIV"), ("Z11.3", "STD"), ("N74.3", "STD")),
        *(("T40.1", "ETH"), ("Z50.3", "ETH"), ("P96.1", "ETH"), ("X60", "PSY"), ("X84", "PSY"), ("Z91.5", "PSY")),
        *(("X59", ""), ("Y10", ""), ("Z61.3", ""), ("Z11.5", ""), ("T40.2", ""), ("Z50.1", ""), ("I10", "")),
    ],
)
def test_the_closed_lists(code: str, label: str) -> None:
    assert labels.of(r4.encode(condition("c", code))) == labels.BITS.get(label, 0)


@pytest.mark.parametrize(
    ("system", "code", "label"),
    [
        ("http://hl7.org/fhir/sid/icd-10-cm", "B20", "HIV"),
        ("http://hl7.org/fhir/sid/ICD-10-vn", "z21", "HIV"),
        ("urn:oid:2.16.840.1.113883.6.3", "B24", "HIV"),
        ("http://loinc.org", "68961-2", "HIV"),
        ("urn:oid:2.16.840.1.113883.6.1", "75622-1", "HIV"),
        ("http://snomed.info/sct", "86406008", "HIV"),
        ("http://www.whocc.no/atc", "J05AF07", "HIV"),
        ("http://www.whocc.no/atc", "N07BC02", "ETH"),
        ("http://fhir.ehealth.gov.vn/core/CodeSystem/vn-core-procedureCode", "24.0169.1616", "HIV"),
        ("http://fhir.ehealth.gov.vn/core/CodeSystem/vn-core-procedureCode", "24.0100.1708", "STD"),
        ("http://fhir.ehealth.gov.vn/core/CodeSystem/vn-core-procedureCode", "24.0117.1646", ""),
        ("http://fhir.ehealth.gov.vn/core/CodeSystem/vn-core-procedureCode", "3.246", "ETH"),
        ("http://fhir.ehealth.gov.vn/core/CodeSystem/vn-core-procedureCode", "3.2460", ""),
        ("http://fhir.ehealth.gov.vn/core/CodeSystem/vn-core-procedureCode", "6.1", "PSY"),
        ("http://fhir.ehealth.gov.vn/core/CodeSystem/vn-core-procedureCode", "06.0001.1809", "PSY"),
        ("http://fhir.ehealth.gov.vn/core/CodeSystem/vn-core-procedureCode", "6.38", ""),
        ("http://fhir.ehealth.gov.vn/core/CodeSystem/vn-core-procedureCode", "01.0370.1652", "ETH"),
        ("http://www.whocc.no/atc", "J05AB01", ""),
    ],
)
def test_the_closed_lists_of_other_systems(system: str, code: str, label: str) -> None:
    one = condition("c", code)
    one.code = r4.CodeableConcept(coding=[r4.Coding(system=system, code=code)])
    assert labels.of(r4.encode(one)) == labels.BITS.get(label, 0)


@pytest.mark.parametrize(
    ("code", "label"), [("MH", "PSY"), ("SUD", "ETH"), *((one, one) for one in labels.BITS if one not in "RV")]
)
def test_the_codes_of_security_labels(code: str, label: str) -> None:
    one = condition("c", "I10")
    one.meta = r4.Meta(security=[r4.Coding(system=labels.ACT_CODE, code=code)])
    assert labels.of(r4.encode(one)) == labels.BITS[label]


def test_every_line_of_the_lists_has_its_source() -> None:
    with labelled.LISTS.open(encoding="utf-8", newline="") as lines:
        assert [row for row in csv.DictReader(lines) if not row["source"] or not row["prefixes"].split()] == []


def test_a_visit_is_known_where_it_was_and_tells_elsewhere_nothing_of_its_diagnosis(cast: dict[str, Account]) -> None:
    made = visit(HERE)
    made.id, made.diagnosis = "v", [r4.EncounterDiagnosis(condition=r4.Reference(reference="Condition/c"))]
    api.create(at(HERE), made)
    desk = replace(asker_of(cast["reception"]), scopes=frozenset({"user/Encounter.rs"}))

    def found() -> list[int]:
        there = replace(desk, facility=THERE)
        return [len(api.search(who, "Encounter", "diagnosis=Condition/c").resources) for who in (desk, there)]

    assert found() == [1, 1]
    api.create(at(HERE), condition("c", "B20"))
    assert found() == [1, 0]
    api.update(at(HERE), made)
    assert found() == [1, 0]


def test_a_service_is_charged_at_the_desk_that_sees_no_label(cast: dict[str, Account]) -> None:
    code = r4.Coding(system="http://fhir.ehealth.gov.vn/core/CodeSystem/vn-core-procedureCode", code="24.0169.1616")
    me = r4.Reference(reference="Patient/cast-citizen")
    item = r4.ChargeItem(id="i", status="billable", code=r4.CodeableConcept(coding=[code]), subject=me)
    api.create(at(HERE), item)
    cashier = asker_of(cast["cashier"])
    assert api.read(cashier, "ChargeItem", "i").id == "i"
    with pytest.raises(NotFound):
        api.read(replace(cashier, facility=THERE), "ChargeItem", "i")


def test_a_drug_of_the_catalogue_is_seen_and_who_is_given_it_is_not(cast: dict[str, Account]) -> None:
    methadone = r4.CodeableConcept(coding=[r4.Coding(system="http://www.whocc.no/atc", code="N07BC02")])
    api.create(at(THERE), r4.Medication(id="m"))
    me, drug = r4.Reference(reference="Patient/cast-citizen"), r4.Reference(reference="Medication/m")
    order = r4.MedicationRequest(id="r", status="active", intent="order", subject=me, medicationReference=drug)
    api.create(at(THERE), order)
    cashier = asker_of(cast["cashier"])
    api.create(SYSTEM, visit(HERE))
    assert api.read(cashier, "MedicationRequest", "r").id == "r"
    api.update(at(THERE), r4.Medication(id="m", code=methadone))
    assert api.read(cashier, "Medication", "m").id == "m"
    with pytest.raises(NotFound):
        api.read(cashier, "MedicationRequest", "r")


def test_a_code_of_another_system_is_no_label() -> None:
    other = r4.Condition(code=r4.CodeableConcept(coding=[r4.Coding(system="urn:x", code="B20")]))
    assert labels.of(r4.encode(other)) == 0


@pytest.mark.parametrize("role", sorted(EVERY))
def test_as_shipped_labels_are_for_those_who_treat_here(cast: dict[str, Account], role: str) -> None:
    for id_, code, facility in (("plain", "I10", THERE), ("here", "B20", HERE), ("there", "B20", THERE)):
        api.create(at(facility), condition(id_, code))
    shown = ["here"] if ROLES[role].labels or ROLES[role].own_labels else []
    assert sees(cast[role], "plain", "here", "there") == shown
    api.create(SYSTEM, visit(HERE))
    assert sees(cast[role], "there") == [*shown, "plain", *(["there"] if ROLES[role].labels else [])]


@pytest.mark.usefixtures("seeing_everybody")
@pytest.mark.parametrize("role", sorted(EVERY))
def test_who_sees_everybody_sees_labels_where_they_treat(cast: dict[str, Account], role: str) -> None:
    for id_, code in (("plain", "I10"), ("there", "B20")):
        api.create(at(THERE), condition(id_, code))
    assert sees(cast[role], "plain", "there") == ["plain"]
    api.create(SYSTEM, visit(HERE))
    assert sees(cast[role], "there") == ["plain", *(["there"] if ROLES[role].labels else [])]


def test_who_has_labels_as_shipped() -> None:
    assert {name for name, role in ROLES.items() if role.labels} == {"doctor", "nurse", "lab", "pharmacist"}
    assert {name for name, role in ROLES.items() if role.own_labels} == {"station"}
    assert {name for name, role in ROLES.items() if role.glass} == {"doctor", "nurse"}
    assert set(SENSITIVE.split()) == set(labels.BITS)


def test_a_citizen_sees_all_of_the_own_record_and_no_other(cast: dict[str, Account]) -> None:
    for id_, code, patient in (
        ("mine", "B20", "cast-citizen"),
        ("plain", "I10", "cast-citizen"),
        ("tam", "I10", "tam"),
    ):
        api.create(at(THERE), condition(id_, code, patient))
    assert sees(cast["citizen"], "mine", "plain", "tam") == ["mine", "plain"]


@pytest.mark.usefixtures("seeing_everybody")
def test_an_app_of_a_doctor_within_one_patient_sees_no_more_than_the_doctor(cast: dict[str, Account]) -> None:
    for id_, code, patient in (("a", "B20", "cast-citizen"), ("b", "I10", "cast-citizen"), ("c", "I10", "tam")):
        api.create(at(THERE), condition(id_, code, patient))
    who = replace(asker_of(cast["doctor"]), patient="cast-citizen")
    assert [one.id for one in api.search(who, "Condition", "").resources] == ["b"]


def test_by_relation_only(cast: dict[str, Account]) -> None:
    for id_, patient in (("a", "cast-citizen"), ("b", "tam")):
        api.create(at(THERE), condition(id_, "I10", patient))
    api.create(SYSTEM, r4.Patient(id="tam"))
    assert sees(cast["nurse"], "a", "b") == []
    api.create(SYSTEM, visit(HERE, "tam"))
    assert sees(cast["nurse"], "a", "b") == ["b"]
    rule("doctor", by_relation=False)
    assert sees(cast["doctor"]) == ["a", "b"]
    found = api.search(asker_of(cast["nurse"]), "Patient", "").resources
    assert sorted(str(one.id) for one in found) == ["cast-citizen", "tam"]


def test_a_facility_can_only_be_stricter(cast: dict[str, Account]) -> None:
    api.create(at(HERE), condition("hiv", "B20"))
    api.create(at(THERE), condition("plain", "I10"))
    for role in ("archivist", "doctor"):
        rule(role, by_relation=False)
    rule("archivist", HERE, by_relation=False, labels=SENSITIVE, after_days=90, glass_hours=9, whole="Condition")
    assert sees(cast["archivist"], "hiv", "plain") == ["plain"]
    holds = rules.now().of("archivist", HERE)
    assert (holds.labels, holds.after_days, holds.glass_hours, holds.whole) == (frozenset(), 30, 0, frozenset())
    rule("doctor", HERE, by_relation=True, labels="PSY")
    assert sees(cast["doctor"], "hiv", "plain") == []
    cast["doctor"].facility = THERE
    assert sees(cast["doctor"], "hiv", "plain") == ["plain"]


def test_a_rule_of_the_province_can_open_a_label(cast: dict[str, Account]) -> None:
    api.create(at(THERE), condition("hiv", "B20"))
    api.create(SYSTEM, visit(HERE))
    assert sees(cast["station"], "hiv") == []
    rule("station", labels="HIV")
    assert sees(cast["station"], "hiv") == ["hiv"]


def test_a_station_reads_what_it_wrote_itself_and_no_more(cast: dict[str, Account]) -> None:
    station = asker_of(cast["station"])
    for id_, code in (("hiv", "B20"), ("f", "F20")):
        api.create(station, condition(id_, code))
    api.update(station, api.read(station, "Condition", "f"))
    api.create(at(THERE), condition("there", "B20"))
    api.create(SYSTEM, visit(HERE))
    assert sees(cast["station"], "hiv", "f", "there") == ["f", "hiv"]
    assert sees(cast["archivist"], "hiv", "f", "there") == []
    cast["station"].facility = THERE
    assert sees(cast["station"], "hiv", "f", "there") == ["there"]


def test_a_facility_can_take_its_own_labels_away_and_give_none(cast: dict[str, Account]) -> None:
    api.create(at(HERE), condition("hiv", "B20"))
    rule("station", HERE, own_labels="PSY")
    rule("archivist", HERE, own_labels=SENSITIVE)
    assert rules.now().of("station", HERE).own_labels == {"PSY"}
    assert rules.now().of("archivist", HERE).own_labels == frozenset()
    assert (sees(cast["station"], "hiv"), sees(cast["archivist"], "hiv")) == ([], [])


def test_the_purpose_of_a_rule_is_what_patients_forbid(cast: dict[str, Account]) -> None:
    api.create(at(THERE), condition("plain", "I10"))
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO record.denial VALUES ('cast-citizen', '', 'HRESCH', 'Consent/c')")
    rule("archivist", by_relation=False)
    assert sees(cast["archivist"], "plain") == ["plain"]
    SightRule.objects.filter(role="archivist").update(purpose="HRESCH")
    rules.forget()
    assert asker_of(cast["archivist"]).purpose == "HRESCH"
    assert sees(cast["archivist"], "plain") == []


def test_who_may_not_see_a_label_does_not_write_it(cast: dict[str, Account]) -> None:
    rule("station", own_labels="PSY")
    with pytest.raises(Forbidden, match="not to write"):
        api.create(asker_of(cast["station"]), condition("x", "B20"))
    with pytest.raises(NotFound):
        api.read(SYSTEM, "Condition", "x")
    api.create(asker_of(cast["station"]), condition("x", "I10"))
    with pytest.raises(Forbidden, match="not to write"):
        api.update(asker_of(cast["station"]), condition("x", "B20"))
    stored = api.read(SYSTEM, "Condition", "x")
    assert stored.meta
    assert stored.meta.versionId == "1"


def test_what_is_stored_already_is_labelled_once() -> None:
    api.create(SYSTEM, condition("c", "I10"))
    api.update(SYSTEM, condition("c", "B20"))
    tables = ('"Condition"', '"Condition_history"', "feed")
    ask = "SELECT id, version, labels FROM record.{} WHERE type = 'Condition' ORDER BY version"

    def kept() -> list[Any]:
        found = []
        with connection.cursor() as cursor:
            for table in tables:
                cursor.execute(ask.format(table))
                found.append(cursor.fetchall())
        return found

    expected = [[("c", 2, 1)], [("c", 1, 1)], [("c", 1, 1), ("c", 2, 1)]]
    assert kept() == expected
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"UPDATE record.{table} SET labels = 4")
    relabel = import_module("tuetinh.commons.access.migrations.0006_post_labels").relabel
    relabel(None, None)
    assert kept() == expected
    relabel(None, None)
    assert kept() == expected
