"""Subscribers of workitems, and what they are told (PS3.4, CC.2.3, CC.2.4; PS3.18, 11.10–11.13)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.models import Q

from tuetinh.care.imaging.workitems.matching import matching
from tuetinh.care.imaging.workitems.models import EventReport, Subscriber, Workitem

GLOBAL: Final = "1.2.840.10008.5.1.4.34.5"  # UPS Global Subscription SOP Instance
FILTERED: Final = "1.2.840.10008.5.1.4.34.5.1"  # UPS Filtered Global Subscription SOP Instance
STATE, CANCEL, PROGRESS = 1, 2, 3  # event types (PS3.4, table CC.2.4-1)
KEPT: Final = timedelta(days=7)  # what nobody fetched
MOST: Final = 100  # reports that are sent at once


def _element(vr: str, value: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]}


def listeners(item: Workitem) -> list[str]:
    """The titles of those who are told of a workitem."""
    return sorted({one.title for one in _subscribers(item)})


def _subscribers(item: Workitem) -> list[Subscriber]:
    rows = Subscriber.objects.filter(Q(workitem=item) | Q(workitem=None), facility=item.facility)
    return [one for one in rows if one.workitem_id or (_is_there(one, item) and _fits(one, item))]


def _is_there(one: Subscriber, item: Workitem) -> bool:
    """Whether the item is none that was made since the subscription of all was suspended."""
    return not one.suspended or (one.suspended_at is not None and item.created_at < one.suspended_at)


def _fits(one: Subscriber, item: Workitem) -> bool:
    rows = Workitem.objects.filter(pk=item.pk)
    for tag, value in one.wanted.items():
        rows = matching(rows, tag, value)
    return not one.wanted or rows.exists()


def is_locked(item: Workitem) -> bool:
    """Whether somebody wants a workitem to be kept (PS3.4, CC.2.3: Deletion Lock)."""
    return any(one.locks for one in _subscribers(item))


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


def subscribe(
    facility: str, title: str, item: Workitem | None, *, wanted: Mapping[str, str] | None = None, locks: bool = False
) -> None:
    """Let a title be told of a workitem, or of all (of those that tell what is wanted); of the one how it stands at
    once (CC.2.3.3).
    """
    told = {"suspended": False, "suspended_at": None, "wanted": dict(wanted or {}), "locks": locks}
    Subscriber.objects.update_or_create(facility=facility, title=title, workitem=item, defaults=told)
    if item:
        tell(item, STATE)


def unsubscribe(facility: str, title: str, item: Workitem | None) -> None:
    """Tell a title no more of a workitem; of all: of none at all."""
    rows = Subscriber.objects.filter(facility=facility, title=title)
    (rows.filter(workitem=item) if item else rows).delete()


def suspend(facility: str, title: str) -> bool:
    """Tell a title of no workitem that is new; returns whether it was told of all (PS3.18, 11.12)."""
    rows = Subscriber.objects.filter(facility=facility, title=title, workitem=None)
    return bool(rows.update(suspended=True, suspended_at=datetime.now(UTC)))


def next_reports(facility: str, title: str) -> list[EventReport]:
    """What a title is to be told next."""
    EventReport.objects.filter(at__lt=datetime.now(UTC) - KEPT).delete()
    return list(EventReport.objects.filter(facility=facility, title=title).order_by("pk")[:MOST])
