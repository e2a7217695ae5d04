"""Studies of the archive that a person puts right: of another person or order, or told wrongly.

The index is right at once; the objects are written anew by a job, each with what it said in its Original Attributes.
Their earlier files are kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast
from uuid import uuid4

from django.db import transaction

from tuetinh.care.imaging.ai.retiring import retire
from tuetinh.care.imaging.archive import fixing
from tuetinh.care.imaging.archive.attributes import TAG_OF, clean
from tuetinh.care.imaging.archive.keeping import ask
from tuetinh.care.imaging.archive.persons import number_of
from tuetinh.care.imaging.archive.reading import day, words
from tuetinh.care.imaging.errors import NeedsReason, NoOrder, NoPerson, NotAllowed, NotThere
from tuetinh.care.imaging.facts import HANOI
from tuetinh.care.imaging.models import Change, Exam, Instance, Pending, Series, Study
from tuetinh.commons.identity import api as identity
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.contents import Arriving
from tuetinh.record.contents.files import opened
from tuetinh.record.steps import enter

REPORTED: Final = "REPORT"  # source of signed reports as DICOM, which are of the order that they were signed for
CORRECTING: Final = frozenset({"imaging"})
OF_STUDY: Final = ("StudyDate", "StudyDescription")
OF_SERIES: Final = ("Modality", "SeriesDescription", "BodyPartExamined", "Laterality")
_SEXES: Final = {"male": "M", "female": "F", "other": "O"}
_TAKEN: Final = (Exam.Stage.STARTED, Exam.Stage.DONE)
_OPEN: Final = (Exam.Stage.ORDERED, Exam.Stage.SCHEDULED, Exam.Stage.STARTED)


def studies(asker: Asker) -> Any:
    """The studies that the asker may put right."""
    enter(asker)
    return Study.objects.filter(custodian=asker.facility)


def history(study: Study) -> list[Change]:
    """What was done with a study, the last first."""
    return list(Change.objects.filter(study=study).order_by("-at", "-id")[:50])


def values_of(attributes: Mapping[str, Any], keywords: Collection[str]) -> dict[str, str]:
    """What the attributes of a row tell, by keyword, "" where they tell nothing."""
    values = {one: (attributes.get(f"{TAG_OF[one]:08X}", {}).get("Value") or [""])[0] for one in keywords}
    names = {one: value.get("Alphabetic", "") for one, value in values.items() if isinstance(value, dict)}
    return {keyword: str(value or "") for keyword, value in (values | names).items()}


def correct(
    asker: Asker,
    study_id: int,
    told: Mapping[str, str],
    why: str,
    *,
    patient: str = "",
    accession: str = "",
    series: Mapping[int, Mapping[str, str]] | None = None,
) -> Study:
    """Put a study right. told: of `OF_STUDY`; series: of `OF_SERIES` by the id of a series.

    patient, accession: whose it is and of which order, "" where that stays. Raises NotAllowed, NeedsReason, NotThere,
    NoPerson, NoOrder, BadAttribute.
    """
    from tuetinh.care.imaging.jobs import correct_objects

    if asker.role not in CORRECTING or not asker.facility:
        raise NotAllowed
    if not why.strip():
        raise NeedsReason
    with transaction.atomic():
        study = studies(asker).select_for_update().filter(pk=study_id).first()
        if study is None or (not study.patient and not patient):
            raise NotThere
        before = {"patient": study.patient or "", "accession": study.accession_number}
        values = _typed(told, study, OF_STUDY)
        exam = _order(asker, accession, patient or study.patient or "")
        values |= _moved(asker, study, patient) | ({"AccessionNumber": accession} if accession else {})
        after = _write_study(study, values)
        changed_series = _write_series(study, series or {})
        if exam:
            _join(study, exam)
        moved = study.patient != before["patient"]
        if not (after or changed_series or exam or moved):
            return study
        _tell(study, patient)
        retire(asker, study, why, (REPORTED,) if moved else ())
        change = Change.objects.create(
            at=datetime.now(UTC), account=asker.account, facility=asker.facility, action="correct", study=study,
            before=before, after={"study": after, "series": changed_series, "patient": study.patient},
            why=why.strip()[:500],
        )  # fmt: skip
        correct_objects.defer(change=change.pk)
        publish(f"imaging:{asker.facility}")
    return study


def _order(asker: Asker, accession: str, patient: str) -> Exam | None:
    if not accession:
        return None
    exam = Exam.objects.select_for_update().filter(facility=asker.facility, accession_number=accession).first()
    if exam is None or exam.patient != patient:
        raise NoOrder
    return exam


def _moved(asker: Asker, study: Study, patient: str) -> dict[str, str]:
    """What objects are to tell of the person whose they are now; nothing where that stays."""
    if not patient or patient == study.patient:
        return {}
    person = cast("r4.Patient | None", record.read_many(asker, "Patient", [patient]).get(patient))
    if person is None:
        raise NoPerson
    birth = person.birthDate or ""
    enter(SYSTEM)
    _leave(study)
    study.patient, study.order, study.encounter = patient, "", ""
    return {
        "PatientID": number_of(person, asker.facility),
        "IssuerOfPatientID": asker.facility,
        "PatientName": identity.display_name(person).replace(" ", "^", 1)[:324],
        "PatientBirthDate": birth.replace("-", "") if len(birth) == 10 else "",
        "PatientSex": _SEXES.get(person.gender or "", ""),
        "AccessionNumber": "",
    }


def _leave(study: Study) -> None:
    """The order that the study was of has no pictures any more: it waits again, for a study of another UID."""
    rows = Exam.objects.select_for_update()
    exam = (rows.filter(order=study.order) if study.order else rows.filter(pk=None)).first()
    exam = exam or rows.filter(study_instance_uid=study.study_instance_uid).first()
    if exam is None:
        return
    if exam.study_instance_uid == study.study_instance_uid:
        exam.study_instance_uid = f"2.25.{uuid4().int}"
    others = Study.objects.filter(order=exam.order).exclude(pk=study.pk).exists()
    if exam.stage in _TAKEN and not others:
        exam.stage, exam.started_at, exam.ended_at, exam.taken_by = Exam.Stage.SCHEDULED, None, None, ""
    exam.save()


def _join(study: Study, exam: Exam) -> None:
    """The study is of this order, whose pictures are taken."""
    enter(SYSTEM)
    study.order, study.encounter = exam.order, exam.encounter
    study.save(update_fields=["order", "encounter"])
    if exam.stage in _OPEN:
        exam.stage, exam.ended_at = Exam.Stage.DONE, exam.ended_at or datetime.now(UTC)
        exam.started_at = exam.started_at or exam.ended_at
        exam.save(update_fields=["stage", "started_at", "ended_at"])


_COLUMNS: Final = {
    "PatientID": "patient_id",
    "PatientSex": "patient_sex",
    "AccessionNumber": "accession_number",
    "StudyDescription": "study_description",
}


def _write_study(study: Study, values: Mapping[str, str]) -> dict[str, str]:
    """Put values into the row of a study; returns those that changed."""
    changed = _put(study, values)
    enter(SYSTEM)
    for keyword, value in changed.items():
        if column := _COLUMNS.get(keyword):
            setattr(study, column, value)
        elif keyword == "PatientName":
            study.name_words = words(value)
        elif keyword == "PatientBirthDate":
            study.patient_birth_date = day(value)
        elif keyword == "StudyDate":
            study.study_date = day(value)
    study.save()
    return changed


def _write_series(study: Study, told: Mapping[int, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Put values into the rows of series of a study; returns those that changed, by their UIDs."""
    found = {}
    enter(SYSTEM)
    for row in Series.objects.select_for_update().filter(study=study, pk__in=told):
        if changed := _put(row, _typed(told[row.pk], row, OF_SERIES)):
            row.modality = changed.get("Modality", row.modality)
            row.save()
            found[row.series_instance_uid] = changed
    return found


def _typed(told: Mapping[str, str], row: Study | Series, keywords: Collection[str]) -> dict[str, str]:
    """What was typed of these keywords that is not there already. Raises BadAttribute."""
    mine = {keyword: value for keyword, value in told.items() if keyword in keywords}
    return fixing.checked(fixing.changed(mine, values_of(row.attributes, keywords)))


def _put(row: Study | Series, values: Mapping[str, str]) -> dict[str, str]:
    """Put values into the attributes of a row; returns those that changed."""
    from pydicom import Dataset

    new = Dataset()
    changed = {}
    for keyword, value in values.items():
        setattr(new, keyword, value)
        told = clean(new[keyword].to_json_dict(None, 0))
        tag = f"{new[keyword].tag:08X}"
        if row.attributes.get(tag, {}).get("Value") != told.get("Value"):
            row.attributes[tag] = told
            changed[keyword] = value
    return changed


def _tell(study: Study, patient: str) -> None:
    """Let the record be told, and files of the study be of whose it is now."""
    if patient:
        ask(
            "UPDATE record.content SET patient = %s, shard = %s WHERE type = 'ImagingStudy' AND id = %s",
            *(study.patient, study.patient, study.resource),
        )
    enter(SYSTEM)
    Pending.objects.create(study=study, at=datetime.now(UTC))


def rewrite(change_id: int) -> int:
    """Write the objects of a study as a person has put it right; returns how many. Safe to repeat and to be killed.

    They tell what the study tells now, be it that others have put it right since.
    """
    change = Change.objects.get(pk=change_id)
    enter(SYSTEM)
    study = Study.objects.filter(pk=change.study_id).first()
    if study is None:
        return 0
    of_study = values_of(study.attributes, change.after["study"])
    count = 0
    for series in Series.objects.filter(study=study):
        of_series = values_of(series.attributes, change.after["series"].get(series.series_instance_uid, {}))
        objects = Instance.objects.filter(series=series).order_by("pk").values_list("pk", flat=True)
        moment = change.at.astimezone(HANOI).strftime("%Y%m%d%H%M%S")
        count += sum(_rewrite(pk, of_study | of_series, moment) for pk in list(objects))
    return count


_REPLACE: Final = """
WITH changed AS (
  UPDATE imaging_instance SET digest = %s, size = %s, original = NULL, original_syntax = '', compression = ''
  WHERE id = %s AND digest = %s RETURNING study_id
), used AS (
  INSERT INTO record.content (digest, size, type, id, shard, patient, custodian)
  SELECT %s, %s, 'ImagingStudy', s.resource, coalesce(s.patient, s.resource), s.patient, s.custodian
  FROM changed JOIN imaging_study s ON s.id = changed.study_id ON CONFLICT DO NOTHING
)
SELECT study_id FROM changed"""
_TRIES: Final = 3  # where others put another file in the place of an object


def _rewrite(instance: int, told: Mapping[str, str], moment: str) -> bool:
    from tuetinh.care.imaging.archive.changing import CannotChange, write_changed

    for _ in range(_TRIES):
        digests = ask("SELECT digest FROM imaging_instance WHERE id = %s", instance)
        if not digests:
            return False
        digest = bytes(digests[0][0])
        with opened(digest) as file, Arriving() as made:
            try:
                if not write_changed(file, made, told, moment, "CORRECT"):
                    return False
            except CannotChange:  # the index alone is right
                return False
            content = made.place()
        if ask(_REPLACE, *(content.digest, content.size, instance, digest), *(content.digest, content.size)):
            return True
    return False
