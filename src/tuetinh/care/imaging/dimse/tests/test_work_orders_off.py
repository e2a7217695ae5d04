"""The worklist, and what machines tell of their work."""

from __future__ import annotations

import time

import pytest
from pydicom import Dataset
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityPerformedProcedureStep,
    ModalityWorklistInformationFind,
)

from tuetinh.care.imaging import grouped
from tuetinh.care.imaging.archive.recording import record_studies
from tuetinh.care.imaging.dimse import working
from tuetinh.care.imaging.dimse.tests.calling import call, find, send
from tuetinh.care.imaging.models import Exam, Instance, Step
from tuetinh.care.imaging.reading import work
from tuetinh.care.imaging.reading.work import Typed
from tuetinh.care.imaging.tests.conftest import FACILITY, part10
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.care.imaging.viewer.queries import looks
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.commons.identity.api import human_name
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]


def test_a_machine_is_told_of_more_work(port: int, person: r4.Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    order(person)
    order(person, "Chụp Xquang ngực thẳng")
    monkeypatch.setattr(working, "MOST", 1)
    association = call(port, ModalityWorklistInformationFind)
    asked = Dataset()
    asked.PatientName = ""
    told = [status.Status for status, _ in association.send_c_find(asked, ModalityWorklistInformationFind)]
    association.release()
    assert told == [0xFF01, 0]


def test_an_order_is_worked_off(port: int, person: r4.Patient) -> None:
    wanted = order(person)
    exam = Exam.objects.get(order=wanted.id)
    assert (exam.modality, exam.patient, exam.facility, len(exam.accession_number)) == ("CT", person.id, FACILITY, 12)
    step = Dataset()
    step.Modality, step.ScheduledStationAETitle, step.ScheduledProcedureStepStartDate = "CT", "CT1", "20261102"
    steps = [step]
    items = find(
        port, ModalityWorklistInformationFind, PatientName="nguyen*", PatientID="", ScheduledProcedureStepSequence=steps
    )
    assert len(items) == 1
    (item,) = items
    assert (item.PatientID, item.AccessionNumber, item.StudyInstanceUID) == (
        "BN000017", exam.accession_number, exam.study_instance_uid,
    )  # fmt: skip
    assert (str(item.PatientName), item.PatientBirthDate, item.PatientSex) == ("Nguyễn^Văn Ánh", "19800229", "M")
    step.Modality = "MR"
    assert find(port, ModalityWorklistInformationFind, ScheduledProcedureStepSequence=[step]) == []

    association = call(port, ModalityPerformedProcedureStep)
    told = Dataset()
    told.PerformedProcedureStepStatus = "IN PROGRESS"
    scheduled = Dataset()
    scheduled.StudyInstanceUID, scheduled.AccessionNumber = exam.study_instance_uid, exam.accession_number
    told.ScheduledStepAttributesSequence = [scheduled]
    kind = ModalityPerformedProcedureStep
    assert association.send_n_create(told, kind, "1.7")[0].Status == 0
    exam.refresh_from_db()
    assert exam.stage == "started"
    assert association.send_n_create(told, kind, "1.7")[0].Status == 0x0111
    done = Dataset()
    done.PerformedProcedureStepStatus = "COMPLETED"
    assert association.send_n_set(done, kind, "1.8")[0].Status == 0x0112
    assert association.send_n_set(done, kind, "1.7")[0].Status == 0
    assert association.send_n_set(done, kind, "1.7")[0].Status == 0x0110
    association.release()
    exam.refresh_from_db()
    assert (exam.stage, Step.objects.get().status) == ("done", "COMPLETED")
    stored = record.read(SYSTEM, "ServiceRequest", str(wanted.id))
    assert isinstance(stored, r4.ServiceRequest)
    assert stored.status == "completed"

    send(port, part10(StudyInstanceUID=exam.study_instance_uid, AccessionNumber=exam.accession_number))
    enter(SYSTEM)
    study = Instance.objects.select_related("study").get().study
    assert (study.order, study.patient) == (wanted.id, person.id)


def test_machines_are_told_who_asks_and_why(port: int, person: r4.Patient) -> None:
    doctor = record.create(SYSTEM, r4.Practitioner(name=[human_name("Vàng A Sử")]))
    wanted = order(person)
    wanted.requester = record.ref(doctor)
    record.update(SYSTEM, wanted)
    (item,) = find(port, ModalityWorklistInformationFind, PatientName="", RequestingPhysician="")
    assert (str(item.RequestingPhysician), str(item.ReferringPhysicianName)) == ("Vàng^A Sử", "Vàng^A Sử")
    assert item.ReasonForTheRequestedProcedure == "Đau đầu sau ngã, loại trừ xuất huyết"


def test_one_step_works_off_several_orders(port: int, person: r4.Patient) -> None:
    orders = [order(person), order(person, "Chụp CLVT lồng ngực")]
    told = Dataset()
    told.PerformedProcedureStepStatus = "IN PROGRESS"
    told.ScheduledStepAttributesSequence = [Dataset(), Dataset()]
    for item, one in zip(told.ScheduledStepAttributesSequence, orders, strict=True):
        item.StudyInstanceUID = "1.2.3.4"  # of both together
        item.AccessionNumber = Exam.objects.get(order=one.id).accession_number
    association = call(port, ModalityPerformedProcedureStep)
    assert association.send_n_create(told, ModalityPerformedProcedureStep, "1.7")[0].Status == 0
    assert set(Exam.objects.values_list("stage", flat=True)) == {"started"}
    done = Dataset()
    done.PerformedProcedureStepStatus = "COMPLETED"
    assert association.send_n_set(done, ModalityPerformedProcedureStep, "1.7")[0].Status == 0
    association.release()
    assert set(Exam.objects.values_list("stage", flat=True)) == {"done"}
    assert {record.read(SYSTEM, "ServiceRequest", str(one.id)).status for one in orders} == {"completed"}


def _in_one_step(port: int, person: r4.Patient, uid: str) -> list[Exam]:
    """Two orders that a machine makes in one step, whose pictures it gives a UID of its own."""
    orders = [order(person), order(person, "Chụp CLVT lồng ngực")]
    exams = [Exam.objects.get(order=one.id) for one in orders]
    told = Dataset()
    told.PerformedProcedureStepStatus = "IN PROGRESS"
    told.ScheduledStepAttributesSequence = [Dataset(), Dataset()]
    for item, exam in zip(told.ScheduledStepAttributesSequence, exams, strict=True):
        item.StudyInstanceUID, item.AccessionNumber = uid, exam.accession_number
    association = call(port, ModalityPerformedProcedureStep)
    assert association.send_n_create(told, ModalityPerformedProcedureStep, "1.7")[0].Status == 0
    association.release()
    return exams


def _recorded() -> r4.ImagingStudy:
    """The one study of the record, which the listener may still be writing."""
    until = time.monotonic() + 10
    while not (found := record.search(SYSTEM, "ImagingStudy", "_count=5").resources) and time.monotonic() < until:
        time.sleep(0.05)
    [study] = found
    assert isinstance(study, r4.ImagingStudy)
    return study


@pytest.mark.parametrize("pictures_first", [False, True])
def test_pictures_of_one_step_are_of_each_of_its_orders(
    port: int, person: r4.Patient, cast: dict[str, Account], *, pictures_first: bool
) -> None:
    if pictures_first:
        send(port, part10())
        record_studies(["1.2.3.4"])
    first, second = exams = _in_one_step(port, person, "1.2.3.4")
    if pictures_first:
        record_studies(["1.2.3.4"])
    else:
        send(port, part10())  # without an accession number: it is of several
        record_studies(["1.2.3.4"])
    orders = [exam.order for exam in exams]
    me = asker_of(cast["imaging"])
    assert {order: look.studies for order, look in looks(me, orders).items()} == dict.fromkeys(orders, ("1.2.3.4",))
    study = _recorded()
    assert {one.reference for one in study.basedOn or []} == {f"ServiceRequest/{one}" for one in orders}

    work.sign(me, first.pk, Typed("Không thấy tổn thương.", "Bình thường."), also=[second.pk])
    for exam in exams:
        exam.refresh_from_db()
        report = record.read(SYSTEM, "DiagnosticReport", f"img-{exam.accession_number}")
        assert isinstance(report, r4.DiagnosticReport)
        assert (exam.stage, report.status, report.conclusion) == ("reported", "final", "Bình thường.")
        assert [one.reference for one in report.basedOn or []] == [f"ServiceRequest/{exam.order}"]
        assert [one.reference for one in report.imagingStudy or []] == [f"ImagingStudy/{study.id}"]


def test_a_reading_is_that_of_another_order_only_if_that_is_said(
    port: int, person: r4.Patient, cast: dict[str, Account]
) -> None:
    first, second = _in_one_step(port, person, "1.2.3.4")
    alone = Exam.objects.get(order=order(person, "Chụp CLVT ổ bụng").id)
    work.sign(asker_of(cast["imaging"]), first.pk, Typed("Mô tả", "Kết luận"), also=[alone.pk])
    assert [Exam.objects.get(pk=one.pk).stage for one in (first, second, alone)] == ["reported", "started", "ordered"]


def test_a_step_that_was_broken_off_leaves_its_orders_apart(port: int, person: r4.Patient) -> None:
    exams = _in_one_step(port, person, "1.2.3.4")
    assert grouped.mates(exams[0]) == [exams[1]]
    broken_off = Dataset()
    broken_off.PerformedProcedureStepStatus = "DISCONTINUED"
    association = call(port, ModalityPerformedProcedureStep)
    assert association.send_n_set(broken_off, ModalityPerformedProcedureStep, "1.7")[0].Status == 0
    association.release()
    assert grouped.mates(exams[0]) == []
    assert set(Exam.objects.values_list("stage", flat=True)) == {"scheduled"}


def test_a_revoked_order_leaves_the_worklist(port: int, person: r4.Patient) -> None:
    wanted = order(person)
    wanted.status = "revoked"
    record.update(SYSTEM, wanted)
    assert Exam.objects.get().stage == "cancelled"
    assert find(port, ModalityWorklistInformationFind, PatientName="") == []
