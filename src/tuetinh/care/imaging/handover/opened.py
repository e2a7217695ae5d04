"""An examination as whoever has its code sees it: what it is, what there is to look at, and each piece of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tuetinh.care.imaging.handover import showing
from tuetinh.care.imaging.handover.serving import Piece
from tuetinh.care.imaging.models import Exam
from tuetinh.commons.access.api import place_name
from tuetinh.record.asker import Asker


@dataclass(frozen=True, slots=True)
class Opened:
    """An examination that was opened. stack: what `stack.js` shows, None without pictures. signed: it has a report."""

    exam: Exam
    facility: str
    stack: dict[str, Any] | None
    signed: bool


def opened(asker: Asker, order: str, address: Callable[[str, int], str]) -> Opened | None:
    """The examination of an order. address: of a frame of an object by its UID, or of the whole of it at 0."""
    exam = Exam.objects.filter(order=order).first()
    if exam is None:
        return None
    objects = showing.shown(asker, exam)
    data = showing.stack(objects, lambda one, frame: address(one.object.sop_instance, frame))
    signed = showing.report_of(asker, exam) is not None
    return Opened(exam, place_name("Organization", exam.facility), data if data["series"] else None, signed)


def part_of(asker: Asker, order: str, sop_instance: str, frame: int) -> Piece | None:
    """A frame of an object of the examination, or the whole of it at 0; None where there is nothing to look at."""
    from tuetinh.care.imaging.archive.syntaxes import CannotConvert
    from tuetinh.care.imaging.dicomweb.frames import NoFrame

    exam = Exam.objects.filter(order=order).first()
    found = showing.shown(asker, exam, sop_instance) if exam and sop_instance else []
    try:
        return _piece(found[0], frame) if found else None
    except (CannotConvert, NoFrame):
        return None


def _piece(one: showing.Shown, frame: int) -> Piece | None:
    from tuetinh.care.imaging.handover import contents

    if one.kind == "frames" and frame:
        return _whole("image/jpeg", contents.picture(one, frame))
    if one.kind == "film" and not frame:
        part = contents.film(one)
        return Piece("video/mp4", part.length, part.chunks)
    if one.kind == "waves" and not frame:
        return _whole("image/svg+xml", contents.curves(one))
    if one.kind == "paper" and not frame:
        return _whole("application/pdf", contents.paper(one))
    return None


def _whole(media: str, data: bytes) -> Piece:
    return Piece(media, len(data), lambda start, stop: iter([data[start:stop]]))
