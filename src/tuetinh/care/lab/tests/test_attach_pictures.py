"""Pictures and curves belong to a result: attached, shown to the doctor once it is handed out, taken back."""

from __future__ import annotations

import typing

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tuetinh.care.lab import actions, api, errors, facts
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.results import pictures
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
GRAM = "24.0001.1714"
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40


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
    actions.enter_results(world.lab, tube.number, {result: "Cầu khuẩn Gram dương"})
    kept = report(order)
    assert (kept.status, [facts.id_of(one.link) for one in kept.media or []]) == ("preliminary", [media.id])
    assert api.visit_results(world.doctor, world.encounter.id or "") == []
    actions.release(world.lab, tube.number)
    [shown] = api.visit_results(world.doctor, world.encounter.id or "")
    assert [(one.id, one.title, one.kind) for one in shown.pictures] == [(media.id, "Vi trường 100x", "image/png")]
    assert pictures.content(world.doctor, media.id or "") == ("image/png", PNG)


def test_after_the_report_it_is_appended_and_may_be_taken_back(world) -> None:
    tube, order, result = stained(world)
    actions.enter_results(world.lab, tube.number, {result: "Cầu khuẩn Gram dương"})
    actions.release(world.lab, tube.number)
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
