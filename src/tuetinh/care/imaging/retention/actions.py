"""Hold studies, let them go, and take out of the archive what the record destroys."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from tuetinh.care.imaging.archive.keeping import ask, resource_id
from tuetinh.care.imaging.archive.recording import record_studies
from tuetinh.care.imaging.errors import Held, NeedsReason, NotAllowed, NotThere
from tuetinh.care.imaging.models import AiResult, Instance, Study
from tuetinh.care.imaging.retention.models import DestroyedObject, StudyHold
from tuetinh.record import api as record
from tuetinh.record import audit
from tuetinh.record.api import Destroyed
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import enter

HOLDING: Final = frozenset({"archivist"})
SHORTEST: Final = 10
BLOCK: Final = 1000


def holds(asker: Asker) -> QuerySet[StudyHold]:
    """The holds of the asker's facility, those that last first."""
    enter(asker)
    rows = StudyHold.objects.filter(facility=asker.facility).select_related("study")
    return rows.order_by(F("released_at").desc(nulls_first=True), "-id")


def hold(asker: Asker, named: str, why: str) -> StudyHold:
    """Hold a study of the asker's facility, by its UID or accession number.

    Raises NotAllowed, NeedsReason, NotThere.
    """
    _allow(asker)
    if len(why.strip()) < SHORTEST:
        raise NeedsReason
    with transaction.atomic():
        enter(asker)
        rows = Study.objects.select_for_update().filter(custodian=asker.facility)
        name = named.strip()
        study = rows.filter(Q(study_instance_uid=name) | Q(accession_number=name)).first() if name else None
        if study is None:
            raise NotThere
        known = StudyHold.objects.filter(study=study, released_at=None).first()
        if known:
            return known
        audit.note(asker, "update", "ImagingStudy", study.resource, study.patient)
        return StudyHold.objects.create(
            study=study, facility=asker.facility, reason=why.strip()[:500], by=asker.account, at=datetime.now(UTC)
        )


def release(asker: Asker, hold_id: int) -> None:
    """End a hold of the asker's facility. Raises NotAllowed, NotThere."""
    _allow(asker)
    rows = StudyHold.objects.filter(pk=hold_id, facility=asker.facility, released_at=None)
    if not rows.update(released_at=datetime.now(UTC), released_by=asker.account):
        raise NotThere


def _allow(asker: Asker) -> None:
    if asker.role not in HOLDING or not asker.facility:
        raise NotAllowed


def held_visits(encounters: Collection[str]) -> set[str]:
    """Those of these visits of which a study is held."""
    rows = ask(_HELD, list(encounters)) if encounters else []
    return {encounter for (encounter,) in rows}


_HELD: Final = """
SELECT DISTINCT s.encounter FROM imaging_studyhold h JOIN imaging_study s ON s.id = h.study_id
WHERE h.released_at IS NULL AND s.encounter = ANY(%s)"""


@dataclass(frozen=True, slots=True)
class Unvisited:
    """A study that belongs to no visit. resource: id of its ImagingStudy. uid: its own. patient: "" where nobody knows
    whose it is.

    title: the name, description and number that it came with. since: when it was made or came here, whichever is later.
    labels: bits of `record.labels`. held: it must not be destroyed for now.
    """

    resource: str
    uid: str
    patient: str
    title: str
    since: date
    labels: int
    held: bool


def unvisited(asker: Asker, before: date, at: int, most: int) -> list[Unvisited]:
    """Studies of the asker's facility that belong to no visit, made and come before a day, from a place of the list."""
    enter(asker)
    made = Q(study_date__lt=before) | Q(study_date=None)
    came = timezone.make_aware(datetime.combine(before, time()))
    rows = Study.objects.filter(made, received_at__lt=came, custodian=asker.facility, encounter="")
    return _told(rows.order_by("received_at", "id")[at : at + most])


def unvisited_study(asker: Asker, resource: str, *, lock: bool = False) -> Unvisited | None:
    """One of them. lock: keep others from it until the caller's transaction ends."""
    enter(asker)
    found = _unvisited(asker, resource)
    return next(iter(_told(found.select_for_update() if lock else found)), None)


def _unvisited(asker: Asker, resource: str) -> QuerySet[Study]:
    return Study.objects.filter(custodian=asker.facility, encounter="", resource=resource)


def _told(rows: QuerySet[Study]) -> list[Unvisited]:
    studies = list(rows)
    held = StudyHold.objects.filter(study__in=studies, released_at=None).values_list("study_id", flat=True)
    kept = set(held)
    return [
        Unvisited(
            one.resource,
            one.study_instance_uid,
            one.patient or "",
            " · ".join(filter(None, [one.name, one.study_description, one.accession_number or one.patient_id])),
            max(filter(None, [one.study_date, timezone.localdate(one.received_at)])),
            one.labels,
            one.pk in kept,
        )
        for one in studies
    ]


def destroy_study(asker: Asker, resource: str, decision: str) -> int:
    """Destroy a study that belongs to no visit, also one of nobody, which the record does not know.

    Returns how many versions of its ImagingStudy there were, or objects of nobody. Raises NotThere, Held, and as
    `record.destroy`.
    """
    with transaction.atomic():
        enter(asker)
        study = _unvisited(asker, resource).select_for_update().first()
        if study is None:
            raise NotThere
        if study.patient:
            record_studies([study.study_instance_uid])  # as whose it is destroyed, what came just now with it
            return record.destroy(asker, "ImagingStudy", resource, decision)
        count = Instance.objects.filter(study=study).count()
        follow_destruction(asker, resource, decision)
        audit.note(asker, "destroy", "ImagingStudy", resource, None)
        return count


def follow_destruction(asker: Asker, resource: str, decision: str) -> None:
    """Take a study out of the archive whose ImagingStudy is destroyed, in the same transaction, and what models said.

    Its files lose their last user, so the sweeps of the disk and of the store take them away. Raises Held.
    """
    rows = ask("SELECT id, study_instance_uid, custodian FROM imaging_study WHERE resource = %s FOR UPDATE", resource)
    if not rows:
        return
    [(study, uid, custodian)] = rows
    if StudyHold.objects.filter(study=study, released_at=None).exists():
        raise Held
    ask(_PROVE, decision[:200], custodian, asker.account, uid, study)
    ask("DELETE FROM record.content WHERE type = 'ImagingStudy' AND id = %s", resource)  # of nobody's, too
    StudyHold.objects.filter(study=study).delete()
    enter(SYSTEM)
    said = AiResult.objects.filter(study=study, done_at__isnull=False)
    for one in list(said):
        record.destroy(asker, "Observation", one.observation, decision)
    enter(SYSTEM)
    Instance.objects.filter(study=study).delete()
    Study.objects.filter(pk=study).delete()


_PROVE: Final = """
INSERT INTO imaging_destroyedobject (decision, custodian, account, study_instance_uid, sop_instance_uid, sha256, size,
  at)
SELECT %s, %s, %s, %s, sop_instance_uid, encode(digest, 'hex'), size, now() FROM imaging_instance WHERE study_id = %s
ORDER BY id"""


def study_uids(asker: Asker, resources: Collection[str], decision: str) -> dict[str, str]:
    """The StudyInstanceUID of studies by the id of their ImagingStudy: what is there, and what a decision destroyed."""
    enter(asker)
    there = Study.objects.filter(resource__in=resources).values_list("resource", "study_instance_uid")
    rows = DestroyedObject.objects.filter(decision=decision, custodian=asker.facility)
    gone = rows.values_list("study_instance_uid", flat=True).distinct()
    return dict(there) | {resource_id(uid): uid for uid in gone}


def destroyed(asker: Asker, decision: str) -> Iterator[Destroyed]:
    """The objects of the asker's facility that a decision destroyed, as lines of its proof."""
    rows = DestroyedObject.objects.filter(decision=decision, custodian=asker.facility).order_by("id")
    for one in rows.iterator(BLOCK):
        yield Destroyed("DICOM", one.sop_instance_uid, 1, one.at, one.sha256, one.at)
