"""What a person decides about objects that wait and studies of nobody. What stood there stays in the history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from django.db import transaction

from tuetinh.care.imaging.ai.retiring import retire
from tuetinh.care.imaging.archive import fixing, keeping
from tuetinh.care.imaging.archive.keeping import Source, ask
from tuetinh.care.imaging.archive.reading import Broken, Head, Missing, read
from tuetinh.care.imaging.errors import NeedsReason, NoPerson, NotAllowed, NotWaiting, StillWrong
from tuetinh.care.imaging.models import Change, Held, Study
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.contents.files import opened
from tuetinh.record.steps import enter

DECIDING: Final = frozenset({"imaging"})


def waiting(facility: str) -> Any:
    """The objects that wait at a facility, newest first."""
    return Held.objects.filter(facility=facility, state=Held.State.WAITING).order_by("-received_at", "-id")


def nobodys(asker: Asker) -> Any:
    """The studies of the asker's facility of which nobody knows whose they are, newest first."""
    enter(asker)
    return Study.objects.filter(custodian=asker.facility, patient=None).order_by("-id")


def reject(asker: Asker, held_id: int, why: str) -> Held:
    """Leave an object out of the archive; its file is kept. Raises NotAllowed, NeedsReason, NotWaiting."""
    with transaction.atomic():
        row = _held(asker, held_id, why)
        return _decided(asker, row, Held.State.REJECTED, why, after={})


def assign(asker: Asker, held_id: int, patient: str, why: str) -> Held:
    """Take an object in for a patient. Raises NotAllowed, NeedsReason, NotWaiting, NoPerson, StillWrong."""
    with transaction.atomic():
        row = _held(asker, held_id, why)
        if row.reason != "other-person":
            raise StillWrong
        _known(asker, patient)
        kept = keeping.keep(Source(row.facility, row.source), _bytes(row), patient=patient)
        if kept.state == "held":
            raise StillWrong
        return _decided(asker, row, Held.State.ASSIGNED, why, after={"patient": patient})


_REPLACE = """
WITH old AS (
  SELECT i.id, i.digest, i.size, i.study_id FROM imaging_instance i JOIN imaging_series se ON se.id = i.series_id
    JOIN imaging_study st ON st.id = i.study_id
  WHERE i.sop_instance_uid = %s AND se.series_instance_uid = %s AND st.study_instance_uid = %s FOR UPDATE OF i
), changed AS (
  UPDATE imaging_instance i SET digest = %s, size = %s, transfer_syntax_uid = %s, sop_class_uid = %s,
    attributes = %s::jsonb, instance_number = %s, source = %s, received_at = now(),
    original = NULL, original_syntax = '', compression = ''
  FROM old WHERE i.sop_instance_uid = %s RETURNING i.study_id
), used AS (
  INSERT INTO record.content (digest, size, type, id, shard, patient, custodian)
  SELECT %s, %s, 'ImagingStudy', s.resource, coalesce(s.patient, s.resource), s.patient, s.custodian
  FROM changed JOIN imaging_study s ON s.id = changed.study_id ON CONFLICT DO NOTHING
), pending AS (
  INSERT INTO imaging_pending (study_id, at) SELECT study_id, now() FROM changed
)
SELECT old.digest, s.custodian, s.id, old.id FROM old JOIN imaging_study s ON s.id = old.study_id"""

# Whether it can be opened is looked at again (`trying`).
_TRY = """
INSERT INTO imaging_unreadable (instance_id, digest, fault, detail, frame, found_at) VALUES (%s, '', '', '', 1, now())
ON CONFLICT DO NOTHING"""


def replace(asker: Asker, held_id: int, why: str) -> Held:
    """Put an object in the place of the one of its UID in its series, which is kept.

    Raises NotAllowed, NeedsReason, NotWaiting, StillWrong.
    """
    with transaction.atomic():
        row = _held(asker, held_id, why)
        head = _head(row)
        if row.reason != "changed":
            raise StillWrong
        rows = ask(
            _REPLACE,
            *(head.sop_instance, head.series, head.study),
            *(row.digest, row.size, head.transfer_syntax, head.sop_class),
            keeping.as_json_text(head.attributes("IMAGE")),
            *(head.number("InstanceNumber"), row.source, head.sop_instance, row.digest, row.size),
        )
        if not rows or rows[0][1] != asker.facility:
            raise StillWrong
        ask(_TRY, rows[0][3])
        enter(SYSTEM)
        retire(asker, Study.objects.get(pk=rows[0][2]), why)
        return _decided(asker, row, Held.State.ACCEPTED, why, after={}, before={"digest": bytes(rows[0][0]).hex()})


def fix(asker: Asker, held_id: int, told: Mapping[str, str], why: str, patient: str = "") -> Held:
    """Take an object in with other values, of `fixing.FIELDS`; as it came it is kept, and what it said in the history.

    patient: whose it is, where a person has named them. Raises NotAllowed, NeedsReason, NotWaiting, NoPerson,
    BadAttribute, StillWrong.
    """
    with transaction.atomic():
        row = _held(asker, held_id, why)
        if patient:
            _known(asker, patient)
        typed = fixing.changed(told, fixing.values(row) or {})
        made = fixing.keep_fixed(row, fixing.checked(typed), patient)
        if made.kept.state == "held":
            raise StillWrong
        after = made.after | {"instance": made.kept.sop_instance}
        after |= {"patient": patient} if patient else {}
        return _decided(asker, row, Held.State.FIXED, why, after=after, before=made.before)


def give_study(asker: Asker, study_id: int, patient: str, why: str) -> Study:
    """Say whose a study is. Raises NotAllowed, NeedsReason, NotWaiting, NoPerson."""
    _allow(asker, why)
    with transaction.atomic():
        enter(asker)
        row = Study.objects.select_for_update().filter(pk=study_id, custodian=asker.facility).first()
        if row is None:
            raise NotWaiting
        _known(asker, patient)
        before = row.patient
        ask(
            "UPDATE record.content SET patient = %s, shard = %s WHERE type = 'ImagingStudy' AND id = %s",
            *(patient, patient, row.resource),
        )
        ask("UPDATE imaging_study SET patient = %s WHERE id = %s", patient, study_id)
        ask("INSERT INTO imaging_pending (study_id, at) VALUES (%s, now())", study_id)
        row.patient = patient
        _note(asker, "give", why, study=row, before={"patient": before}, after={"patient": patient})
    return row


def _allow(asker: Asker, why: str) -> None:
    if asker.role not in DECIDING or not asker.facility:
        raise NotAllowed
    if not why.strip():
        raise NeedsReason


def _held(asker: Asker, held_id: int, why: str) -> Held:
    """The object, locked, while it waits. Another facility's is not there."""
    _allow(asker, why)
    rows = Held.objects.select_for_update().filter(pk=held_id, facility=asker.facility, state=Held.State.WAITING)
    row = rows.first()
    if row is None:
        raise NotWaiting
    return row


def _known(asker: Asker, patient: str) -> None:
    if patient not in record.read_many(asker, "Patient", [patient]):
        raise NoPerson


def _head(row: Held) -> Head:
    try:
        with opened(bytes(row.digest)) as file:
            return read(file)
    except (Broken, Missing) as error:
        raise StillWrong from error


def _bytes(row: Held) -> bytes:
    with opened(bytes(row.digest)) as file:
        return file.read()


def _decided(
    asker: Asker, row: Held, state: Held.State, why: str, *, after: dict[str, Any], before: dict[str, Any] | None = None
) -> Held:
    row.state, row.note = state, why.strip()[:500]
    row.handled_by, row.handled_at = asker.account, datetime.now(UTC)
    row.save(update_fields=["state", "note", "handled_by", "handled_at"])
    _note(asker, state, why, held=row, before=before or {}, after=after)
    publish(f"imaging:{row.facility}")
    return row


def _note(
    asker: Asker,
    action: str,
    why: str,
    *,
    study: Study | None = None,
    held: Held | None = None,
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    Change.objects.create(
        at=datetime.now(UTC), account=asker.account, facility=asker.facility, action=action, study=study, held=held,
        before=before, after=after, why=why.strip()[:500],
    )  # fmt: skip
