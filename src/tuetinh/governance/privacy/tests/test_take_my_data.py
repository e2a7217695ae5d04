"""A person's data as one file: everything of the record, for that person or whoever answers the request alone."""

from __future__ import annotations

import csv
import io
import json
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pypdf import PdfReader

from tuetinh.commons.access.api import asker_of, carers, papers, wards
from tuetinh.commons.access.models import Account
from tuetinh.governance.privacy.models import PersonExport
from tuetinh.governance.privacy.person_export import actions
from tuetinh.governance.privacy.requests import actions as requests
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client

pytestmark = pytest.mark.django_db
BIRTH = papers.Paper(papers.BIRTH, "45/2023")
PAGE = "/me/export"


@pytest.fixture(autouse=True)
def _room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of this test lie in a folder of its own; contents stay where they are."""
    monkeypatch.setattr(actions, "ROOM", str(tmp_path))


@pytest.fixture
def rich(diagnosis: str) -> None:
    """The citizen also has an HIV result of elsewhere, a document, a Binary; somebody else has a diagnosis."""
    subject = r4.Reference(reference="Patient/cast-citizen")
    label = r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code="HIV")
    there = replace(SYSTEM, facility="12001")
    record.create(
        there,
        r4.Observation(
            id="hiv",
            meta=r4.Meta(security=[label]),
            status="final",
            code=r4.CodeableConcept(text="HIV Ab"),
            subject=subject,
            effectiveDateTime="2026-02-01",
            valueString="Âm tính",
        ),
    )
    scan = r4.Attachment(contentType="text/plain", data=b64encode("giấy ra viện".encode()).decode())
    record.create(
        there,
        r4.DocumentReference(
            id="doc", status="current", subject=subject, content=[r4.DocumentReferenceContent(attachment=scan)]
        ),
    )
    picture = r4.Binary(id="pic", contentType="image/png", securityContext=subject, data="")
    record.create_binary(there, picture, [b"\x89PNG", b"0" * 100_000])
    record.create(SYSTEM, r4.Patient(id="other"))
    record.create(SYSTEM, r4.Condition(id="others", subject=r4.Reference(reference="Patient/other")))


def opened(browser: Client, export: int) -> ZipFile:
    answer = browser.post(f"{PAGE}/{export}")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert "no-store" in answer["Cache-Control"]
    return content(answer)


def content(answer: Any) -> ZipFile:
    """The ZIP of an answer."""
    return ZipFile(io.BytesIO(b"".join(answer.streaming_content)))


def fresh(browser: Client) -> Client:
    """A browser whose person has just proved who they are."""
    session = browser.session
    session["proved"] = int(time.time())
    session.save()
    return browser


def ids(file: ZipFile, type_: str) -> list[str]:
    return [json.loads(line)["id"] for line in file.read(f"du-lieu/{type_}.ndjson").splitlines()]


def test_everything_of_the_record_and_nothing_else(
    as_role: Callable[[str], Client], cast: dict[str, Account], rich: None
) -> None:
    record.read(asker_of(cast["doctor"]), "Patient", "cast-citizen")
    browser = fresh(as_role("citizen"))
    for _ in range(2):
        assert browser.post(PAGE).status_code == 302
    one = PersonExport.objects.get()
    assert ProcrastinateJob.objects.get(task_name="privacy.export_person").args == {"export": one.pk}
    for _ in range(2):
        actions.make(one.pk)  # safe to repeat
    one.refresh_from_db()
    assert (one.state, one.patient) == ("ready", "cast-citizen")
    file = opened(browser, one.pk)
    assert file.testzip() is None
    assert json.loads(file.read("manifest.json"))["counts"] == {
        "Binary": 1, "Condition": 1, "DocumentReference": 1, "Observation": 1, "Patient": 1,
    }  # fmt: skip
    assert (ids(file, "Condition"), ids(file, "Observation"), ids(file, "Patient")) == (
        ["dau"], ["hiv"], ["cast-citizen"],
    )  # fmt: skip
    assert file.read("tep/Binary-pic.png") == b"\x89PNG" + b"0" * 100_000
    assert file.read("tep/DocumentReference-doc-1.txt").decode() == "giấy ra viện"
    text = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(file.read("tom-tat.pdf"))).pages)
    for phrase in ("Lò Thị Pâng", "Đái tháo đường", "HIV Ab", "Âm tính"):
        assert phrase in text
    looked = list(csv.DictReader(io.StringIO(file.read("ai-da-xem.csv").decode("utf-8-sig"))))
    assert ("Bác sĩ", "Trung tâm Y tế huyện Than Uyên") in {(row["role"], row["facility"]) for row in looked}
    one.refresh_from_db()
    assert one.taken == 1
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("SELECT action FROM record.audit WHERE action IN ('$export', 'export') ORDER BY position")
        assert cursor.fetchall() == [("$export",), ("export",)]


def test_it_asks_again_who_one_is(as_role: Callable[[str], Client], rich: None) -> None:
    browser = as_role("citizen")
    session = browser.session
    session["proved"] = 1
    session.save()
    answer = browser.post(PAGE)
    assert (answer.status_code, PersonExport.objects.count()) == (403, 0)
    assert "Dữ liệu sẽ rời khỏi đây." in answer.content.decode()


def test_others_do_not_get_it(as_role: Callable[[str], Client], cast: dict[str, Account], rich: None) -> None:
    one = actions.ask(asker_of(cast["citizen"]), cast["citizen"], "cast-citizen")
    actions.make(one.pk)
    other = Account.objects.create_account("khac", "x" * 12, role="citizen", full_name="Khác")
    Account.objects.filter(pk=other.pk).update(patient="other")
    from django.test import Client as Browser

    browser = Browser()
    browser.force_login(other, backend="django.contrib.auth.backends.ModelBackend")
    assert fresh(browser).post(f"{PAGE}/{one.pk}").status_code == 404
    assert fresh(as_role("archivist")).post(f"{PAGE}/{one.pk}").status_code == 403
    one.refresh_from_db()
    assert one.taken == 0


def test_a_parent_takes_a_childs_data_while_the_tie_holds(
    as_role: Callable[[str], Client], cast: dict[str, Account], rich: None
) -> None:
    born = timezone.localdate().replace(year=timezone.localdate().year - 5, day=1).isoformat()
    record.create(SYSTEM, r4.Patient(id="be", name=[r4.HumanName(text="Lò Văn Bé")], birthDate=born, gender="male"))
    tie = carers.link(asker_of(cast["reception"]), "be", "cast-citizen", "MTH", BIRTH)
    browser = fresh(as_role("citizen"))
    browser.post("/me/open", {"patient": "be"})
    assert browser.post(PAGE).status_code == 302
    one = PersonExport.objects.get()
    actions.make(one.pk)
    assert ids(opened(browser, one.pk), "Patient") == ["be"]
    browser.post("/me/open", {"patient": ""})
    assert browser.post(f"{PAGE}/{one.pk}").status_code == 404
    browser.post("/me/open", {"patient": "be"})
    carers.unlink(asker_of(cast["reception"]), "be", tie)
    assert browser.post(f"{PAGE}/{one.pk}").status_code == 404


def test_a_tie_that_ends_before_it_is_made_gives_nothing(
    as_role: Callable[[str], Client], cast: dict[str, Account]
) -> None:
    born = timezone.localdate().replace(year=timezone.localdate().year - 5, day=1).isoformat()
    record.create(SYSTEM, r4.Patient(id="be", name=[r4.HumanName(text="Lò Văn Bé")], birthDate=born, gender="male"))
    tie = carers.link(asker_of(cast["reception"]), "be", "cast-citizen", "MTH", BIRTH)
    browser = fresh(as_role("citizen"))
    browser.post("/me/open", {"patient": "be"})
    browser.post(PAGE)
    carers.unlink(asker_of(cast["reception"]), "be", tie)
    one = PersonExport.objects.get()
    actions.make(one.pk)
    one.refresh_from_db()
    assert one.state == "failed"
    assert not actions.path_of(one).exists()
    assert not actions.path_of(one).with_suffix(".part").exists()


def test_the_officer_answers_a_request_with_it(
    as_role: Callable[[str], Client], cast: dict[str, Account], rich: None
) -> None:
    wish = requests.Wish("copy", "Tôi muốn bản sao dữ liệu", "12104")
    asked = requests.make(asker_of(cast["citizen"]), cast["citizen"], "cast-citizen", wish)
    office, path = fresh(as_role("archivist")), f"/privacy/requests/{asked.pk}/export"
    office.post(path)
    assert PersonExport.objects.count() == 0  # not granted yet
    requests.grant(cast["archivist"], asked.pk, "Mời đến nhận.")
    assert office.post(path).status_code == 302
    one = PersonExport.objects.get()
    actions.make(one.pk)
    answer = office.post(path, {"take": "yes"})
    file = content(answer)
    assert (ids(file, "Observation"), ids(file, "Condition")) == (["hiv"], ["dau"])
    Account.objects.filter(pk=cast["archivist"].pk).update(facility="12001")
    cast["archivist"].refresh_from_db()
    assert fresh(as_role("archivist")).post(path, {"take": "yes"}).status_code == 404


@pytest.mark.parametrize(("age", "seen"), [(5, ["hiv"]), (10, [])])
def test_the_officer_gives_a_parent_no_more_than_a_parent_sees(
    as_role: Callable[[str], Client], cast: dict[str, Account], age: int, seen: list[str]
) -> None:
    born = timezone.localdate().replace(year=timezone.localdate().year - age, day=1).isoformat()
    record.create(SYSTEM, r4.Patient(id="be", name=[r4.HumanName(text="Lò Văn Bé")], birthDate=born, gender="male"))
    label = r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code="HIV")
    about, code = r4.Reference(reference="Patient/be"), r4.CodeableConcept(text="HIV Ab")
    meta = r4.Meta(security=[label])
    record.create(SYSTEM, r4.Observation(id="hiv", meta=meta, status="final", code=code, subject=about))
    carers.link(asker_of(cast["reception"]), "be", "cast-citizen", "MTH", BIRTH)
    within, tie = wards.acting(asker_of(cast["citizen"]), "be") or (None, None)
    assert within
    assert tie
    wish = requests.Wish("copy", "Tôi muốn bản sao dữ liệu", "12104", acting=tie.code)
    asked = requests.make(within, cast["citizen"], "be", wish)
    requests.grant(cast["archivist"], asked.pk, "Mời đến nhận.")
    office = fresh(as_role("archivist"))
    office.post(f"/privacy/requests/{asked.pk}/export")
    one = PersonExport.objects.get()
    actions.make(one.pk)
    file = content(office.post(f"/privacy/requests/{asked.pk}/export", {"take": "yes"}))
    found = ids(file, "Observation") if "du-lieu/Observation.ndjson" in file.namelist() else []
    assert (found, ids(file, "Patient")) == (seen, ["be"])


def test_files_go_when_their_time_is_over(
    as_role: Callable[[str], Client], cast: dict[str, Account], rich: None
) -> None:
    one = actions.ask(asker_of(cast["citizen"]), cast["citizen"], "cast-citizen")
    actions.make(one.pk)
    assert actions.path_of(one).stat().st_mode & 0o777 == 0o600
    assert actions.tidy() == 0
    PersonExport.objects.update(expires=timezone.now() - timedelta(seconds=1))
    browser = fresh(as_role("citizen"))
    assert browser.post(f"{PAGE}/{one.pk}").status_code == 302
    assert (actions.tidy(), actions.tidy()) == (1, 0)
    assert not actions.path_of(one).exists()
    one.refresh_from_db()
    assert (one.state, one.taken) == ("expired", 0)


def test_three_at_once_are_enough(as_role: Callable[[str], Client], cast: dict[str, Account], rich: None) -> None:
    for _ in range(4):
        made = PersonExport.objects.filter(state="waiting").first()
        if made:
            actions.make(made.pk)
        fresh(as_role("citizen")).post(PAGE)
    assert PersonExport.objects.count() == 3
