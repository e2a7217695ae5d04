"""Key images: which pictures of an examination show what was found."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from tuetinh.care.imaging.grouped import studies_of
from tuetinh.care.imaging.models import Exam, Instance, Study
from tuetinh.care.imaging.reading.models import ReadingCase
from tuetinh.care.imaging.reading.queries import case_of
from tuetinh.record.asker import Asker
from tuetinh.record.steps import enter

MOST: Final = 12
_ON_PAPER: Final = 640  # pixels of a side


@dataclass(frozen=True, slots=True)
class Key:
    """A picture that was chosen. frame: from 1."""

    study: str
    series: str
    instance: str
    frame: int

    @property
    def url(self) -> str:
        """Where it is drawn, below `/dicom-web`."""
        return f"/dicom-web/studies/{self.study}/series/{self.series}/instances/{self.instance}/frames/{self.frame}"


def chosen(case: ReadingCase | None) -> list[Key]:
    """The key images of a reading, in the order in which they were chosen."""
    return [Key(*one) for one in (case.keys if case else [])]


def toggle(asker: Asker, case: ReadingCase, exam: Exam, instance: str, frame: int) -> bool:
    """Choose a picture of the examination's studies, or let it go; returns whether it is chosen now.

    The case is not saved. What is no picture of the examination, or one too many, changes nothing.
    """
    known = [one for one in case.keys if (one[2], one[3]) != (instance, frame)]
    if len(known) < len(case.keys):
        case.keys = known
        return False
    enter(asker)
    row = (
        Instance.objects.filter(study__in=Study.objects.filter(studies_of(exam)), sop_instance_uid=instance)
        .values_list("study__study_instance_uid", "series__series_instance_uid")
        .first()
    )
    if row is None or len(known) >= MOST or frame < 1:
        return False
    case.keys = [*known, [*row, instance, frame]]
    return True


def for_paper(asker: Asker, exam: Exam) -> list[str]:
    """The key images as SVG for a form; one whose pixels cannot be drawn is left out."""
    from tuetinh.care.imaging.archive.syntaxes import CannotConvert
    from tuetinh.care.imaging.dicomweb.frames import Drawing, NoFrame, drawn

    keys = chosen(case_of(exam))
    enter(asker)
    rows = Instance.objects.filter(sop_instance_uid__in=[one.instance for one in keys])
    kept = {uid: bytes(digest) for uid, digest in rows.values_list("sop_instance_uid", "digest")}
    found = []
    for one in keys:
        with suppress(NoFrame, CannotConvert, KeyError):
            picture = drawn(kept[one.instance], one.frame, Drawing(size=(_ON_PAPER, _ON_PAPER)), "JPEG")
            found.append(_svg(picture))
    return found


def _svg(picture: bytes) -> str:
    side = _ON_PAPER
    data = b64encode(picture).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}">'
        f'<image width="{side}" height="{side}" href="data:image/jpeg;base64,{data}"/></svg>'
    )
