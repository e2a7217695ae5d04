"""Studies for the node above, by DICOMweb: object by object, taken up where a broken line has stopped."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import httpx
from django.db.models import Count

from tuetinh.care.imaging.dicomweb import multipart
from tuetinh.care.imaging.errors import NotAllowed, NoUpstream
from tuetinh.care.imaging.models import Instance, Sending, SentObject, Study
from tuetinh.commons.messages.api import publish
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.contents.files import opened
from tuetinh.record.steps import enter

SENDS: Final = ("doctor", "imaging", "station")
PIECE: Final = 64 * 1024
QUIET: Final = httpx.Timeout(30, connect=10)  # seconds without a byte after which a line is broken
WAITS: Final = (5, 15, 60, 300, 900)  # seconds until it is tried again, the last for every further time


@dataclass(frozen=True, slots=True)
class Upstream:
    """The node above: its address, and as which client of it this node sends."""

    url: str
    client: str
    secret: str


def upstream() -> Upstream | None:
    """Where to send, None for a node that has none above it."""
    url = os.environ.get("TUETINH_UPSTREAM_URL", "").rstrip("/")
    told = os.environ.get("TUETINH_UPSTREAM_CLIENT", ""), os.environ.get("TUETINH_UPSTREAM_SECRET", "")
    return Upstream(url, *told) if url and all(told) else None


def send(asker: Asker, study: str) -> Sending:
    """Let a study, which the asker sees, be sent; one that was sent goes on with what came since.

    Raises NotAllowed, NoUpstream.
    """
    from tuetinh.care.imaging.jobs import send_pictures

    if asker.role not in SENDS or not asker.facility:
        raise NotAllowed
    if upstream() is None:
        raise NoUpstream
    now = datetime.now(UTC)
    told = {"facility": asker.facility, "asked_by": asker.account, "asked_at": now, "next_at": now}
    row, _ = Sending.objects.update_or_create(
        study_instance_uid=study, defaults=told | {"done_at": None, "tries": 0, "fault": ""}
    )
    send_pictures.configure(queueing_lock=uuid4().hex).defer()
    publish(f"sending:{row.facility}")
    return row


@dataclass(frozen=True, slots=True)
class Line:
    """A study on its way: how many of its objects are there, and how many of them wait for a person there."""

    row: Sending
    name: str
    total: int
    sent: int
    held: int


def lines(asker: Asker, rows: Sequence[Sending]) -> list[Line]:
    """How far studies are, as far as the asker sees them."""
    enter(asker)
    uids = [row.study_instance_uid for row in rows]
    known = Study.objects.filter(study_instance_uid__in=uids)
    names = dict(known.values_list("study_instance_uid", "study_description"))
    counted = Instance.objects.filter(study__in=known).values_list("study__study_instance_uid").annotate(Count("pk"))
    totals = dict(counted.order_by())
    sent: dict[tuple[int, bool], int] = {
        (sending, held): count
        for sending, held, count in SentObject.objects.filter(sending__in=rows)
        .values_list("sending", "held")
        .annotate(Count("pk"))
        .order_by()
    }
    return [
        Line(
            row,
            names.get(row.study_instance_uid, ""),
            totals.get(row.study_instance_uid, 0),
            sent.get((row.pk, False), 0) + sent.get((row.pk, True), 0),
            sent.get((row.pk, True), 0),
        )
        for row in rows
    ]


def send_due() -> int:
    """Send what is due, one study after the other; returns how many objects went. Safe to be killed and repeated."""
    there, count = upstream(), 0
    if there is None:
        return 0
    due = Sending.objects.filter(done_at=None, next_at__lte=datetime.now(UTC))
    for row in due.order_by("next_at", "pk"):
        count += _send(there, row)
    return count


def _send(there: Upstream, row: Sending) -> int:
    """Send what the node above does not have of a study; a fault leaves the rest for later."""
    count = 0
    try:
        with httpx.Client(base_url=there.url, timeout=QUIET) as line:
            line.headers["Authorization"] = _token(line, there)
            while missing := _missing(row):  # more may have come meanwhile
                for uid, digest in missing:
                    held = _store(line, row.study_instance_uid, digest)
                    SentObject.objects.get_or_create(sending=row, sop_instance_uid=uid, defaults={"held": held})
                    count += 1
                publish(f"sending:{row.facility}")
    except (httpx.HTTPError, _Refused) as error:
        wait = WAITS[min(row.tries, len(WAITS) - 1)]
        row.tries, row.fault = row.tries + 1, str(error)[:200] if isinstance(error, _Refused) else type(error).__name__
        row.next_at = datetime.now(UTC) + timedelta(seconds=wait)
    else:
        row.tries, row.fault, row.done_at = 0, "", datetime.now(UTC)
    row.save(update_fields=["tries", "fault", "next_at", "done_at"])
    publish(f"sending:{row.facility}")
    return count


def _missing(row: Sending) -> list[tuple[str, bytes]]:
    """The objects that are not known to be there, in the order in which people look at them."""
    enter(SYSTEM)
    rows = Instance.objects.filter(study__study_instance_uid=row.study_instance_uid)
    rows = rows.exclude(sop_instance_uid__in=row.sent.values("sop_instance_uid"))
    found = rows.order_by("series__series_number", "series", "instance_number", "pk")
    return [(uid, bytes(digest)) for uid, digest in found.values_list("sop_instance_uid", "digest")]


class _Refused(Exception):
    """The node above does not take it."""


def _token(line: httpx.Client, there: Upstream) -> str:
    form = {"grant_type": "client_credentials", "scope": "system/*.*"}
    answer = line.post("/oauth/token", data=form, auth=(there.client, there.secret))
    if answer.status_code != 200:
        message = f"/oauth/token: {answer.status_code}"
        raise _Refused(message)
    return f"Bearer {answer.json()['access_token']}"


def _store(line: httpx.Client, study: str, digest: bytes) -> bool:
    """Store one object (PS3.18, 10.5); whether it waits for a person there. Raises httpx.HTTPError, _Refused."""
    boundary = multipart.new_boundary()
    head, tail = multipart.head(boundary, "application/dicom", first=True), multipart.tail(boundary)
    with opened(digest) as file:
        size = file.seek(0, os.SEEK_END)

    def body() -> Iterator[bytes]:
        yield head
        with opened(digest) as file:
            while piece := file.read(PIECE):
                yield piece
        yield tail

    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "Content-Length": str(len(head) + size + len(tail)),
        "Accept": "application/dicom+json",
    }
    answer = line.post(f"/dicom-web/studies/{study}", content=body(), headers=headers)
    if answer.status_code not in (200, 202, 409):
        message = f"/dicom-web: {answer.status_code}"
        raise _Refused(message)
    told: dict[str, Any] = answer.json()
    return "00081199" not in told  # Referenced SOP Sequence: what is stored; what is not is kept there and waits
