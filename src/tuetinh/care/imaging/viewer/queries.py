"""Which studies an asker may open, and which belong to orders."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Q
from django.urls import reverse

from tuetinh.care.imaging import grouped
from tuetinh.care.imaging.archive.queries import drawn
from tuetinh.care.imaging.archive.reading import is_uid
from tuetinh.care.imaging.models import Exam, Instance, Study
from tuetinh.record import audit
from tuetinh.record.asker import Asker
from tuetinh.record.steps import enter

MOST = 8  # studies that are opened together
SIDE = 1024  # pixels that the first picture has at most


@dataclass(frozen=True, slots=True)
class Look:
    """What a page shows of studies that belong together: the way to the viewer, and a small picture."""

    studies: tuple[str, ...]

    @property
    def url(self) -> str:
        """The viewer with these studies."""
        return f"{reverse('imaging:viewer')}?{urlencode({'StudyInstanceUIDs': ','.join(self.studies)}, safe=',')}"

    @property
    def quick(self) -> str:
        """The page of pictures that the server draws, for slow lines."""
        return f"{reverse('imaging:look')}?{urlencode({'studies': ','.join(self.studies)}, safe=',')}"

    @property
    def asking(self) -> str:
        """Where others are asked about these studies."""
        return f"{reverse('imaging:new-opinion')}?{urlencode({'studies': ','.join(self.studies)}, safe=',')}"

    @property
    def thumbnail(self) -> str:
        """A small picture of the first of them."""
        return f"/dicom-web/studies/{self.studies[0]}/thumbnail"


def looks(asker: Asker, orders: Collection[str]) -> dict[str, Look]:
    """What there is to look at of imaging orders, by order; those without pictures for the asker are left out."""
    if not orders:
        return {}
    planned: dict[str, set[str]] = {}
    shared = grouped.shared_by(orders)
    for uid, order in [*Exam.objects.filter(order__in=orders).values_list("study_instance_uid", "order"), *shared]:
        planned.setdefault(uid, set()).add(order)
    enter(asker)
    rows = Study.objects.filter(Q(order__in=orders) | Q(study_instance_uid__in=planned))
    found: dict[str, list[str]] = {}
    for uid, came_for in rows.order_by("study_date", "id").values_list("study_instance_uid", "order"):
        for order in planned.get(uid) or {came_for}:
            found.setdefault(order, []).append(uid)
    return {order: Look(tuple(uids[:MOST])) for order, uids in found.items()}


def first_picture(study: Study) -> str:
    """The address of the first picture of a study that is open to the asker, as the server draws it; "" without any."""
    rows = drawn(Instance.objects.filter(study=study)).select_related("series")
    one = rows.order_by("series__series_number", "series", "instance_number", "pk").first()
    if one is None:
        return ""
    place = f"studies/{study.study_instance_uid}/series/{one.series.series_instance_uid}"
    asked = urlencode({"viewport": f"{SIDE},{SIDE}", "annotation": "patient", "accept": "image/jpeg"}, safe=",/")
    return f"/dicom-web/{place}/instances/{one.sop_instance_uid}/frames/1/rendered?{asked}"


def number_in(text: str) -> int | None:
    """The number of something, as an address tells it; None for what is no such number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def opened(asker: Asker, uids: Iterable[str]) -> list[Study]:
    """The studies of these UIDs, in this order; the access log tells that they were opened.

    Empty unless the asker may see every one of them and they are of one person.
    """
    wanted = list(dict.fromkeys(uids))
    if not wanted or len(wanted) > MOST or not all(map(is_uid, wanted)):
        return []
    enter(asker)
    found = {one.study_instance_uid: one for one in Study.objects.filter(study_instance_uid__in=wanted)}
    if len(found) < len(wanted) or (len(found) > 1 and len({one.patient or one.pk for one in found.values()}) > 1):
        return []
    for one in found.values():
        audit.note(asker, "read", "ImagingStudy", one.resource, one.patient)
    return [found[uid] for uid in wanted]
