"""The citizen's pages over the real record: all of one's own, nothing of anyone else's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tuetinh.care.billing import api as billing
from tuetinh.care.billing.models import Payment
from tuetinh.care.reception import api as reception
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.identity.merging import merge, unmerge
from tuetinh.community.portal.drawing import curve
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.errors import Forbidden
from tuetinh.record.imports import import_paths
from tuetinh.record.steps import enter

if TYPE_CHECKING:
    from django.test import Client

    from tuetinh.commons.access.models import Account

pytestmark = pytest.mark.django_db
ME = "cast-citizen"
PAGES = ("", "/turn", "/results", "/medicines", "/visits", "/record/payments", "/record", "/record/accesses")
LOINC, HL7 = "http://loinc.org", "http://terminology.hl7.org/CodeSystem"


def instant(days_ago: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def concept(text: str, code: str = "", system: str = LOINC) -> r4.CodeableConcept:
    return r4.CodeableConcept(coding=[r4.Coding(system=system, code=code)] if code else None, text=text or None)


def visit(patient: str, days_ago: int = 0, id_: str | None = None) -> r4.Encounter:
    return record.create(
        SYSTEM,
        r4.Encounter(
            id=id_,
            status="finished",
            class_=r4.Coding(system=f"{HL7}/v3-ActCode", code="AMB"),
            subject=r4.Reference(reference=f"Patient/{patient}"),
            period=r4.Period(start=instant(days_ago)),
            reasonCode=[concept("Tái khám")],
            serviceProvider=r4.Reference(reference="Organization/12104", display="Trung tâm Y tế huyện Than Uyên"),
        ),
    )


def result(patient: str, value: str, days_ago: int, encounter: str = "") -> r4.Observation:
    limits = r4.ObservationReferenceRange(low=r4.Quantity(value=Decimal("4.0")), high=r4.Quantity(value=Decimal("6.0")))
    flag = "H" if Decimal(value) > 6 else "N"
    return record.create(
        SYSTEM,
        r4.Observation(
            status="final",
            category=[concept("", "laboratory", f"{HL7}/observation-category")],
            code=concept("HbA1c", "4548-4"),
            subject=r4.Reference(reference=f"Patient/{patient}"),
            encounter=r4.Reference(reference=f"Encounter/{encounter}") if encounter else None,
            effectiveDateTime=instant(days_ago),
            valueQuantity=r4.Quantity(value=Decimal(value), unit="%"),
            interpretation=[concept("", flag, f"{HL7}/v3-ObservationInterpretation")],
            referenceRange=[limits],
        ),
    )


def prescribe(patient: str, name: str, days: int, days_ago: int = 0, encounter: str = "") -> None:
    record.create(
        SYSTEM,
        r4.MedicationRequest(
            status="active",
            intent="order",
            medicationCodeableConcept=concept(name),
            subject=r4.Reference(reference=f"Patient/{patient}"),
            encounter=r4.Reference(reference=f"Encounter/{encounter}") if encounter else None,
            authoredOn=instant(days_ago),
            dosageInstruction=[r4.Dosage(text="Ngày uống 1 lần, mỗi lần 1 viên, buổi sáng")],
            dispenseRequest=r4.MedicationRequestDispenseRequest(
                expectedSupplyDuration=r4.Duration(value=Decimal(days), unit="ngày")
            ),
        ),
    )


@pytest.fixture
def me(as_role: Callable[[str], Client]) -> Client:
    return as_role("citizen")


@pytest.fixture
def stranger(cast: dict[str, Account]) -> str:
    """A person whom the citizen has no business with, with a visit and a result of their own."""
    record.create(SYSTEM, r4.Patient(id="stranger", name=[r4.HumanName(text="Giàng A Páo")]))
    visit("stranger", id_="strangers-visit")
    result("stranger", "9.9", 1, "strangers-visit")
    prescribe("stranger", "Thuốc của người khác", 30)
    return "strangers-visit"


class Silent:
    """Lets an import go without a word."""

    def advanced(self, *_told: object) -> None:
        """Something was stored."""

    def refused(self, place: str, name: str, issues: object) -> None:
        """A resource was refused."""


def text(client: Client, url: str, status: int = 200) -> str:
    answer = client.get(url)
    assert answer.status_code == status
    return " ".join(answer.content.decode().split())


@pytest.mark.parametrize("page", PAGES)
def test_empty_pages_are_kind(me: Client, page: str) -> None:
    answer = me.get(f"/me{page}")
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]


def test_empty_pages_say_so(me: Client) -> None:
    assert "Hồ sơ của bạn còn trống" in text(me, "/me")
    assert "Chưa có kết quả xét nghiệm" in text(me, "/me/results")
    assert "Chưa có lượt khám nào" in text(me, "/me/visits")
    assert "Chưa có khoản nào" in text(me, "/me/record/payments")


def test_the_turn_counts_who_is_before(me: Client, cast: dict[str, Account]) -> None:
    desk = asker_of(cast["reception"])
    for n in range(2):
        other = record.create(SYSTEM, r4.Patient(name=[r4.HumanName(text=f"Lò Thị {n}")]))
        reception.open_visit(desk, str(other.id), "12104", "12104-noi2", "Ho")
    mine = reception.open_visit(desk, ME, "12104", "12104-noi2", "Đau đầu")
    page = text(me, "/me/turn")
    assert "Đang chờ khám, còn 2 người" in page
    assert f"</span> {mine.number}</p>" in page
    assert "Phòng khám Nội 2" in page
    assert "channel=queue:12104-noi2&amp;channel=visit:" in page
    assert "Lò Thị 0" not in page
    reception.call(asker_of(cast["doctor"]), mine.encounter)
    assert "Đến lượt, mời vào phòng" in text(me, "/me/turn")


def test_results_in_plain_words_with_their_course(me: Client) -> None:
    for value, days in (("8.4", 300), ("7.6", 200), ("6.9", 1)):
        result(ME, value, days)
    assert "hơi cao" in text(me, "/me/results")
    page = text(me, "/me/results/4548-4")
    assert "6,9" in page
    assert "Đang tốt dần lên so với lần trước." in page
    assert page.count("<circle") == 3
    assert 'class="band"' in page
    assert page.count("<tr>") == 4
    assert "4548-4" not in page.replace("/me/results/4548-4", "")


def test_medicines_tell_dose_and_days_left(me: Client) -> None:
    prescribe(ME, "Amlodipin 5 mg", 30, days_ago=10)
    prescribe(ME, "Paracetamol 500 mg", 5, days_ago=60)
    page = text(me, "/me/medicines")
    now, before = page.split("Thuốc đã dùng")
    assert "Amlodipin 5 mg" in now
    assert "Ngày uống 1 lần, mỗi lần 1 viên, buổi sáng" in now
    assert "còn 20 ngày" in now
    assert "Paracetamol" not in now
    assert "Paracetamol 500 mg" in before


def test_a_visit_with_its_costs_and_receipt(me: Client) -> None:
    mine = visit(ME, 0)
    result(ME, "6.9", 0, str(mine.id))
    prescribe(ME, "Metformin 500 mg", 30, encounter=str(mine.id))
    billing.charge(SYSTEM, mine, "23.0075.1494", 1, unit_price=Decimal(21_500))
    billing.pay_cash(SYSTEM, str(mine.id), Decimal(21_500), facility="12104")
    page = text(me, f"/me/visits/{mine.id}")
    for said in ("Tái khám", "hơi cao", "Metformin 500 mg", "21.500", "Trung tâm Y tế huyện Than Uyên"):
        assert said in page
    payment = Payment.objects.get()
    assert "đã trả đủ" in text(me, "/me/record/payments")
    paper = me.get(f"/me/record/receipts/{payment.pk}.pdf")
    assert paper["Content-Type"] == "application/pdf"
    assert paper.content.startswith(b"%PDF")


def closed(cast: dict[str, Account], patient: str) -> str:
    """A visit that was received, seen and closed here."""
    desk, doctor = asker_of(cast["reception"]), asker_of(cast["doctor"])
    here = reception.open_visit(desk, patient, "12104", "12104-noi2", "Đau đầu")
    reception.call(doctor, here.encounter)
    reception.start(doctor, here.encounter)
    prescribe(patient, "Paracetamol 500 mg", 5, encounter=here.encounter)
    reception.finish(doctor, here.encounter)
    return here.encounter


def test_the_papers_of_a_closed_visit(me: Client, cast: dict[str, Account]) -> None:
    mine = closed(cast, ME)
    assert text(me, f"/me/visits/{mine}").count(".pdf") == 2
    for kind in ("summary", "prescription"):
        assert me.get(f"/me/visits/{mine}/{kind}.pdf").content.startswith(b"%PDF")
    assert me.get(f"/me/visits/{mine}/other.pdf").status_code == 404


def test_no_papers_of_another_person(me: Client, stranger: str, cast: dict[str, Account]) -> None:
    theirs = closed(cast, "stranger")
    for kind in ("summary", "prescription"):
        assert me.get(f"/me/visits/{theirs}/{kind}.pdf").status_code == 404
        assert me.get(f"/me/visits/{stranger}/{kind}.pdf").status_code == 404


def test_nothing_of_another_person(me: Client, stranger: str, cast: dict[str, Account]) -> None:
    theirs = record.read(SYSTEM, "Encounter", stranger)
    assert isinstance(theirs, r4.Encounter)
    billing.charge(SYSTEM, theirs, "23.0075.1494", 1, unit_price=Decimal(5000))
    billing.pay_cash(SYSTEM, stranger, Decimal(5000), facility="12104")
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM record.feed")
        changes = cursor.fetchone()[0]
    payment = Payment.objects.get()
    for url in (
        f"/me/visits/{stranger}",
        "/me/results/4548-4",
        f"/me/record/receipts/{payment.pk}.pdf",
        "/me/visits/none",
    ):
        assert me.get(url).status_code == 404
        assert me.post(url).status_code == 405
    for page in PAGES:
        shown = text(me, f"/me{page}")
        assert "Giàng" not in shown
        assert "Thuốc của người khác" not in shown
        assert "9,9" not in shown
    assert Payment.objects.count() == 1
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM record.feed")
        assert cursor.fetchone()[0] == changes


@pytest.mark.parametrize("asked", ["next=x", "before=x", "before=-1", "before=9" * 30, "page=zero"])
def test_a_bad_page_is_no_failure(me: Client, asked: str) -> None:
    for page in ("/visits", "/record/accesses", "/results", "/record/payments"):
        assert me.get(f"/me{page}?{asked}").status_code in (200, 404)


@pytest.mark.parametrize("code", ["a,b", "a|b", "$", "\\"])
def test_a_strange_code_is_not_found(me: Client, code: str) -> None:
    assert me.get(f"/me/results/{code}").status_code == 404


def test_who_has_looked(me: Client, cast: dict[str, Account]) -> None:
    doctor = asker_of(cast["doctor"])
    record.read(doctor, "Patient", ME)
    record.search(doctor, "Patient", f"_id={ME}")
    text(me, "/me/record")
    seen = record.accesses(asker_of(cast["citizen"]), ME)
    assert [(a.role, a.facility, a.purpose, a.types, a.changed) for a in seen] == [
        ("doctor", "12104", "TREAT", ("Patient",), False),
        ("system", "", "HOPERAT", ("Patient",), True),
    ]
    page = text(me, "/me/record/accesses")
    assert "Bác sĩ" in page
    assert "Trung tâm Y tế huyện Than Uyên" in page
    assert "Để khám và chữa bệnh" in page
    assert "cast.doctor" not in page


def test_the_log_is_paged_and_kept_from_others(cast: dict[str, Account]) -> None:
    citizen, doctor = asker_of(cast["citizen"]), asker_of(cast["doctor"])
    for role in ("doctor", "nurse", "lab"):
        record.read(asker_of(cast[role]), "Patient", ME)
    whole = record.accesses(citizen, ME)
    assert [a.role for a in whole] == ["lab", "nurse", "doctor", "system"]
    first = record.accesses(citizen, ME, limit=2)
    assert first + record.accesses(citizen, ME, first[-1].position, 2) == whole
    with pytest.raises(Forbidden):
        record.accesses(doctor, ME)
    with pytest.raises(Forbidden):
        record.accesses(citizen, "stranger")


def test_who_has_looked_at_a_record_that_was_merged_into_mine(me: Client, cast: dict[str, Account]) -> None:
    record.create(SYSTEM, r4.Patient(id="old", name=[r4.HumanName(text="Lò Thị Pâng")]))
    record.read(asker_of(cast["nurse"]), "Patient", "old")
    citizen, office = asker_of(cast["citizen"]), asker_of(cast["archivist"])

    def roles() -> set[str]:
        return {one.role for one in record.accesses(citizen, ME)}

    assert "nurse" not in roles()
    merge(office, "old", ME)
    assert "nurse" in roles()
    assert "Điều dưỡng" in text(me, "/me/record/accesses")
    assert len(record.accesses(citizen, ME, limit=1)) == 1
    unmerge(office, "old", reason="Hai người khác nhau")
    assert "nurse" not in roles()


def test_the_log_is_paged_on_the_page(me: Client) -> None:
    row = "(now() - %s * interval '1 day', 'x', 'doctor', '12104', 'TREAT', 'read', 'Patient', '', 'cast-citizen')"
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval(pg_get_serial_sequence('record.audit', 'id'), 4000)")  # a number with a dot
        for day in range(1, 31):
            cursor.execute(
                "INSERT INTO record.audit (at, account, role, facility, purpose, action, type, id, patient) "
                f"VALUES {row}",
                [day],
            )
    page = text(me, "/me/record/accesses")
    assert page.count("Để khám và chữa bệnh") == 20
    following = page.split('href="?before=')[1].split('"')[0]
    assert text(me, f"/me/record/accesses?before={following}").count("<li><span><b>") == 11


def queries(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as caught:
        text(client, url)
    return sum("record.audit (" not in q["sql"] for q in caught.captured_queries)


def test_long_lists_ask_no_more_than_short_ones(me: Client) -> None:
    for url in ("/me/visits", "/me/results", "/me/medicines", "/me"):
        text(me, url)  # names of facilities are kept for a minute

    def fill(count: int) -> None:
        for n in range(count):
            mine = visit(ME, n + 1)
            result(ME, "6.9", n + 1, str(mine.id))
            prescribe(ME, f"Thuốc {n}", 30, encounter=str(mine.id))

    fill(2)
    few = {url: queries(me, url) for url in ("/me/visits", "/me/results", "/me/medicines", "/me")}
    fill(12)
    many = {url: queries(me, url) for url in few}
    assert many == few
    assert max(few.values()) <= 16


def test_an_imported_person_opens(cast: dict[str, Account], me: Client, shared: Path) -> None:
    folder = shared / "data/fhir/synthea_r4"
    bundle = sorted((p for p in folder.glob("*_*.json.gz")), key=lambda p: p.stat().st_size)[10]
    import_paths([str(bundle)], SYSTEM, Silent())
    patient = next(p for p in record.search(SYSTEM, "Patient", "_count=50").resources if p.id != ME)
    cast["citizen"].patient = str(patient.id)
    cast["citizen"].save()
    for page in PAGES:
        assert me.get(f"/me{page}").status_code == 200
    visits = text(me, "/me/visits")
    opened = visits.split('href="/me/visits/')[1].split('"')[0]
    assert me.get(f"/me/visits/{opened}").status_code == 200
    results = text(me, "/me/results")
    code = results.split('href="/me/results/')[1].split('"')[0]
    assert "<table" in text(me, f"/me/results/{code}")


def test_english_is_complete(me: Client) -> None:
    prescribe(ME, "Amlodipin 5 mg", 30)
    me.cookies["django_language"] = "en"
    page = text(me, "/me")
    assert "No visit today" in page
    assert "Taking now" in page
    assert "30 days left" in page


def test_an_axis_has_room_for_its_numbers() -> None:
    fine = curve([("2020-01-01", Decimal("79.70159910000")), ("2021-01-01", Decimal("0.0314123"))])
    assert fine is not None
    assert [f"{value:f}" for _, value in fine.ticks] == ["9.96", "79.7"]
    whole = curve([("2020-01-01", Decimal(1234)), ("2021-01-01", Decimal(5000))])
    assert whole is not None
    assert [f"{value:f}" for _, value in whole.ticks] == ["1234", "5000"]
