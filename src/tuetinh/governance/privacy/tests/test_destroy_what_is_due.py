"""Records whose time is over are destroyed by a council's decision that a second person confirms, with proof."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pypdf import PdfReader

from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import Destruction, LegalHold
from tuetinh.governance.privacy.retention import actions, rules
from tuetinh.governance.privacy.words import RETENTION
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.errors import Gone
from tuetinh.record.steps import enter

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
THREE = ["Lò Văn An", "Vàng Thị Bình", "Tòng Văn Cường"]
TODAY = date(2026, 11, 28)


def visit(id_: str, year: int, facility: str = "12104", *, died: bool = False, label: str = "") -> None:
    end = [r4.Coding(system="http://terminology.hl7.org/CodeSystem/discharge-disposition", code="exp")]
    security = [r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code=label)]
    subject = r4.Reference(reference="Patient/cast-citizen")
    by = replace(SYSTEM, facility=facility)
    record.create(
        by,
        r4.Encounter(
            id=id_,
            meta=r4.Meta(security=security) if label else None,
            status="finished",
            class_=r4.Coding(code="AMB"),
            subject=subject,
            period=r4.Period(start=f"{year}-03-01", end=f"{year}-03-02"),
            serviceProvider=r4.Reference(reference=f"Organization/{facility}"),
            hospitalization=r4.EncounterHospitalization(dischargeDisposition=r4.CodeableConcept(coding=end))
            if died
            else None,
        ),
    )
    record.create(
        by,
        r4.Condition(
            id=f"c-{id_}",
            subject=subject,
            encounter=r4.Reference(reference=f"Encounter/{id_}"),
            code=r4.CodeableConcept(text="Viêm phổi"),
        ),
    )


@pytest.fixture
def second(cast: dict[str, Account]) -> Account:
    """Another archivist of the health centre."""
    account = Account.objects.create_account("luu-tru-2", "x" * 14, role="archivist", full_name="Lưu Trữ Hai")
    account.facility = "12104"
    account.save()
    return account


@pytest.mark.parametrize(
    ("kind", "ended", "until"),
    [
        ("record", date(2015, 3, 2), date(2025, 12, 31)),
        ("record", date(2026, 1, 1), date(2036, 12, 31)),
        ("record-20", date(2006, 12, 31), date(2026, 12, 31)),
        ("death", date(2012, 5, 1), date(2042, 12, 31)),  # by the new rule, which is longer
        ("record-15", date(2015, 3, 2), date(2030, 12, 31)),  # by the old one, which was in force
        ("incident", date(2015, 3, 2), None),
    ],
)
def test_until_when_it_is_kept(kind: str, ended: date, until: date | None) -> None:
    assert rules.kept_until(kind, ended, TODAY) == until


def test_every_kind_has_words() -> None:
    assert {one.code for one in rules.classes()} == set(RETENTION)


def test_what_has_come_due_is_listed(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    now = timezone.localdate().year
    visit("old", now - 12)
    visit("mental", now - 12, label="PSY")
    visit("dead", now - 12, died=True)
    visit("young", now - 10)
    visit("elsewhere", now - 12, "12001")
    rows, following = actions.due(asker_of(cast["archivist"]), "12104")
    assert ([(row.encounter, row.kind) for row in rows], following) == ([("old", "record")], None)
    assert "<code>old</code>" in as_role("archivist").get("/privacy/retention").content.decode()


def test_destroy_with_a_second_person_and_proof(
    as_role: Callable[[str], Client], cast: dict[str, Account], second: Account
) -> None:
    now = timezone.localdate().year
    visit("old", now - 12)
    visit("kept", now - 2)
    browser = as_role("archivist")
    told = {"number": "12/BB-HĐHH", "day": timezone.localdate().isoformat(), "members": "\n".join(THREE)}
    assert browser.post("/privacy/retention", told | {"encounter": ["old"]}).status_code == 302
    one = Destruction.objects.get()
    browser.post(f"/privacy/retention/{one.pk}/decide", {"verdict": "confirm"})  # by who wrote the minutes
    one.refresh_from_db()
    assert (one.state, actions.carry_out(one.pk)) == ("proposed", 0)
    actions.decide(second, one.pk, confirm=True)
    assert ProcrastinateJob.objects.filter(task_name="privacy.destroy", args={"destruction": one.pk}).count() == 1
    assert (actions.carry_out(one.pk), actions.carry_out(one.pk)) == (2, 0)
    for type_, id_ in (("Encounter", "old"), ("Condition", "c-old")):
        with pytest.raises(Gone):
            record.read(SYSTEM, type_, id_)
        assert record.history(SYSTEM, type_, id_) == []
    assert record.read(SYSTEM, "Condition", "c-kept").id == "c-kept"
    proof = list(record.proof(SYSTEM, "12104/12/BB-HĐHH"))
    assert [(p.type, p.id, p.version) for p in proof] == [("Condition", "c-old", 1), ("Encounter", "old", 1)]
    paper = browser.get(f"/privacy/retention/{one.pk}/minutes.pdf").content
    text = "".join("".join(page.extract_text() for page in PdfReader(io.BytesIO(paper)).pages).split())
    for phrase in (*THREE, "12/BB-HĐHH", proof[0].sha256, "Lưu Trữ Hai"):
        assert phrase.replace(" ", "") in text
    assert proof[0].sha256 in browser.get(f"/privacy/retention/{one.pk}").content.decode()


def test_what_is_held_or_not_due_is_not_destroyed(
    as_role: Callable[[str], Client], cast: dict[str, Account], second: Account
) -> None:
    now = timezone.localdate().year
    visit("old", now - 12)
    one = actions.propose(cast["archivist"], "1/BB", timezone.localdate(), THREE, ["old"])
    actions.decide(second, one.pk, confirm=True)
    browser, page = as_role("archivist"), "/privacy/people/cast-citizen/hold"
    assert browser.post(page, {"reason": "kiện"}).status_code == 422
    assert browser.post(page, {"reason": "Tòa án huyện yêu cầu giữ"}).status_code == 302
    assert actions.carry_out(one.pk) == 0
    assert one.items.get().skipped == "hold"
    assert record.read(SYSTEM, "Condition", "c-old").id == "c-old"
    for encounters in (["old"], ["nothing"], []):
        with pytest.raises(PrivacyError) as caught:
            actions.propose(cast["archivist"], "2/BB", timezone.localdate(), THREE, encounters)
        assert caught.value.code == "records"
    held = LegalHold.objects.get()
    assert browser.post(page, {"release": str(held.pk)}).status_code == 302
    assert actions.propose(cast["archivist"], "2/BB", timezone.localdate(), THREE, ["old"]).items.count() == 1


@pytest.mark.parametrize(
    ("number", "members", "code"), [("", THREE, "council"), ("1", THREE[:2], "council"), ("1", ["An"] * 3, "council")]
)
def test_a_decision_needs_its_minutes(cast: dict[str, Account], number: str, members: list[str], code: str) -> None:
    visit("old", timezone.localdate().year - 12)
    with pytest.raises(PrivacyError) as caught:
        actions.propose(cast["archivist"], number, timezone.localdate(), members, ["old"])
    assert (caught.value.code, Destruction.objects.count()) == (code, 0)


def test_other_facilities_know_nothing_of_it(
    as_role: Callable[[str], Client], cast: dict[str, Account], second: Account
) -> None:
    visit("old", timezone.localdate().year - 12)
    one = actions.propose(cast["archivist"], "1/BB", timezone.localdate(), THREE, ["old"])
    second.facility = cast["archivist"].facility = "12001"
    cast["archivist"].save()
    browser = as_role("archivist")
    for path in (f"/privacy/retention/{one.pk}", f"/privacy/retention/{one.pk}/minutes.pdf"):
        assert browser.get(path).status_code == 404
    with pytest.raises(PrivacyError):
        actions.decide(second, one.pk, confirm=True)
    with pytest.raises(PrivacyError):
        actions.propose(second, "1/BB", timezone.localdate(), THREE, ["old"])
    assert record.read(SYSTEM, "Encounter", "old").id == "old"


def test_everything_that_was_written_in_the_visit_is_destroyed(cast: dict[str, Account], second: Account) -> None:
    now = timezone.localdate().year
    visit("old", now - 12)
    visit("kept", now - 2)
    mine, there = r4.Reference(reference="Patient/cast-citizen"), r4.Reference(reference="Encounter/old")
    text = r4.CodeableConcept(text="x")
    written: list[r4.Resource] = [
        r4.ImagingStudy(id="a", status="available", subject=mine, encounter=there),
        r4.Immunization(
            id="b", status="completed", vaccineCode=text, patient=mine, encounter=there, occurrenceString="x"
        ),
        r4.MedicationDispense(id="c", status="completed", medicationCodeableConcept=text, subject=mine, context=there),
        r4.MedicationStatement(id="d", status="completed", medicationCodeableConcept=text, subject=mine, context=there),
        r4.Task(id="e", status="completed", intent="order", for_=mine, encounter=there),
        r4.AllergyIntolerance(
            id="f", clinicalStatus=None, verificationStatus=_in_error(), patient=mine, encounter=there
        ),
        r4.Observation(id="gone", status="final", code=text, subject=mine, encounter=there),
    ]
    for one in written:
        record.create(replace(SYSTEM, facility="12104"), one)
    record.delete(SYSTEM, "Observation", "gone")
    later = r4.Task(id="later", status="requested", intent="order", for_=mine, focus=there)
    record.create(replace(SYSTEM, facility="12104"), later)
    one = actions.propose(cast["archivist"], "1", timezone.localdate(), THREE, ["old"])
    actions.decide(second, one.pk, confirm=True)
    actions.carry_out(one.pk)
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT type, id FROM (SELECT type, id, body FROM record.history UNION ALL"
            " SELECT type, id, body FROM record.resource) every"
            " WHERE body IS NOT NULL"
            " AND (position('Encounter/old'::bytea IN body) > 0 OR (type, id) = ('Encounter', 'old'))"
        )
        assert cursor.fetchall() == [("Task", "later")]
    assert record.read(SYSTEM, "Condition", "c-kept").id == "c-kept"


def _in_error() -> r4.CodeableConcept:
    system = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
    return r4.CodeableConcept(coding=[r4.Coding(system=system, code="entered-in-error")])


def test_mental_health_is_known_by_the_diagnoses_and_death_by_the_person(cast: dict[str, Account]) -> None:
    now = timezone.localdate().year
    visit("old", now - 12)
    visit("mind", now - 12)
    icd = r4.Coding(system="http://hl7.org/fhir/sid/icd-10", code="F20")
    there = r4.Reference(reference="Encounter/mind")
    record.create(
        replace(SYSTEM, facility="12104"),
        r4.Condition(
            subject=r4.Reference(reference="Patient/cast-citizen"),
            encounter=there,
            code=r4.CodeableConcept(coding=[icd]),
        ),
    )
    desk = asker_of(cast["archivist"])

    def listed() -> list[str]:
        return [row.encounter for row in actions.due(desk, "12104")[0]]

    assert listed() == ["old"]
    person = record.read(SYSTEM, "Patient", "cast-citizen")
    assert isinstance(person, r4.Patient)
    for day, expected in (
        (f"{now - 5}-01-01", ["old"]),
        (f"{now - 12}-03-02", []),
        (f"{now - 12}-03-01T08:00:00Z", []),
    ):
        person.deceasedDateTime = day
        record.update(SYSTEM, person)
        assert listed() == expected, day
    with pytest.raises(PrivacyError):
        actions.propose(cast["archivist"], "1", timezone.localdate(), THREE, ["old"])
