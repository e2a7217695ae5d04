"""The way of a case until its slides can be read: asked for, received, described and cut, stained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from tuetinh.care.billing.api import cancel_charge, charge
from tuetinh.care.lab.actions import ORDERING, WORKING, as_desk, facility_of
from tuetinh.care.lab.errors import NeedsReason, NotAllowed
from tuetinh.care.lab.facts import id_of
from tuetinh.care.lab.models import Counter
from tuetinh.care.lab.pathology import facts
from tuetinh.care.lab.pathology.errors import BadStain, NoCase, NotACase, NotAPicture
from tuetinh.care.lab.pathology.models import PathologyCase, PathologyPiece
from tuetinh.care.lab.pathology.tables import services, stains
from tuetinh.care.lab.results import pictures
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

Stage, Level = PathologyCase.Stage, PathologyPiece.Level
PARTS = "ABCDEFGHIJKLMNOPQRST"
MOST_BLOCKS = 40
OPEN = (Stage.RECEIVED, Stage.GROSSED, Stage.STAINED, Stage.DRAFTED)


def ask(
    asker: Asker, encounter_id: str, service: str, parts: Sequence[str], clinical: str, *, urgent: bool = False
) -> PathologyCase:
    """Ask for an examination of the parts that were taken, with the clinical data that reading needs, and charge it.

    Raises NotAllowed, NotACase.
    """
    if asker.role not in ORDERING:
        raise NotAllowed
    named = [one.strip()[:200] for one in parts if one.strip()]
    if service not in services() or not named or len(named) > len(PARTS) or not clinical.strip():
        raise NotACase
    what = services()[service]
    with transaction.atomic():
        desk = as_desk(asker)
        visit = cast(r4.Encounter, record.read(desk, "Encounter", encounter_id))
        case = PathologyCase.objects.create(
            facility=facility_of(asker, visit), encounter=encounter_id,
            patient=id_of(visit.subject), request=record.new_id(), service=service, template=what.template,
            urgent=urgent or what.kind == "frozen", ordered_at=timezone.now(),
        )  # fmt: skip
        pieces = [
            PathologyPiece(case=case, level=Level.PART, label=label, what=said, specimen=record.new_id())
            for label, said in zip(PARTS, named, strict=False)
        ]
        PathologyPiece.objects.bulk_create(pieces)
        desk_specimens = [facts.specimen(case, piece, received=False) for piece in pieces]
        record.create_many(desk, desk_specimens)
        made = facts.request(asker, case, clinical.strip()[:2000], [piece.specimen for piece in pieces])
        record.create(desk, made)
        charge(desk, visit, what.code, 1, source_reference=f"ServiceRequest/{case.request}", display=what.names[0])
        told(case)
    return case


def receive(asker: Asker, case_id: int) -> PathologyCase:
    """Take the parts of a case in, and give it its number. Receiving twice changes nothing."""
    with transaction.atomic():
        case = lock(asker, case_id, Stage.ORDERED, *OPEN)
        if case.stage != Stage.ORDERED:
            return case
        case.number, case.stage, case.received_at = _number(case.facility), Stage.RECEIVED, timezone.now()
        case.due_at = case.received_at + timedelta(minutes=services()[case.service].minutes(urgent=case.urgent))
        case.save()
        parts = case.pieces.filter(level=Level.PART).order_by("label")
        record.put_many(as_desk(asker), [facts.specimen(case, part, received=True) for part in parts])
        told(case)
    return case


def _number(facility: str) -> str:
    """The next number of the facility's year: GP, the year, the facility's digits, a running number."""
    year = datetime.now(UTC).date().replace(month=1, day=1)
    digits = "".join(c for c in facility if c.isdigit())[-5:].rjust(5, "0")
    while True:
        series = f"pathology:{facility}"[:64]
        Counter.objects.get_or_create(facility=series, day=year)
        Counter.objects.filter(facility=series, day=year).update(last=F("last") + 1)
        number = f"GP{year:%y}{digits}{Counter.objects.get(facility=series, day=year).last:05d}"
        if not PathologyCase.objects.filter(number=number).exists():
            return number


def cancel(asker: Asker, case_id: int, reason: str) -> PathologyCase:
    """Revoke a request that nobody has cut yet, and take its charge back."""
    if not reason.strip():
        raise NeedsReason
    with transaction.atomic():
        case = lock(asker, case_id, Stage.ORDERED, Stage.RECEIVED, roles=WORKING | ORDERING)
        desk = as_desk(asker)
        made = cast(r4.ServiceRequest, record.read(desk, "ServiceRequest", case.request))
        made.status, made.note = "revoked", [*(made.note or []), r4.Annotation(text=reason.strip()[:500])]
        record.update(desk, made)
        what, visit = services()[case.service], cast(r4.Encounter, record.read(desk, "Encounter", case.encounter))
        item = charge(
            desk, visit, what.code, 1, source_reference=f"ServiceRequest/{case.request}", display=what.names[0]
        )
        cancel_charge(desk, item.id or "")  # charged once for a source: this is the charge that stands
        case.stage = Stage.CANCELLED
        case.save()
        told(case)
    return case


def gross(asker: Asker, case_id: int, text: str, blocks: Mapping[str, int]) -> PathologyCase:
    """Keep the gross description, and how many blocks were cut of each part (by its label) besides those there are.

    Raises NeedsReason without words, NotACase for an unknown part.
    """
    if not text.strip():
        raise NeedsReason
    with transaction.atomic():
        case = lock(asker, case_id, *OPEN)
        parts = {part.label: part for part in case.pieces.filter(level=Level.PART)}
        if any(label not in parts or not 0 <= count <= MOST_BLOCKS for label, count in blocks.items()):
            raise NotACase
        desk = as_desk(asker)
        record.put_many(desk, [facts.section(asker, case, "gross", text.strip()[:8000])])
        made = [piece for label, count in blocks.items() for piece in _cut(case, parts[label], count)]
        PathologyPiece.objects.bulk_create(made)
        record.create_many(desk, [facts.specimen(case, piece, received=True) for piece in made])
        record.create(desk, facts.grossing(asker, case))
        if case.stage == Stage.RECEIVED:
            case.stage = Stage.GROSSED
            case.save()
        told(case)
    return case


def _cut(case: PathologyCase, part: PathologyPiece, count: int) -> list[PathologyPiece]:
    there = part.children.filter(level=Level.BLOCK).count()
    return [
        PathologyPiece(
            case=case, parent=part, level=Level.BLOCK, label=f"{part.label}{there + place}", specimen=record.new_id()
        )
        for place in range(1, count + 1)
    ]


def stain(asker: Asker, piece_id: int, keys: Sequence[str]) -> list[PathologyPiece]:
    """Make slides of a block, or of a part (smears), one a stain; what is not usual is charged. Raises BadStain."""
    found = PathologyPiece.objects.filter(pk=piece_id).first()
    if not found or not keys or any(key not in stains() for key in keys):
        raise BadStain
    with transaction.atomic():
        case = lock(asker, found.case_id, *OPEN, Stage.SIGNED)
        kind = services()[case.service].kind
        if found.level == Level.SLIDE or (found.level == Level.PART and kind == "histology"):
            raise BadStain
        desk, visit = as_desk(asker), None
        slides = []
        for key in keys:
            there = found.children.filter(label__startswith=f"{found.label}-{key}").count()
            label = f"{found.label}-{key}{there + 1 if there else ''}"
            slide = PathologyPiece.objects.create(
                case=case, parent=found, level=Level.SLIDE, label=label, what=stains()[key].names[0],
                specimen=record.new_id(),
            )  # fmt: skip
            record.create(desk, facts.specimen(case, slide, received=True))
            slides.append(slide)
            if stains()[key].extra:
                visit = visit or cast(r4.Encounter, record.read(desk, "Encounter", case.encounter))
                charge(
                    desk, visit, stains()[key].service, 1, source_reference=f"Specimen/{slide.specimen}",
                    display=stains()[key].names[0],
                )  # fmt: skip
        if case.stage in (Stage.RECEIVED, Stage.GROSSED):
            case.stage = Stage.STAINED
            case.save()
        told(case)
    return slides


def add_picture(asker: Asker, case_id: int, title: str, data: bytes) -> r4.Media:
    """Keep a picture of a case, before it is signed. Raises NotAPicture."""
    if not pictures.kind_of(data).startswith("image/") or len(data) > pictures.LARGEST:
        raise NotAPicture
    with transaction.atomic():
        case = lock(asker, case_id, *OPEN)
        request = cast(r4.ServiceRequest, record.read(as_desk(asker), "ServiceRequest", case.request))
        made = pictures.keep(asker, request, title, data)
        told(case)
    return made


def lock(asker: Asker, case_id: int, *stages: str, roles: frozenset[str] = WORKING) -> PathologyCase:
    """A case of the asker's facility at one of some stages, locked for this transaction. Raises NotAllowed, NoCase."""
    if asker.role not in roles:
        raise NotAllowed
    case = PathologyCase.objects.select_for_update().filter(pk=case_id, facility=asker.facility).first()
    if not case or case.stage not in stages:
        raise NoCase
    return case


def told(case: PathologyCase) -> None:
    """Tell open pages that a case has changed."""
    publish(f"lab:{case.facility}")
    publish(f"visit:{case.encounter}")
