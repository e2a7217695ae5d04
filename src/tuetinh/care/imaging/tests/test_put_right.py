"""What came wrongly is put right by a person: held objects with other values, studies of another person or order."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
from django.test import Client
from pydicom import Dataset, dcmread
from pydicom.uid import UID

from tuetinh.care.imaging.archive import browsing, correcting, deciding, stray
from tuetinh.care.imaging.archive.correcting import correct, rewrite
from tuetinh.care.imaging.archive.keeping import Source, keep, resource_id
from tuetinh.care.imaging.archive.matching import Wanted
from tuetinh.care.imaging.archive.queries import find
from tuetinh.care.imaging.archive.recording import record_studies
from tuetinh.care.imaging.errors import (
    BadAttribute,
    NeedsReason,
    NoOrder,
    NoPerson,
    NotAllowed,
    NotThere,
    NotWaiting,
    StillWrong,
)
from tuetinh.care.imaging.models import Change, Device, Exam, Held, Instance, Series, Study
from tuetinh.care.imaging.tests.conftest import FACILITY, HERE, part10
from tuetinh.care.imaging.tests.test_keep_objects import counts, order
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.commons.identity.api import human_name
from tuetinh.commons.identity.facts import number
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.contents.files import opened
from tuetinh.record.steps import enter, run

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
Browser = Callable[[str], Client]
LONG = "1.2.3." + "4" * 70


@pytest.fixture
def desk(cast: dict[str, Account]) -> Asker:
    """The imaging desk."""
    return asker_of(cast["imaging"])


@pytest.fixture
def pang() -> r4.Patient:
    """Another patient of the facility."""
    mrn = number("mrn", "BN000018", facility=FACILITY)
    return record.create(
        SYSTEM, r4.Patient(name=[human_name("Lò Thị Pâng")], gender="female", birthDate="1972-03-12", identifier=[mrn])
    )


def without(keyword: str, **changes: object) -> bytes:
    """An object that lacks an element."""
    dataset, out = dcmread(BytesIO(part10(**changes))), BytesIO()
    del dataset[keyword]
    dataset.save_as(out)
    return out.getvalue()


def held() -> Held:
    """The one object that waits."""
    return deciding.waiting(FACILITY).get()


def kept(uid: str = "") -> Dataset:
    """The one object of the archive, or that of a UID, as its file is."""
    enter(SYSTEM)
    row = Instance.objects.get(**({"sop_instance_uid": uid} if uid else {}))
    with opened(bytes(row.digest)) as file:
        return dcmread(BytesIO(file.read()))


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_an_object_without_a_uid_gets_one(person: r4.Patient, desk: Asker, keyword: str) -> None:
    data = without(keyword)
    keep(HERE, data)
    assert held().reason == "missing"
    row = deciding.fix(desk, held().pk, {}, "Máy cũ không ghi mã")
    assert (row.state, counts()) == ("fixed", (1, 1, 1, 1))
    made = kept()
    assert UID(made[keyword].value).is_valid and made[keyword].value.startswith("2.25.")
    assert made.file_meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID
    assert made.PixelData == dcmread(BytesIO(data)).PixelData
    [item] = made.OriginalAttributesSequence
    assert (item.ReasonForTheAttributeModification, item.ModifiedAttributesSequence[0][keyword].value) == (
        "CORRECT",
        "",
    )
    with opened(bytes(row.digest)) as file:
        assert file.read() == data
    change = Change.objects.get()
    assert (change.action, change.why, change.before) == ("fixed", "Máy cũ không ghi mã", {keyword: ""})
    assert change.after == {keyword: made[keyword].value, "instance": made.SOPInstanceUID}
    with pytest.raises(NotWaiting):
        deciding.fix(desk, row.pk, {}, "Lần nữa")


def test_a_study_without_a_uid_is_that_of_its_order(person: r4.Patient, desk: Asker) -> None:
    exam = Exam.objects.get(order=order(person).id)
    keep(HERE, part10(StudyInstanceUID=None, AccessionNumber="x"))
    deciding.fix(desk, held().pk, {"AccessionNumber": exam.accession_number}, "Gõ nhầm số")
    enter(SYSTEM)
    study = Study.objects.get()
    assert (study.study_instance_uid, study.order, study.patient) == (exam.study_instance_uid, exam.order, person.id)


def test_uids_that_are_none_and_files_without_a_header_are_put_right(person: r4.Patient, desk: Asker) -> None:
    keep(HERE, part10(SOPInstanceUID=LONG))
    assert (held().reason, held().detail) == ("broken", "SOPInstanceUID")
    with pytest.raises(StillWrong):
        deciding.fix(desk, held().pk, {}, "Không sửa gì")
    deciding.fix(desk, held().pk, {"SOPInstanceUID": "1.2.3.4.1.1"}, "Mã quá dài")
    assert kept().SOPInstanceUID == "1.2.3.4.1.1"
    data = part10(SOPInstanceUID="1.2.3.4.1.2")
    whole = dcmread(BytesIO(data))
    keep(HERE, data[data.index(b"\x08\x00\x05\x00CS") :])
    assert (held().reason, held().detail) == ("broken", "no Part 10 header")
    deciding.fix(desk, held().pk, {}, "Tệp không có phần đầu")
    assert kept("1.2.3.4.1.2").PixelData == whole.PixelData


def test_letters_that_a_character_set_has_not_make_it_utf8(person: r4.Patient, desk: Asker) -> None:
    """What else stands there in the old one stays the same."""
    latin = {"SpecificCharacterSet": "ISO_IR 100", "StudyDescription": "Tête", "ReferringPhysicianName": "Müller^Jörg"}
    keep(HERE, part10(**latin, StudyInstanceUID=None, PatientName="X^Y"))
    deciding.fix(desk, held().pk, {"PatientName": "Nguyễn^Văn^Ánh"}, "Sai tên")
    made = kept()
    assert made.SpecificCharacterSet == "ISO_IR 192"
    told = (str(made.PatientName), made.StudyDescription, str(made.ReferringPhysicianName))
    assert told == ("Nguyễn^Văn^Ánh", "Tête", "Müller^Jörg")
    [item] = made.OriginalAttributesSequence
    assert str(item.ModifiedAttributesSequence[0].PatientName) == "X^Y"


def test_what_stays_wrong_changes_nothing(
    person: r4.Patient, pang: r4.Patient, cast: dict[str, Account], desk: Asker
) -> None:
    keep(HERE, part10(StudyInstanceUID=None))
    row = held().pk
    outsider, lab = (asker_of(cast[name]) for name in ("outsider", "lab"))
    for who, told, why, patient, error in (
        (outsider, {}, "x", "", NotAllowed),
        (lab, {}, "x", "", NotAllowed),
        (desk, {}, " ", "", NeedsReason),
        (desk, {}, "x", "nobody", NoPerson),
        (desk, {"StudyInstanceUID": "1.x"}, "x", "", BadAttribute),
        (desk, {"SOPInstanceUID": LONG}, "x", "", BadAttribute),
        (desk, {"PatientBirthDate": "19801399"}, "x", "", BadAttribute),
        (desk, {"PatientSex": "K"}, "x", "", BadAttribute),
        (desk, {"PatientID": "a\\b"}, "x", "", BadAttribute),
        (desk, {"PatientName": "Lò^Thị^Pâng", "PatientBirthDate": "19720312"}, "x", "", StillWrong),  # not BN000017
    ):
        with pytest.raises(error):
            deciding.fix(who, row, told, why, patient)
    assert (held().state, counts(), Change.objects.count()) == ("waiting", (0, 0, 0, 1), 0)
    keep(HERE, b"nothing at all")
    broken = deciding.waiting(FACILITY).exclude(pk=row).get()
    with pytest.raises(StillWrong):
        deciding.fix(desk, broken.pk, {"SOPInstanceUID": "1.2"}, "x")
    deciding.fix(desk, row, {}, "Của người khác", str(pang.id))
    enter(SYSTEM)
    assert Study.objects.get().patient == pang.id


def test_a_study_of_the_wrong_person_moves(person: r4.Patient, pang: r4.Patient, desk: Asker) -> None:
    """With its objects, the record and the orders; what stood there is kept."""
    wrong, right = (Exam.objects.get(order=order(one).id) for one in (person, pang))
    Exam.objects.filter(pk=wrong.pk).update(stage="done")
    uid = wrong.study_instance_uid
    first = part10(StudyInstanceUID=uid, SOPInstanceUID="1.2.3.4.1.1", AccessionNumber=wrong.accession_number)
    keep(HERE, first)
    record_studies([uid])
    enter(SYSTEM)
    study, old = Study.objects.get(), bytes(Instance.objects.get().digest)
    assert (study.patient, study.order) == (person.id, wrong.order)

    correct(desk, study.pk, {}, "Chụp nhầm tên", patient=str(pang.id), accession=right.accession_number)
    enter(SYSTEM)
    study = Study.objects.get()
    assert (study.patient, study.order, study.patient_id, study.name_words, study.patient_sex) == (
        pang.id, right.order, "BN000018", "lo thi pang", "F",
    )  # fmt: skip
    assert study.accession_number == right.accession_number
    wrong.refresh_from_db()
    right.refresh_from_db()
    assert (wrong.stage, right.stage, wrong.study_instance_uid != uid) == ("scheduled", "done", True)
    record_studies([uid])
    told = record.read(SYSTEM, "ImagingStudy", resource_id(uid))
    assert told.subject == r4.Reference(reference=f"Patient/{pang.id}")
    assert told.basedOn == [r4.Reference(reference=f"ServiceRequest/{right.order}")]
    [match] = run(SYSTEM, find(SYSTEM, Wanted("STUDY", {0x00100020: ["BN000018"]}))).matches
    assert match["00100010"]["Value"] == [{"Alphabetic": "Lò^Thị Pâng"}]

    change = Change.objects.get()
    assert (rewrite(change.pk), rewrite(change.pk)) == (1, 0)  # once, however often it is begun
    made = kept()
    assert (str(made.PatientName), made.PatientID, made.PatientBirthDate) == ("Lò^Thị Pâng", "BN000018", "19720312")
    assert (made.SOPInstanceUID, made.PixelData) == ("1.2.3.4.1.1", dcmread(BytesIO(first)).PixelData)
    before = made.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert (str(before.PatientName), before.PatientID) == ("Nguyễn^Văn^Ánh", "BN000017")
    with opened(old) as file:
        assert file.read() == first
    assert (change.action, change.before["patient"], change.after["patient"]) == ("correct", person.id, pang.id)


def test_objects_tell_what_the_study_tells_last(person: r4.Patient, desk: Asker) -> None:
    """In whichever order the changes come to the objects."""
    keep(HERE, part10(SOPInstanceUID="1.2.3.4.1.1"))
    enter(SYSTEM)
    study = Study.objects.get()
    for said in ("Một", "Hai"):
        correct(desk, study.pk, {"StudyDescription": said}, "Nhầm")
    first, last = Change.objects.order_by("pk")
    assert (rewrite(last.pk), rewrite(first.pk), kept().StudyDescription) == (1, 0, "Hai")


def test_what_a_series_tells_is_put_right(person: r4.Patient, desk: Asker) -> None:
    keep(HERE, part10(SOPInstanceUID="1.2.3.4.1.1", Laterality="L", BodyPartExamined="KNEE"))
    keep(HERE, part10(SOPInstanceUID="1.2.3.4.2.1", SeriesInstanceUID="1.2.3.4.2", Laterality="L"))
    enter(SYSTEM)
    study, series = Study.objects.get(), Series.objects.get(series_instance_uid="1.2.3.4.1")
    correct(desk, study.pk, {"StudyDescription": "Gối phải"}, "Nhầm bên", series={series.pk: {"Laterality": "R"}})
    assert rewrite(Change.objects.get().pk) == 2
    one, other = kept("1.2.3.4.1.1"), kept("1.2.3.4.2.1")
    assert (one.Laterality, one.StudyDescription, one.BodyPartExamined) == ("R", "Gối phải", "KNEE")
    assert (other.Laterality, other.StudyDescription) == ("L", "Gối phải")
    found = run(SYSTEM, find(SYSTEM, Wanted("SERIES", {0x00200060: ["R"]}))).matches
    assert [match["0020000E"]["Value"] for match in found] == [["1.2.3.4.1"]]
    study.refresh_from_db()
    assert (study.patient, study.study_description) == (person.id, "Gối phải")
    correct(desk, study.pk, {"StudyDescription": "Gối phải"}, "Không có gì mới")
    assert Change.objects.count() == 1


def test_nobody_else_puts_studies_right(
    person: r4.Patient, pang: r4.Patient, cast: dict[str, Account], desk: Asker
) -> None:
    keep(HERE, part10())
    enter(SYSTEM)
    study = Study.objects.get()
    for who, told, why, options, error in (
        (asker_of(cast["outsider"]), {}, "x", {"patient": str(pang.id)}, NotAllowed),
        (asker_of(cast["doctor"]), {}, "x", {"patient": str(pang.id)}, NotAllowed),
        (asker_of(Account(role="imaging", facility="12001")), {}, "x", {"patient": str(pang.id)}, NotThere),
        (desk, {}, "", {"patient": str(pang.id)}, NeedsReason),
        (desk, {}, "x", {"patient": "nobody"}, NoPerson),
        (desk, {}, "x", {"accession": "999999999999"}, NoOrder),
        (desk, {"StudyDate": "soon"}, "x", {}, BadAttribute),
    ):
        with pytest.raises(error):
            correct(who, study.pk, told, why, **options)
    enter(SYSTEM)
    assert (Study.objects.get().patient, Change.objects.count()) == (person.id, 0)


def test_on_the_pages(person: r4.Patient, pang: r4.Patient, as_role: Browser) -> None:
    keep(HERE, part10(SOPInstanceUID="1.2.3.4.1.1"))
    keep(HERE, without("SOPInstanceUID", StudyInstanceUID="1.5", SeriesInstanceUID="1.5.1"))
    browser = as_role("imaging")
    page = browser.get(f"/imaging/waiting/{held().pk}").content.decode()
    assert "Sửa thông tin rồi nhận" in page and 'value="Nguyễn^Văn^Ánh"' in page
    told = {"action": "fix", "why": "Thiếu mã", "StudyInstanceUID": "1.x"}
    answer = browser.post(f"/imaging/waiting/{held().pk}", told)
    assert (answer.status_code, "Mã ca chụp: giá trị không hợp lệ." in answer.content.decode()) == (422, True)
    answer = browser.post(f"/imaging/waiting/{held().pk}", told | {"StudyInstanceUID": "1.5"})
    assert (answer.status_code, deciding.waiting(FACILITY).count()) == (302, 0)

    enter(SYSTEM)
    study = Study.objects.get(study_instance_uid="1.2.3.4")
    url = f"/imaging/studies/{study.pk}"
    for query, found in {
        "": True, "?q=Ánh": True, "?q=BN000017": True, "?q=Lò": False, "?day=2026-11-02": True, "?modality=MR": False,
        "?q=1.2.3.4": True,
    }.items():  # fmt: skip
        assert (url in browser.get(f"/imaging/studies{query}").content.decode()) == found, query
    assert "CLVT sọ não" in browser.get(url).content.decode()
    assert browser.post(url, {"patient": "BN000018", "why": ""}).status_code == 422
    assert browser.post(url, {"patient": "BN999", "why": "x"}).status_code == 422
    assert browser.post(url, {"patient": "BN000018", "why": "Nhầm người"}).status_code == 302
    page = browser.get(url).content.decode()
    assert "Nhầm người" in page and "Lò Thị Pâng" in page
    for who in ("doctor", "outsider", "lab"):
        assert as_role(who).get("/imaging/studies").status_code == 403
        assert as_role(who).post(url, {"patient": "BN000017", "why": "x"}).status_code == 403
    enter(SYSTEM)
    study.refresh_from_db()
    assert study.patient == pang.id


def test_the_list_tells_machines_and_objects(person: r4.Patient, desk: Asker) -> None:
    keep(HERE, part10())
    found = browsing.lines(desk, list(correcting.studies(desk)))
    assert [(one.modalities, one.objects) for one in found] == [("CT", 1)]


ALL = Source("", "STOW client:1")  # of a system of the whole province


def test_what_the_province_sends_comes_to_its_facility(person: r4.Patient, cast: dict[str, Account]) -> None:
    """By its study, its order, or who gave the patient's number."""
    exam = Exam.objects.get(order=order(person).id)
    keep(ALL, part10(StudyInstanceUID=exam.study_instance_uid, SOPInstanceUID="1.2.3.4.1.1"))
    enter(SYSTEM)
    assert Study.objects.get().custodian == FACILITY
    keep(ALL, part10(StudyInstanceUID=exam.study_instance_uid, SOPInstanceUID="1.2.3.4.1.1", PixelData=bytes(32)))
    other = {"PatientName": "X^Y", "PatientBirthDate": "19000101"}
    keep(ALL, part10(StudyInstanceUID="1.5", SeriesInstanceUID="1.5.1", AccessionNumber=exam.accession_number, **other))
    keep(ALL, part10(StudyInstanceUID="1.6", SeriesInstanceUID="1.6.1", IssuerOfPatientID=FACILITY, **other))
    assert [row.facility for row in Held.objects.order_by("pk")] == [FACILITY] * 3
    keep(ALL, part10(StudyInstanceUID="1.7", SeriesInstanceUID="1.7.1", PatientID="X", IssuerOfPatientID=FACILITY))
    enter(SYSTEM)
    assert Study.objects.get(study_instance_uid="1.7").custodian == FACILITY


def test_what_is_for_no_facility_is_for_that_of_unknown_machines(person: r4.Patient, cast: dict[str, Account]) -> None:
    Device.objects.create(title="*", facility=FACILITY, name="Máy bất kỳ")
    keep(ALL, b"broken")
    keep(ALL, part10(PatientID="UNKNOWN"))
    keep(ALL, part10(StudyInstanceUID="1.5", SeriesInstanceUID="1.5.1"))
    desk = asker_of(cast["imaging"])
    assert (deciding.waiting(FACILITY).count(), deciding.nobodys(desk).count()) == (1, 1)
    enter(SYSTEM)
    assert Study.objects.get(study_instance_uid="1.5").custodian == ""  # a known person's, which any may add to


def test_what_is_for_no_facility_is_given_to_one(
    person: r4.Patient, cast: dict[str, Account], as_role: Browser
) -> None:
    keep(ALL, b"broken")
    keep(ALL, part10(PatientID="UNKNOWN"))
    assert (Held.objects.get().facility, deciding.waiting(FACILITY).count()) == ("", 0)
    province, desk = (asker_of(cast[name]) for name in ("province", "imaging"))
    row, study = stray.held().get(), stray.studies().get()
    for who, facility, why, error in (
        (desk, FACILITY, "x", NotAllowed),
        (asker_of(Account(role="admin", facility=FACILITY)), FACILITY, "x", NotAllowed),
        (province, FACILITY, " ", NeedsReason),
        (province, "nowhere", "x", NotThere),
    ):
        with pytest.raises(error):
            stray.give(who, facility, why, held_id=row.pk)
    assert Change.objects.count() == 0
    stray.give(province, FACILITY, "Máy của cơ sở này", held_id=row.pk)
    stray.give(province, FACILITY, "Máy của cơ sở này", study_id=study.pk)
    assert (deciding.waiting(FACILITY).get().pk, deciding.nobodys(desk).get().pk) == (row.pk, study.pk)
    assert deciding.reject(desk, row.pk, "Tệp hỏng").state == "rejected"
    with pytest.raises(NotWaiting):
        stray.give(province, FACILITY, "Lần nữa", held_id=row.pk)
    keep(ALL, b"broken")  # comes once more: a decision about it stands at the facility
    stray.give(province, FACILITY, "Máy của cơ sở này", held_id=stray.held().get().pk)
    assert (deciding.waiting(FACILITY).count(), Held.objects.get(pk=row.pk).copies) == (0, 2)
    keep(ALL, b"broken too")
    browser = as_role("province")
    assert "Tệp hỏng, không đọc được" in browser.get("/imaging/strays").content.decode()
    told = {"row": str(stray.held().get().pk), "facility": FACILITY, "why": "Máy của cơ sở này"}
    assert browser.post("/imaging/strays", told | {"facility": "x"}).status_code == 422
    assert browser.post("/imaging/strays", told).status_code == 302
    assert deciding.waiting(FACILITY).count() == 1
    for who in ("imaging", "doctor", "outsider", "admin"):
        assert as_role(who).get("/imaging/strays").status_code == 403
