"""The machines of a facility that procedures are done with (MA_MAY; QĐ 3176, bảng 3, trường 44).

They are those that the laboratory, imaging and the insurer's catalogue 06/DM know already, and what an administrator
registers besides, as Device of the record.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, cast

from django.db import transaction

from tuetinh.care.clinic.errors import Implausible, NotAllowed, UnknownCode
from tuetinh.care.imaging.api import machine_codes
from tuetinh.care.insurance.api import MACHINE, MACHINE_CODE, approved_machines
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

OWN: Final = "machine-"  # begins the ids of Devices that are registered here
MOST: Final = 500


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine with a code. id: of its Device where it was registered here, else ""."""

    code: str
    name: str
    id: str = ""


def machines(asker: Asker) -> list[Machine]:
    """The machines of the asker's facility that have a code, each once, by their names."""
    query = f"organization=Organization/{asker.facility}&status=active&_count={MOST}"
    devices = cast("list[r4.Device]", record.search(SYSTEM, "Device", query).resources)
    found: dict[str, Machine] = {}
    for device in devices:
        for code in _codes(device):
            own = (device.id or "").startswith(OWN)
            found[code] = Machine(code, _name(device), (device.id or "") if own else "")
    for code, name in (machine_codes(asker.facility) | approved_machines(asker.facility)).items():
        found.setdefault(code, Machine(code, name))
    return sorted(found.values(), key=lambda one: (one.name.casefold(), one.code))


def register(asker: Asker, name: str, code: str) -> Machine:
    """Register a machine. Raises NotAllowed, Implausible for no code of the Ministry or one that is known."""
    _allow(asker)
    name, code = name.strip(), code.strip()
    if not re.fullmatch(MACHINE_CODE, code):
        raise Implausible(field="code")
    with transaction.atomic():
        if any(one.code == code for one in machines(asker)):
            raise Implausible(field="code")
        device = r4.Device(
            id=f"{OWN}{record.new_id()}",
            identifier=[r4.Identifier(system=MACHINE, value=code)],
            status="active",
            deviceName=[r4.DeviceDeviceName(name=name, type="user-friendly-name")],
            owner=r4.Reference(reference=f"Organization/{asker.facility}"),
        )
        record.create(_house(asker), device)
    return Machine(code, name, device.id or "")


def retire(asker: Asker, id_: str) -> None:
    """Offer a machine that was registered here no more; what it was used for still names it. Raises NotAllowed,
    UnknownCode.
    """
    _allow(asker)
    with transaction.atomic():
        mine = {one.id for one in machines(asker) if one.id}
        if id_ not in mine:
            raise UnknownCode(field="machine")
        device = cast(r4.Device, record.lock_many(SYSTEM, "Device", [id_])[id_])
        device.status = "inactive"
        record.update(_house(asker), device)


def used(codes: Iterable[str], known: Iterable[Machine]) -> list[r4.Reference]:
    """References to machines by their codes. Raises UnknownCode for one that is not known."""
    by_code = {one.code: one for one in known}
    found = []
    for code in dict.fromkeys(codes):
        if code not in by_code:
            raise UnknownCode(field="machines")
        one = by_code[code]
        device = f"Device/{one.id}" if one.id else None
        identifier = r4.Identifier(system=MACHINE, value=code)
        found.append(r4.Reference(reference=device, identifier=identifier, display=one.name or None))
    return found


def _codes(device: r4.Device) -> list[str]:
    return [one.value for one in device.identifier or [] if one.system == MACHINE and one.value]


def _name(device: r4.Device) -> str:
    return next((one.name for one in device.deviceName or [] if one.name), "")


def _house(asker: Asker) -> Asker:
    """The house, for the account that asks."""
    return replace(SYSTEM, account=asker.account, facility=asker.facility)


def _allow(asker: Asker) -> None:
    if asker.role != "admin" or not asker.facility:
        raise NotAllowed
