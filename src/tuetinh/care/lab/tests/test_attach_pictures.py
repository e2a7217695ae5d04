"""Pictures and curves belong to a result: attached, shown to the doctor once it is handed out, taken back."""

from __future__ import annotations

import base64
import io
import re
import typing
from dataclasses import replace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image
from pypdf import PdfReader

from tuetinh.care.lab import actions, api, errors, facts, prints
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.results import entry, pictures, validation
from tuetinh.care.lab.results.work import work_on
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.labels import ACT_CODE

pytestmark = pytest.mark.django_db
GRAM = "24.0001.1714"


def image(kind: str, mode: str = "RGB", colour: tuple[int, ...] = (200, 0, 0)) -> bytes:
    held = io.BytesIO()
    Image.new(mode, (8, 8), colour).save(held, kind)
    return held.getvalue()


PNG = image("PNG")


def stained(world) -> tuple[Tube, str, str]:
    """A tube at the bench, its order, and the id of its result."""
    [order] = actions.order_tests(world.doctor, world.encounter, [GRAM])
    tube = Tube.objects.latest("id")
    actions.receive_specimen(world.lab, tube.number)
    return tube, order.id or "", facts.observation_id(order.id or "", "GRAM")


def report(order: str) -> r4.DiagnosticReport:
    return typing.cast(r4.DiagnosticReport, record.read(SYSTEM, "DiagnosticReport", f"{order}-report"))


def test_a_picture_goes_with_the_report_of_its_order(world) -> None:
    tube, order, result = stained(world)
    media = pictures.attach(world.lab, tube.number, order, "Vi trường 100x", PNG)
    assert report(order).status == "registered"
    entry.enter_results(world.lab, tube.number, {result: "Cầu khuẩn Gram dương"})
    kept = report(order)
    assert (kept.status, [facts.id_of(one.link) for one in kept.media or []]) == ("preliminary", [media.id])
    assert api.visit_results(world.doctor, world.encounter.id or "") == []
    validation.release(world.lab, tube.number)
    [shown] = api.visit_results(world.doctor, world.encounter.id or "")
    assert [(one.id, one.title, one.kind) for one in shown.pictures] == [(media.id, "Vi trường 100x", "image/png")]
    assert pictures.content(world.doctor, media.id or "") == ("image/png", PNG)


def test_after_the_report_it_is_appended_and_may_be_taken_back(world) -> None:
    tube, order, result = stained(world)
    entry.enter_results(world.lab, tube.number, {result: "Cầu khuẩn Gram dương"})
    validation.release(world.lab, tube.number)
    media = pictures.attach(world.lab, tube.number, order, "Vi trường", PNG)
    assert (report(order).status, len(report(order).media or [])) == ("appended", 1)
    assert Tube.objects.get(pk=tube.pk).stage == "released"
    with pytest.raises(errors.NeedsReason):
        pictures.detach(world.lab, tube.number, media.id or "", " ")
    pictures.detach(world.lab, tube.number, media.id or "", "nhầm người bệnh")
    assert report(order).media is None
    assert typing.cast(r4.Media, record.read(SYSTEM, "Media", media.id or "")).status == "entered-in-error"
    with pytest.raises(errors.NoTube):
        pictures.detach(world.lab, tube.number, media.id or "", "lần nữa")


def test_what_is_no_picture_is_refused(world) -> None:
    tube, order, _ = stained(world)
    for title, content in (("", PNG), ("x", b"<svg/>"), ("x", b""), ("x", PNG + b"0" * pictures.LARGEST)):
        with pytest.raises(errors.BadPicture):
            pictures.attach(world.lab, tube.number, order, title, content)
    with pytest.raises(errors.NoTube):
        pictures.attach(world.lab, tube.number, "x", "x", PNG)
    with pytest.raises(errors.NotAllowed):
        pictures.attach(world.doctor, tube.number, order, "x", PNG)
    assert record.search(SYSTEM, "Media", "").resources == []


def kept(patient: str, kind: str) -> str:
    """The id of a Binary of a person."""
    binary = r4.Binary(contentType=kind, securityContext=facts.ref("Patient", patient))
    return record.create_binary(SYSTEM, binary, [PNG]).id or ""


def test_a_media_from_elsewhere_opens_only_pictures_of_its_person(world, as_role) -> None:
    own = facts.id_of(world.encounter.subject)
    stranger = record.create(SYSTEM, r4.Patient(gender="female")).id or ""
    doctor = as_role("doctor")

    def seen(url: str) -> tuple[int, bytes]:
        content = r4.Attachment(contentType="image/png", url=url)
        made = record.create(SYSTEM, r4.Media(status="completed", subject=world.encounter.subject, content=content))
        answer = doctor.get(f"/lab/pictures/{made.id}")
        return answer.status_code, answer.content

    picture = kept(own, "image/png")
    assert seen(f"Binary/{picture}") == (200, PNG)
    for wrong in (kept(stranger, "image/png"), kept(own, "text/html"), "none"):
        assert seen(f"Binary/{wrong}")[0] == 404
    assert seen(f"https://other.vn/Binary/{picture}")[0] == 404


def handed_out(world, *held: bytes) -> tuple[Tube, str, list[str]]:
    """A tube whose result was handed out with pictures; its order, and the ids of the pictures."""
    tube, order, result = stained(world)
    ids = [pictures.attach(world.lab, tube.number, order, f"Hình {n}", one).id or "" for n, one in enumerate(held, 1)]
    entry.enter_results(world.lab, tube.number, {result: "Cầu khuẩn Gram dương"})
    return validation.release(world.lab, tube.number), order, ids


def test_they_stand_on_the_sheet_and_what_is_transparent_is_white(world) -> None:
    tube, _, _ = handed_out(world, image("PNG", "RGBA", (0, 0, 0, 0)), image("JPEG"), b"%PDF-1.7", PNG[:40])
    shown = dict(pictures.for_print(world.lab, work_on(world.lab, tube)))
    held = {title: re.findall(r"base64,([^\"]+)", svg)[0] for title, svg in shown.items()}
    colours = {t: Image.open(io.BytesIO(base64.b64decode(one))).getpixel((4, 4)) for t, one in held.items()}
    assert {t: tuple(round(part, -1) for part in colour) for t, colour in colours.items()} == {
        "Hình 1": (260, 260, 260),
        "Hình 2": (200, 0, 0),
    }
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(prints.sheet(world.lab, tube))).pages)
    assert re.findall(r"Hình \d", text) == ["Hình 1", "Hình 2"]


def test_what_cannot_be_read_is_left_off_the_sheet(world) -> None:
    tube, order, [gone, there] = handed_out(world, PNG, PNG)
    lost = typing.cast(r4.Media, record.read(SYSTEM, "Media", gone))
    assert lost.content
    record.delete(SYSTEM, "Binary", (lost.content.url or "").partition("/")[2])
    own, ids = facts.id_of(world.encounter.subject), [gone, "none", there]
    foreign = [f"Binary/{kept(own, kind)}" for kind in ("text/html", pictures.SVG)]
    for url in ("Binary/none", "https://other.vn/x", *foreign):
        content = r4.Attachment(contentType="image/png", url=url, title="Lạ")
        media = r4.Media(status="completed", subject=world.encounter.subject, content=content)
        ids.append(record.create(SYSTEM, media).id or "")
    told = report(order)
    told.media = [r4.DiagnosticReportMedia(link=facts.ref("Media", id_)) for id_ in ids]
    record.update(SYSTEM, told)
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(prints.sheet(world.lab, tube))).pages)
    assert (re.findall(r"Hình \d|Lạ", text), "Cầu khuẩn" in text) == (["Hình 2"], True)


def test_a_picture_that_the_asker_may_not_see_is_left_off_the_sheet(world) -> None:
    tube, _, [hidden, _] = handed_out(world, PNG, PNG)
    media = typing.cast(r4.Media, record.read(SYSTEM, "Media", hidden))
    media.meta = r4.Meta(security=[r4.Coding(system=ACT_CODE, code="HIV")])
    record.update(SYSTEM, media)
    blind, work = replace(world.lab, sight=replace(world.lab.sight, labels=0)), work_on(SYSTEM, tube)
    assert [title for title, _ in pictures.for_print(world.lab, work)] == ["Hình 1", "Hình 2"]
    assert [title for title, _ in pictures.for_print(blind, work)] == ["Hình 2"]


def test_many_pictures_are_looked_up_as_one_is(world) -> None:
    def asked(count: int) -> int:
        tube, _, _ = handed_out(world, *(image("PNG", colour=(n, 0, 0)) for n in range(count)))
        work = work_on(world.lab, tube)
        with CaptureQueriesContext(connection) as made:
            assert len(list(pictures.for_print(world.lab, work))) == count
        return len([one for one in made.captured_queries if "Media" in one["sql"]])

    assert asked(1) == asked(4)


def test_its_pages(world, as_role) -> None:
    tube, order, _ = stained(world)
    lab, at = as_role("lab"), f"/lab/tubes/{tube.number}"
    lab.post(f"{at}/pictures", {"order": order, "title": "Vi trường", "file": SimpleUploadedFile("a.png", PNG)})
    [media] = record.search(SYSTEM, "Media", "").resources
    assert f'src="/lab/pictures/{media.id}"' in lab.get(at).content.decode()
    seen = lab.get(f"/lab/pictures/{media.id}")
    assert (seen.content, seen.headers["Content-Type"]) == (PNG, "image/png")
    assert as_role("outsider").get(f"/lab/pictures/{media.id}").status_code in (403, 404)
    assert as_role("cashier").get(f"/lab/pictures/{media.id}").status_code == 403
    lab.post(f"{at}/pictures/{media.id}/remove", {"reason": "nhầm"})
    assert f"/lab/pictures/{media.id}" not in lab.get(at).content.decode()
