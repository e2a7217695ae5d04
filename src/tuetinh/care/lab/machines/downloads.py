"""Orders that machines are told of without asking: one row for each tube and machine, sent until it is taken."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import F

from tuetinh.care.lab.machines import analysers, replies, wire_hl7v2_orders, wire_lis2
from tuetinh.care.lab.machines.messages import Header
from tuetinh.care.lab.machines.replies import RECENT, Told
from tuetinh.care.lab.machines.wire_mllp import SB, TRAILER, Framer
from tuetinh.care.lab.models import Analyser, Download, Tube

log = logging.getLogger(__name__)
LOOK = 2.0  # seconds between looks for tubes that machines are to be told of
_REPLY = 15.0
_AGAIN = (10, 60, 300, 1800)  # seconds after the first, second … refusal


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be sent now. id, next_at: of the download; told: what the machine knows then; more: it may go on."""

    id: int
    next_at: datetime
    payload: bytes
    told: Told
    more: bool = False
    address: str = ""
    port: int = 0


def plan(machines: Iterable[Analyser]) -> None:
    """Note for machines that are told without asking the tubes that were received since the last look."""
    now = datetime.now(UTC)
    for analyser in machines:
        tubes = Tube.objects.filter(
            facility=analyser.facility, stage=Tube.Stage.RECEIVED, received_at__gte=now - RECENT, shipment__isnull=True
        ).exclude(download__analyser=analyser)
        rows = [Download(analyser=analyser, tube=tube, made_at=now, next_at=now) for tube in tubes[: replies.MOST]]
        Download.objects.bulk_create(rows, ignore_conflicts=True)


def _header(analyser: Analyser) -> Header:
    application, _, facility = analyser.sender.partition("|")
    return Header(application, facility, version="2.3.1")


def _form(analyser: Analyser) -> str:
    found = analysers.driver_of(analyser, _header(analyser))
    queries = found.description.queries if found else None
    return queries.download if queries else ""


def _due(analyser: Analyser) -> Due | None:
    """The next download of a machine; one with nothing for it is done at once."""
    form = _form(analyser)
    waiting = Download.objects.filter(analyser=analyser, sent_at=None, next_at__lte=datetime.now(UTC))
    for row in waiting.select_related("tube").order_by("next_at", "pk")[: replies.MOST]:
        header = _header(analyser)
        ask, told = replies.news_for(row.tube, analyser, header, row.told)
        if not ask:
            settle(Due(row.pk, row.next_at, b"", told), sent=True)
            continue
        if form in ("orm", "oml"):
            payload = wire_hl7v2_orders.order(ask, header, form)
        else:
            payload = wire_lis2.orders([ask], receiver=header.application, asked=False)
        return Due(row.pk, row.next_at, payload, told, ask.cancelled, analyser.address or "", analyser.port or 0)
    return None


def due_on_line(sender: str, peer: str) -> Due | None:
    """What waits for the machine that spoke last on a LIS1-A line, of the name that it said."""
    analyser = analysers.find(sender, peer)
    if not analyser or not (analyser.enabled and analyser.downloads) or analyser.port:
        return None
    plan([analyser])
    return _due(analyser)


def due_by_mllp() -> list[Due]:
    """What waits for the machines that take HL7 v2 orders at an address of theirs."""
    rows = Analyser.objects.filter(enabled=True, downloads=True, port__isnull=False, address__isnull=False)
    found = list(rows.prefetch_related("meanings"))
    plan(found)
    return [due for row in found if (due := _due(row))]


def settle(due: Due, *, sent: bool) -> None:
    """Note that a machine took its orders, or that it is to be asked again later."""
    now, rows = datetime.now(UTC), Download.objects.filter(pk=due.id)
    if sent:
        rows.update(told=due.told, tries=0)
        if not due.more:
            rows.filter(next_at=due.next_at).update(sent_at=now)  # else its orders have changed meanwhile
        return
    row = rows.first()
    wait = _AGAIN[min(row.tries if row else 0, len(_AGAIN) - 1)]
    rows.update(tries=F("tries") + 1, next_at=now + timedelta(seconds=wait))


async def send(due: Due, seconds: float = _REPLY) -> bool:
    """Send a message over MLLP and tell whether the machine accepted it (MSA-1 `AA` or `CA`)."""
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(due.address, due.port)
            try:
                writer.write(SB + due.payload + TRAILER)
                await writer.drain()
                framer = Framer()
                while data := await reader.read(65536):
                    for frame in framer.feed(data):
                        if found := re.search(rb"[\r\n]MSA.([AC][AER])", frame.payload):
                            return found.group(1) in (b"AA", b"CA")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        pass
    return False
