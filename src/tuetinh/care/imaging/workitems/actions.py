"""What may become of a workitem (PS3.4, CC.1.1, CC.2; PS3.18, 11.4–11.9), and is told to its subscribers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from django.db import transaction

from tuetinh.care.imaging.archive.reading import is_uid
from tuetinh.care.imaging.reading import claims
from tuetinh.care.imaging.workitems import own, told
from tuetinh.care.imaging.workitems.matching import START, STATE, UID, Impossible
from tuetinh.care.imaging.workitems.models import Workitem
from tuetinh.record.asker import Asker

State = Workitem.State
Json = dict[str, Any]
FINAL: Final = (State.COMPLETED, State.CANCELED)
TRANSACTION, CLASS = "00081195", "00080016"
PERFORMED, PROGRESS, LABEL, WORKLIST, PRIORITY = "00741216", "00741002", "00741204", "00741202", "00741200"
READY = "00404041"
_NEEDED: Final = (LABEL, PRIORITY, READY, START)  # PS3.4, table CC.2.5-3: type 1 of who creates
_OURS: Final = {UID, STATE, TRANSACTION, CLASS}


def value(dataset: Json, tag: str) -> str:
    """The first value of an element as text, "" where there is none."""
    element = dataset.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return str(values[0]) if isinstance(values, list) and values and isinstance(values[0], (str, int)) else ""


def create(asker: Asker, uid: str, dataset: Json) -> Workitem:
    """Take a workitem in. Raises Impossible."""
    uid = uid or value(dataset, UID)
    if not is_uid(uid) or (value(dataset, UID) or uid) != uid:
        raise Impossible(400, "the UID of the workitem is missing or is another one")
    if value(dataset, STATE) != State.SCHEDULED or value(dataset, TRANSACTION):
        raise Impossible(400, "a workitem is created SCHEDULED and without a Transaction UID")
    if missing := [tag for tag in _NEEDED if not value(dataset, tag)]:
        raise Impossible(400, f"missing: {', '.join(missing)}")
    if value(dataset, PRIORITY) not in ("HIGH", "MEDIUM", "LOW"):
        raise Impossible(400, "the priority is HIGH, MEDIUM or LOW")
    with transaction.atomic():
        item, is_new = Workitem.objects.get_or_create(
            uid=uid, defaults={"facility": asker.facility, "attributes": _without(dataset)}
        )
        if not is_new:
            raise Impossible(409, "there is a workitem of this UID")
        told.tell(item, told.STATE)
    return item


def update(asker: Asker, uid: str, transaction_uid: str, dataset: Json) -> None:
    """Change what a workitem says, but not how far it is. Raises Impossible."""
    if _OURS & dataset.keys():
        raise Impossible(400, "state, UIDs and transaction are not updated")
    with transaction.atomic():
        item = locked(asker, uid)
        _check_change(item, transaction_uid)
        item.attributes = {**item.attributes, **dataset}
        item.save(update_fields=["attributes", "changed_at"])
        if PROGRESS in dataset:
            told.tell(item, told.PROGRESS, **{PROGRESS: dataset[PROGRESS]})


def _check_change(item: Workitem, transaction_uid: str) -> None:
    if item.state in FINAL:
        raise Impossible(409, "the workitem is in a final state")
    if (item.result_id or item.exam_id) and item.state != State.IN_PROGRESS:
        raise Impossible(409, "the house says itself what is to be done")
    if item.state == State.IN_PROGRESS and transaction_uid != item.transaction_uid:
        raise Impossible(409, "the Transaction UID is missing or incorrect")


def change_state(asker: Asker, uid: str, dataset: Json) -> str:
    """Take a workitem, or end it; returns a warning where it was so already. Raises Impossible."""
    wanted, by = value(dataset, STATE), value(dataset, TRANSACTION)
    if wanted not in (State.IN_PROGRESS, *FINAL) or not is_uid(by):
        raise Impossible(400, "a state and a Transaction UID are expected")
    with transaction.atomic():
        item = locked(asker, uid)
        if item.state in FINAL:
            if item.state == wanted and item.transaction_uid == by:
                return f"the workitem is already {wanted}"
            raise Impossible(409, "the workitem is in a final state")
        if item.result_id:
            raise Impossible(409, "a model of this node performs it")
        if wanted == State.IN_PROGRESS:
            _take(asker, item, by)
        else:
            _finish(asker, item, State(wanted), by)
        told.tell(item, told.STATE)
    return ""


def _take(asker: Asker, item: Workitem, by: str) -> None:
    if item.state == State.IN_PROGRESS:
        raise Impossible(409, "the workitem is already IN PROGRESS")
    if item.exam and not claims.hold_for(asker, item.exam):
        raise Impossible(409, "somebody reads it already")
    item.state, item.transaction_uid = State.IN_PROGRESS, by
    item.save(update_fields=["state", "transaction_uid", "changed_at"])


def _finish(asker: Asker, item: Workitem, state: State, by: str) -> None:
    if item.state != State.IN_PROGRESS:
        raise Impossible(409, "the workitem is not IN PROGRESS")
    if by != item.transaction_uid:
        raise Impossible(409, "the Transaction UID is incorrect")
    if state == State.COMPLETED and not (item.attributes.get(PERFORMED) or {}).get("Value"):
        raise Impossible(409, "what was performed is not told (0074,1216)")
    if item.exam:
        claims.release(asker, item.exam.pk)
    item.state = state
    item.save(update_fields=["state", "changed_at"])


def request_cancel(asker: Asker, uid: str, dataset: Json) -> str:
    """Ask for the end of a workitem; returns a warning where it was cancelled already. Raises Impossible."""
    with transaction.atomic():
        item = locked(asker, uid)
        if item.state == State.CANCELED:
            return "the workitem is already CANCELED"
        if item.state == State.COMPLETED:
            raise Impossible(409, "the workitem is already COMPLETED")
        if item.exam_id or item.result_id:
            raise Impossible(409, "the house's own work is ended where it was ordered")
        if item.state == State.IN_PROGRESS:
            if not told.tell(item, told.CANCEL, **_reason(dataset)):
                raise Impossible(409, "who performs it cannot be reached")
            return ""
        item.state = State.CANCELED
        now = f"{datetime.now(UTC):%Y%m%d%H%M%S}+0000"
        ended = {"0040E052": {"vr": "DT", "Value": [now]}, **_reason(dataset)}
        item.attributes = {**item.attributes, PROGRESS: {"vr": "SQ", "Value": [ended]}}
        item.save(update_fields=["state", "attributes", "changed_at"])
        told.tell(item, told.STATE)
    return ""


def _reason(dataset: Json) -> Json:
    """Why, and who may be asked (PS3.4, table CC.2.2-1)."""
    return {tag: dataset[tag] for tag in ("00741238", "0074100E", "0074100C", "0074100A") if tag in dataset}


def locked(asker: Asker, uid: str) -> Workitem:
    """A workitem of the asker's facility, locked. Raises Impossible."""
    own.follow(asker.facility)
    rows = Workitem.objects.select_for_update(of=("self",)).select_related("exam", "result")
    item = rows.filter(uid=uid, facility=asker.facility).first()
    if item is None:
        raise Impossible(404, "there is no such workitem, or it is not for you")
    return item


def _without(dataset: Json) -> Json:
    return {tag: element for tag, element in dataset.items() if tag not in _OURS}
