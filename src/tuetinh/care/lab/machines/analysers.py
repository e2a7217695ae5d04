"""The laboratory's machines: who they are, from where they call, and what they mean by their codes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache

from django.db import IntegrityError, transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery

from tuetinh.care.lab import facts, units
from tuetinh.care.lab.catalogue import Analyte, analytes
from tuetinh.care.lab.errors import NoAnalyser, NotAllowed, Taken, UnknownAnalyte
from tuetinh.care.lab.machines import drivers
from tuetinh.care.lab.machines.drivers import Driver, recognise
from tuetinh.care.lab.machines.messages import Code, Header, Result
from tuetinh.care.lab.models import Analyser, AnalyserCode, Message
from tuetinh.record import api as record
from tuetinh.record.asker import SYSTEM, Asker

KEEPING = frozenset({"lab", "admin", "system"})


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code of an analyser stands for. analyte None: it is known, and never reported.

    sure: the unit also holds where a message says none. It does not where only the machine's name tells its model.
    taught: at this facility, and so above every name.
    """

    analyte: Analyte | None
    unit: str = ""
    factor: Decimal = Decimal(1)
    sure: bool = True
    taught: bool = False

    def number(self, result: Result) -> tuple[Decimal | None, str]:
        """The number of a result in our unit, with that unit; None when it cannot be brought there.

        The factor is for the unit that the machine is known to use; a message that says another is taken at its word.
        """
        assert self.analyte and result.number is not None  # noqa: S101  (the caller has looked)
        said = (self.sure or not self.unit) if not result.unit else not self.unit or units.alike(result.unit, self.unit)
        if self.factor != 1 and said:
            return units.as_precise(result.number * self.factor, result.number), self.analyte.shown
        unit = result.unit or (self.unit if self.sure else "")
        ours = units.to_ours(result.number, unit, self.analyte) if unit else result.number
        return ours, self.analyte.shown if ours is not None else unit


_NAMED = "SELECT * FROM lab_analyser WHERE sender = ANY(%s)"  # for each batch of messages


def sender_of(application: str, facility: str) -> str:
    """MSH-3 and MSH-4 as messages keep them."""
    return f"{application.strip()}|{facility.strip()}"[:300]


def find(sender: str, address: str) -> Analyser | None:
    """The analyser that a message comes from: of this name at this address, else of this name at any."""
    return find_all([(sender, address)])[0]


def find_all(senders: Sequence[tuple[str, str]]) -> list[Analyser | None]:
    """The same for many, in one query."""
    lines = by_line({address for _, address in senders})
    names = {sender[:300] for sender, address in senders if address not in lines}
    known = Analyser.objects.raw(_NAMED, [sorted(names)]).prefetch_related("meanings") if names else ()
    by_name: dict[str, list[Analyser]] = {}
    for row in known:
        by_name.setdefault(row.sender, []).append(row)

    def one(sender: str, address: str) -> Analyser | None:
        found = by_name.get(sender[:300], [])
        at = lines.get(address) or next((a for a in found if a.address and a.address == address), None)
        return at or next((a for a in found if not a.address), None)

    return [one(sender, address) for sender, address in senders]


FOLDER = "folder:"  # begins what stands for an address where a file lay in the folder of the machine of this number


def is_line(address: str) -> bool:
    """Whether what stands for an address is a serial line or a folder, and so tells the machine whatever its name."""
    return address.startswith((FOLDER, "/", "COM", "socket://"))


def by_line(addresses: Iterable[str]) -> dict[str, Analyser]:
    """The machines that have a serial line or a folder of their own, by what stands for its address."""
    own = [address for address in addresses if is_line(address)]
    if not own:
        return {}
    numbers = [int(a.removeprefix(FOLDER)) for a in own if a.startswith(FOLDER) and a.removeprefix(FOLDER).isdigit()]
    rows = Analyser.objects.filter(Q(serial__in=own) | Q(pk__in=numbers)).prefetch_related("meanings")
    return {key: row for row in rows for key in (row.serial, f"{FOLDER}{row.pk}") if key}


def code_of(code: Code) -> str:
    """The code by which a machine's results are taught: its own, else the alternate."""
    return code.code or code.alternate or code.text


def driver_of(analyser: Analyser | None, header: Header) -> Driver | None:
    """The model of a machine: as its page says, else as its name tells."""
    if analyser and analyser.driver:
        return drivers.driver(analyser.driver)
    return recognise(header.sender, header.wire) if header.application else None  # type: ignore[arg-type]


def dictionary(analyser: Analyser | None, header: Header) -> dict[str, Meaning]:
    """What the analyser's codes mean: its model's, and above them what was taught."""
    known, model = analytes(), driver_of(analyser, header)
    told = _usual(model.key, bool(analyser and analyser.driver)) if model else {}
    taught = analyser.meanings.all() if analyser else ()
    return told | {row.code: Meaning(known.get(row.analyte), row.unit, row.factor, taught=True) for row in taught}


@cache
def _usual(key: str, named: bool) -> dict[str, Meaning]:  # noqa: FBT001  (of a cache)
    """What the codes of a model mean. named: whether somebody said that the machine is of this model."""
    model, known = drivers.drivers()[key], analytes()
    sure = named or model.description.at.get("unit") == ()
    return {code: Meaning(known.get(m.analyte), m.unit, m.factor, sure) for code, m in model.codes.items()}


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
    driver: str = "",
    silent_minutes: int = 0,
    serial: str = "",
    folder: str = "",
    port: int | None = None,
    downloads: bool = False,
    bedside: bool = False,
    ministry_code: str = "",
) -> Analyser:
    """Register an analyser of the asker's facility, or change it, and the Device that it is in the record.

    ministry_code: MA_MAY of insurance claims. Raises NoAnalyser, Taken, NotAllowed.
    """
    values = {
        "name": name.strip()[:200], "sender": sender_of(application, sending_facility), "address": address or None,
        "enabled": enabled, "driver": driver, "silent_minutes": silent_minutes, "serial": serial.strip(),
        "folder": folder.strip(), "port": port, "downloads": downloads,
        "bedside": bedside,
        "ministry_code": ministry_code.strip(),
    }  # fmt: skip
    try:
        with transaction.atomic():
            if analyser_id is None:
                _allow(asker)
                if not asker.facility:  # an administrator of the whole province keeps no laboratory
                    raise NotAllowed
                row = Analyser(facility=asker.facility)
            else:
                row = _own(asker, analyser_id)
            for field, value in values.items():
                setattr(row, field, value)
            _describe(asker, row)
            row.save()
            return row
    except IntegrityError as error:
        raise Taken from error


def register(asker: Asker, row: Message, address: str | None = None) -> Analyser:
    """Register the machine that sent a message, as it names itself; one without a name is known by where it calls from.

    address: where one with a name calls from, where that tells it from others of its name. Raises Taken, NotAllowed.
    """
    application, _, facility = row.sender.partition("|")
    return save(
        asker,
        None,
        name=application or row.peer,
        application=application,
        sending_facility=facility,
        address=address if application else row.peer,
    )


def _describe(asker: Asker, row: Analyser) -> None:
    """Write the Device of a machine: what results name as theirs."""
    desk, fresh = replace(asker, scopes=SYSTEM.scopes, patient=None), not row.device
    row.device = row.device or record.new_id()
    device = facts.machine(row.device, row.name, row.ministry_code, row.facility, enabled=row.enabled)
    (record.create if fresh else record.update)(desk, device)


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
