"""The viewer in a real browser: pictures are drawn, an earlier study beside them, and measurements are in the study."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from pydicom import dcmread

from tuetinh.care.imaging.archive.keeping import keep
from tuetinh.care.imaging.models import Exam, Instance, Series
from tuetinh.care.imaging.tests.conftest import HERE
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.node.testing import PASSWORD
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NOW = "dcmqi/segmentations/ct-3slice/0{}.dcm"
BEFORE = "pydicom_data/MR2_J2KI.dcm"
# Whether each viewport shows something: its canvas is not of one colour.
DRAWN = """count => {
  const all = [...document.querySelectorAll("canvas.cornerstone-canvas")];
  return all.length === count && all.every((one) => {
    const data = one.getContext("2d").getImageData(0, 0, one.width, one.height).data;
    return data.some((value, place) => place % 4 < 3 && value > 60);
  });
}"""


def put(path: Path, **changes: str) -> None:
    """Store a published picture as one of the patient of the tests."""
    dataset = dcmread(path)
    told = {"PatientID": "BN000017", "PatientName": "Nguyễn^Văn^Ánh", "PatientBirthDate": "19800229"}
    for keyword, value in (told | {"SpecificCharacterSet": "ISO_IR 192"} | changes).items():
        setattr(dataset, keyword, value)
    out = BytesIO()
    dataset.save_as(out)
    assert keep(HERE, out.getvalue()).state == "stored"


def log_in(page: Page, node: str, who: str) -> None:
    page.goto(f"{node}/login")
    page.fill("[name=username]", who)
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login" not in url)


@pytest.fixture
def exam(person: r4.Patient, shared: Path) -> Exam:
    """An examination whose pictures have come, of a person who was pictured years before."""
    found = Exam.objects.get(order=order(person).id)
    for number in (1, 2, 3):
        put(shared / "data" / "dicom" / NOW.format(number), StudyInstanceUID=found.study_instance_uid)
    put(shared / "data" / "dicom" / BEFORE)
    return found


def test_from_the_list_to_measurements_that_are_kept(page: Page, node: str, exam: Exam) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    log_in(page, node, "cast.imaging")
    link = page.get_by_role("link", name="Xem ảnh")
    page.goto(node + str(link.get_attribute("href")))
    page.wait_for_function(DRAWN, arg=1)
    expect(page.get_by_text("Các ca chụp")).to_be_visible()

    page.locator("[data-cy=layout-button]").click()
    page.locator("[data-cy=Layout-1-0]").click()
    page.get_by_text("SHOULDER").click()
    page.locator("[data-cy=viewport-pane]").nth(1).click()
    page.locator("[data-cy=study-browser-thumbnail]", has_text="MR").dblclick()
    page.wait_for_function(DRAWN, arg=2)

    page.locator("[data-cy=viewport-pane]").first.click()
    page.locator("[data-cy=MeasurementTools-split-button-primary]").click()
    box = page.locator("[data-cy=viewport-pane]").first.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y + 20, steps=4)
    page.mouse.move(x + 80, y + 40, steps=4)
    page.mouse.up()
    page.locator("[data-cy=panelMeasurement-btn]").click()
    page.get_by_role("button", name="Lưu số đo").click()
    expect(page.get_by_text("Đã lưu số đo vào ca chụp.")).to_be_visible()
    enter(SYSTEM)
    (series,) = Series.objects.filter(modality="SR").select_related("study")
    assert series.study.study_instance_uid == exam.study_instance_uid
    assert Instance.objects.filter(series=series).count() == 1

    page.reload()
    page.wait_for_function(DRAWN, arg=1)
    expect(page.locator("[data-cy=study-browser-thumbnail-no-image]", has_text="SR")).to_be_visible(timeout=30_000)
    assert [url for url in asked if not url.startswith((node, "blob:", "data:"))] == []


def test_a_doctor_looks_and_keeps_nothing(page: Page, node: str, exam: Exam) -> None:
    log_in(page, node, "cast.doctor")
    answer = page.goto(f"{node}/imaging/viewer?StudyInstanceUIDs={exam.study_instance_uid}")
    assert answer and answer.status == 200
    page.wait_for_function(DRAWN, arg=1)
    assert page.evaluate("document.documentElement.className") == "looks-only"
    page.context.clear_cookies()
    log_in(page, node, "cast.outsider")
    answer = page.goto(f"{node}/imaging/viewer?StudyInstanceUIDs={exam.study_instance_uid}")
    assert answer and answer.status == 403
    assert page.request.get(f"{node}/dicom-web/studies/{exam.study_instance_uid}/metadata").status == 403
