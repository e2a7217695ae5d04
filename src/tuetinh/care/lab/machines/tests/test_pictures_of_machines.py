"""Scattergrams and other pictures that machines send in OBX go with the report of their order, once."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO

import pytest
from PIL import Image

from tuetinh.care.lab import actions, api, facts
from tuetinh.care.lab.machines import inbox
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import Message, Tube
from tuetinh.care.lab.results import pictures, validation
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
GLU = "23.0075.1494"


def drawn(kind: str) -> bytes:
    kept = BytesIO()
    Image.new("RGB", (8, 8), "red").save(kept, kind)
    return kept.getvalue()


def obx(place: int, content: str, *, subtype: str = "PNG", encoding: str = "Base64") -> bytes:
    return f"OBX|{place}|ED|15200^WBC DIFF Scattergram^99MRC||^Image^{subtype}^{encoding}^{content}||||||F\r".encode()


def report(order: str) -> r4.DiagnosticReport:
    return record.read(SYSTEM, "DiagnosticReport", facts.report_id(order))


@pytest.fixture
def tube(world) -> Tube:
    actions.order_tests(world.doctor, world.encounter, (GLU,))
    return Tube.objects.latest("id")


def test_a_picture_comes_with_the_results_and_is_shown_with_them(world, tube: Tube, oru) -> None:
    message = oru(tube.number, {"GLU": "5.4"}, unit="mmol/L") + obx(2, b64encode(drawn("PNG")).decode())
    assert b"MSA|AA" in (inbox.take(Frame(message), "") or b"")
    assert Message.objects.get().state == "matched"
    validation.release(world.lab, tube.number)
    [shown] = api.visit_results(world.doctor, world.encounter.id or "")
    assert [(one.title, one.kind) for one in shown.pictures] == [("WBC DIFF Scattergram", "image/png")]
    assert pictures.content(world.doctor, shown.pictures[0].id) == ("image/png", drawn("PNG"))


@pytest.mark.parametrize("kind", ["BMP", "GIF", "TIFF"])
def test_what_a_browser_may_not_show_becomes_png(world, tube: Tube, oru, kind: str) -> None:
    inbox.take(Frame(oru(tube.number, {"GLU": "5.4"}) + obx(2, drawn(kind).hex(), subtype=kind, encoding="Hex")), "")
    [media] = record.search(SYSTEM, "Media", "").resources
    media_type, content = pictures.content(SYSTEM, media.id)
    assert (media_type, Image.open(BytesIO(content)).getpixel((3, 3))) == ("image/png", (255, 0, 0))


def test_a_picture_of_too_many_pixels_is_not_opened() -> None:
    kept = BytesIO()
    Image.new("1", (5001, 5000)).save(kept, "TIFF", compression="group4")
    assert len(kept.getvalue()) < 10_000
    assert pictures.shown(kept.getvalue()) == b""
    assert pictures.shown(drawn("TIFF"))


def test_pictures_that_follow_the_report_are_appended_once(world, tube: Tube, oru) -> None:
    inbox.take(Frame(oru(tube.number, {"GLU": "5.4"}, unit="mmol/L")), "")
    validation.release(world.lab, tube.number)
    for control in ("2", "3"):
        late = oru(tube.number, {}, control=control) + obx(1, b64encode(drawn("JPEG")).decode(), subtype="JPEG")
        inbox.take(Frame(late), "")
    [media] = record.search(SYSTEM, "Media", "").resources
    kept = report(facts.id_of(media.basedOn[0]))
    assert (kept.status, [facts.id_of(one.link) for one in kept.media or []]) == ("appended", [media.id])
    assert {row.state for row in Message.objects.all()} == {"matched"}


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("AAAA", "Base64"),  # octets without a meaning that is known
        ("no base64!", "Base64"),
        ("iVBO", "A"),
        (b64encode(b"BM" + b"\0" * 40).decode(), "Base64"),  # a bitmap that breaks off
        (b64encode(b"<svg onload='alert(1)'/>").decode(), "Base64"),
    ],
)
def test_what_is_no_picture_waits_as_an_unknown_code(tube: Tube, oru, content: str, encoding: str) -> None:
    inbox.take(Frame(oru(tube.number, {"GLU": "5.4"}, unit="mmol/L") + obx(2, content, encoding=encoding)), "")
    row = Message.objects.get()
    assert (row.state, row.place) == ("unknown", "15200")
    assert record.search(SYSTEM, "Media", "").resources == []
