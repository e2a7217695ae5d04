"""The archive's studies in the record: each is an ImagingStudy, written anew when something of it has come."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import transaction

from tuetinh.care.imaging import facts, grouped
from tuetinh.care.imaging.ai.due import want
from tuetinh.care.imaging.archive.keeping import ask
from tuetinh.care.imaging.dose.due import is_due
from tuetinh.care.imaging.facts import Whole
from tuetinh.care.imaging.models import Instance, Pending, Series, Study
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import enter

QUIET: Final = timedelta(seconds=10)  # in which nothing more came of a study
TOLD: Final = 2000  # studies that a process remembers
_told: OrderedDict[str, None] = OrderedDict()  # those that the record knows


def record_new(uids: Iterable[str]) -> int:
    """Write those of these studies into the record that it does not know at all; returns how many.

    Others are left to `record_quiet`: some machines open an association for each picture, some clients post each in a
    request of its own, and a study would be written anew for every one.
    """
    known = ask(_KNOWN, sorted(set(uids)))
    for uid, is_told in known:
        if is_told:
            _told[uid] = None
    while len(_told) > TOLD:
        _told.popitem(last=False)
    return record_studies(uid for uid, is_told in known if not is_told)


def are_told(uids: Iterable[str]) -> bool:
    """Whether the record knows all these studies, as far as this process remembers."""
    return all(uid in _told for uid in uids)


_KNOWN: Final = """
SELECT s.study_instance_uid, EXISTS (SELECT FROM record."ImagingStudy" r WHERE r.id = s.resource)
FROM imaging_study s WHERE s.study_instance_uid = ANY(%s)"""


def record_studies(uids: Iterable[str]) -> int:
    """Write these studies into the record, as far as it does not know them; returns how many it was told."""
    return sum(_record_one(study) for (study,) in ask(_OF_UIDS, sorted(set(uids))))


_OF_UIDS: Final = "SELECT id FROM imaging_study WHERE study_instance_uid = ANY(%s) ORDER BY id"


def record_visit(encounter: str) -> int:
    """Write the studies of a visit into the record, as `record_studies`, within the caller's transaction.

    Whoever is writing one is waited for, and until the transaction ends nobody else writes any of them.
    """
    return sum(_record_one(study) for (study,) in ask(_OF_VISIT, encounter))


_OF_VISIT: Final = "SELECT id FROM imaging_study WHERE encounter = %s AND encounter <> '' ORDER BY id FOR UPDATE"


def record_quiet(most: int = 500) -> int:
    """Write the studies of which nothing came for a while into the record; returns how many."""
    return sum(_record_one(study) for (study,) in ask(_QUIET, datetime.now(UTC) - QUIET, most))


_QUIET: Final = """
SELECT study_id FROM imaging_pending GROUP BY study_id HAVING max(at) < %s ORDER BY max(at) LIMIT %s"""


def _record_one(study_id: int) -> int:
    """Write a study, unless nobody waits for it or somebody else is writing it; returns whether it was.

    What waits is taken away before the study is read, and was added together with its object: what comes meanwhile
    waits, and is written next.
    """
    with transaction.atomic():
        enter(SYSTEM)
        study = Study.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=study_id).first()
        if study is None or not Pending.objects.filter(study=study_id).delete()[0]:
            return 0
        if study.patient:
            _write(study)
            want(study)
        is_due(study.study_instance_uid)
    return 1


def _write(study: Study) -> None:
    asker = replace(SYSTEM, facility=study.custodian)
    whole = Whole(
        study,
        list(Series.objects.filter(study=study).order_by("series_number", "pk")),
        list(Instance.objects.filter(study=study).order_by("instance_number", "pk")),
        list(dict.fromkeys(filter(None, [study.order, *(one.order for one in grouped.exams_of(study))]))),
    )
    _endpoint(asker)
    fresh = facts.imaging_study(whole)
    known = record.read_many(asker, "ImagingStudy", [study.resource]).get(study.resource)
    if known is None or _without_meta(known) != _without_meta(fresh):
        record.put_many(asker, [fresh])


def _without_meta(resource: r4.Resource) -> bytes:
    copy = r4.decode(r4.encode(resource))
    copy.meta = None
    return r4.encode(copy)


def _endpoint(asker: Asker) -> None:
    """The Endpoint to which studies refer, made with the first of them."""
    if not record.read_many(asker, "Endpoint", [facts.ENDPOINT]):
        record.put_many(SYSTEM, [facts.endpoint(os.environ.get("TUETINH_URL", "http://127.0.0.1:8000"))])
