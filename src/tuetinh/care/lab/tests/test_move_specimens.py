"""The way of specimens: drawing with a second identifier, refusal, add-ons, aliquots, other laboratories."""

from __future__ import annotations

import io
from dataclasses import replace
from decimal import Decimal
from typing import cast

import pytest
from django.test import Client
from pypdf import PdfReader

from tuetinh.care.lab import actions, errors, facts
from tuetinh.care.lab import api as lab_api
from tuetinh.care.lab.models import Shipment, Tube
from tuetinh.care.lab.results import entry, validation
from tuetinh.care.lab.results.work import work_on
from tuetinh.care.lab.samples import actions as samples
from tuetinh.care.lab.samples import queries, zpl
from tuetinh.commons.access.models import Account
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

pytestmark = pytest.mark.django_db
GLU, CBC, TSH, PT, UREA, LAC = (
    "23.0075.1494", "22.0120.1370", "23.0162.1570", "22.0001.1352", "23.0166.1494", "23.0104.1532",
)  # fmt: skip


def order(world, *codes: str) -> Tube:
    actions.order_tests(world.doctor, world.encounter, codes)
    return Tube.objects.latest("id")


def received(world, *codes: str) -> Tube:
    return actions.receive_specimen(world.lab, order(world, *codes).number)


@pytest.fixture
def province(cast) -> Asker:
    """The laboratory of the hospital."""
    account = Account(username="cast.lab2", full_name="Lò Văn Hai", role="lab", password="x", facility="12001")
    account.save()
    from tuetinh.commons.access.api import asker_of

    return asker_of(account)


def specimen(tube: Tube) -> r4.Specimen:
    return cast(r4.Specimen, record.read(SYSTEM, "Specimen", tube.specimen))


def test_the_plan_says_what_to_draw_in_its_order(world) -> None:
    order(world, CBC, GLU, UREA, PT, LAC)
    lines = queries.drawing(world.lab, "12104", world.encounter.id)
    assert [(line.container.draw, line.container.colour, line.count, line.volume) for line in lines] == [
        (1, "xanh dương", 1, Decimal("0.9")), (2, "đỏ", 1, Decimal("0.6")), (3, "tím", 1, Decimal("0.6")),
        (4, "xám", 1, Decimal("0.5")),
    ]  # fmt: skip


@pytest.mark.parametrize("second", ["01/03/1986", "1/3/1986", " 01/03/1986 "])
def test_a_tube_is_drawn_from_its_person_only(world, second: str) -> None:
    tube = order(world, GLU)
    for wrong in ("", "02/03/1986", "1986", "1986-03-02"):
        with pytest.raises(errors.NotThisPerson):
            samples.collect(world.lab, [tube.number], wrong)
    assert (Tube.objects.get(pk=tube.pk).collected_at, specimen(tube).collection) == (None, None)
    samples.collect(replace(world.lab, role="nurse"), [tube.number], second)
    tube.refresh_from_db()
    assert tube.collected_by == world.lab.account
    assert specimen(tube).collection.collector.reference == f"Practitioner/{world.lab.practitioner}"
    assert list(queries.to_draw("12104")) == []


def test_a_card_number_is_a_second_identifier_too(world) -> None:
    tube = order(world, GLU)
    person = cast(r4.Patient, record.read(SYSTEM, "Patient", tube.patient))
    person.identifier = [r4.Identifier(system="urn:x", value="012086000123")]
    assert samples.is_of(person, "012086000123")
    assert not samples.is_of(person, "000123")
    person.identifier = [r4.Identifier(system="urn:x", value="123")]
    assert not samples.is_of(person, "123")


def test_a_refusal_is_coded(world) -> None:
    tube = received(world, GLU)
    with pytest.raises(errors.NeedsReason):
        actions.reject_specimen(world.lab, tube.number, "", "XX")
    fresh = actions.reject_specimen(world.lab, tube.number, "", "RH")
    old = specimen(tube)
    assert (old.status, old.condition[0].coding[0].code, old.note[0].text) == ("unsatisfactory", "RH", "Tan máu")
    assert (fresh.stage, fresh.benches) == ("ordered", ["chemistry"])


def test_a_further_test_is_ordered_from_the_same_tube_and_charged(world) -> None:
    tube = received(world, GLU)
    for wrong in ([CBC], ["nothing"], [GLU], []):
        with pytest.raises(errors.UnknownTest):
            samples.add_tests(world.doctor, tube.number, wrong)
    assert len(Tube.objects.get(pk=tube.pk).orders) == 1
    tube = samples.add_tests(world.doctor, tube.number, [TSH, GLU])
    assert (len(tube.orders), tube.benches, tube.stage) == (2, ["chemistry", "immunoassay"], "received")
    assert [facts.ordered_test(o).key for o in lab_api.orders(SYSTEM, world.encounter.id)] == ["GLU", "TSH"]
    charges = record.search(SYSTEM, "ChargeItem", f"patient=Patient/{tube.patient}").resources
    assert len(charges) == 2
    with pytest.raises(errors.WrongStage):
        samples.add_tests(world.doctor, order(world, GLU).number, [TSH])


def test_an_aliquot_takes_the_orders_of_its_bench_along(world) -> None:
    tube = received(world, GLU, TSH)
    aliquot = samples.part(world.lab, tube.number, "immunoassay")
    tube.refresh_from_db()
    assert (aliquot.number, aliquot.benches, tube.benches) == (f"{tube.number}1", ["immunoassay"], ["chemistry"])
    assert facts.id_of(specimen(aliquot).parent[0]) == tube.specimen
    orders = record.read_many(SYSTEM, "ServiceRequest", aliquot.orders)
    assert facts.id_of(orders[aliquot.orders[0]].specimen[0]) == aliquot.specimen
    with pytest.raises(errors.WrongStage):
        samples.part(world.lab, tube.number, "chemistry")
    kept = samples.part(world.lab, tube.number)
    assert samples.store(world.lab, kept.number, "Tủ 2 / A / 3").storage == "Tủ 2 / A / 3"
    assert (kept.number, kept.orders, len(tube.orders)) == (f"{tube.number}2", [], 1)


def test_tubes_go_to_another_laboratory_and_what_is_missing_stays_missing(world, province) -> None:
    first, second = received(world, GLU), received(world, CBC)
    for wrong in ("12104", "nowhere"):
        with pytest.raises(errors.NotAllowed):
            samples.send(world.lab, [first.number], wrong)
    shipment = samples.send(world.lab, [first.number, second.number], "12001")
    with pytest.raises(errors.WrongStage):
        samples.send(world.lab, [first.number], "12001")
    assert Shipment.objects.count() == 1
    task = cast(r4.Task, record.read(SYSTEM, "Task", shipment.task))
    assert (task.status, len(task.input)) == ("in-progress", 2)
    with pytest.raises(errors.NoShipment):
        samples.take_in(world.lab, shipment.number, [first.number])
    here, missing = samples.take_in(province, shipment.number, [first.number])
    assert ([t.number for t in here], [t.number for t in missing]) == ([first.number], [second.number])
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.facility, first.stage, first.shipment) == ("12001", "received", None)
    assert (second.facility, second.shipment) == ("12104", shipment)
    [request] = record.read_many(SYSTEM, "ServiceRequest", first.orders).values()
    assert request.performer[0].reference == "Organization/12001"
    samples.take_in(province, shipment.number, [second.number])
    assert cast(r4.Task, record.read(SYSTEM, "Task", shipment.task)).status == "completed"
    [slot] = work_on(SYSTEM, first).slots()
    id_ = facts.observation_id(slot[0].id, "GLU")
    entry.enter_results(province, first.number, {id_: "5,5"})
    validation.release(province, first.number)
    assert [r.value for r in lab_api.visit_results(world.doctor, world.encounter.id)] == ["5.5"]


def test_what_the_other_laboratory_refuses_is_drawn_again_where_the_person_is(world, province) -> None:
    tube = received(world, GLU)
    shipment = samples.send(world.lab, [tube.number], "12001")
    samples.take_in(province, shipment.number, [tube.number])
    fresh = actions.reject_specimen(province, tube.number, "", "RH")
    assert (fresh.facility, fresh.stage) == ("12104", "ordered")
    assert [row["encounter"] for row in queries.to_draw("12104")] == [world.encounter.id]
    assert not queries.to_draw("12001")
    [request] = record.read_many(SYSTEM, "ServiceRequest", fresh.orders).values()
    assert request.performer[0].reference == "Organization/12104"


def test_the_sheet_of_another_laboratory_is_printed_where_the_visit_is(world, province, as_role) -> None:
    tube = received(world, GLU)
    shipment = samples.send(world.lab, [tube.number], "12001")
    samples.take_in(province, shipment.number, [tube.number])
    entry.enter_results(province, tube.number, {facts.observation_id(tube.orders[0], "GLU"): "5,5"})
    validation.release(province, tube.number)
    for role, status in (("doctor", 200), ("lab", 200), ("station", 200), ("outsider", 403)):
        assert as_role(role).get(f"/lab/tubes/{tube.number}/sheet.pdf").status_code == status
    Tube.objects.filter(pk=tube.pk).update(encounter="of-nobody")
    assert as_role("doctor").get(f"/lab/tubes/{tube.number}/sheet.pdf").status_code == 404
    assert as_role("lab").get("/lab/tubes/nothing/sheet.pdf").status_code == 404


def test_the_label_of_a_thermal_printer_escapes_what_would_be_a_command() -> None:
    text = zpl.label(number="261129121040001", name="Lò ^XA~", about="Nữ · 1986", tests="Glucose", urgent=True)
    assert text.startswith("^XA\n^CI28^PW400^LL240") and text.endswith("^XZ\n")
    assert "^FDLÒ _5EXA_7E  CAP CUU^FS" in text
    assert "^BXN,3,200^FH^FD261129121040001^FS" in text and "^BCN,80,N,N,N,A^FD261129121040001^FS" in text


def test_the_pages_lead_from_drawing_to_the_other_laboratory(world, province, as_role) -> None:
    lab, nurse = as_role("lab"), as_role("nurse")
    tube = order(world, GLU, TSH)
    assert "Lò Thị Pâng" in nurse.get("/lab/draw").content.decode()
    at = f"/lab/draw/{world.encounter.id}"
    assert "Ống serum" in nurse.get(at).content.decode()
    wrong = nurse.post(at, {"number": [tube.number], "second": "01/01/1990"})
    assert wrong.status_code == 422 and "không đúng với người bệnh" in wrong.content.decode()
    assert nurse.post(at, {"number": [tube.number], "second": "01/03/1986"}).status_code == 302
    assert nurse.get(at).status_code == 404
    assert b"^XA" in lab.get(f"/lab/tubes/{tube.number}/label.zpl").content
    lab.post(f"/lab/tubes/{tube.number}/receive")
    lab.post(f"/lab/tubes/{tube.number}/part", {"bench": "immunoassay"})
    lab.post(f"/lab/tubes/{tube.number}/store", {"storage": "Tủ 1"})
    lab.post(f"/lab/tubes/{tube.number}/add", {"codes": UREA})
    tube.refresh_from_db()
    assert (tube.storage, tube.benches, len(tube.orders)) == ("Tủ 1", ["chemistry"], 2)
    assert lab.post("/lab/shipments", {"numbers": "nothing", "receiver": "12001"}).status_code == 422
    made = lab.post("/lab/shipments", {"numbers": f"{tube.number}\r\n{tube.number}1", "receiver": "12001"})
    shipment = Shipment.objects.get()
    assert made.headers["Location"] == f"/lab/shipments/{shipment.number}"
    paper = PdfReader(io.BytesIO(lab.get(f"/lab/shipments/{shipment.number}/manifest.pdf").content))
    text = paper.pages[0].extract_text()
    assert "BẢNG KÊ MẪU" in text and f"{tube.number}1" in text
    there = as_role("lab")
    there.force_login(Account.objects.get(username="cast.lab2"), backend="django.contrib.auth.backends.ModelBackend")
    assert there.get(f"/lab/shipments/{shipment.number}/manifest.pdf").status_code == 404
    there.post(f"/lab/shipments/{shipment.number}", {"numbers": tube.number})
    assert "Thiếu 1 mẫu" in there.get("/lab/shipments").content.decode()


def test_lists_of_specimens_take_as_many_queries_for_one_as_for_many(
    world, province, as_role, django_assert_num_queries, django_assert_max_num_queries
) -> None:
    lab = as_role("lab")
    order(world, GLU)
    samples.send(world.lab, [received(world, GLU).number], "12001")
    counted = {}
    for path in ("/lab/draw", "/lab/shipments"):
        lab.get(path)
        with django_assert_max_num_queries(25) as one:
            lab.get(path)
        counted[path] = len(one.captured_queries)
    for _ in range(3):
        order(world, GLU)
        samples.send(world.lab, [received(world, GLU).number], "12001")
    for path, count in counted.items():
        lab.get(path)  # names are kept for a minute
        with django_assert_num_queries(count):
            lab.get(path)


@pytest.fixture
def there(province, as_role) -> Client:
    """A browser at the laboratory of the hospital."""
    client = as_role("lab")
    client.force_login(Account.objects.get(username="cast.lab2"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def page_of(client: Client, shipment: Shipment) -> str:
    return client.get(f"/lab/shipments/{shipment.number}").content.decode()


def drawn(world, *codes: str) -> Tube:
    tube = order(world, *codes)
    [tube] = samples.collect(world.doctor, [tube.number], "01/03/1986")
    return tube


def test_a_station_sends_what_it_drew_and_sees_what_became_of_it(world, province, as_role, there) -> None:
    first, second = drawn(world, GLU), drawn(world, CBC)
    station = as_role("station")
    assert first.number in station.get("/lab/shipments").content.decode()
    made = station.post("/lab/shipments", {"number": [first.number, second.number], "receiver": "12001"})
    shipment = Shipment.objects.get()
    assert made.headers["Location"] == f"/lab/shipments/{shipment.number}"
    assert first.number not in station.get("/lab/shipments").content.decode()
    assert page_of(station, shipment).count("Đang đi") == 2
    assert "1 chuyến mẫu đang đến" in there.get("/lab").content.decode()
    there.post(f"/lab/shipments/{shipment.number}", {"number": first.number})
    assert "Chưa thấy" in page_of(station, shipment) and "Đang phân tích" in page_of(station, shipment)
    entry.enter_results(province, first.number, {facts.observation_id(first.orders[0], "GLU"): "5,5"})
    validation.release(province, first.number)
    there.post(f"/lab/shipments/{shipment.number}", {"number": second.number})
    samples_refused = actions.reject_specimen(province, second.number, "", "RH")
    assert "chuyến mẫu đang đến" not in there.get("/lab").content.decode()
    shown = page_of(station, shipment)
    assert f"/lab/tubes/{first.number}/sheet.pdf" in shown and "Đã trả kết quả" in shown
    assert "Mẫu bị từ chối" in shown and "tan máu" in shown.lower()
    assert samples_refused.facility == "12104"
    text = PdfReader(io.BytesIO(station.get(f"/lab/shipments/{shipment.number}/manifest.pdf").content)).pages[0]
    assert first.number in text.extract_text() and second.number in text.extract_text()


def test_tubes_that_have_not_arrived_are_taken_back_and_sent_anew(world, province, as_role, there) -> None:
    first, second = received(world, GLU), received(world, CBC)
    shipment = samples.send(world.lab, [first.number, second.number], "12001")
    samples.take_in(province, shipment.number, [first.number])
    with pytest.raises(errors.NoShipment):
        samples.withdraw(province, shipment.number, [second.number])
    with pytest.raises(errors.NotAllowed):
        samples.withdraw(world.doctor, shipment.number, [second.number])
    lab = as_role("lab")
    lab.force_login(Account.objects.get(username="cast.lab"), backend="django.contrib.auth.backends.ModelBackend")
    lab.post(f"/lab/shipments/{shipment.number}", {"number": [first.number, second.number]})
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.facility, second.facility, second.shipment, second.stage) == ("12001", "12104", None, "received")
    [request] = record.read_many(SYSTEM, "ServiceRequest", second.orders).values()
    assert request.performer[0].reference == "Organization/12104"
    assert cast(r4.Task, record.read(SYSTEM, "Task", shipment.task)).status == "completed"
    assert "Không gửi nữa" in page_of(lab, shipment)
    again = samples.send(world.lab, [second.number], "12001")
    samples.withdraw(world.lab, again.number, [second.number])
    assert cast(r4.Task, record.read(SYSTEM, "Task", again.task)).status == "cancelled"


def test_what_is_scanned_wrongly_is_named(world, province, there, as_role) -> None:
    sent, here = received(world, GLU), received(world, CBC)
    with pytest.raises(errors.NotSent, match=f"{here.number}9"):
        samples.send(world.lab, [sent.number, f"{here.number}9"], "12001")
    shipment = samples.send(world.lab, [sent.number], "12001")
    asked = there.get("/lab", {"q": sent.number})
    assert asked.headers["Location"] == f"/lab/shipments/{shipment.number}"
    told = there.post(f"/lab/shipments/{shipment.number}", {"numbers": f"{here.number} {sent.number}"}, follow=True)
    assert f"không đang đi trong chuyến này: {here.number}." in told.content.decode()
