"""Segmentations in the viewer: of another writer and of a model, over slices, ultrasound and X-ray, in their place."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from highdicom.seg import Segmentation, SegmentDescription
from playwright.sync_api import expect
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from tuetinh.care.imaging.ai import documents, known
from tuetinh.care.imaging.ai.tests.conftest import colours, regions, ultrasound
from tuetinh.care.imaging.archive.keeping import keep
from tuetinh.care.imaging.archive.referring import source
from tuetinh.care.imaging.models import Exam, Instance, Study
from tuetinh.care.imaging.tests.conftest import HERE
from tuetinh.care.imaging.viewer.tests.test_browse_the_viewer import DRAWN, exam, log_in, put
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["exam"]
pytestmark = [
    pytest.mark.long,
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
# Which part of the picture of a machine that is shown is orange: from left to right, from top to bottom.
ORANGE = """(machine) => {
  const viewport = cornerstone.getEnabledElements()[0]?.viewport, imageId = viewport?.getCurrentImageId?.();
  if (cornerstone.metaData.get("generalSeriesModule", imageId)?.modality !== machine) return null;
  const canvas = viewport.element.querySelector("canvas.cornerstone-canvas");
  const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const xs = [], ys = [];
  for (let at = 0; at < data.length; at += 4) {
    if (data[at] < data[at + 2] + 60 || data[at] < data[at + 1] + 20) continue;
    xs.push((at / 4) % width);
    ys.push(Math.floor(at / 4 / width));
  }
  if (xs.length < 500) return null;
  const scale = canvas.width / canvas.clientWidth, { imageData, dimensions } = viewport.getImageData();
  const [[left, top], [right, bottom]] = [Math.min, Math.max].map((end) => {
    const [x, y] = [xs, ys].map((all) => all.reduce((one, other) => end(one, other)) / scale);
    return imageData.worldToIndex(viewport.canvasToWorld([x, y]));
  });
  return [left / dimensions[0], right / dimensions[0], top / dimensions[1], bottom / dimensions[1]];
}"""
SEGMENTS = """() => cornerstoneTools.segmentation.state.getSegmentations().map(
  (one) => [one.label, ...Object.values(one.segments).map((segment) => segment.label)])"""

NO_WEBGL = """const asked = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  return kind.startsWith("webgl") ? null : asked.call(this, kind, ...more);
};"""


@pytest.fixture
def marked(exam: Exam, shared: Path) -> Exam:
    """The examination with further pictures, and what a model has found on one of each kind."""
    uid, folder = exam.study_instance_uid, shared / "data" / "dicom"
    put(folder / "highdicom/dx_image.dcm", StudyInstanceUID=uid)
    picture = colours(folder / "dicomweb_client/US-PAL-8-10x-echo.dcm")
    told = {"StudyInstanceUID": uid, "SeriesInstanceUID": "1.2.3.4.77", "SeriesNumber": 9}
    assert keep(HERE, ultrasound(picture, **told)).state == "stored"
    enter(SYSTEM)
    study, house = Study.objects.get(study_instance_uid=uid), known.newest("pp-ocr-det")
    assert house
    rows = Instance.objects.filter(study=study).select_related("series", "study").order_by("pk")
    for file in documents.made(house, study.pk, list(regions(rows))):
        assert keep(HERE, file, study=uid).state == "stored"
    put(folder / "dcmqi/segmentations/partial_overlaps.dcm", StudyInstanceUID=uid)
    for label in ("Gan", "Lách"):
        assert keep(HERE, outlined(label, [source(one) for one in rows[:3]])).state == "stored"
    return exam


def outlined(label: str, slices: list[Dataset]) -> bytes:
    """What somebody has outlined on slices, in a series with more of it."""
    organ = codes.SCT.Organ
    outline = SegmentDescription(1, label, organ, organ, "MANUAL")
    made = Segmentation(
        slices, np.ones((3, slices[0].Rows, slices[0].Columns), np.uint8), "BINARY", [outline], "1.2.3.4.88", 50,
        generate_uid(), 1, "M", "M", "1", "1", series_description="Khoanh tay", specific_character_set="ISO_IR 192",
    )  # fmt: skip
    out = BytesIO()
    made.save_as(out)
    return out.getvalue()


def test_regions_lie_over_the_pictures(page: Page, node: str, marked: Exam) -> None:
    log_in(page, node, "cast.imaging")
    page.goto(f"{node}/imaging/viewer?StudyInstanceUIDs={marked.study_instance_uid}")
    page.wait_for_function(DRAWN, arg=1)
    listed = page.locator("[data-cy=study-browser-thumbnail-no-image]", has_text="SEG")
    for number, machine in ((8001, "CT"), (8002, "DX"), (8003, "US")):  # of the model, by the order of the pictures
        listed.filter(has_text=str(number)).dblclick()
        found = page.wait_for_function(ORANGE, arg=machine, timeout=60_000).json_value()
        assert found == pytest.approx([0.125, 0.5, 0.125, 0.25], abs=0.02), machine
    shown = [["AI: Tìm chữ trên ảnh (PP-OCRv4)", "Có chữ trên ảnh"]] * 3
    assert page.evaluate(SEGMENTS) == shown

    others = [listed.filter(has_text="Khoanh tay").nth(number) for number in (0, 1)]
    for number, one in enumerate((*others, listed.filter(has_text="Segmentation")), start=4):
        one.dblclick()
        page.wait_for_function(f"(count) => ({SEGMENTS})().length === count", arg=number, timeout=60_000)
        if one in others:
            expect(page.get_by_text("không ghi màu").first).to_be_visible()
    shown = page.evaluate(SEGMENTS)[3:]
    assert sorted(shown[:2]) == [["Khoanh tay", "Gan"], ["Khoanh tay", "Lách"]]
    assert shown[2:] == [["Segmentation", "GREEN", "ORANGE", "PURPLE", "LIGHT_BLUE", "DARK_BLUE"]]

    page.add_init_script(NO_WEBGL)  # an old machine, which draws pictures alone, goes on with them
    page.reload()
    page.wait_for_function(DRAWN, arg=1)
    listed.filter(has_text="8001").dblclick()
    expect(page.get_by_text("Không đặt được loạt ảnh này vào ô.")).to_be_visible()
    page.wait_for_function(DRAWN, arg=1)
    assert page.evaluate(SEGMENTS) == []
