"""Studies for the node above (DICOMweb) and for machines (C-STORE): object by object, taken up where a line broke."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import httpx
from django.db.models import Count, QuerySet

from tuetinh.care.imaging.archive.queries import Object
from tuetinh.care.imaging.dicomweb import multipart
from tuetinh.care.imaging.errors import NoDevice, NotAllowed, NoUpstream
from tuetinh.care.imaging.models import Device, Instance, Sending, SentObject, Study
from tuetinh.commons.messages.api import publish
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.contents.files import opened
from tuetinh.record.steps import enter

SENDS: Final = ("doctor", "imaging", "station")
PUSHES: Final = ("imaging",)  # to machines
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


def machines(asker: Asker) -> QuerySet[Device]:
    """Where the asker may have studies sent to: machines of their facility that have an address."""
    rows = Device.objects.filter(facility=asker.facility, enabled=True, port__isnull=False).exclude(host="")
    return (rows if asker.role in PUSHES and asker.facility else rows.none()).order_by("name")


def send(asker: Asker, study: str, device: int | None = None) -> Sending:
    """Let a study, which the asker sees, be sent; one that was sent goes on with what came since.

    device: to which machine, none for the node above. Raises NotAllowed, NoDevice, NoUpstream.
    """
    from tuetinh.care.imaging.jobs import send_pictures

    if asker.role not in SENDS or not asker.facility:
        raise NotAllowed
    if device is not None and not machines(asker).filter(pk=device).exists():
        raise NoDevice
    if device is None and upstream() is None:
        raise NoUpstream
    now = datetime.now(UTC)
    told = {"facility": asker.facility, "asked_by": asker.account, "asked_at": now, "next_at": now}
    row, _ = Sending.objects.update_or_create(
        study_instance_uid=study, device_id=device, defaults=told | {"done_at": None, "tries": 0, "fault": ""}
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
    due = Sending.objects.filter(done_at=None, next_at__lte=datetime.now(UTC)).select_related("device")
    for row in due.order_by("next_at", "pk"):
        if row.device:
            count += _send(row, _machine(row.device))
        elif there:
            count += _send(row, _above(there, row.study_instance_uid))
    return count


Store = Callable[[Object], bool]


def _send(row: Sending, line: AbstractContextManager[Store]) -> int:
    """Send what is not known to be there of a study; a fault leaves the rest for later.

    line: sends one object, and returns whether it waits for a person there or is not taken.
    """
    count = 0
    try:
        with line as store:
            while missing := _missing(row):  # more may have come meanwhile
                for one in missing:
                    held = store(one)
                    told = {"sending": row, "sop_instance_uid": one.sop_instance, "defaults": {"held": held}}
                    SentObject.objects.get_or_create(**told)
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


@contextmanager
def _above(there: Upstream, study: str) -> Iterator[Store]:
    """A line to the node above. Raises httpx.HTTPError, _Refused."""
    with httpx.Client(base_url=there.url, timeout=QUIET) as line:
        line.headers["Authorization"] = _token(line, there)
        yield lambda one: _store(line, study, one.digest)


@contextmanager
def _machine(device: Device) -> Iterator[Store]:
    """An association with a machine, which begins with the first object and anew for what it has no context for.

    Raises _Refused.
    """
    from tuetinh.care.imaging.dimse.giving import Caller, SubOperation, contexts_for
    from tuetinh.care.imaging.dimse.service import TITLE, calling

    open_: dict[tuple[str, str], Any] = {}

    def store(one: Object) -> bool:
        kind = one.sop_class, one.transfer_syntax
        line = open_.get(kind)
        if line is None or not line.is_established:
            options = {"ae_title": device.title, **calling(device.tls)}
            line = Caller(TITLE).associate(device.host, device.port, contexts=contexts_for([one]), **options)
            if not line.is_established:
                raise _Refused(f"{device.title}: no association")
            open_[kind] = line
        try:
            status = line.send_c_store(SubOperation([one])).get("Status")
        except RuntimeError:  # it ended meanwhile
            status = None
        if status is None or status >> 8 == _NO_ROOM:
            raise _Refused(f"{device.title}: {f'{status:04X}' if status else 'no answer'}")
        return status not in _TAKEN

    try:
        yield store
    finally:
        for line in open_.values():
            line.release()


_NO_ROOM: Final = 0xA7  # of the status (PS3.4, table B.2-1)
_TAKEN: Final = (0x0000, 0xB000, 0xB006, 0xB007)


def _missing(row: Sending) -> list[Object]:
    """The objects that are not known to be there, in the order in which people look at them."""
    enter(SYSTEM)
    rows = Instance.objects.filter(study__study_instance_uid=row.study_instance_uid)
    rows = rows.exclude(sop_instance_uid__in=row.sent.values("sop_instance_uid"))
    found = rows.order_by("series__series_number", "series", "instance_number", "pk").values_list(
        *("series__series_instance_uid", "sop_instance_uid", "sop_class_uid"),
        *("transfer_syntax_uid", "digest", "size"),
    )
    return [Object(row.study_instance_uid, *told[:4], bytes(told[4]), told[5]) for told in found]


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
