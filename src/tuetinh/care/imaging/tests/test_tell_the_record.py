"""Each study is an ImagingStudy of the record, and follows its person."""

from __future__ import annotations

import pytest

from tuetinh.care.imaging.archive import deciding
from tuetinh.care.imaging.archive.keeping import ask, keep, resource_id
from tuetinh.care.imaging.archive.recording import record_new, record_quiet, record_studies
from tuetinh.care.imaging.errors import NeedsReason, NoPerson, NotAllowed, NotWaiting, StillWrong
from tuetinh.care.imaging.models import Change, Exam, Held, Instance, Pending, Study
from tuetinh.care.imaging.tests.conftest import HERE, part10
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.commons.identity import merging
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents.files import path_of
from tuetinh.record.steps import enter

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
ID = resource_id("1.2.3.4")


def told() -> r4.ImagingStudy:
    """The study as the record has it."""
    found = record.read(SYSTEM, "ImagingStudy", ID)
    assert isinstance(found, r4.ImagingStudy)
    return found


def test_a_study_is_told_once_and_again_when_more_comes(person: r4.Patient) -> None:
    keep(HERE, part10(SOPInstanceUID="1.2.3.4.1.1"))
    assert record_studies(["1.2.3.4"]) == 1
    first = told()
    assert first.subject == r4.Reference(reference=f"Patient/{person.id}")
    assert (first.numberOfSeries, first.numberOfInstances, first.started) == (1, 1, "2026-11-02T08:15:00+07:00")
    assert first.identifier == [r4.Identifier(system="urn:dicom:uid", value="urn:oid:1.2.3.4")]
    assert record_studies(["1.2.3.4"]) == 0
    keep(HERE, part10(SOPInstanceUID="1.2.3.4.1.2"))
    assert record_studies(["1.2.3.4"]) == 1
    assert (told().numberOfInstances, told().meta and told().meta.versionId) == (2, "2")
    assert record.search(SYSTEM, "ImagingStudy", f"patient=Patient/{person.id}&modality=CT").resources == [told()]


def test_a_study_is_not_told_anew_for_each_picture(person: r4.Patient) -> None:
    keep(HERE, part10())
    assert record_new(["1.2.3.4"]) == 1
    keep(HERE, part10())
    assert record_new(["1.2.3.4"]) == 0
    assert told().numberOfInstances == 1
    ask("UPDATE imaging_pending SET at = now() - interval '1 minute'")
    assert record_quiet() == 1
    assert told().numberOfInstances == 2


def test_the_worker_tells_what_came_to_rest(person: r4.Patient) -> None:
    keep(HERE, part10())
    assert record_quiet() == 0
    ask("UPDATE imaging_pending SET at = now() - interval '1 minute'")
    assert record_quiet() == 1
    enter(SYSTEM)
    assert Pending.objects.count() == 0
    assert told().numberOfInstances == 1


def test_a_nobodys_study_is_given_to_a_person(person: r4.Patient, cast: dict[str, Account]) -> None:
    keep(HERE, part10(PatientID="UNKNOWN"))
    record_studies(["1.2.3.4"])
    assert record.read_many(SYSTEM, "ImagingStudy", [ID]) == {}
    desk, outsider, lab = (asker_of(cast[name]) for name in ("imaging", "outsider", "lab"))
    row = deciding.nobodys(desk).get()
    for who, patient, why, error in (
        (outsider, str(person.id), "x", NotAllowed),
        (lab, str(person.id), "x", NotAllowed),
        (desk, "nobody", "x", NoPerson),
        (desk, str(person.id), " ", NeedsReason),
    ):
        with pytest.raises(error):
            deciding.give_study(who, row.pk, patient, why)
    enter(SYSTEM)
    assert (Study.objects.get().patient, Change.objects.count()) == (None, 0)
    deciding.give_study(desk, row.pk, str(person.id), "Cấp cứu, đã xác định")
    record_studies(["1.2.3.4"])
    assert told().subject == r4.Reference(reference=f"Patient/{person.id}")
    change = Change.objects.get()
    assert (change.action, change.before, change.after) == ("give", {"patient": None}, {"patient": person.id})


def test_what_waits_is_assigned_rejected_or_replaces(person: r4.Patient, cast: dict[str, Account]) -> None:
    desk = asker_of(cast["imaging"])
    first = part10(SOPInstanceUID="1.2.3.4.1.1")
    keep(HERE, first)
    second = part10(SOPInstanceUID="1.2.3.4.1.1", PixelData=bytes(32))
    keep(HERE, second)
    keep(HERE, b"broken")
    keep(
        HERE, part10(StudyInstanceUID="1.5", SeriesInstanceUID="1.5.1", PatientName="X^Y", PatientBirthDate="19000101")
    )
    waits = {row.reason: row.pk for row in deciding.waiting("12104")}
    assert set(waits) == {"changed", "broken", "other-person"}
    assert deciding.replace(desk, waits["changed"], "Máy gửi lại bản đúng").state == "accepted"
    enter(SYSTEM)
    assert path_of(bytes(Instance.objects.get(sop_instance_uid="1.2.3.4.1.1").digest)).read_bytes() == second
    replaced = Change.objects.get(action="accepted").before["digest"]
    assert path_of(bytes.fromhex(replaced)).read_bytes() == first
    assert deciding.reject(desk, waits["broken"], "Tệp hỏng").state == "rejected"
    assert deciding.assign(desk, waits["other-person"], str(person.id), "Sai tên trên máy").state == "assigned"
    enter(SYSTEM)
    assert Study.objects.get(study_instance_uid="1.5").patient == person.id
    with pytest.raises(NotWaiting):
        deciding.reject(desk, waits["broken"], "Lần nữa")
    assert Held.objects.filter(state="waiting").count() == 0


def test_an_object_is_replaced_within_its_own_series_only(person: r4.Patient, cast: dict[str, Account]) -> None:
    first = part10(SOPInstanceUID="1.2.3.4.1.1")
    keep(HERE, first)
    keep(HERE, part10(SOPInstanceUID="1.2.3.4.1.1", SeriesInstanceUID="1.2.3.4.2"))
    Held.objects.update(reason="changed")  # as it was held before places were looked at
    with pytest.raises(StillWrong):
        deciding.replace(asker_of(cast["imaging"]), deciding.waiting("12104").get().pk, "Máy gửi lại")
    enter(SYSTEM)
    assert path_of(bytes(Instance.objects.get().digest)).read_bytes() == first
    assert (Held.objects.get().state, Change.objects.count()) == ("waiting", 0)


@pytest.mark.parametrize("of_the_order", [True, False])
def test_what_is_assigned_joins_its_order(person: r4.Patient, cast: dict[str, Account], *, of_the_order: bool) -> None:
    wanted = order(person)
    exam = Exam.objects.get(order=wanted.id)
    other = record.create(SYSTEM, r4.Patient(name=person.name, gender="male", birthDate="1980-02-29"))
    keep(HERE, part10(AccessionNumber=exam.accession_number, PatientName="X^Y", PatientBirthDate="19000101"))
    whom = str((person if of_the_order else other).id)
    deciding.assign(asker_of(cast["imaging"]), deciding.waiting("12104").get().pk, whom, "Sai tên trên máy")
    enter(SYSTEM)
    study = Study.objects.get()
    assert (study.patient, study.order) == (whom, wanted.id if of_the_order else "")
    record_studies(["1.2.3.4"])
    based = [r4.Reference(reference=f"ServiceRequest/{wanted.id}")]
    assert told().basedOn == (based if of_the_order else None)


def test_a_merge_takes_the_studies_along(person: r4.Patient) -> None:
    keep(HERE, part10())
    record_studies(["1.2.3.4"])
    same = record.create(SYSTEM, r4.Patient(name=person.name, gender="male", birthDate="1980-02-29"))
    merging.merge(SYSTEM, str(person.id), str(same.id))
    enter(SYSTEM)
    assert Study.objects.get().patient == same.id
    assert told().subject == r4.Reference(reference=f"Patient/{same.id}")
    keep(HERE, part10(SOPInstanceUID="1.2.3.4.1.2"))
    record_studies(["1.2.3.4"])
    assert (told().subject, told().numberOfInstances) == (r4.Reference(reference=f"Patient/{same.id}"), 2)
