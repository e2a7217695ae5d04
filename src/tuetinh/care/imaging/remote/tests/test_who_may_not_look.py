"""The addresses of shared pictures, and of what models say of them, as those try them who may not: nothing is told."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from tuetinh.care.imaging.ai.models import AiOpinion, AiResult
from tuetinh.care.imaging.models import Exam, Instance, Opinion, ReadingCase, Sending, Study
from tuetinh.care.imaging.remote import opinions
from tuetinh.care.imaging.remote.tests.conftest import STUDY, question
from tuetinh.care.imaging.remote.tests.test_ask_for_an_opinion import browser_of
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.care.imaging.viewer.tests.conftest import TOKEN, measurements
from tuetinh.commons.access.models import Account
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import enter

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
WORDS = ("Nguyễn Văn Ánh", "Có xuất huyết không?", "Máy gợi ý", "test-net")
OBJECT = f"/studies/{STUDY}/series/1.2.3.4.1/instances/1.2.3.4.1.2"
PICTURES = (
    *(f"/studies/{STUDY}", f"/studies/{STUDY}/metadata", f"/studies/{STUDY}/thumbnail", f"/studies/{STUDY}/rendered"),
    *(OBJECT, f"{OBJECT}/metadata", f"{OBJECT}/rendered", f"{OBJECT}/frames/1", f"{OBJECT}/frames/1/rendered"),
    f"{OBJECT}/bulkdata/7FE00010",
)
LISTS = (
    *("/studies", "/series", "/instances", f"/studies/{STUDY}/series", f"/studies/{STUDY}/instances"),
    *(f"/beside/{STUDY}/studies", f"/beside/{STUDY}/studies/{STUDY}/series", f"/beside/{STUDY}/instances"),
)


@pytest.fixture
def said(asked_about: r4.Patient) -> AiResult:
    """What a model said of the study."""
    enter(SYSTEM)
    return AiResult.objects.create(
        study=Study.objects.get(), facility="12104", model="test-net", version="1", rule="AI-TEXT", state="done",
        next_at=timezone.now(), done_at=timezone.now(), score=0.9, threshold=0.5, looked=1, among=3,
    )  # fmt: skip


@pytest.fixture
def asked(asked_about: r4.Patient, doctor: Asker, far: Asker) -> Opinion:
    """An open question to the other facility."""
    return opinions.ask(doctor, [STUDY], question())


@pytest.fixture
def exam(asked_about: r4.Patient) -> Exam:
    """An examination that is read."""
    found = Exam.objects.get(order=order(asked_about).id)
    Exam.objects.filter(pk=found.pk).update(stage="done")
    return found


def pages(asked: Opinion, exam: Exam) -> list[str]:
    """The pages that show the study, or tell of it."""
    look, viewer = f"/imaging/look?studies={STUDY}", f"/imaging/viewer?StudyInstanceUIDs={STUDY}"
    both = [f"{one}&opinion={asked.pk}" for one in (look, viewer)]
    return [look, viewer, *both, f"{look}&exam={exam.pk}", f"/imaging/opinions/new?studies={STUDY}"]


def deeds(asked: Opinion, exam: Exam, said: AiResult) -> dict[str, dict[str, str]]:
    """What is done to the study, with what is sent."""
    return {
        "/imaging/opinions/new": {"studies": STUDY, "text": "x"},
        f"/imaging/opinions/new?studies={STUDY}": {"facility": "12104", "text": "Thử", "hours": "4"},
        f"/imaging/opinions/{asked.pk}/answer": {"text": "Không thấy gì."},
        f"/imaging/opinions/{asked.pk}/close": {},
        "/imaging/sending/new": {"studies": STUDY},
        f"/imaging/ai/{said.pk}/judge": {"agrees": "1"},
        f"/imaging/read/{exam.pk}/choose": {"instance": "1.2.3.4.1.2", "frame": "1"},
    }


def done() -> list[object]:
    """What may have been changed."""
    enter(SYSTEM)
    row = Opinion.objects.get()
    counts = [model.objects.count() for model in (AiOpinion, Sending, Instance)]
    keys = [one.keys for one in ReadingCase.objects.all()]
    return [row.opened_at, row.answered_at, row.closed_at, *counts, [one for one in keys if one]]


def check_nothing_is_told(browser: Client, addresses: list[str], *, statuses: set[int]) -> None:
    for url in addresses:
        answer = browser.get(url)
        assert answer.status_code in statuses, (url, answer.status_code)
        assert [word for word in WORDS if word in answer.content.decode()] == [], url


def check_nothing_is_done(browser: Client, told: dict[str, dict[str, str]], *, statuses: set[int]) -> None:
    before = done()
    for url, sent in told.items():
        answer = browser.post(url, sent)
        assert answer.status_code in statuses, (url, answer.status_code)
    assert done() == before == [None, None, None, 0, 0, 3, []]


def check_no_picture_is_given(call: httpx.Client, *, statuses: set[int]) -> None:
    for path in PICTURES:
        answer = call.get(f"/dicom-web{path}")
        assert answer.status_code in statuses, (path, answer.status_code)
    for path in LISTS:
        answer = call.get(f"/dicom-web{path}")
        assert answer.status_code in {204, 404, *statuses}, (path, answer.status_code)
    proof = {"Content-Type": "application/dicom", "X-CSRFToken": TOKEN}
    assert call.post("/dicom-web/studies", content=measurements(), headers=proof).status_code in {403, 401, 409}


def calling(node: str, browser: Client) -> httpx.Client:
    """What calls the node with the session of a browser."""
    told = {name: morsel.value for name, morsel in browser.cookies.items()}
    return httpx.Client(base_url=node, cookies=told | {settings.CSRF_COOKIE_NAME: TOKEN}, timeout=30)


def test_another_facility_finds_nothing(
    node: str, said: AiResult, asked: Opinion, exam: Exam, as_role: Callable[[str], Client], cast: dict[str, Account]
) -> None:
    """Of the same desks, at a facility that takes no part and has nothing to do with the person."""
    for role in ("imaging", "doctor", "station"):
        Account.objects.filter(pk=cast[role].pk).update(facility="12105")
        browser = as_role(role)
        check_nothing_is_told(browser, [*pages(asked, exam), f"/imaging/opinions/{asked.pk}"], statuses={404})
        check_nothing_is_told(browser, ["/imaging/opinions", "/imaging/sending"], statuses={200})
        check_nothing_is_done(browser, deeds(asked, exam, said), statuses={403, 404})
        with calling(node, browser) as call:
            check_no_picture_is_given(call, statuses={404})


def test_another_desk_is_refused(
    node: str, said: AiResult, asked: Opinion, exam: Exam, as_role: Callable[[str], Client]
) -> None:
    for role in ("reception", "lab", "pharmacist", "cashier", "citizen", "official", "outsider", ""):
        browser, refused = as_role(role), {403} if role else {302}
        places = [*pages(asked, exam), f"/imaging/opinions/{asked.pk}", "/imaging/opinions", "/imaging/sending"]
        check_nothing_is_told(browser, [*places, "/imaging/ai", "/imaging/rules?kind=ai"], statuses=refused)
        check_nothing_is_done(browser, deeds(asked, exam, said) | {"/imaging/ai": {}}, statuses=refused)
        with calling(node, browser) as call:
            check_no_picture_is_given(call, statuses={403, 404} if role else {401})


def test_whom_a_question_asks_sees_what_models_said_and_judges_nothing(
    said: AiResult, asked: Opinion, far: Asker
) -> None:
    browser, judge = browser_of(far), f"/imaging/ai/{said.pk}/judge"
    page = browser.get(f"/imaging/look?studies={STUDY}&opinion={asked.pk}").content.decode()
    assert ("test-net" in page, judge in page) == (True, False)
    assert browser.post(judge, {"agrees": "1"}).status_code == 404
    assert AiOpinion.objects.count() == 0
