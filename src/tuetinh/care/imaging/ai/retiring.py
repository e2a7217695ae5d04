"""What models said of pictures that are not what they were: it is taken out of the archive, and told to be in error."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from django.db.models import Count

from tuetinh.care.imaging.ai import facts
from tuetinh.care.imaging.ai.due import SOURCE, look_anew
from tuetinh.care.imaging.ai.models import AiResult
from tuetinh.care.imaging.models import Change, Instance, Series, Study
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import enter


def retire(asker: Asker, study: Study, why: str, also: Collection[str] = ()) -> None:
    """Let nothing stand that models said of a study, and let them look at it anew, within the caller's transaction.

    Their objects are no longer in the archive; the files are kept, as those of replaced pictures are. also: further
    sources of objects that do not stand any more.
    """
    enter(SYSTEM)
    look_anew(study.pk)  # at first, so that a model which is keeping what it found has come to its end
    said = list(AiResult.objects.filter(study=study, done_at__isnull=False))
    _say_in_error(study, [one.observation for one in said])
    enter(SYSTEM)
    rows = Instance.objects.filter(study=study, source__in=[SOURCE, *also])
    gone = {one.sop_instance_uid: bytes(one.digest).hex() for one in rows}
    if gone:
        series = set(rows.values_list("series", flat=True))
        rows.delete()
        empty = Series.objects.filter(pk__in=series).annotate(left=Count("instances")).filter(left=0)
        Series.objects.filter(pk__in=[one.pk for one in empty]).delete()
        Change.objects.create(
            at=datetime.now(UTC), account=asker.account, facility=study.custodian, action="retire", study=study,
            before=gone, why=why.strip()[:500],
        )  # fmt: skip


def _say_in_error(study: Study, observations: list[str]) -> None:
    door = facts.asker(study.custodian)
    found = [
        one
        for one in record.read_many(door, "Observation", observations).values()
        if isinstance(one, r4.Observation) and one.status != "entered-in-error"
    ]
    for one in found:
        one.status = "entered-in-error"
    if found:
        record.put_many(door, found)
