"""What a model said is shown beside the pictures to whom may see them; readers tell whether it was right."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from django.test import Client
from numpy.typing import NDArray
from playwright.sync_api import expect

from tuetinh.care.imaging.ai import queries, work
from tuetinh.care.imaging.ai.models import AiOpinion, AiResult
from tuetinh.care.imaging.ai.tests.conftest import ultrasound, written_on
from tuetinh.care.imaging.ai.tests.test_look_at_studies import due
from tuetinh.care.imaging.archive.keeping import keep
from tuetinh.care.imaging.archive.recording import record_studies
from tuetinh.care.imaging.handover.showing import shown
from tuetinh.care.imaging.models import Exam, Study
from tuetinh.care.imaging.reading.queries import measured
from tuetinh.care.imaging.tests.conftest import HERE
from tuetinh.care.imaging.viewer.tests.conftest import node
from tuetinh.care.imaging.viewer.tests.test_browse_the_viewer import log_in
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.labels import ACT_CODE
from tuetinh.record.steps import enter

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["node"]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
Browser = Callable[[str], Client]


@pytest.fixture
def looked(exam: Exam, switched_on: None, clean: NDArray[np.uint8]) -> AiResult:
    """A result of the examination's study."""
    told = {"StudyInstanceUID": exam.study_instance_uid}
    assert keep(HERE, ultrasound(written_on(clean), **told)).state == "stored"
    record_studies([exam.study_instance_uid])
    due()
    assert work.look_at_due() == 1
    enter(SYSTEM)
    return AiResult.objects.get()


@pytest.mark.django_db
def test_readers_see_it_and_tell_whether_it_is_right(
    exam: Exam, looked: AiResult, as_role: Browser, cast: dict[str, Account]
) -> None:
    browser, url = as_role("imaging"), f"/imaging/read/{exam.pk}"
    page = browser.get(url).content.decode()
    for words in ("Máy gợi ý (AI)", "không phải kết luận", "phiên bản 4.0", "Có chữ trên ảnh", "ngưỡng 0,70"):
        assert words in page
    assert page.count("<rect ") >= 1
    assert "Có chữ trên ảnh" not in str(browser.get(url).context["typed"])  # nothing of it is in the report
    assert measured(asker_of(cast["imaging"]), exam) == []  # nor offered for it
    assert {one.modality for one in shown(asker_of(cast["imaging"]), exam)} == {"US"}  # nor taken home
    judge = f"/imaging/ai/{looked.pk}/judge"
    for agrees in ("0", "1"):
        answer = browser.post(judge, {"agrees": agrees, "back": url})
        assert (answer.status_code, answer["location"]) == (302, url)
    assert browser.post(judge, {"agrees": "1", "back": "https://elsewhere.vn/"})["location"] == "/imaging/read"
    assert AiOpinion.objects.count() == 3
    (used,) = queries.in_use(asker_of(cast["imaging"]))
    assert (used.done, used.found, used.failed, used.agreed, used.disagreed, used.share) == (1, 1, 0, 1, 0, "100 %")
    assert "100 %" in browser.get("/imaging/ai").content.decode()
    quick = f"/imaging/look?studies={exam.study_instance_uid}"
    doctors = as_role("doctor").get(quick).content.decode()
    assert "Máy gợi ý (AI)" in doctors and "/judge" not in doctors


@pytest.mark.django_db
def test_who_may_not_see_the_study_sees_nothing(
    exam: Exam, looked: AiResult, as_role: Browser, cast: dict[str, Account]
) -> None:
    study = Study.objects.get()
    told = record.read(SYSTEM, "ImagingStudy", study.resource)
    told.meta = r4.Meta(security=[r4.Coding(system=ACT_CODE, code="SDV")])
    record.put_many(SYSTEM, [told])
    desk = asker_of(cast["imaging"])
    enter(desk)
    assert AiResult.objects.count() == 0
    assert queries.beside(desk, [study]) == []
    assert record.read_many(desk, "Observation", [looked.observation]) == {}
    assert record.read_many(asker_of(cast["doctor"]), "Observation", [looked.observation])
    for role, status in (("imaging", 404), ("doctor", 403), ("outsider", 403)):
        assert as_role(role).post(f"/imaging/ai/{looked.pk}/judge", {"agrees": "1"}).status_code == status
    assert AiOpinion.objects.count() == 0


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_reader_judges_at_the_desk(
    page: Page, node: str, exam: Exam, looked: AiResult, axe: Callable[[Page], list[str]]
) -> None:
    log_in(page, node, "cast.imaging")
    page.goto(f"{node}/imaging/read/{exam.pk}")
    panel = page.locator("#ai")
    expect(panel).to_contain_text("Máy gợi ý (AI)")
    expect(panel).to_contain_text("không phải kết luận")
    expect(panel.locator("svg rect").first).to_be_visible()
    assert axe(page) == []
    drawn = page.evaluate("fetch(document.querySelector('#ai svg image').getAttribute('href')).then((r) => r.status)")
    assert drawn == 200
    panel.get_by_role("button", name="Sai").click()
    expect(panel.get_by_role("button", name="Sai")).to_have_attribute("aria-pressed", "true")
    enter(SYSTEM)
    assert [one.agrees for one in AiOpinion.objects.all()] == [False]
    page.goto(f"{node}/imaging/ai")
    expect(page.locator("[data-model='pp-ocr-det:4.0']")).to_contain_text("0 %")
    assert axe(page) == []
