"""The laboratory's machines: who they are, from where they call, and what they mean by their codes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import OuterRef, QuerySet, Subquery

from tuetinh.care.lab import units
from tuetinh.care.lab.catalogue import Analyte, analytes
from tuetinh.care.lab.errors import NoAnalyser, NotAllowed, Taken, UnknownAnalyte
from tuetinh.care.lab.machines import wire_hl7v2 as wire
from tuetinh.care.lab.models import Analyser, AnalyserCode, Message
from tuetinh.record.asker import Asker

KEEPING = frozenset({"lab", "admin", "system"})


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code of an analyser stands for. analyte None: it is known, and never reported."""

    analyte: Analyte | None
    unit: str = ""
    factor: Decimal = Decimal(1)

    def number(self, result: wire.Result) -> tuple[Decimal | None, str]:
        """The number of a result with its unit: in our unit where it can be brought there, else as it was sent."""
        if result.number is None or self.analyte is None:
            return None, ""
        if self.factor != 1:
            return units.as_precise(result.number * self.factor, result.number), self.analyte.shown
        unit = result.unit or self.unit
        ours = units.to_ours(result.number, unit, self.analyte) if unit else result.number
        return (result.number, unit) if ours is None else (ours, self.analyte.shown)


def sender_of(application: str, facility: str) -> str:
    """MSH-3 and MSH-4 as messages keep them."""
    return f"{application.strip()}|{facility.strip()}"[:300]


def find(sender: str, address: str) -> Analyser | None:
    """The analyser that a message comes from: of this name at this address, else of this name at any."""
    found = list(Analyser.objects.filter(sender=sender[:300]))
    at = next((a for a in found if a.address and a.address == address), None)
    return at or next((a for a in found if not a.address), None)


def dictionary(analyser: Analyser | None) -> dict[str, Meaning]:
    """What the analyser's own codes mean."""
    if not analyser:
        return {}
    known = analytes()
    return {row.code: Meaning(known.get(row.analyte), row.unit, row.factor) for row in analyser.meanings.all()}


def listed(asker: Asker) -> QuerySet[Analyser]:
    """The analysers that the asker keeps, by name; each with the time of its last message in `seen_at`."""
    last = Message.objects.filter(analyser=OuterRef("pk")).order_by("-received_at").values("received_at")[:1]
    rows = Analyser.objects.annotate(seen_at=Subquery(last)).order_by("name", "pk")
    return rows.filter(facility=asker.facility) if asker.facility else rows


def save(
    asker: Asker,
    analyser_id: int | None,
    *,
    name: str,
    application: str,
    sending_facility: str = "",
    address: str | None = None,
    enabled: bool = True,
) -> Analyser:
    """Register an analyser of the asker's facility, or change it. Raises NoAnalyser, Taken, NotAllowed."""
    values = {
        "name": name.strip()[:200], "sender": sender_of(application, sending_facility), "address": address or None,
        "enabled": enabled,
    }  # fmt: skip
    try:
        with transaction.atomic():
            if analyser_id is None:
                _allow(asker)
                if not asker.facility:  # an administrator of the whole province keeps no laboratory
                    raise NotAllowed
                return Analyser.objects.create(facility=asker.facility, **values)
            row = _own(asker, analyser_id)
            for field, value in values.items():
                setattr(row, field, value)
            row.save()
            return row
    except IntegrityError as error:
        raise Taken from error


def teach(
    asker: Asker, analyser_id: int, code: str, analyte: str, *, unit: str = "", factor: Decimal = Decimal(1)
) -> AnalyserCode:
    """Say what a code of an analyser means; said again, the new meaning stands.

    analyte: a key of ours, "" for what is never reported. Raises UnknownAnalyte, NoAnalyser, NotAllowed.
    """
    if (analyte and analyte not in analytes()) or not code.strip() or factor <= 0:
        raise UnknownAnalyte
    with transaction.atomic():
        row = _own(asker, analyser_id)
        values = {"analyte": analyte, "unit": unit.strip()[:40], "factor": factor}
        return AnalyserCode.objects.update_or_create(analyser=row, code=code.strip()[:100], defaults=values)[0]


def forget(asker: Asker, analyser_id: int, code: str) -> None:
    """Take the meaning of a code back. Raises NoAnalyser, NotAllowed."""
    with transaction.atomic():
        _own(asker, analyser_id).meanings.filter(code=code).delete()


def _own(asker: Asker, analyser_id: int) -> Analyser:
    """The analyser, locked. Another facility's is not there."""
    _allow(asker)
    rows = Analyser.objects.select_for_update().filter(pk=analyser_id)
    row = (rows.filter(facility=asker.facility) if asker.facility else rows).first()
    if not row:
        raise NoAnalyser
    return row


def _allow(asker: Asker) -> None:
    if asker.role not in KEEPING:
        raise NotAllowed
