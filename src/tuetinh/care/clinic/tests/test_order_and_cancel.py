"""Imaging orders, allergies, and a visit of the past."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from django.db import connection
from django.test import Client

from tuetinh.care.clinic import actions, queries
from tuetinh.care.clinic.errors import Begun, NotAllowed, UnknownCode
from tuetinh.care.imaging.archive.keeping import Source, keep
from tuetinh.care.imaging.models import Exam
from tuetinh.care.imaging.tests.conftest import part10
from tuetinh.care.lab import actions as lab
from tuetinh.care.lab.api import orders as lab_orders
from tuetinh.care.lab.api import profiles, tubes
from tuetinh.care.lab.microbiology import actions as bench
from tuetinh.care.lab.results import validation
from tuetinh.care.reception import api as reception
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.commons.catalogues.api import load_price_list, search_services, starter_prices
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

pytestmark = pytest.mark.django_db


@pytest.fixture
def visit(cast: dict[str, Account]) -> str:
    load_price_list("", starter_prices(), date(2024, 1, 1))
    opened = reception.open_visit(asker_of(cast["reception"]), "cast-citizen", "12104", "12104-noi2", "Chóng mặt")
    reception.start(asker_of(cast["doctor"]), opened.encounter)
    return opened.encounter


@pytest.fixture
def doctor(cast: dict[str, Account]) -> Asker:
    return asker_of(cast["doctor"])


def _picture() -> str:
    return next(s.code for s in search_services("x quang ngực", group="18"))


def test_an_imaging_order_carries_what_radiology_asks(as_role: Callable[[str], Client], visit: str) -> None:
    typed = {"imaging": _picture(), "question": "Viêm phổi?", "site": "Ngực thẳng", "urgent": "1"}
    assert as_role("doctor").post(f"/clinic/visits/{visit}/orders", typed).status_code == 302
    (order,) = queries.imaging_orders(SYSTEM, visit)
    assert (order.priority, order.status, order.intent) == ("urgent", "active", "order")
    assert (order.reasonCode[0].text, order.bodySite[0].text) == ("Viêm phổi?", "Ngực thẳng")
    assert order.category[0].coding[0].code == "363679005"
    page = as_role("doctor").get(f"/clinic/visits/{visit}?tab=orders").content.decode()
    assert "Viêm phổi?" in page
    assert "Khẩn" in page


def test_what_grew_of_a_culture_is_seen_with_its_antibiogram(
    as_role: Callable[[str], Client], doctor: Asker, visit: str, cast: dict[str, Account]
) -> None:
    [order] = actions.order_lab(doctor, visit, ["24.0003.1715/URINECULT"])
    assert actions.order_lab(doctor, visit, ["24.0003.1715/URINECULT"]) == []
    [tube], laboratory = tubes(visit), asker_of(cast["lab"])
    lab.receive_specimen(laboratory, tube.number)
    grown = bench.Draft("eco", tests=[("CIP", "disk", "30"), ("AMP", "disk", "6")])
    bench.save_isolate(laboratory, tube.number, order.id or "", 0, grown)

    def page() -> str:
        return as_role("doctor").get(f"/clinic/visits/{visit}?tab=orders").content.decode()

    assert "Escherichia coli" not in page()
    validation.release(laboratory, tube.number)
    assert 'data-isolate="eco"' in page() and 'data-test="AMP"' in page() and "EUCAST" not in page()


def test_a_cancelled_order_takes_its_charge_along(as_role: Callable[[str], Client], doctor: Asker, visit: str) -> None:
    order = actions.order_imaging(doctor, visit, _picture())
    assert [c.status for c in queries.charges_about(SYSTEM, visit, f"ServiceRequest/{order.id}")] == ["billable"]
    as_role("doctor").post(f"/clinic/visits/{visit}/orders/cancel", {"order": order.id})
    assert queries.imaging(SYSTEM, visit) == []
    assert record.read(SYSTEM, "ServiceRequest", order.id).status == "revoked"
    assert [c.status for c in queries.charges_about(SYSTEM, visit, f"ServiceRequest/{order.id}")] == ["aborted"]


def test_what_has_begun_is_not_cancelled(doctor: Asker, visit: str) -> None:
    order = actions.order_imaging(doctor, visit, _picture())
    order.status = "completed"
    record.update(SYSTEM, order)
    with pytest.raises(Begun):
        actions.cancel_imaging(doctor, visit, order.id)
    with pytest.raises(UnknownCode):
        actions.cancel_imaging(doctor, visit, "no-such")
    assert [c.status for c in queries.charges_about(SYSTEM, visit, f"ServiceRequest/{order.id}")] == ["billable"]


def test_an_examination_that_has_begun_is_not_taken_back(
    as_role: Callable[[str], Client], doctor: Asker, visit: str
) -> None:
    order = actions.order_imaging(doctor, visit, _picture())
    page = as_role("imaging").get("/imaging").content.decode()
    exam = page.partition("/imaging/exams/")[2].partition('"')[0]
    assert as_role("imaging").post(f"/imaging/exams/{exam}/safety", {"pregnant": "no"}).status_code == 302
    assert as_role("imaging").post(f"/imaging/exams/{exam}/begin").status_code == 302
    with pytest.raises(Begun):
        actions.cancel_imaging(doctor, visit, order.id)
    [known] = queries.imaging_orders(SYSTEM, visit)
    assert known.status == "active"


def test_pictures_of_an_order_are_shown_at_the_visit(
    as_role: Callable[[str], Client], doctor: Asker, visit: str
) -> None:
    exam = Exam.objects.get(order=actions.order_imaging(doctor, visit, _picture()).id)
    orders = f"/clinic/visits/{visit}?tab=orders"
    assert "Xem ảnh" not in as_role("doctor").get(orders).content.decode()
    told = {"PatientID": exam.patient, "PatientName": "", "PatientBirthDate": ""}
    keep(Source(exam.facility, "AE DX1"), part10(StudyInstanceUID=exam.study_instance_uid, **told))
    page = as_role("doctor").get(orders).content.decode()
    assert f'href="/imaging/viewer?StudyInstanceUIDs={exam.study_instance_uid}"' in page
    assert f'src="/dicom-web/studies/{exam.study_instance_uid}/thumbnail"' in page


def test_laboratory_orders_are_cancelled_by_tube(as_role: Callable[[str], Client], doctor: Asker, visit: str) -> None:
    from tuetinh.care.lab.api import tests

    actions.order_lab(doctor, visit, [next(t.code for t in tests() if t.key == "GLU")])
    (tube,) = tubes(visit)
    as_role("doctor").post(f"/clinic/visits/{visit}/orders/cancel", {"tube": tube.number})
    (tube,) = tubes(visit)
    assert tube.stage == "cancelled"


def test_tests_are_urgent_where_the_doctor_says_so(as_role: Callable[[str], Client], visit: str) -> None:
    glucose, count = "23.0075.1494", "22.0120.1370"
    orders = f"/clinic/visits/{visit}/orders"
    as_role("doctor").post(orders, {"tests": glucose, "urgent": "1"})
    as_role("doctor").post(orders, {"tests": count})
    urgent, routine = tubes(visit)
    assert [urgent.urgent, routine.urgent] == [True, False]
    found = lab_orders(SYSTEM, visit)
    assert [(order.code.coding[0].code, order.priority) for order in found] == [
        (glucose, "urgent"), (count, "routine"),
    ]  # fmt: skip
    page = as_role("doctor").get(f"/clinic/visits/{visit}?tab=orders").content.decode()
    assert page.count('<span class="pill danger">Khẩn</span>') == 1


def test_a_test_that_waits_becomes_urgent(as_role: Callable[[str], Client], doctor: Asker, visit: str) -> None:
    glucose, count = "23.0075.1494", "22.0120.1370"
    actions.order_lab(doctor, visit, [glucose, count])
    as_role("doctor").post(f"/clinic/visits/{visit}/orders", {"tests": glucose, "urgent": "1"})
    assert sorted((tube.kind, tube.urgent, len(tube.orders)) for tube in tubes(visit)) == [
        ("edta", False, 1), ("serum", True, 1),
    ]  # fmt: skip
    assert sorted(order.priority for order in lab_orders(SYSTEM, visit)) == ["routine", "urgent"]


def test_a_test_is_added_to_a_tube_that_the_laboratory_has(
    as_role: Callable[[str], Client], doctor: Asker, visit: str
) -> None:
    actions.order_lab(doctor, visit, ["23.0075.1494"])
    [tube] = tubes(visit)
    tab = f"/clinic/visits/{visit}?tab=orders"
    more = f'action="/lab/tubes/{tube.number}/add"'
    assert more not in as_role("doctor").get(tab).content.decode()  # not drawn yet: it is ordered below
    as_role("lab").post(f"/lab/tubes/{tube.number}/receive")
    assert more in as_role("doctor").get(tab).content.decode()
    added = as_role("doctor").post(f"/lab/tubes/{tube.number}/add", {"codes": "23.0083.1523", "back": tab})
    assert (added.status_code, added.headers["Location"]) == (302, tab)
    assert len(tubes(visit)[0].orders) == 1  # of another kind of specimen
    told = {"codes": "23.0051.1494", "back": "//elsewhere.example"}
    sent = as_role("doctor").post(f"/lab/tubes/{tube.number}/add", told)
    assert sent.headers["Location"] == f"/lab/tubes/{tube.number}"
    assert [len(one.orders) for one in tubes(visit)] == [2]


def test_the_doctor_sees_why_a_tube_was_refused(as_role: Callable[[str], Client], doctor: Asker, visit: str) -> None:
    actions.order_lab(doctor, visit, ["23.0075.1494"])
    [tube] = tubes(visit)
    as_role("lab").post(f"/lab/tubes/{tube.number}/reject", {"code": "RH", "reason": "tan máu độ 3"})
    page = as_role("doctor").get(f"/clinic/visits/{visit}?tab=orders").content.decode()
    assert "Mẫu bị từ chối: tan máu độ 3" in page


def test_a_set_of_tests_is_ordered_by_its_name(as_role: Callable[[str], Client], doctor: Asker, visit: str) -> None:
    lipids = next(one for one in profiles(doctor.facility) if one.code == "PROFILE-LIPID")
    assert lipids.text in as_role("doctor").get(f"/clinic/visits/{visit}?tab=orders").content.decode()
    as_role("doctor").post(f"/clinic/visits/{visit}/orders", {"profiles": lipids.code, "tests": lipids.tests[0]})
    (tube,) = tubes(visit)
    assert len(tube.orders) == len(lipids.tests) == 4


def test_a_test_that_was_ordered_lately_is_asked_about(as_role: Callable[[str], Client], visit: str) -> None:
    glucose, hba1c = "23.0075.1494", "23.0083.1523"
    page, at = as_role("doctor"), f"/clinic/visits/{visit}/orders"
    for _ in range(2):  # while it waits for its specimen, twice is once
        assert page.post(at, {"tests": hba1c}).status_code == 302
    assert len(tubes(visit)) == 1
    as_role("lab").post(f"/lab/tubes/{tubes(visit)[0].number}/receive")
    answer = page.post(at, {"tests": [hba1c, glucose]})
    said = answer.content.decode()
    assert (answer.status_code, "Vẫn chỉ định lại" in said, "(nên cách 1.440 giờ)" in said) == (409, True, True)
    assert len(tubes(visit)) == 1
    assert page.post(at, {"tests": [hba1c, glucose], "again": "1"}).status_code == 302
    assert len(tubes(visit)) == 3


def test_an_allergy_is_written_once_and_warns(
    as_role: Callable[[str], Client], cast: dict[str, Account], visit: str
) -> None:
    nurse = as_role("nurse")
    for substance in ("Penicillin", "penicillin "):
        nurse.post(f"/clinic/visits/{visit}/allergies", {"substance": substance, "reaction": "Nổi mề đay"})
    assert queries.allergies(SYSTEM, "cast-citizen") == ["Penicillin"]
    (written,) = record.search(SYSTEM, "AllergyIntolerance", "patient=Patient/cast-citizen").resources
    assert written.reaction[0].manifestation[0].text == "Nổi mề đay"
    nurse.post(f"/clinic/visits/{visit}/allergies", {"substance": "  "})
    assert queries.allergies(SYSTEM, "cast-citizen") == ["Penicillin"]
    with pytest.raises(NotAllowed):
        actions.record_allergy(asker_of(cast["cashier"]), visit, "Iod")


def test_a_visit_of_another_system_opens(as_role: Callable[[str], Client], visit: str) -> None:
    about = r4.Reference(reference="Encounter/elsewhere")
    subject = r4.Reference(reference="Patient/cast-citizen")
    klass = r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code="AMB")
    period = r4.Period(start="2019-05-01T08:00:00Z")
    record.create(SYSTEM, r4.Encounter(id="elsewhere", status="finished", class_=klass, subject=subject, period=period))
    code = r4.CodeableConcept(coding=[r4.Coding(system="http://snomed.info/sct", code="1", display="Sinusitis")])
    record.create(SYSTEM, r4.Condition(code=code, subject=subject, encounter=about))
    part = r4.ObservationComponent(
        code=r4.CodeableConcept(text="Systolic"), valueQuantity=r4.Quantity(value=120, unit="mmHg")
    )
    record.create(
        SYSTEM,
        r4.Observation(
            status="final", code=r4.CodeableConcept(text="BP"), subject=subject, encounter=about, component=[part]
        ),
    )
    done = r4.CodeableConcept(text="Suture")
    record.create(SYSTEM, r4.Procedure(status="completed", code=done, subject=subject, encounter=about))
    page = as_role("doctor").get("/clinic/people/cast-citizen/visits/elsewhere").content.decode()
    assert [word for word in ("01/05/2019", "Sinusitis", "Systolic", "120", "Suture") if word not in page] == []
    assert as_role("doctor").get("/clinic/people/other/visits/elsewhere").status_code == 404
    assert as_role("cashier").get("/clinic/people/cast-citizen/visits/elsewhere").status_code == 403


def test_an_order_that_cannot_be_whole_is_none(as_role: Callable[[str], Client], visit: str) -> None:
    from tuetinh.care.lab.api import tests

    code = next(t.code for t in tests() if t.key == "GLU")
    as_role("doctor").post(f"/clinic/visits/{visit}/orders", {"tests": [code], "imaging": ["no-such"]})
    assert tubes(visit) == []
    assert queries.imaging(SYSTEM, visit) == []


def test_an_allergy_that_is_over_does_not_count(as_role: Callable[[str], Client], visit: str) -> None:
    as_role("nurse").post(f"/clinic/visits/{visit}/allergies", {"substance": "Iod"})
    (written,) = record.search(SYSTEM, "AllergyIntolerance", "patient=Patient/cast-citizen").resources
    written.clinicalStatus.coding[0].code = "resolved"
    record.update(SYSTEM, written)
    assert queries.allergies(SYSTEM, "cast-citizen") == []
    as_role("nurse").post(f"/clinic/visits/{visit}/allergies", {"substance": "Iod"})
    assert queries.allergies(SYSTEM, "cast-citizen") == ["Iod"]


def test_an_order_sent_twice_is_made_once(as_role: Callable[[str], Client], doctor: Asker, visit: str) -> None:
    glucose = "23.0075.1494"
    for _ in range(2):
        actions.order(doctor, visit, [glucose], actions.Pictures([_picture()]))
    assert len(tubes(visit)) == 1
    assert len(queries.imaging_orders(SYSTEM, visit)) == 1
    as_role("lab").post(f"/lab/tubes/{tubes(visit)[0].number}/receive")
    actions.order(doctor, visit, [glucose], actions.Pictures())  # the next specimen, two hours later
    assert [tube.stage for tube in tubes(visit)] == ["received", "ordered"]


@pytest.mark.django_db(transaction=True)
def test_two_who_order_the_same_at_once_make_one_order(doctor: Asker, visit: str) -> None:
    def order() -> None:
        try:
            actions.order(doctor, visit, ["23.0075.1494"], actions.Pictures([_picture()]))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(order) for _ in range(4)]:
            done.result()
    assert len(tubes(visit)) == 1
    assert len(queries.imaging_orders(SYSTEM, visit)) == 1
    charges = record.search(SYSTEM, "ChargeItem", f"context=Encounter/{visit}").resources
    assert [charge.status for charge in charges] == ["billable"] * 3  # the consultation, the test, the picture
