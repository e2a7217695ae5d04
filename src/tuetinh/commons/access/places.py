"""Names of facilities and rooms, which are Organizations and Locations of the record."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from tuetinh.commons.access.models import Account

KEEP = 60.0  # seconds; a name changes once in years, and every page shows it
_names: dict[tuple[str, str], tuple[float, str]] = {}


@dataclass(frozen=True, slots=True)
class Facility:
    """Where an account works. id: of the Organization. room: name of its Location, or ""."""

    id: str
    name: str
    room: str = ""


def facility(account: Account) -> Facility:
    """Name the account's facility and room; an id that the record does not know stands for itself."""
    return Facility(
        id=account.facility,
        name=place_name("Organization", account.facility),
        room=place_name("Location", account.room),
    )


def place_name(type_: str, id_: str) -> str:
    """Name of an Organization or a Location, or its id when the record does not know it. Kept for a minute."""
    if not id_:
        return ""
    from tuetinh.record import api, errors

    until, name = _names.get((type_, id_), (0.0, ""))
    if until < time.monotonic():
        try:
            name = getattr(api.read(SYSTEM, type_, id_), "name", None) or id_
        except (errors.NotFound, errors.Gone):
            name = id_
        _names[type_, id_] = (time.monotonic() + KEEP, name)
    return name


def forget_names() -> None:
    """Drop what is kept, for tests that change names."""
    _names.clear()
