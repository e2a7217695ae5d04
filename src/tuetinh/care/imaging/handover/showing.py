"""What of an examination can be shown to people, and how: pictures, films, papers, curves, and the signed report."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from tuetinh.care.imaging import grouped
from tuetinh.care.imaging.ai.due import SOURCE
from tuetinh.care.imaging.archive.queries import FILMS, WAVES, Object
from tuetinh.care.imaging.models import Exam, Instance, Study
from tuetinh.care.imaging.reports import report_id
from tuetinh.record import api as record
from tuetinh.record import audit, r4
from tuetinh.record.asker import Asker
from tuetinh.record.steps import enter

SIGNED: Final = ("final", "amended", "corrected", "appended")
PDF: Final = "1.2.840.10008.5.1.4.1.1.104.1"  # SOP class Encapsulated PDF Storage
MOST_FRAMES: Final = 20_000  # of an object, whatever it says of itself
_ROWS, _FRAMES = "00280010", "00280008"
_DESCRIPTION = "0008103E"


@dataclass(frozen=True, slots=True)
class Shown:
    """An object and how it is shown. kind: `frames`, `film`, `paper`, `waves`; "" for what people cannot look at."""

    object: Object
    kind: str
    frames: int
    modality: str
    series_name: str


def kind_of(sop_class: str, syntax: str, attributes: dict[str, Any]) -> str:
    """How an object is shown; see `Shown`."""
    if sop_class == PDF:
        return "paper"
    if sop_class.startswith(WAVES):
        return "waves"
    if syntax in FILMS:
        return "film"
    return "frames" if _number(attributes, _ROWS) else ""


def _number(attributes: dict[str, Any], tag: str) -> int:
    values = attributes.get(tag, {}).get("Value") or [0]
    return values[0] if isinstance(values[0], int) else 0


def studies_of(asker: Asker, exam: Exam) -> QuerySet[Study]:
    """The studies of an examination that exist for the asker."""
    enter(asker)
    return Study.objects.filter(grouped.studies_of(exam))


def shown(asker: Asker, exam: Exam, sop_instance: str = "") -> list[Shown]:
    """The objects of an examination, or the one of a UID, in the order in which people look at them; it is logged.

    None of what models say: that is for readers.
    """
    studies = list(studies_of(asker, exam))
    for study in studies:
        audit.note(asker, "read", "ImagingStudy", study.resource, study.patient)
    rows = Instance.objects.filter(study__in=studies).exclude(source=SOURCE).select_related("series", "study")
    rows = rows.filter(sop_instance_uid=sop_instance) if sop_instance else rows
    ordered = rows.order_by("study", "series__series_number", "series", "instance_number", "pk")
    return [_shown(row) for row in ordered]


def _shown(row: Instance) -> Shown:
    told = (row.study.study_instance_uid, row.series.series_instance_uid, row.sop_instance_uid, row.sop_class_uid)
    one = Object(*told, row.transfer_syntax_uid, bytes(row.digest), row.size)
    kind = kind_of(one.sop_class, one.transfer_syntax, row.attributes)
    name = (row.series.attributes.get(_DESCRIPTION, {}).get("Value") or [""])[0] or ""
    return Shown(one, kind, min(max(_number(row.attributes, _FRAMES), 1), MOST_FRAMES), row.series.modality, str(name))


def report_of(asker: Asker, exam: Exam) -> bytes | None:
    """The signed report as PDF, None where none is signed yet."""
    id_ = report_id(exam)
    report = record.read_many(asker, "DiagnosticReport", [id_]).get(id_)
    if not isinstance(report, r4.DiagnosticReport) or report.status not in SIGNED:
        return None
    form = next((one for one in report.presentedForm or [] if one.data), None)
    return b64decode(form.data) if form and form.data else None


def stack(objects: Iterable[Shown], address: Callable[[Shown, int], str]) -> dict[str, Any]:
    """What `stack.js` shows: the series of these objects. address: of an object's frame, or of the whole of it at 0."""
    series: dict[tuple[str, str], list[Shown]] = {}
    for one in objects:
        if one.kind:
            series.setdefault((one.object.series, one.kind), []).append(one)
    return {"words": _words(), "series": [_series(kind, parts, address) for (_uid, kind), parts in series.items()]}


def _series(kind: str, parts: Sequence[Shown], address: Callable[[Shown, int], str]) -> dict[str, Any]:
    if kind == "frames":
        files = [address(one, frame) for one in parts for frame in range(1, one.frames + 1)]
    else:
        files = [address(one, 0) for one in parts]
    name = " · ".join(filter(None, (parts[0].modality, parts[0].series_name)))
    return {"kind": kind, "name": name, "files": files}


def _words() -> dict[str, str]:
    return {
        "previous": _("Ảnh trước"),
        "next": _("Ảnh sau"),
        "play": _("Chạy"),
        "stop": _("Dừng"),
        "larger": _("Phóng to"),
        "smaller": _("Thu nhỏ"),
        "brighter": _("Sáng hơn"),
        "darker": _("Tối hơn"),
        "contrast": _("Tương phản"),
        "whole": _("Vừa khung"),
        "series": _("Loạt ảnh"),
        "picture": _("Ảnh"),
        "open": _("Mở tài liệu"),
    }
