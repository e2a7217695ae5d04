"""Who calls: application entities by their title and address, and what each may."""

from __future__ import annotations

from dataclasses import dataclass

from tuetinh.care.imaging.archive.keeping import Source
from tuetinh.care.imaging.archive.persons import ANYONE
from tuetinh.care.imaging.models import Device
from tuetinh.commons.access.api import ROLES, rules
from tuetinh.record.asker import Asker


@dataclass(frozen=True, slots=True)
class Peer:
    """A caller. asker: the imaging desk of its facility, in the name of the machine."""

    title: str
    address: str
    device: Device
    asker: Asker

    @property
    def source(self) -> Source:
        """As whom it sends objects."""
        return Source(self.device.facility, f"AE {self.title}")


def find(title: str, address: str, *, tls: bool = False) -> Peer | None:
    """The caller of a title at an address; None for one that may not call."""
    rows = {row.title: row for row in Device.objects.filter(title__in=[title, ANYONE], enabled=True)}
    device = rows.get(title) or rows.get(ANYONE)
    if device is None or (device.address and device.address != address) or (device.tls and not tls):
        return None
    asker = Asker(f"ae:{title}", "imaging", device.facility, scopes=ROLES["imaging"].scopes)
    return Peer(title, address, device, rules.now().told(asker))


def destination(peer: Peer, title: str) -> Device | None:
    """Where a caller may have objects sent to: a machine of its facility that has an address."""
    return (
        Device.objects.filter(title=title, facility=peer.device.facility, enabled=True, port__isnull=False)
        .exclude(host="")
        .first()
    )
