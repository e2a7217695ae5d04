"""The house's own work as workitems: examinations that wait to be read, and studies that models look at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

from tuetinh.care.imaging import grouped
from tuetinh.care.imaging.ai.models import AiResult
from tuetinh.care.imaging.models import Exam, Study
from tuetinh.care.imaging.workitems import told
from tuetinh.care.imaging.workitems.models import Workitem
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

READING, MODEL = "READING", "AI"  # Worklist Label
KEPT: Final = timedelta(days=30)  # what has ended
KEPT_LOCKED: Final = timedelta(days=365)  # and somebody wants kept
MOST: Final = 500  # that are made workitems at once
_ENDED: Final[dict[str, Workitem.State]] = {
    Exam.Stage.REPORTED: Workitem.State.COMPLETED,
    Exam.Stage.CANCELLED: Workitem.State.CANCELED,
    AiResult.State.DONE: Workitem.State.COMPLETED,
    AiResult.State.FAILED: Workitem.State.CANCELED,
}
_INTERPRETATION: Final = ("110005", "DCM", "Interpretation")
_CAD: Final = ("110004", "DCM", "Computer Aided Detection")


def follow(facility: str) -> None:
    """Let work that waits at a facility have its workitem, and those of work that has ended end; old ones go."""
    enter(SYSTEM)
    gone = (Workitem.State.COMPLETED, Workitem.State.CANCELED)
    ended = Workitem.objects.filter(facility=facility, state__in=gone, changed_at__lt=datetime.now(UTC) - KEPT)
    ended.filter(changed_at__lt=datetime.now(UTC) - KEPT_LOCKED).delete()
    Workitem.objects.filter(pk__in=[one.pk for one in ended if not told.is_locked(one)]).delete()
    for exam in Exam.objects.filter(facility=facility, stage=Exam.Stage.DONE, workitem=None).order_by("pk")[:MOST]:
        studies = list(Study.objects.filter(grouped.studies_of(exam)))
        attributes = _attributes(READING, exam.description, studies, _INTERPRETATION, exam.ended_at, urgent=exam.urgent)
        attributes["0040A370"] = _sequence(
            {"00080050": _value("SH", exam.accession_number), "0020000D": _value("UI", exam.study_instance_uid)}
        )
        _make(f"exam/{exam.pk}", facility, attributes, exam=exam)
    rows = AiResult.objects.filter(facility=facility, state=AiResult.State.WAITING, workitem=None)
    for result in rows.select_related("study").order_by("pk")[:MOST]:
        label = f"{result.model} {result.version}"
        attributes = _attributes(MODEL, label, [result.study], _CAD, None, urgent=False)
        _make(f"result/{result.pk}", facility, attributes, result=result)
    _end(facility)


def _make(name: str, facility: str, attributes: dict[str, Any], **of: Any) -> None:
    uid = f"2.25.{uuid5(NAMESPACE_OID, f'tuetinh/{facility}/{name}').int}"
    item, is_new = Workitem.objects.get_or_create(
        uid=uid, defaults={"facility": facility, "attributes": attributes, **of}
    )
    if is_new:
        told.tell(item, told.STATE)


def _end(facility: str) -> None:
    """Workitems whose work somebody has ended in the house."""
    open_ = (Workitem.State.SCHEDULED, Workitem.State.IN_PROGRESS)
    running = Workitem.objects.filter(facility=facility, state__in=open_).select_related("exam", "result")
    exams = running.filter(exam__stage__in=(Exam.Stage.REPORTED, Exam.Stage.CANCELLED))
    results = running.filter(result__state__in=(AiResult.State.DONE, AiResult.State.FAILED))
    for item in [*exams, *results]:
        stage = item.exam.stage if item.exam else item.result.state if item.result else ""
        item.state = _ENDED[stage]
        item.save(update_fields=["state", "changed_at"])
        told.tell(item, told.STATE)


def _attributes(
    worklist: str, label: str, studies: list[Study], code: tuple[str, str, str], at: datetime | None, *, urgent: bool
) -> dict[str, Any]:
    """What a workitem tells of the house's own work (PS3.4, table CC.2.5-3)."""
    moment = (at or datetime.now(UTC)).astimezone(UTC)
    value, scheme, meaning = code
    return {
        "00741200": _value("CS", "HIGH" if urgent else "MEDIUM"),
        "00741202": _value("LO", worklist),
        "00741204": _value("LO", label[:64]),
        "00404041": _value("CS", "READY"),
        "00404005": _value("DT", f"{moment:%Y%m%d%H%M%S}+0000"),
        "00404018": _sequence(
            {"00080100": _value("SH", value), "00080102": _value("SH", scheme), "00080104": _value("LO", meaning)}
        ),
        "00404021": _sequence(*(_input(study) for study in studies)),
    }


def _input(study: Study) -> dict[str, Any]:
    """Where the pictures are (PS3.3, table 10-3b)."""
    return {
        "0040E020": _value("CS", "DICOM"),
        "0020000D": _value("UI", study.study_instance_uid),
        "0040E025": _sequence({"00081190": _value("UR", f"/dicom-web/studies/{study.study_instance_uid}")}),
    }


def _value(vr: str, value: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]}


def _sequence(*items: dict[str, Any]) -> dict[str, Any]:
    return {"vr": "SQ", "Value": list(items)}
