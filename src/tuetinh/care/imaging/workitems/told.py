"""Subscribers of workitems, and what they are told (PS3.4, CC.2.3, CC.2.4; PS3.18, 11.10–11.13)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.models import Q

from tuetinh.care.imaging.workitems.models import EventReport, Subscriber, Workitem

GLOBAL: Final = "1.2.840.10008.5.1.4.34.5"  # UPS Global Subscription SOP Instance
STATE, CANCEL, PROGRESS = 1, 2, 3  # event types (PS3.4, table CC.2.4-1)
KEPT: Final = timedelta(days=7)  # what nobody fetched
MOST: Final = 100  # reports that are sent at once


def _element(vr: str, value: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]}


def listeners(item: Workitem) -> list[str]:
    """The titles of those who are told of a workitem."""
    rows = Subscriber.objects.filter(Q(workitem=item) | Q(workitem=None, suspended=False), facility=item.facility)
    return sorted(set(rows.values_list("title", flat=True)))


def tell(item: Workitem, event: int, **more: Any) -> int:
    """Let every subscriber of a workitem know of an event; returns how many they are. more: elements by tag."""
    titles = listeners(item)
    ready = item.attributes.get("00404041") or _element("CS", "READY")
    body = {
        "00000002": _element("UI", "1.2.840.10008.5.1.4.34.6.1"),
        "00001000": _element("UI", item.uid),
        "00001002": _element("US", event),
        "00741000": _element("CS", item.state),
        "00404041": ready,
        **more,
    }
    EventReport.objects.bulk_create([EventReport(title=one, facility=item.facility, body=body) for one in titles])
    return len(titles)


def subscribe(facility: str, title: str, item: Workitem | None) -> None:
    """Let a title be told of a workitem, or of all; it is told at once how the one stands (CC.2.3.3)."""
    Subscriber.objects.update_or_create(facility=facility, title=title, workitem=item, defaults={"suspended": False})
    if item:
        tell(item, STATE)


def unsubscribe(facility: str, title: str, item: Workitem | None) -> None:
    """Tell a title no more of a workitem; of all: of none at all."""
    rows = Subscriber.objects.filter(facility=facility, title=title)
    (rows.filter(workitem=item) if item else rows).delete()


def suspend(facility: str, title: str) -> bool:
    """Tell a title of no new workitem; returns whether it was told of all (PS3.18, 11.12)."""
    return bool(Subscriber.objects.filter(facility=facility, title=title, workitem=None).update(suspended=True))


def next_reports(facility: str, title: str) -> list[EventReport]:
    """What a title is to be told next."""
    EventReport.objects.filter(at__lt=datetime.now(UTC) - KEPT).delete()
    return list(EventReport.objects.filter(facility=facility, title=title).order_by("pk")[:MOST])
