"""Cases until their slides can be read: asked for, numbered, cut and stained, each piece with its parent."""

from __future__ import annotations

from typing import cast

import pytest

from tuetinh.care.lab.errors import NeedsReason, NotAllowed
from tuetinh.care.lab.facts import id_of
from tuetinh.care.lab.pathology import cases, reports
from tuetinh.care.lab.pathology.errors import BadStain, Lent, NoCase, NotACase, NotAPicture
from tuetinh.care.lab.pathology.models import PathologyCase, PathologyLoan, PathologyPiece
from tuetinh.care.lab.pathology.queries import archive, pace
from tuetinh.care.lab.results import pictures
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100


def specimen(piece: PathologyPiece) -> r4.Specimen:
    return cast(r4.Specimen, record.read(SYSTEM, "Specimen", piece.specimen))


def charges(patient: str) -> list[r4.ChargeItem]:
    found = record.search(SYSTEM, "ChargeItem", f"patient=Patient/{patient}").resources
    return [one for one in cast("list[r4.ChargeItem]", found) if one.status not in ("aborted", "entered-in-error")]


def test_a_request_has_its_parts_and_clinical_data_and_is_charged(world, case) -> None:
    made = case("ordered", parts=("Hang vị", " ", "Thân vị"))
    request = cast(r4.ServiceRequest, record.read(SYSTEM, "ServiceRequest", made.request))
    assert (request.note[0].text, len(request.specimen)) == ("Đau thượng vị, nội soi có loét", 2)
    assert [(p.label, p.what) for p in made.pieces.order_by("label")] == [("A", "Hang vị"), ("B", "Thân vị")]
    assert (made.number, len(charges(made.patient))) == (None, 1)


def test_what_cannot_be_asked_for(world, case) -> None:
    at = world.encounter.id
    for service, parts, clinical in (
        ("x", ["A"], "có"), ("histology", [" "], "có"), ("histology", ["A"], " "), ("histology", ["A"] * 21, "có"),
    ):  # fmt: skip
        with pytest.raises(NotACase):
            cases.ask(world.doctor, at, service, parts, clinical)
    with pytest.raises(NotAllowed):
        cases.ask(world.lab, at, "histology", ["A"], "có")
    assert (PathologyCase.objects.count(), record.search(SYSTEM, "ServiceRequest", "").resources) == (0, [])


def test_cases_are_numbered_in_their_year(world, case) -> None:
    first, second = case("received"), case("received")
    year = f"{first.received_at:%y}"
    assert (first.number, second.number) == (f"GP{year}1210400001", f"GP{year}1210400002")
    assert cases.receive(world.lab, first.pk).number == first.number
    part = specimen(first.pieces.get())
    assert (part.status, part.accessionIdentifier.value) == ("available", f"{first.number}-A")
    assert (first.due_at - first.received_at).total_seconds() == 72 * 3600


def test_blocks_and_slides_know_what_they_were_cut_from(world, case) -> None:
    made = case("received", parts=("Hang vị", "Thân vị"))
    cases.gross(world.lab, made.pk, "Hai lọ", {"A": 2, "B": 1})
    block = made.pieces.get(label="A2")
    cases.stain(world.lab, block.pk, ["HE", "GIEMSA"])
    cases.stain(world.lab, block.pk, ["HE"])
    labels = [piece.label for piece in made.pieces.order_by("label")]
    assert labels == ["A", "A1", "A2", "A2-GIEMSA", "A2-HE", "A2-HE2", "B", "B1"]
    slide = made.pieces.get(label="A2-GIEMSA")
    assert id_of(specimen(slide).parent[0]) == block.specimen
    assert id_of(specimen(block).parent[0]) == made.pieces.get(label="A").specimen
    assert specimen(slide).processing[0].procedure.text == "Giemsa tìm HP"
    made.refresh_from_db()
    assert (made.stage, len(charges(made.patient))) == ("stained", 2)  # the extra stain besides the service
    [procedure] = record.search(SYSTEM, "Procedure", "").resources
    assert cast(r4.Procedure, procedure).code.coding[0].code == "grossing"


def test_what_cannot_be_cut_or_stained(world, case) -> None:
    made = case("received")
    for blocks in ({"Z": 1}, {"A": 41}, {"A": -1}):
        with pytest.raises(NotACase):
            cases.gross(world.lab, made.pk, "mô tả", blocks)
    with pytest.raises(NeedsReason):
        cases.gross(world.lab, made.pk, " ", {"A": 1})
    part = made.pieces.get(label="A")
    for piece, keys in ((part.pk, ["HE"]), (part.pk, []), (part.pk, ["X"]), (0, ["HE"])):
        with pytest.raises(BadStain):
            cases.stain(world.lab, piece, keys)
    with pytest.raises(NotAllowed):
        cases.gross(world.doctor, made.pk, "mô tả", {"A": 1})
    made.refresh_from_db()
    assert (made.stage, made.pieces.count()) == ("received", 1)


def test_a_form_that_counts_or_names_nothing_is_refused(world, case, as_role) -> None:
    made, lab = case("received"), as_role("lab")
    for wrong in ("x", "²", "-1", "9" * 5000):
        for step, told in (
            ("gross", {"gross": "mô tả", "blocks-A": wrong}), ("stain", {"piece": wrong, "stain": "HE"}),
            ("answer", {"opinion": wrong, "text": "đồng ý"}),
        ):  # fmt: skip
            assert lab.post(f"/lab/pathology/cases/{made.pk}/{step}", told).status_code == 422
    made.refresh_from_db()
    assert (made.stage, made.pieces.count()) == ("received", 1)


def test_smears_are_stained_without_a_block(world, case) -> None:
    made = case("received", "pap", ("Cổ tử cung",))
    [slide] = cases.stain(world.lab, made.pieces.get().pk, ["PAP"])
    assert (slide.label, PathologyCase.objects.get().stage) == ("A-PAP", "stained")
    with pytest.raises(BadStain):
        cases.stain(world.lab, slide.pk, ["PAP"])


def test_a_request_is_cancelled_before_it_is_cut(world, case) -> None:
    made, cut = case("received"), case("grossed")
    with pytest.raises(NeedsReason):
        cases.cancel(world.doctor, made.pk, "")
    cases.cancel(world.doctor, made.pk, "gửi nhầm")
    request = cast(r4.ServiceRequest, record.read(SYSTEM, "ServiceRequest", made.request))
    assert (request.status, request.note[-1].text, len(charges(made.patient))) == ("revoked", "gửi nhầm", 1)
    with pytest.raises(NoCase):
        cases.cancel(world.doctor, cut.pk, "gửi nhầm")
    assert PathologyCase.objects.get(pk=cut.pk).stage == "grossed"


def test_pictures_are_kept_with_the_case(world, case) -> None:
    made = case("grossed")
    for wrong in (b"GIF89a", b"", b"%PDF-1.7", PNG + b"0" * pictures.LARGEST):
        with pytest.raises(NotAPicture):
            cases.add_picture(world.lab, made.pk, "mặt cắt", wrong)
    media = cases.add_picture(world.lab, made.pk, "mặt cắt", PNG)
    assert (media.content.contentType, media.content.title) == ("image/png", "mặt cắt")
    assert media.content.data is None  # who lists pictures reads none of them
    assert pictures.content(world.doctor, media.id) == ("image/png", PNG)
    assert len(record.search(SYSTEM, "Media", "").resources) == 1


def test_another_facilitys_case_is_not_there(world, case) -> None:
    made = case("stained")
    PathologyCase.objects.update(facility="12001")
    for do in (
        lambda: cases.receive(world.lab, made.pk), lambda: cases.gross(world.lab, made.pk, "x", {}),
        lambda: reports.draft(world.lab, made.pk, reports.Draft("histology", "", "x", {})),
        lambda: reports.lend(world.lab, made.pieces.get(label="A1").pk, "BV tỉnh"),
    ):  # fmt: skip
        with pytest.raises(NoCase):
            do()
    assert (PathologyCase.objects.get().stage, PathologyLoan.objects.count()) == ("stained", 0)


def test_blocks_have_a_place_and_are_lent_once(world, case) -> None:
    made = case("signed")
    block = made.pieces.get(label="A1")
    reports.keep_at(world.lab, block.pk, "Tủ 3 / ngăn 2")
    reports.lend(world.lab, block.pk, "BV K", "hội chẩn")
    with pytest.raises(Lent):
        reports.lend(world.lab, block.pk, "BV khác")
    assert [piece.label for piece in archive("12104", lent=True)] == ["A1"]
    assert [piece.label for piece in archive("12104", f"{made.number}-a1-he")] == ["A1-HE"]
    assert [piece.label for piece in archive("12104", "Tủ 3")] == ["A1"]
    [found] = archive("12104", f"{made.number}-A1")
    assert [loan.borrower for loan in found.away] == ["BV K"]
    reports.take_back(world.lab, block.pk)
    with pytest.raises(Lent):
        reports.take_back(world.lab, block.pk)
    with pytest.raises(NoCase):
        reports.lend(world.lab, made.pieces.get(label="A").pk, "BV K")
    assert (list(archive("12104", lent=True)), PathologyLoan.objects.count()) == ([], 1)


def test_how_long_cases_take_is_counted(world, case) -> None:
    case("signed")
    late = case("grossed")
    PathologyCase.objects.filter(pk=late.pk).update(due_at=late.received_at)
    [row] = pace("12104")
    assert (row.service.key, row.at_work, row.late, row.signed, row.in_time) == ("histology", 1, 1, 1, 100)
