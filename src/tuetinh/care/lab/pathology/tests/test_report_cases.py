"""Reports: structured where the template asks for it, signed, added to and corrected without losing what was said."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import cast

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pypdf import PdfReader

from tuetinh.care.insurance.models import ClaimCase
from tuetinh.care.insurance.tests.sent import sent_claim
from tuetinh.care.lab.errors import NeedsReason, NotReadBack, NotSignatory
from tuetinh.care.lab.facts import report_id
from tuetinh.care.lab.pathology import cases, facts, reports
from tuetinh.care.lab.pathology.errors import CallFirst, NoCase, NotAReport
from tuetinh.care.lab.pathology.models import PathologyCase, PathologyOpinion
from tuetinh.care.lab.pathology.tables import templates
from tuetinh.care.lab.pathology.tests.test_prepare_cases import PNG
from tuetinh.care.lab.results import board, signing
from tuetinh.commons.access import api as access
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
CERVIX = {"adequacy": "Đạt", "zone": "Có", "category": "HSIL"}


def report(case: PathologyCase) -> r4.DiagnosticReport:
    return cast(r4.DiagnosticReport, record.read(SYSTEM, "DiagnosticReport", report_id(case.request)))


def said(world, case: PathologyCase) -> dict[str, tuple[str, str]]:
    return {key: (one.status, one.valueString) for key, one in reports.sections(world.lab, case).items()}


def test_a_report_is_signed_whole(world, case) -> None:
    made = case("drafted")
    assert (report(made).status, said(world, made)["diagnosis"]) == ("preliminary", ("preliminary", "Viêm dạ dày mạn"))
    reports.sign(world.lab, made.pk)
    made.refresh_from_db()
    final = report(made)
    assert (final.status, final.conclusion, final.identifier[0].value) == ("final", "Viêm dạ dày mạn", made.number)
    assert said(world, made) == {
        "gross": ("final", "Ba mảnh trắng 2 mm"),
        "micro": ("final", "Viêm mạn"),
        "diagnosis": ("final", "Viêm dạ dày mạn"),
    }
    assert [r.reference for r in final.result] == [
        f"Observation/{made.request}-{k}" for k in ("gross", "micro", "diagnosis")
    ]
    request = cast(r4.ServiceRequest, record.read(SYSTEM, "ServiceRequest", made.request))
    assert (request.status, made.stage, made.signed_by) == ("completed", "signed", world.lab.account)
    with pytest.raises(NoCase):
        reports.sign(world.lab, made.pk)


def test_bethesda_is_structured(world, case) -> None:
    made = case("received", "lbc", ("Cổ tử cung",))
    cases.stain(world.lab, made.pieces.get().pk, ["PAP"])
    for fields in ({}, CERVIX | {"category": ""}, CERVIX | {"category": "CIN 2"}):
        with pytest.raises(NotAReport):
            reports.draft(world.lab, made.pk, reports.Draft("cervix", "", "HSIL", fields))
    for wrong in (reports.Draft("x", "", "HSIL", CERVIX), reports.Draft("cervix", "vi thể", " ", CERVIX)):
        with pytest.raises(NotAReport):
            reports.draft(world.lab, made.pk, wrong)
    assert PathologyCase.objects.get().stage == "stained"
    reports.draft(world.lab, made.pk, reports.Draft("cervix", "", "Tổn thương biểu mô vảy độ cao", CERVIX, "8077/2"))
    assert list(said(world, made)) == ["adequacy", "zone", "category", "diagnosis"]
    coding = report(made).conclusionCode[0].coding[0]
    assert (coding.system, coding.code) == (facts.ICD_O, "8077/2")
    reports.draft(world.lab, made.pk, reports.Draft("cervix", "", "NILM", CERVIX | {"zone": "", "category": "NILM"}))
    assert said(world, made)["category"] == ("preliminary", "NILM") and "zone" not in said(world, made)


def test_every_template_is_whole() -> None:
    assert set(templates()) == {"histology", "cytology", "cervix", "thyroid"}
    for form in templates().values():
        assert all(len(set(field.choices)) == len(field.choices) > 1 and field.name_en for field in form.fields)
    assert [len(field.choices) for field in templates()["thyroid"].fields] == [6]


def test_a_frozen_section_is_called_before_it_is_signed(world, case) -> None:
    made = case("received", "frozen", ("Rìa cắt",))
    assert (made.urgent, (made.due_at - made.received_at).total_seconds()) == (True, 30 * 60)
    cases.stain(world.lab, made.pieces.get().pk, ["HE"])
    draft = reports.Draft("histology", "", "Rìa còn u", {})
    reports.draft(world.lab, made.pk, draft)
    with pytest.raises(CallFirst):
        reports.sign(world.lab, made.pk)
    with pytest.raises(NotReadBack):
        reports.call(world.lab, made.pk, "BS mổ", read_back=False)
    reports.call(world.lab, made.pk, "BS mổ", answered=False)
    assert PathologyCase.objects.get().call_due
    reports.call(world.lab, made.pk, "BS Hà, phòng mổ 2")
    logged = [(one.what, one.told, one.answered) for one in board.calls(world.lab, "12104")]
    assert sorted(logged) == [
        ("Chẩn đoán giải phẫu bệnh Rìa còn u", "BS Hà, phòng mổ 2", True),
        ("Chẩn đoán giải phẫu bệnh Rìa còn u", "BS mổ", False),
    ]
    reports.draft(world.lab, made.pk, reports.Draft("histology", "", "Rìa không còn u", {}))
    assert PathologyCase.objects.get().call_due  # what was told is no longer so
    reports.call(world.lab, made.pk, "BS Hà")
    assert reports.sign(world.lab, made.pk).stage == "signed"


def test_an_addendum_leaves_the_report_as_it_was(world, case) -> None:
    made = case("signed")
    before = said(world, made)
    with pytest.raises(NeedsReason):
        reports.add(world.lab, made.pk, " ")
    reports.add(world.lab, made.pk, "Nhuộm Giemsa: HP (+)")
    reports.add(world.lab, made.pk, "PAS âm tính")
    assert said(world, made) == before | {
        "addendum-1": ("final", "Nhuộm Giemsa: HP (+)"),
        "addendum-2": ("final", "PAS âm tính"),
    }
    assert (report(made).status, report(made).conclusion) == ("appended", "Viêm dạ dày mạn")


def test_a_correction_keeps_what_was_said_and_why(world, case) -> None:
    made = case("signed")
    new = reports.Draft("histology", "Viêm mạn", "Ung thư biểu mô tuyến", {"grade": "Độ 2"}, "8140/3")
    with pytest.raises(NeedsReason):
        reports.correct(world.lab, made.pk, new, " ")
    assert report(made).conclusion == "Viêm dạ dày mạn"
    reports.correct(world.lab, made.pk, new, "đọc lại tiêu bản")
    found = reports.sections(world.lab, made)
    assert (found["diagnosis"].status, found["micro"].status, found["grade"].status) == ("corrected", "final", "final")
    assert found["diagnosis"].note[0].text == "Trước khi sửa: Viêm dạ dày mạn. Lý do: đọc lại tiêu bản"
    assert (report(made).status, facts.code_of(report(made))) == ("corrected", "8140/3")
    reports.correct(world.lab, made.pk, reports.Draft("histology", "", "Ung thư biểu mô tuyến", {}, "8140/3"), "bỏ độ")
    assert list(reports.sections(world.lab, made)) == ["gross", "diagnosis"]
    gone = cast(r4.Observation, record.read(SYSTEM, "Observation", f"{made.request}-grade"))
    assert (gone.status, gone.note[-1].text) == ("entered-in-error", "Trước khi sửa: Độ 2. Lý do: bỏ độ")


def test_a_report_after_the_claim_was_accepted_has_it_sent_again(world, case) -> None:
    made, sent = case("stained"), sent_claim(encounter=world.encounter.id)

    def again(do: Callable[[], object]) -> str:
        ClaimCase.objects.update(state="accepted", changed="")
        do()
        sent.refresh_from_db()
        return sent.state

    read = reports.Draft("histology", "Viêm mạn", "Viêm dạ dày mạn", {})
    assert again(lambda: reports.draft(world.lab, made.pk, read)) == "accepted"
    assert again(lambda: reports.sign(world.lab, made.pk)) == "waiting"
    assert sent.words == "Trả hoặc sửa kết quả giải phẫu bệnh sau khi gửi: gửi lại."
    assert again(lambda: reports.add(world.lab, made.pk, "HP (+)")) == "waiting"
    other = reports.Draft("histology", "Viêm mạn", "Viêm dạ dày mạn, HP (+)", {})
    assert again(lambda: reports.correct(world.lab, made.pk, other, "đọc lại")) == "waiting"


def test_only_those_who_are_named_sign(world, case, cast) -> None:
    made = case("drafted")
    other = cast["lab"]
    other.pk, other.username = None, "cast.signer"
    other.save()
    signing.name_signers(access.asker_of(cast["admin"]), {str(other.pk)})
    with pytest.raises(NotSignatory):
        reports.sign(world.lab, made.pk)
    assert (PathologyCase.objects.get().stage, report(made).status) == ("drafted", "preliminary")
    asked = reports.ask_opinion(world.lab, made.pk, "BV K", "có loạn sản không")
    assert reports.sign(access.asker_of(other), made.pk).stage == "signed"
    for do in (
        lambda: reports.answer_opinion(world.lab, asked.pk, "có"),
        lambda: reports.add(world.lab, made.pk, "thêm"),
        lambda: reports.correct(world.lab, made.pk, reports.Draft("histology", "", "khác", {}), "x"),
    ):
        with pytest.raises(NotSignatory):
            do()
    assert (report(made).status, PathologyOpinion.objects.get().answered_at) == ("final", None)
    reports.answer_opinion(access.asker_of(other), asked.pk, "không")
    assert report(made).status == "appended"


def test_a_second_opinion_is_part_of_the_case(world, case) -> None:
    made = case("drafted")
    with pytest.raises(NeedsReason):
        reports.ask_opinion(world.lab, made.pk, "BV K", "")
    asked = reports.ask_opinion(world.lab, made.pk, "BV K, BS Nam", "có loạn sản không")
    reports.answer_opinion(world.lab, asked.pk, "Không loạn sản")
    with pytest.raises(NoCase):
        reports.answer_opinion(world.lab, asked.pk, "lần nữa")
    assert said(world, made)[f"opinion-{asked.pk}"] == ("final", "Không loạn sản")
    assert PathologyOpinion.objects.get().answered_by == world.lab.account
    reports.sign(world.lab, made.pk)
    late = reports.ask_opinion(world.lab, made.pk, "BV tỉnh", "hội chẩn")
    reports.answer_opinion(world.lab, late.pk, "Đồng ý")
    assert report(made).status == "appended"


def test_the_pages_lead_from_the_request_to_the_paper(world, case, as_role) -> None:
    case("signed")
    doctor, lab = as_role("doctor"), as_role("lab")
    at = f"/lab/pathology/visits/{world.encounter.id}"
    told = {"service": "histology", "parts": "Hang vị\r\nThân vị", "clinical": "Loét"}
    refused = doctor.post(at, told | {"clinical": " "})
    assert refused.status_code == 422 and "Hang vị" in refused.content.decode()
    assert doctor.post(at, told).status_code == 302
    made = PathologyCase.objects.latest("id")
    page = f"/lab/pathology/cases/{made.pk}"
    lab.post(f"{page}/receive")
    lab.post(f"{page}/gross", {"gross": "Hai mảnh", "blocks-A": "1", "blocks-B": "1"})
    png = io.BytesIO(PNG)
    png.name = "anh.png"
    lab.post(f"{page}/picture", {"picture": png})
    lab.post(f"{page}/stain", {"piece": made.pieces.get(label="A1").pk, "stain": ["HE"]})
    wrong = lab.post(f"{page}/draft", {"template": "histology", "micro": "đã đọc", "diagnosis": " "})
    assert wrong.status_code == 422 and "đã đọc" in wrong.content.decode()
    lab.post(
        f"{page}/draft", {"template": "histology", "micro": "đã đọc", "diagnosis": "Viêm mạn", "grade": "Không áp dụng"}
    )
    assert "đã đọc" not in doctor.get(page).content.decode()  # a draft is the laboratory's
    assert doctor.get(f"{page}/report.pdf").status_code == 404
    lab.post(f"{page}/sign/report")
    assert "Viêm mạn" in doctor.get(page).content.decode()
    lab.post(f"{page}/sign/addendum", {"text": "HP dương tính"})
    text = PdfReader(io.BytesIO(doctor.get(f"{page}/report.pdf").content)).pages[0].extract_text()
    assert "GIẢI PHẪU BỆNH" in text and "HP dương tính" in text and "Có bổ sung" in text
    media = facts.pictures_of(report(made))
    picture = doctor.get(f"/lab/pictures/{media[0]}")
    assert (picture.content, picture.headers["Content-Type"]) == (PNG, "image/png")
    made.refresh_from_db()
    block = made.pieces.get(label="A1")
    zpl = lab.get(f"/lab/pathology/pieces/{block.pk}/label.zpl").content.decode()
    assert f"^BXN,3,200^FH^FD{made.number}-A1^FS" in zpl and "^BY2^BCN" in zpl
    assert lab.get(f"/lab/pathology/pieces/{block.pk}/label.pdf").status_code == 200
    lab.post(f"/lab/pathology/pieces/{block.pk}/keep", {"place": "Tủ 1"})
    lab.post(f"/lab/pathology/pieces/{block.pk}/lend", {"borrower": "BV K"})
    assert "BV K" in lab.get("/lab/pathology/archive?list=lent").content.decode()
    assert lab.get(f"/lab/pathology?q={made.number}-A1").headers["Location"] == page
    PathologyCase.objects.update(facility="12001")
    assert [lab.get(p).status_code for p in (page, f"{page}/report.pdf")] == [404, 404]


def test_lists_of_pathology_take_as_many_queries_for_one_as_for_many(
    world, case, as_role, django_assert_num_queries
) -> None:
    lab, counted = as_role("lab"), {}
    case("stained")
    paths = ("/lab/pathology?stage=stained", "/lab/pathology/archive")
    for path in paths:
        lab.get(path)
        with CaptureQueriesContext(connection) as one:
            lab.get(path)
        counted[path] = len(one.captured_queries)
        assert counted[path] < 25
    for _ in range(3):
        made = case("stained")
        reports.lend(world.lab, made.pieces.get(label="A1").pk, "BV K")
    for path in paths:
        lab.get(path)  # names are kept for a minute
        with django_assert_num_queries(counted[path]):
            lab.get(path)
