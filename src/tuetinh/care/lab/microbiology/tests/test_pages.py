"""The pages of the bench and of the reports: what they lead to, whom they refuse, how many queries they take."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tuetinh.care.lab import actions as lab
from tuetinh.care.lab.microbiology import actions
from tuetinh.care.lab.microbiology.actions import Draft
from tuetinh.care.lab.models import BreakpointTable, CultureStep, IsolateProposal, Tube
from tuetinh.care.lab.results import validation
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
URINE = "24.0003.1715/URINECULT"


def received(world) -> tuple[Tube, str]:
    [order] = lab.order_tests(world.doctor, world.encounter, [URINE])
    tube = Tube.objects.latest("id")
    lab.receive_specimen(world.lab, tube.number)
    return tube, order.id


def text(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def test_the_bench_leads_from_the_first_reading_to_the_antibiogram(world, as_role) -> None:
    client = as_role("lab")
    tube, order = received(world)
    at = f"/lab/cultures/{tube.number}"
    page = text(client.get("/lab/cultures"))
    assert tube.number in page and "Chưa đọc" in page
    assert client.get("/lab/cultures", {"q": tube.number}).headers["Location"] == at
    wrong = client.post(f"{at}/{order}/step", {"outcome": "growth", "hours": "-1"})
    assert (wrong.status_code, CultureStep.objects.count()) == (422, 0)
    client.post(f"{at}/{order}/step", {"outcome": "no-growth", "hours": "24"})
    assert "Chưa mọc sau 24 giờ" in text(client.get(at))
    new = f"{at}/{order}/isolates/0"
    unknown = client.post(new, {"organism": "con mèo"})
    assert unknown.status_code == 422 and "Chọn một vi sinh vật trong danh mục." in text(unknown)
    kept = client.post(new, {"organism": "kpn – Klebsiella pneumoniae", "quantity": "3+"})
    one = f"{at}/{order}/isolates/1"
    assert kept.headers["Location"] == one
    page = text(client.get(one))
    assert 'name="value-MEM"' in page and 'name="value-VAN"' not in page and "EUCAST 2024 (v14.0)" in page
    typed = {"organism": "kpn", "method-MEM": "disk", "value-MEM": "cao"}
    wrong = client.post(one, typed)
    assert wrong.status_code == 422 and 'value="cao"' in text(wrong) and "Gõ số mm" in text(wrong)
    client.post(one, typed | {"value-MEM": "12", "method-AMP": "disk", "value-AMP": "20", "found-ESBL": "+"})
    page = text(client.get(at))
    assert (
        "CRE" in page
        and "ESBL" in page
        and "R đề kháng" in page
        and "Kháng tự nhiên" in page
        and "INTRINSIC" not in page
    )
    assert "Klebsiella pneumoniae" in text(client.get(f"/lab/tubes/{tube.number}"))
    client.post(f"{one}/drop", {"reason": "nhầm đĩa"})
    assert "Klebsiella" not in text(client.get(at))


def test_another_facility_finds_nothing(world, as_role) -> None:
    tube, order = received(world)
    outsider = as_role("outsider")
    for path in (f"/lab/cultures/{tube.number}", f"/lab/cultures/{tube.number}/{order}/isolates/0"):
        assert outsider.get(path).status_code in (403, 404)
    assert as_role("doctor").get("/lab/cultures").status_code == 403
    assert as_role("citizen").get("/lab/antibiogram").status_code == 403
    assert as_role("lab").get(f"/lab/cultures/{tube.number}/x/isolates/0").status_code == 404
    assert as_role("lab").get("/lab/cultures/nothing").status_code == 404


def test_a_proposal_is_taken_by_a_button(world, as_role) -> None:
    tube, order = received(world)
    row = IsolateProposal.objects.create(
        tube=tube, order=order, number=1, machine="VITEK 2", at=tube.ordered_at,
        content={"organism": "eco", "tests": [["CIP", "mic", "<=0.25", "S"]]},
    )  # fmt: skip
    client, at = as_role("lab"), f"/lab/cultures/{tube.number}"
    assert "VITEK 2 đề nghị: Escherichia coli" in text(client.get(at))
    assert "Máy có kết quả" in text(client.get("/lab/cultures"))
    client.post(f"{at}/{order}/proposals/{row.pk}", {"do": "take"})
    assert "1. Escherichia coli" in text(client.get(at))
    assert client.post(f"{at}/{order}/proposals/{row.pk}", {"do": "take"}).status_code == 404


def test_the_reports_are_seen_and_taken_away(world, as_role) -> None:
    tube, order = received(world)
    actions.save_isolate(world.lab, tube.number, order, 0, Draft("eco", tests=[("CIP", "disk", "30")]))
    validation.release(world.lab, tube.number)
    client = as_role("lab")
    page = text(client.get("/lab/antibiogram"))
    assert 'data-organism="eco"' in page and "n=1" in page
    assert client.get("/lab/antibiogram", {"first": "02/01/2026", "last": "01/01/2026"}).status_code == 422
    assert "Không có chủng nào" in text(client.get("/lab/antibiogram", {"first": "01/01/2020", "last": "02/01/2020"}))
    assert client.get("/lab/antibiogram.xlsx").content[:2] == b"PK"
    assert client.get("/lab/whonet.txt").content.decode().splitlines()[1].startswith("VNM|12104|")
    assert client.get("/lab/whonet.sqlite").content[:15] == b"SQLite format 3"
    assert client.get("/lab/whonet.exe").status_code == 404
    assert as_role("doctor").get("/lab/antibiogram").status_code == 200
    assert as_role("doctor").get("/lab/whonet.txt").status_code == 403


def test_an_administrator_adds_the_breakpoints_of_a_year(world, as_role) -> None:
    admin = as_role("admin")
    table = b"organisms,site,antibiotic,disk,zone_s,zone_r,mic_s,mic_r\neco,,CIP,5,26,21,0.25,1\n"
    told = {"standard": "CLSI", "year": "2026", "version": "M100-Ed36", "from_day": "01/01/2026", "why": "năm mới"}
    bad = admin.post("/lab/breakpoints", told | {"table": SimpleUploadedFile("t.csv", table.replace(b"eco", b"cat"))})
    assert bad.status_code == 422 and "Dòng 2" in text(bad)
    assert (
        as_role("lab").post("/lab/breakpoints", told | {"table": SimpleUploadedFile("t.csv", table)}).status_code == 422
    )
    assert BreakpointTable.objects.count() == 0
    assert admin.post("/lab/breakpoints", told | {"table": SimpleUploadedFile("t.csv", table)}).status_code == 302
    page = text(as_role("lab").get("/lab/breakpoints"))
    assert "CLSI 2026 (M100-Ed36)" in page and "R ≤ 21" in page and "Đưa vào dùng" not in page


def test_the_incubator_takes_as_many_queries_for_one_culture_as_for_many(
    world, as_role, django_assert_num_queries, django_assert_max_num_queries
) -> None:
    client = as_role("lab")
    tube, order = received(world)
    actions.note_step(world.lab, tube.number, order, outcome="no-growth", hours=24)
    client.get("/lab/cultures")
    with django_assert_max_num_queries(25) as one:
        client.get("/lab/cultures")
    for _ in range(4):
        tube, order = received(world)
        actions.note_step(world.lab, tube.number, order, outcome="no-growth", hours=24)
        actions.save_isolate(world.lab, tube.number, order, 0, Draft("eco"))
    with django_assert_num_queries(len(one.captured_queries)):
        client.get("/lab/cultures")


def test_a_bench_takes_as_many_queries_for_one_isolate_as_for_many(
    world, as_role, django_assert_num_queries, django_assert_max_num_queries
) -> None:
    client = as_role("lab")
    tube, order = received(world)
    actions.save_isolate(world.lab, tube.number, order, 0, Draft("eco", tests=[("CIP", "disk", "30")]))
    at = f"/lab/cultures/{tube.number}"
    client.get(at)
    with django_assert_max_num_queries(40) as one:
        client.get(at)
    for organism in ("kpn", "pae", "sau"):
        actions.save_isolate(world.lab, tube.number, order, 0, Draft(organism, tests=[("CIP", "disk", "30")]))
    with django_assert_num_queries(len(one.captured_queries)):
        client.get(at)


def test_the_citizen_reads_in_plain_words_which_antibiotics_help(world, cast, client) -> None:
    citizen = cast["citizen"]
    visit = record.create(
        SYSTEM,
        r4.Encounter(
            status="in-progress", class_=world.encounter.class_, serviceProvider=world.encounter.serviceProvider,
            subject=r4.Reference(reference=f"Patient/{citizen.patient}"),
        ),
    )  # fmt: skip
    [order] = lab.order_tests(world.doctor, visit, [URINE])
    tube = Tube.objects.latest("id")
    lab.receive_specimen(world.lab, tube.number)
    tests = [("CIP", "disk", "30"), ("AMP", "disk", "6")]
    actions.save_isolate(world.lab, tube.number, order.id, 0, Draft("eco", tests=tests))
    validation.release(world.lab, tube.number)
    client.force_login(citizen, backend="django.contrib.auth.backends.ModelBackend")
    page = text(client.get("/me/results/41852-5"))
    assert "Escherichia coli" in page
    assert "Kháng sinh có tác dụng: Ciprofloxacin" in page and "Kháng sinh không còn tác dụng: Ampicillin" in page
