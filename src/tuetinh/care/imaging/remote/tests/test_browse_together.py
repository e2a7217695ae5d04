"""Two browsers look at one picture: what one turns to and points at the other sees. A slow line first sees it small."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import expect
from pydicom import dcmread
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tuetinh.care.imaging.archive.keeping import keep
from tuetinh.care.imaging.models import Exam, Opinion, ReadingCase
from tuetinh.care.imaging.remote import opinions
from tuetinh.care.imaging.remote.tests.conftest import THERE, question
from tuetinh.care.imaging.tests.conftest import HERE
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record import r4

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::UserWarning:pydicom"),
]
SLICES = "dcmqi/segmentations/ct-3slice/0{}.dcm"

# Which picture OHIF shows, how bright, and where in it somebody else points.
# A function that is called before the viewer has its first picture answers that it is not so yet.
VIEWPORT = "const viewport = window.cornerstone?.getEnabledElements()[0]?.viewport; if (!viewport) return false;"
SHOWN = f"uid => {{ {VIEWPORT} return viewport.getCurrentImageId()?.includes(`/instances/${{uid}}/`); }}"
WINDOW = f"""([lower, upper]) => {{ {VIEWPORT} const {{ voiRange }} = viewport.getProperties();
  return Math.abs(voiRange.lower - lower) < 2 && Math.abs(voiRange.upper - upper) < 2; }}"""
POINTED = f"""([x, y]) => {{ {VIEWPORT} const {{ imageData, dimensions }} = viewport.getImageData();
  const {{ left, top }} = document.querySelector(".shared-pointer").style;
  const [i, j] = imageData.worldToIndex(viewport.canvasToWorld([parseFloat(left), parseFloat(top)]));
  return Math.abs(i / dimensions[0] - x) < 0.02 && Math.abs(j / dimensions[1] - y) < 0.02; }}"""


def session(account: Account) -> str:
    """The session of somebody who is logged in."""
    client = Client()
    client.force_login(account, backend="django.contrib.auth.backends.ModelBackend")
    return client.cookies[settings.SESSION_COOKIE_NAME].value


@pytest.fixture
def far_account(cast: dict[str, Account]) -> Account:
    """A reader of the other facility."""
    Account.objects.filter(username="cast.imaging").update(facility=THERE, full_name="Lò Thị Xa")
    return Account.objects.get(username="cast.imaging")


@pytest.fixture
def asked(person: r4.Patient, cast: dict[str, Account], far_account: Account, shared: Path) -> Opinion:
    """A question about three slices of a CT."""
    exam = Exam.objects.get(order=order(person).id)
    for number in (1, 2, 3):
        dataset = dcmread(shared / "data" / "dicom" / SLICES.format(number))
        told = {"PatientID": "BN000017", "PatientName": "Nguyễn^Văn^Ánh", "PatientBirthDate": "19800229"}
        told |= {"SpecificCharacterSet": "ISO_IR 192", "StudyInstanceUID": exam.study_instance_uid}
        for keyword, value in told.items():
            setattr(dataset, keyword, value)
        out = BytesIO()
        dataset.save_as(out)
        assert keep(HERE, out.getvalue()).state == "stored"
    return opinions.ask(asker_of(cast["doctor"]), [exam.study_instance_uid], question())


def entered(page: Page, node: str, account: Account) -> Page:
    """A page of somebody who is logged in."""
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session(account), "url": node}])
    return page


@pytest.mark.browser
def test_the_second_browser_follows(
    page: Page,
    node: str,
    asked: Opinion,
    cast: dict[str, Account],
    far_account: Account,
    axe: Callable[[Page], list[str]],
) -> None:
    browser = page.context.browser
    assert browser
    one = entered(page, node, cast["doctor"])
    other = entered(browser.new_context(viewport={"width": 390, "height": 844}).new_page(), node, far_account)
    url = f"{node}/imaging/look?studies={asked.studies[0]}&opinion={asked.pk}"
    for each in (one, other):
        answer = each.goto(url)
        assert answer and answer.status == 200
        expect(each.locator("#quick[data-quality=full] [data-stage] img")).to_be_visible(timeout=20_000)
    expect(one.locator("[data-people]")).to_have_text("Lò Thị Xa")
    expect(other.locator("[data-people]")).to_have_text(cast["doctor"].full_name)
    assert axe(one) + axe(other) == []

    one.locator("[data-stage]").focus()
    one.keyboard.press("ArrowDown")
    one.keyboard.press("ArrowDown")
    expect(other.locator("[data-count]")).to_have_text("3 / 3")
    one.locator("[data-windows]").select_option("400,1800")
    expect(other.locator("[data-stage] img[src*='window=400%2C1800']")).to_be_visible()
    box = one.locator("[data-stage]").bounding_box()
    assert box
    one.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    mark = other.locator(".shared-pointer")
    expect(mark).to_have_text(cast["doctor"].full_name)
    stage = other.locator("[data-stage]").bounding_box()
    assert stage
    # A square picture fills the width of the phone: a quarter down on the desk is a quarter of the picture down here.
    other.wait_for_function(
        """([left, top]) => { const m = document.querySelector(".shared-pointer");
        return Math.abs(parseFloat(m.style.left) - left) < 3 && Math.abs(parseFloat(m.style.top) - top) < 3; }""",
        arg=[stage["width"] / 2, stage["height"] / 2 - stage["width"] / 4],
    )

    other.locator("[data-range]").fill("1")
    expect(one.locator("[data-count]")).to_have_text("1 / 3")
    opinions.close(asker_of(cast["doctor"]), asked.pk)
    expect(other.locator("[data-state]")).to_have_text("Phiên cùng xem đã kết thúc.", timeout=15_000)
    other.context.close()
    one.goto(f"{node}/imaging/opinions/new?studies={asked.studies[0]}")
    assert axe(one) == []


@pytest.mark.browser
def test_the_last_turn_holds(
    page: Page, node: str, asked: Opinion, cast: dict[str, Account], far_account: Account
) -> None:
    """What comes late turns nobody back, and somebody who points at another picture points at none here."""
    entered(page, node, cast["doctor"])
    page.goto(f"{node}/imaging/look?studies={asked.studies[0]}&opinion={asked.pk}")
    expect(page.locator("#quick[data-quality=full] [data-stage] img")).to_be_visible(timeout=20_000)
    [series] = json.loads(page.locator("#series").text_content() or "")
    first, second, third = series["pictures"]
    place, told = {"study": series["study"], "series": series["uid"], "window": None}, {"pointer": [0.5, 0.5]}
    url = f"{node.replace('http', 'ws')}/imaging/live/{asked.pk}"
    headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session(far_account)}"}
    count, mark = page.locator("[data-count]"), page.locator(".shared-pointer")
    with connect(url, origin=node, additional_headers=headers) as far:

        def say(turn: int, turned: object, picture: object) -> None:
            far.send(json.dumps({"turn": turn, "view": place | {"picture": turned}, "picture": picture} | told))

        def heard(turn: int) -> dict[str, Any]:
            """What the page says, from this turn on."""
            while (state := json.loads(far.recv(20))["state"])["turn"] < turn:
                pass
            return dict(state)

        far.send(json.dumps({"hello": True, "turn": 0, "view": None}))
        assert heard(1)["view"] == place | {"picture": first}  # whoever comes is told what is looked at
        say(5, third, third)
        expect(count).to_have_text("3 / 3")
        expect(mark).to_have_text("Lò Thị Xa")
        say(4, first, first)
        expect(mark).to_have_count(0)
        expect(count).to_have_text("3 / 3")
        say(5, third, third)
        expect(mark).to_have_count(1)
        page.locator("[data-stage]").focus()
        page.keyboard.press("ArrowUp")
        assert heard(6)["view"] == place | {"picture": second}
        expect(mark).to_have_count(0)
        say(5, third, second)
        expect(mark).to_have_count(1)
        expect(count).to_have_text("2 / 3")


@pytest.mark.browser
def test_the_full_viewer_looks_along(
    page: Page, node: str, asked: Opinion, cast: dict[str, Account], far_account: Account
) -> None:
    """One has quick pictures, the other OHIF: each turns to what the other turns to, and sees where they point."""
    browser = page.context.browser
    assert browser
    one = entered(page, node, cast["doctor"])
    other = entered(browser.new_context().new_page(), node, far_account)
    one.goto(f"{node}/imaging/look?studies={asked.studies[0]}&opinion={asked.pk}")
    expect(one.locator("#quick[data-quality=full] [data-stage] img")).to_be_visible(timeout=20_000)
    expect(one.get_by_role("link", name="Trình xem đầy đủ")).to_have_attribute("href", re.compile("opinion="))
    other.goto(f"{node}/imaging/viewer?StudyInstanceUIDs={asked.studies[0]}&opinion={asked.pk}")
    expect(one.locator("[data-people]")).to_have_text("Lò Thị Xa", timeout=60_000)
    expect(other.locator("#together")).to_have_text(f"Cùng xem: {cast['doctor'].full_name}")

    [series] = json.loads(one.locator("#series").text_content() or "")
    for at in (2, 0):
        one.locator("[data-range]").fill(str(at + 1))
        other.wait_for_function(SHOWN, arg=series["pictures"][at][0])
    one.locator("[data-windows]").select_option("400,1800")
    other.wait_for_function(WINDOW, arg=[-500, 1300])
    sharp = one.locator("[data-stage] img[src*='window=400%2C1800'][src*='quality=90']")
    expect(sharp).to_be_visible()  # the last one, which no other takes the place of
    box = sharp.bounding_box()
    assert box
    side = min(box["width"], box["height"])  # of a square picture
    one.mouse.move(box["x"] + box["width"] / 2, box["y"] + (box["height"] - side) / 2 + side / 4)
    expect(other.locator(".shared-pointer")).to_have_text(cast["doctor"].full_name)
    other.wait_for_function(POINTED, arg=[0.5, 0.25])

    stage = other.locator("[data-cy=viewport-pane]").first
    pane = stage.bounding_box()
    assert pane
    other.mouse.move(pane["x"] + pane["width"] / 2, pane["y"] + pane["height"] / 2)
    expect(one.locator(".shared-pointer")).to_have_text("Lò Thị Xa")
    other.mouse.wheel(0, 100)
    expect(one.locator("[data-count]")).to_have_text("2 / 3")
    other.context.close()


@pytest.mark.browser
def test_a_slow_line_sees_a_small_picture_first(
    page: Page, node: str, asked: Opinion, cast: dict[str, Account]
) -> None:
    entered(page, node, cast["doctor"])
    got: list[tuple[str, int]] = []
    page.on(
        "response",
        lambda one: (
            got.append((one.url.partition("quality=")[2][:2], int(one.headers.get("content-length", "0"))))
            if "/rendered" in one.url
            else None
        ),
    )
    line = page.context.new_cdp_session(page)
    line.send("Network.enable")
    conditions = {"offline": False, "latency": 100, "downloadThroughput": 250_000, "uploadThroughput": 250_000}
    line.send("Network.emulateNetworkConditions", conditions)  # 2 Mbit/s
    page.goto(f"{node}/imaging/look?studies={asked.studies[0]}")
    expect(page.locator("#quick[data-quality=low] [data-stage] img")).to_be_visible(timeout=20_000)
    expect(page.locator("#quick[data-quality=full] [data-stage] img")).to_be_visible(timeout=20_000)
    assert [quality for quality, _size in got] == ["20", "90"]
    small, sharp = (size for _quality, size in got)
    assert 0 < small < 12_000  # 50 ms of that line
    assert sharp > 3 * small


@pytest.mark.browser
def test_a_reader_chooses_key_images_while_looking(
    page: Page, node: str, asked: Opinion, cast: dict[str, Account], far_account: Account
) -> None:
    Account.objects.filter(pk=far_account.pk).update(facility="12104")
    Exam.objects.update(stage="done")
    exam = Exam.objects.get()
    entered(page, node, Account.objects.get(pk=far_account.pk))
    page.goto(f"{node}/imaging/look?studies={asked.studies[0]}&exam={exam.pk}")
    star = page.locator("[data-star]")
    page.locator("[data-stage]").focus()
    page.keyboard.press("ArrowDown")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("k")
    expect(star).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("k")
    expect(star).to_have_attribute("aria-pressed", "true")
    (key,) = ReadingCase.objects.get().keys
    assert key[0] == asked.studies[0]
    page.goto(f"{node}/imaging/read/{exam.pk}")
    expect(page.get_by_role("img", name="Ảnh tiêu biểu 1")).to_be_visible()


def test_only_who_takes_part_hears(node: str, asked: Opinion, cast: dict[str, Account], far_account: Account) -> None:
    url = f"{node.replace('http', 'ws')}/imaging/live/{asked.pk}"

    def headers(account: Account) -> dict[str, str]:
        return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session(account)}"}

    for who, origin in ((cast["nurse"], node), (cast["outsider"], node), (cast["doctor"], "https://else.where")):
        with pytest.raises(InvalidStatus):
            connect(url, origin=origin, additional_headers=headers(who))
    with pytest.raises(InvalidStatus):
        connect(url, origin=node)
    with (
        connect(url, origin=node, additional_headers=headers(cast["doctor"])) as one,
        connect(url, origin=node, additional_headers=headers(far_account)) as other,
    ):
        one.send(json.dumps({"at": 3}))
        told = json.loads(other.recv(10))
        assert (told["who"], told["state"]) == (cast["doctor"].full_name, {"at": 3})
        other.send("no JSON")
        with pytest.raises(Exception, match="1003"):
            other.recv(10)
        opinions.close(asker_of(cast["doctor"]), asked.pk)
        with pytest.raises(Exception, match="1008"):
            one.recv(15)
