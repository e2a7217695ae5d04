"""Messages that belong to no laboratory yet: whose they can only be, and who gives them to one.

They hold what is for one laboratory alone, and nobody knows for which: no other desk sees them meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, QuerySet

from tuetinh.care.lab.errors import NotAllowed, NotForMatching
from tuetinh.care.lab.machines import analysers
from tuetinh.care.lab.models import Analyser, Message
from tuetinh.care.lab.samples.actions import laboratories
from tuetinh.commons.messages.api import publish
from tuetinh.record.asker import SYSTEM, Asker


def laboratories_of(senders: Sequence[tuple[str, str]]) -> list[str]:
    """For which laboratories messages of unregistered machines are, "" where that cannot be told.

    senders: the facility that each names (MSH-4), and its address. It is for the laboratory that is named, else for the
    only one with machines at the address, else for the only one of the node.
    """
    if not senders:
        return []
    known = laboratories()
    neighbours: dict[str, set[str]] = {}
    at = Analyser.objects.filter(address__in={address for _, address in senders if address})
    for address, facility in at.values_list("address", "facility"):
        neighbours.setdefault(address, set()).add(facility)

    def one(named: str, address: str) -> str:
        if named in known:
            return named
        there = neighbours.get(address) or set(known)
        return next(iter(there)) if len(there) == 1 else ""

    return [one(named, address) for named, address in senders]


def keeps(asker: Asker) -> bool:
    """Whether somebody administers the machines of the whole province."""
    return asker.role == "admin" and not asker.facility


def _waiting(asker: Asker) -> QuerySet[Message]:
    return Message.objects.filter(facility="") if keeps(asker) else Message.objects.none()


def senders(asker: Asker) -> QuerySet[Message, dict[str, Any]]:
    """Who sent what belongs to no laboratory: `sender`, `peer`, how many, `latest` and when; the last one first."""
    by_sender = _waiting(asker).values("sender", "peer").order_by("sender", "peer")
    told = by_sender.annotate(count=Count("pk"), latest=Max("pk"), at=Max("received_at"))
    return told.order_by("-at", "sender", "peer")


def assign(asker: Asker, message_id: int, laboratory: str) -> int:
    """Register the machine that sent a message at a laboratory, which is given it and all others from there.

    Returns how many. Raises NotAllowed, NotForMatching, Taken.
    """
    if not keeps(asker) or laboratory not in laboratories():
        raise NotAllowed
    with transaction.atomic():
        row = _waiting(asker).select_for_update(of=("self",)).filter(pk=message_id).first()
        if not row:
            raise NotForMatching
        there = replace(SYSTEM, account=asker.account, facility=laboratory)
        machine = analysers.find(row.sender, row.peer) or analysers.register(there, row, row.peer or None)
        if machine.facility != laboratory:
            raise NotAllowed
        theirs = Message.objects.filter(facility="", sender=row.sender, peer=row.peer)
        given = theirs.update(facility=laboratory, analyser=machine)
        publish(f"lab:{laboratory}")
    return given
