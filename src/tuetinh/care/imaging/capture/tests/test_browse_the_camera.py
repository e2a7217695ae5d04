"""Pictures and clips of a video device, and files that a script sends, in a real browser with Chromium's own device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connections
from django.test import Client
from playwright.sync_api import Page, expect, sync_playwright

from tuetinh.care.imaging.capture import arriving
from tuetinh.care.imaging.capture.tests.conftest import DATA
from tuetinh.care.imaging.models import Exam, Instance
from tuetinh.care.imaging.viewer.tests.conftest import node
from tuetinh.care.imaging.viewer.tests.test_browse_the_viewer import log_in
from tuetinh.node.testing import BROWSER
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

__all__ = ["node"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DEVICE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A page of a browser with a video device."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright keeps an event loop in this thread
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=[*BROWSER, *DEVICE])
        yield browser.new_page()
        browser.close()
        connections.close_all()  # while a loop runs in this thread, Django keeps a connection apart for it


def stored() -> list[tuple[str, int]]:
    """What is in the archive: SOP class and frames."""
    enter(SYSTEM)
    rows = Instance.objects.order_by("pk")
    return [(row.sop_class_uid, int((row.attributes.get("00280008", {}).get("Value") or [1])[0])) for row in rows]


def test_a_still_a_clip_and_a_large_file(
    exam: Exam, node: str, desk: Page, as_role: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "PIECE", 1000)
    log_in(desk, node, "cast.imaging")
    desk.goto(f"{node}/imaging/exams/{exam.pk}")
    desk.get_by_role("link", name="Chụp từ máy quay").click()
    expect(desk.locator("#device option")).not_to_have_count(0)  # they are named once the device is open
    desk.wait_for_timeout(700)
    desk.select_option("#kind", "US")
    desk.get_by_role("button", name="Chụp ảnh").click()
    expect(desk.locator("li[data-state=done]")).to_have_count(1)
    desk.get_by_role("button", name="Quay").click()
    desk.wait_for_timeout(1500)
    desk.get_by_role("button", name="Dừng quay").click()
    expect(desk.locator("li[data-state=done]")).to_have_count(2)
    (still, one), (clip, many) = stored()
    assert (still, one) == ("1.2.840.10008.5.1.4.1.1.6.1", 1)
    assert clip == "1.2.840.10008.5.1.4.1.1.3.1" and many > 3

    desk.goto(f"{node}/imaging/exams/{exam.pk}/add")
    wrong = Path(arriving.settings.DATA) / "no-picture.jpg"
    wrong.write_bytes(b"\xff\xd8\xff nothing")
    desk.set_input_files("#files", [DATA / "clip.mp4", wrong])
    desk.get_by_role("button", name="Thêm vào ca").click()
    expect(desk.locator("li[data-state=done]")).to_contain_text("Đã thêm video.")
    expect(desk.locator("li[data-state=failed]")).to_contain_text("Tệp hỏng")
    assert stored()[2:] == [("1.2.840.10008.5.1.4.1.1.77.1.4.1", 10)]
    desk.goto(f"{node}/imaging/exams/{exam.pk}")
    expect(desk.get_by_role("link", name="Video")).to_be_visible()
