"""The machines that may call, and what each may: kept by the administrator of a facility."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from tuetinh.care.imaging import grouped
from tuetinh.care.imaging.dimse.peers import ANYONE
from tuetinh.care.imaging.errors import NoDevice, NotAllowed, Taken
from tuetinh.care.imaging.models import Device, Exam, Instance
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import enter


@dataclass(frozen=True, slots=True)
class Draft:
    """What is said of a machine, in the terms of `models.Device`."""

    title: str
    name: str
    modality: str = ""
    address: str | None = None
    host: str = ""
    port: int | None = None
    tls: bool = False
    stores: bool = True
    finds: bool = False
    retrieves: bool = False
    works: bool = False
    enabled: bool = True
    ministry_code: str = ""


def listed(asker: Asker) -> QuerySet[Device]:
    """The machines of the asker's facility, of all for the province, by title."""
    rows = Device.objects.order_by("title")
    return rows.filter(facility=asker.facility) if asker.facility else rows


def machine_codes(facility: str) -> dict[str, str]:
    """The machines of a facility that are in use and have a code of the Ministry (MA_MAY): name by code."""
    rows = Device.objects.filter(facility=facility, enabled=True).exclude(ministry_code="")
    return dict(rows.values_list("ministry_code", "name"))


def save(asker: Asker, device_id: int | None, draft: Draft) -> Device:
    """Register a machine of the asker's facility, or change it. Raises NotAllowed, NoDevice, Taken."""
    if asker.role != "admin" or (device_id is None and not asker.facility):
        raise NotAllowed
    try:
        with transaction.atomic():
            if device_id is None:
                return Device.objects.create(facility=asker.facility, **asdict(draft))
            row = listed(asker).select_for_update().filter(pk=device_id).first()
            if row is None:
                raise NoDevice
            for field, value in asdict(draft).items():
                setattr(row, field, value)
            row.save()
            return row
    except IntegrityError as error:
        raise Taken from error


def made_by(exam: Exam) -> Device | None:
    """The machine that made the pictures of an examination: as it told itself, else as was planned."""
    titles = [step.title for step in exam.steps.order_by("-pk")]
    enter(SYSTEM)
    rows = Instance.objects.filter(grouped.studies_of(exam, "study__"))
    sources = rows.filter(source__startswith=_AE).order_by("pk").values_list("source", flat=True)[:1]
    titles += [source.removeprefix(_AE) for source in sources]
    known = {one.title: one for one in Device.objects.filter(facility=exam.facility, title__in=titles)}
    return next((known[title] for title in titles if title in known), exam.device)


_AE: Final = "AE "  # before the title of a machine, in the source of what it sent


def first_device(facility: str, *, name: str, address: str) -> None:
    """Let whoever calls from an address do everything at a facility, unless some machine is known already."""
    with transaction.atomic():
        if not Device.objects.exists():
            Device.objects.create(
                title=ANYONE, facility=facility, name=name, address=address, finds=True, retrieves=True, works=True
            )
