"""Pictures in a page of our own, drawn by the server: small first and sharp later, on slow lines and old machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tuetinh.care.imaging.archive.queries import drawn
from tuetinh.care.imaging.models import Instance, Series, Study
from tuetinh.record.asker import Asker
from tuetinh.record.steps import enter

MOST: Final = 5000  # pictures of a page


def series(asker: Asker, studies: Sequence[Study]) -> list[dict[str, Any]]:
    """The series of studies with their pictures, [object, frame] each, for the script of the page."""
    enter(asker)
    rows = drawn(Instance.objects.filter(study__in=studies))
    rows = rows.order_by("instance_number", "pk").values_list("series_id", "sop_instance_uid", "attributes")[:MOST]
    pictures: dict[int, list[tuple[str, int]]] = {}
    for series_id, uid, attributes in rows:
        count = int((attributes.get("00280008", {}).get("Value") or [1])[0] or 1)
        pictures.setdefault(series_id, []).extend((uid, frame) for frame in range(1, min(count, MOST) + 1))
    names = {one.pk: one for one in studies}
    known = Series.objects.filter(pk__in=pictures).order_by("study__study_date", "study", "series_number", "pk")
    return [_told(one, names[one.study_id], pictures[one.pk][:MOST]) for one in known]


def _told(one: Series, study: Study, pictures: list[tuple[str, int]]) -> dict[str, Any]:
    name = str((one.attributes.get("0008103E", {}).get("Value") or [""])[0] or "")
    day = study.study_date.strftime("%d/%m/%Y") if study.study_date else ""
    return {
        "study": study.study_instance_uid,
        "uid": one.series_instance_uid,
        "label": " · ".join(filter(None, (day, one.modality, name or study.study_description))),
        "pictures": pictures,
    }
