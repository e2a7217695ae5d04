"""Whom a question asks sees the pictures and the record by it, not before and not after; the answer lands in both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test import Client

from tuetinh.care.imaging.errors import BadDeadline, NobodyThere, NotAllowed, NothingWritten, WrongStage
from tuetinh.care.imaging.jobs import tend_opinions
from tuetinh.care.imaging.models import Opinion
from tuetinh.care.imaging.reading.tests.conftest import reader
from tuetinh.care.imaging.remote import opinions
from tuetinh.care.imaging.remote.tests.conftest import STUDY, THERE, question
from tuetinh.care.imaging.viewer.queries import opened
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
Browser = Callable[[str], Client]


def sees(who: Asker) -> tuple[int, int]:
    """How many of the study and of the diagnoses of the person exist for somebody."""
    return len(opened(who, [STUDY])), len(record.search(who, "Condition", "").resources)


def browser_of(who: Asker) -> Client:
    """A browser in which this one is logged in."""
    client = Client()
    client.force_login(Account.objects.get(pk=who.account), backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_the_record_is_open_while_the_question_is(asked_about: r4.Patient, doctor: Asker, far: Asker) -> None:
    other = reader("Other", THERE)
    elsewhere = reader("Else", "12105")
    assert (sees(doctor), sees(far)) == ((1, 1), (0, 0))
    assert browser_of(far).get(f"/imaging/look?studies={STUDY}").status_code == 404
    row = opinions.ask(doctor, [STUDY], question())
    assert (sees(far), sees(other), sees(elsewhere)) == ((1, 1), (1, 1), (0, 0))
    page = browser_of(far).get(f"/imaging/opinions/{row.pk}").content.decode()
    assert "Có xuất huyết không?" in page and "Tăng huyết áp" in page and "Nguyễn Văn Ánh" in page
    row.refresh_from_db()
    assert (row.opened_by, row.opened_at is not None) == (far.account, True)
    assert browser_of(elsewhere).get(f"/imaging/opinions/{row.pk}").status_code == 404
    opinions.answer(far, row.pk, "Không thấy xuất huyết.")
    assert sees(far) == (1, 1)  # until the asker has read it to the end
    opinions.close(doctor, row.pk)
    assert (sees(doctor), sees(far), sees(other)) == ((1, 1), (0, 0), (0, 0))
    page = browser_of(far).get(f"/imaging/opinions/{row.pk}").content.decode()
    assert "Tăng huyết áp" not in page and "Nguyễn Văn Ánh" not in page
    assert browser_of(far).get(f"/imaging/look?studies={STUDY}&opinion={row.pk}").status_code == 404
    assert browser_of(far).get(f"/imaging/viewer?StudyInstanceUIDs={STUDY}").status_code == 404


def test_a_diagnosis_of_many_visits_is_told_once(asked_about: r4.Patient, doctor: Asker, far: Asker) -> None:
    [known] = record.search(doctor, "Condition", "").resources
    assert isinstance(known, r4.Condition)
    for _ in range(3):
        record.create(SYSTEM, r4.Condition(subject=known.subject, code=known.code, clinicalStatus=known.clinicalStatus))
    row = opinions.ask(doctor, [STUDY], question())
    assert browser_of(far).get(f"/imaging/opinions/{row.pk}").content.decode().count("<li>Tăng huyết áp") == 1


def test_only_who_takes_part_looks_along_in_the_full_viewer(
    asked_about: r4.Patient, doctor: Asker, far: Asker, as_role: Browser
) -> None:
    row = opinions.ask(doctor, [STUDY], question())

    def page(browser: Client, told: object) -> str:
        answer = browser.get(f"/imaging/viewer?StudyInstanceUIDs={STUDY}&opinion={told}")
        assert answer.status_code == 200
        return answer.content.decode()

    nurse, mine, theirs = as_role("nurse"), browser_of(doctor), browser_of(far)
    assert ['"with": "Cùng xem:"' in page(one, row.pk) for one in (mine, theirs, nurse)] == [True, True, False]
    assert [f'data-opinion="{row.pk}"' in page(one, row.pk) for one in (mine, theirs, nurse)] == [True, True, False]
    theirs.cookies["django_language"] = "en"
    english = page(theirs, row.pk)
    assert ('"with": "Looking together:"' in english, '"alone": "only you"' in english) == (True, True)
    assert ["together.js" in page(mine, told) for told in ("²", "x", "9" * 30, row.pk)] == [False, False, False, True]
    opinions.close(doctor, row.pk)
    assert "together.js" not in page(mine, row.pk)


def test_an_answer_is_in_the_record_and_on_the_askers_page(
    asked_about: r4.Patient, doctor: Asker, far: Asker, as_role: Browser
) -> None:
    row = opinions.ask(doctor, [STUDY], question())
    assert (opinions.due(doctor), opinions.due(far)) == (0, 1)
    mine = browser_of(far)
    assert f'data-opinion="{row.pk}"' in mine.get("/imaging/opinions").content.decode()
    assert mine.post(f"/imaging/opinions/{row.pk}/answer", {"text": " "}).status_code == 422
    assert mine.post(f"/imaging/opinions/{row.pk}/answer", {"text": "Không thấy."}).status_code == 302
    assert mine.post(f"/imaging/opinions/{row.pk}/answer", {"text": "Không thấy xuất huyết."}).status_code == 302
    assert (opinions.due(doctor), opinions.due(far)) == (1, 0)
    shown = as_role("doctor").get(f"/imaging/opinions/{row.pk}").content.decode()
    assert "Không thấy xuất huyết." in shown and "Lò Thị Far" in shown
    found = record.search(doctor, "DiagnosticReport", f"subject=Patient/{asked_about.id}").resources
    (report,) = (one for one in found if isinstance(one, r4.DiagnosticReport))
    assert (report.status, report.conclusion) == ("amended", "Không thấy xuất huyết.")
    assert report.resultsInterpreter == [r4.Reference(reference=f"Practitioner/{far.practitioner}")]
    order = record.read(SYSTEM, "ServiceRequest", row.order)
    assert isinstance(order, r4.ServiceRequest)
    assert report.basedOn == [r4.Reference(reference=f"ServiceRequest/{row.order}")]
    assert report.imagingStudy == order.supportingInfo
    assert as_role("doctor").post(f"/imaging/opinions/{row.pk}/close").status_code == 302
    closed = record.read(SYSTEM, "ServiceRequest", row.order)
    assert isinstance(closed, r4.ServiceRequest) and closed.status == "completed"
    with pytest.raises(WrongStage):
        opinions.answer(far, row.pk, "Nghĩ lại")
    assert "Không thấy xuất huyết." in as_role("doctor").get(f"/imaging/opinions/{row.pk}").content.decode()


def test_a_named_specialist_alone(asked_about: r4.Patient, doctor: Asker, far: Asker) -> None:
    other = reader("Other", THERE)
    row = opinions.ask(doctor, [STUDY], question(account=far.account))
    assert (sees(far), sees(other)) == ((1, 1), (0, 0))
    assert opinions.find(other, row.pk) is None
    with pytest.raises(NotAllowed):
        opinions.answer(other, row.pk, "Tôi trả lời thay")
    assert browser_of(other).post(f"/imaging/opinions/{row.pk}/answer", {"text": "x"}).status_code == 404
    row.refresh_from_db()
    assert (row.opened_at, row.answered_at) == (None, None)
    opinions.close(doctor, row.pk)  # taken back
    assert sees(far) == (0, 0)
    order = record.read(SYSTEM, "ServiceRequest", row.order)
    assert isinstance(order, r4.ServiceRequest) and order.status == "revoked"


def test_what_is_wrong_asks_nobody(
    asked_about: r4.Patient, doctor: Asker, far: Asker, cast: dict[str, Account]
) -> None:
    wrong: Iterable[tuple[type[Exception], Asker, list[str], object]] = [
        (NotAllowed, asker_of(cast["nurse"]), [STUDY], question()),
        (NothingWritten, doctor, [STUDY], question(" ")),
        (BadDeadline, doctor, [STUDY], question(hours=-1)),
        (BadDeadline, doctor, [STUDY], question(hours=24 * 31)),
        (NobodyThere, doctor, [STUDY], question(facility="12999")),
        (NobodyThere, doctor, [STUDY], question(account="x")),
        (NobodyThere, doctor, [STUDY], question(account=str(cast["nurse"].pk))),
        (WrongStage, doctor, ["1.9"], question()),
        (WrongStage, far, [STUDY], question(facility="12104")),  # of whom the asker sees nothing
    ]
    for error, who, studies, asked in wrong:
        with pytest.raises(error):
            opinions.ask(who, studies, asked)
    assert not Opinion.objects.exists()
    assert record.search(SYSTEM, "ServiceRequest", "").resources == []
    row = opinions.ask(doctor, [STUDY], question())
    with pytest.raises(NotAllowed):
        opinions.close(far, row.pk)
    with pytest.raises(NotAllowed):
        opinions.answer(doctor, row.pk, "Tự trả lời")


def test_the_page_asks(asked_about: r4.Patient, doctor: Asker, far: Asker, as_role: Browser) -> None:
    browser = as_role("doctor")
    assert (
        f'href="/imaging/opinions/new?studies={STUDY}"' in browser.get("/imaging/opinions?list=asked").content.decode()
    )
    url = f"/imaging/opinions/new?studies={STUDY}"
    assert f'value="{THERE}/{far.account}"' in browser.get(url).content.decode()
    due = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    told = {"text": "Có gãy không?", "to": f"{THERE}/", "due": due}
    assert browser.post(url, told | {"to": ""}).status_code == 422
    assert browser.post(url, told | {"due": "2020-01-01T08:00"}).status_code == 422
    assert not Opinion.objects.exists()
    answer = browser.post(url, told)
    row = Opinion.objects.get()
    assert answer["Location"] == f"/imaging/opinions/{row.pk}"
    assert (row.to_facility, row.to_account, row.studies) == (THERE, "", [STUDY])
    assert browser_of(far).get(url).status_code == 200  # who is asked may ask on
    for role in ("nurse", "outsider", "citizen", "admin"):
        assert as_role(role).post(url, told).status_code in (302, 403)
    assert Opinion.objects.count() == 1


def test_a_deadline_is_told_once_and_an_answer_closes_by_itself(
    asked_about: r4.Patient, doctor: Asker, far: Asker
) -> None:
    row = opinions.ask(doctor, [STUDY], question(hours=10))
    tend_opinions()
    row.refresh_from_db()
    assert row.reminded_at is None
    now = datetime.now(UTC)
    Opinion.objects.update(asked_at=now - timedelta(hours=8), due_at=now + timedelta(minutes=90))
    tend_opinions()
    tend_opinions()
    row.refresh_from_db()
    assert row.reminded_at is not None
    (told,) = record.search(SYSTEM, "Communication", f"subject=Patient/{asked_about.id}").resources
    assert isinstance(told, r4.Communication) and told.recipient is not None
    assert told.recipient[0].reference == f"Organization/{THERE}"
    opinions.answer(far, row.pk, "Không thấy.")
    tend_opinions()
    assert sees(far) == (1, 1)
    Opinion.objects.update(answered_at=datetime.now(UTC) - timedelta(days=4))
    tend_opinions()
    row.refresh_from_db()
    assert row.closed_at is not None
    assert sees(far) == (0, 0)


def test_the_relation_is_an_invitation(asked_about: r4.Patient, doctor: Asker, far: Asker) -> None:
    row = opinions.ask(doctor, [STUDY], question())
    sql = "SELECT kind, holder FROM record.relation WHERE source = %s"
    with connection.cursor() as cursor:
        cursor.execute(sql, [f"ServiceRequest/{row.order}"])
        assert cursor.fetchall() == [("invitation", f"Organization/{THERE}")]
        opinions.close(doctor, row.pk)
        cursor.execute(sql, [f"ServiceRequest/{row.order}"])
        assert cursor.fetchall() == []
