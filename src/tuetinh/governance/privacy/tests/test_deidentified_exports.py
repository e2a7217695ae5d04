"""A de-identified export is asked for, approved by somebody else, and has only who and what it may have."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from tuetinh.commons.access.api import asker_of, forbidding
from tuetinh.commons.access.models import Account
from tuetinh.governance.privacy.api import write_deidentified
from tuetinh.governance.privacy.deidentify import actions
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import ResearchExport
from tuetinh.governance.privacy.purposes import consents
from tuetinh.record import api as record
from tuetinh.record import r4, seals
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client

pytestmark = pytest.mark.django_db
ICD = "http://hl7.org/fhir/sid/icd-10"


@pytest.fixture(autouse=True)
def _room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "ROOM", str(tmp_path))


@pytest.fixture
def two(cast: dict[str, Account]) -> tuple[Account, Account]:
    """Two administrators of the province."""
    cast["admin"].facility = ""
    cast["admin"].save()
    other = Account.objects.create_account("admin2", "x" * 14, role="admin", full_name="Quản trị hai")
    return cast["admin"], other


@pytest.fixture
def people(cast: dict[str, Account]) -> list[str]:
    """Eight people alike with a diagnosis each, one labelled HIV; p0 forbids research to all, p1 to one facility."""
    for number in range(8):
        id_ = f"p{number}"
        name = [r4.HumanName(text=f"Tên Riêng {number}")]
        record.create(SYSTEM, r4.Patient(id=id_, name=name, gender="female", birthDate="1970-07-02"))
        label = [r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code="HIV")]
        record.create(
            SYSTEM,
            r4.Condition(
                id=f"c{number}",
                meta=r4.Meta(security=label) if number == 7 else None,
                subject=r4.Reference(reference=f"Patient/{id_}"),
                code=r4.CodeableConcept(text="Tên Riêng", coding=[r4.Coding(system=ICD, code="E11.9")]),
                recordedDate="2026-02-01",
            ),
        )
    for id_, facility in (("p0", ""), ("p1", "12104")):
        forbidding.forbid(replace(SYSTEM, patient=id_), id_, facility, "HRESCH")
    return [f"p{number}" for number in range(8)]


def approved(two: tuple[Account, Account], purpose: str = "PUBHLTH", **more: Any) -> ResearchExport:
    one = actions.ask(two[0], purpose, "Đái tháo đường", "Theo quyết định 12/QĐ-SYT", ["Condition"], **more)
    actions.decide(two[1], one.pk, approve=True, note="")
    actions.make(one.pk)
    one.refresh_from_db()
    assert one.state == "ready"
    return one


def lines(one: ResearchExport, type_: str) -> list[dict[str, Any]]:
    with ZipFile(actions.path_of(one)) as file:
        return [json.loads(line) for line in file.read(f"{type_}.ndjson").splitlines()]


def agree(*ids: str) -> None:
    account = Account.objects.get(username="cast.citizen")
    for id_ in ids:
        asker = replace(asker_of(account), patient=id_)
        consents.give(asker, account, None, "HRESCH", 1, minor_agreed=False)


def test_what_comes_out(two: tuple[Account, Account], people: list[str]) -> None:
    one = approved(two)
    assert one.report["counts"] == {"Patient": 8, "Condition": 7}  # nothing labelled
    assert (one.key, one.report["left_out"], one.report["k"]) == (None, 1, 5)  # the citizen of the cast stands alone
    with ZipFile(actions.path_of(one)) as file:
        whole = b"".join(file.read(name) for name in file.namelist() if name.endswith((".ndjson", ".csv")))
        assert file.namelist()[-1] == "bao-cao.pdf"
        assert file.read("bang-chan-doan-nam.csv").decode("utf-8-sig").startswith(",")
    for secret in (
        "Tên Riêng".encode(),
        b'"p3"',
        b"/p3",
        b'"c3"',
        b"1970-07-02",
        b"2026-02-01",
        "Lò Thị Pâng".encode(),
    ):
        assert secret not in whole
    known = {row["id"] for row in lines(one, "Patient")}
    assert {row["subject"]["reference"].removeprefix("Patient/") for row in lines(one, "Condition")} <= known


def test_two_exports_cannot_be_joined(two: tuple[Account, Account], people: list[str]) -> None:
    first, second = approved(two), approved(two, keeps_key=True)
    ids = [{row["id"] for row in lines(one, "Patient")} for one in (first, second)]
    assert (len(ids[0]), len(ids[1]), ids[0] & ids[1]) == (8, 8, set())
    assert second.key is not None
    assert len(seals.unseal(actions.SEAL, second.key) or b"") == 32


def test_research_has_only_who_agreed_and_did_not_forbid(two: tuple[Account, Account], people: list[str]) -> None:
    agree(*people)
    consents.withdraw(replace(asker_of(Account.objects.get(username="cast.citizen")), patient="p2"), "HRESCH")
    one = approved(two, "HRESCH")
    assert one.report["counts"] == {"Patient": 6, "Condition": 5}  # not p0, p2; p7's is labelled; p1 forbids a facility


def test_a_consent_that_ended_elsewhere_counts_no_more(two: tuple[Account, Account], people: list[str]) -> None:
    agree(*people)
    found = record.search(SYSTEM, "Consent", "patient=Patient/p3&status=active").resources[0]
    assert isinstance(found, r4.Consent)
    found.status = "inactive"
    record.update(SYSTEM, found)
    assert approved(two, "HRESCH").report["counts"]["Patient"] == 6


def test_labels_come_only_where_they_are_allowed(two: tuple[Account, Account], people: list[str]) -> None:
    assert approved(two, labels=["HIV"]).report["counts"]["Condition"] == 8
    assert approved(two, labels=["PSY"]).report["counts"]["Condition"] == 7


def test_who_stands_alone_is_left_out_with_all_that_is_theirs(two: tuple[Account, Account], people: list[str]) -> None:
    record.create(SYSTEM, r4.Condition(subject=r4.Reference(reference="Patient/cast-citizen"), code=None))
    one = approved(two, k=9)
    assert one.report["counts"] == {"Patient": 9, "Condition": 8}
    assert {(row["gender"], row["birthDate"]) for row in lines(one, "Patient")} == {("female", "1970")}  # the decade
    one = approved(two, k=10)
    assert (one.report["counts"], one.report["left_out"]) == ({"Patient": 0}, 9)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"purpose": "TREAT"}, "purpose"),
        ({"reason": "vì"}, "reason"),
        ({"types": ["DocumentReference"]}, "types"),
        ({"types": []}, "types"),
        ({"labels": ["X"]}, "labels"),
        ({"k": 4}, "k"),
    ],
)
def test_what_cannot_be_asked_for(two: tuple[Account, Account], wrong: dict[str, Any], code: str) -> None:
    told = {"purpose": "PUBHLTH", "title": "Số liệu", "reason": "Theo quyết định", "types": ["Condition"]} | wrong
    with pytest.raises(PrivacyError) as caught:
        actions.ask(two[0], **told)
    assert (caught.value.code, ResearchExport.objects.count()) == (code, 0)


def test_a_second_person_approves(as_role: Callable[[str], Client], two: tuple[Account, Account]) -> None:
    browser = as_role("admin")
    told = {"title": "Số liệu", "purpose": "PUBHLTH", "reason": "Theo quyết định 12", "types": ["Condition"]}
    assert browser.post("/privacy/research", told).status_code == 302
    one = ResearchExport.objects.get()
    assert (one.types, one.k, one.asked_by) == ("Condition Patient", 5, two[0])
    browser.post(f"/privacy/research/{one.pk}/decide", {"verdict": "approve"})  # by who asked
    actions.make(one.pk)
    one.refresh_from_db()
    assert (one.state, one.decided_by) == ("asked", None)
    assert not actions.path_of(one).exists()
    with pytest.raises(PrivacyError):
        actions.decide(two[1], one.pk, approve=False, note="không")
    actions.decide(two[1], one.pk, approve=True, note="")
    assert ProcrastinateJob.objects.get(task_name="privacy.deidentify").args == {"export": one.pk}
    with pytest.raises(PrivacyError):
        actions.decide(two[1], one.pk, approve=False, note="đã quá muộn rồi")


def test_only_the_province(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    told = {"title": "Số liệu", "purpose": "PUBHLTH", "reason": "Theo quyết định 12", "types": ["Condition"]}
    assert as_role("admin").post("/privacy/research", told).status_code == 422
    assert ResearchExport.objects.count() == 0


def test_it_is_fetched_after_a_proof_and_logged(
    as_role: Callable[[str], Client], two: tuple[Account, Account], people: list[str]
) -> None:
    one, browser = approved(two), as_role("admin")
    session = browser.session
    session["proved"] = 1
    session.save()
    assert browser.post(f"/privacy/research/{one.pk}/file").status_code == 403
    session["proved"] = int(time.time())
    session.save()
    answer: Any = browser.post(f"/privacy/research/{one.pk}/file")
    assert "Patient.ndjson" in ZipFile(io.BytesIO(b"".join(answer.streaming_content))).namelist()
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("SELECT action, type FROM record.audit WHERE role = 'admin' AND type <> '' ORDER BY position")
        assert cursor.fetchall() == [("$export", "Condition"), ("$export", "Patient"), ("export", "Patient")]


def test_the_command_writes_it_into_a_folder(two: tuple[Account, Account], people: list[str], tmp_path: Path) -> None:
    one = actions.ask(two[0], "PUBHLTH", "Số liệu", "Theo quyết định 12", ["Condition"])
    with pytest.raises(PrivacyError):
        write_deidentified(one.pk, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    actions.decide(two[1], one.pk, approve=True, note="")
    assert write_deidentified(one.pk, tmp_path / "out") == {"Patient": 8, "Condition": 7}
    assert len((tmp_path / "out" / "Condition.ndjson").read_text().splitlines()) == 7


def test_a_cell_counts_people_not_their_diagnoses(two: tuple[Account, Account], people: list[str]) -> None:
    for number in range(20):
        record.create(
            SYSTEM,
            r4.Condition(
                id=f"again{number}",
                subject=r4.Reference(reference="Patient/p3"),
                code=r4.CodeableConcept(coding=[r4.Coding(system=ICD, code="A09")]),
                recordedDate="2026-02-01",
            ),
        )
    with ZipFile(actions.path_of(approved(two))) as file:
        lines = file.read("bang-chan-doan-nam.csv").decode("utf-8-sig").splitlines()
    [of_one] = [line.split(",")[1:] for line in lines if line.startswith("A09,")]
    assert set(of_one) <= {"*", "0"}, "one person, twenty times"


def test_what_treats_hiv_has_its_label(two: tuple[Account, Account], people: list[str]) -> None:
    for id_, text in (("arv", "Tenofovir + Lamivudine + Dolutegravir"), ("plain", "Metformin")):
        record.create(
            SYSTEM,
            r4.MedicationRequest(
                id=id_,
                status="active",
                intent="order",
                subject=r4.Reference(reference="Patient/p3"),
                medicationCodeableConcept=r4.CodeableConcept(
                    text=text, coding=[r4.Coding(system="urn:formulary", code=id_)]
                ),
            ),
        )

    def given(*labels: str) -> int:
        one = actions.ask(two[0], "PUBHLTH", "Thuốc", "Theo quyết định 12", ["MedicationRequest"], labels=list(labels))
        actions.decide(two[1], one.pk, approve=True, note="")
        actions.make(one.pk)
        one.refresh_from_db()
        return int(one.report["counts"]["MedicationRequest"])

    assert (given(), given("PSY"), given("HIV")) == (1, 1, 2)
