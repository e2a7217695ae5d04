"""What has come due is listed, a council decides, a second person confirms, and a job destroys with proof."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Final, cast

from django.db import transaction
from django.utils import timezone

from tuetinh.care.imaging import api as imaging
from tuetinh.governance.privacy import jobs
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import PICTURES, Destruction, DestructionItem, LegalHold
from tuetinh.governance.privacy.requests.facts import as_house
from tuetinh.governance.privacy.retention import rules
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import RecordError
from tuetinh.record.operations.everything import ENCOUNTER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuetinh.commons.access.api import Account

State = Destruction.State
COUNCIL: Final = 3  # members at least
MOST: Final = 200  # records of one decision
PAGE: Final = 25
SHORTEST: Final = 10


@dataclass(frozen=True, slots=True)
class Due:
    """A record whose time is over.

    encounter: its visit, or `PICTURES` and a study. ended: of that, from when its time is counted. held: a legal hold
    keeps it. title, uid: what such a study came with.
    """

    encounter: str
    patient: str
    kind: str
    ended: date
    until: date
    held: bool = False
    title: str = ""
    uid: str = ""


def due(asker: Asker, facility: str, page: str | None = None) -> tuple[list[Due], str | None]:
    """Records of a facility whose time is over, the oldest first, a page of them, and the token of the next page.

    Visits of which the law keeps some longer may leave a page short, or empty.
    """
    today = timezone.localdate()
    query = (
        f"service-provider=Organization/{facility}&status=finished&date=lt{today.year - rules.shortest()}-01-01"
        f"&_sort=date&_count={PAGE}"
    )
    found = record.search(asker, "Encounter", query, page)
    visits = [one for one in found.resources if isinstance(one, r4.Encounter)]
    known = _known(visits)
    rows = [row for one in visits if (row := _row(one, today, *known(one)))]
    held = _held(rows)
    studies = imaging.held_visits([row.encounter for row in rows])
    return [replace(row, held=row.patient in held or row.encounter in studies) for row in rows], found.next


def _held(rows: Sequence[Due]) -> set[str]:
    """Those of these people of whom everything is kept."""
    people = [row.patient for row in rows]
    return set(LegalHold.objects.filter(patient__in=people, released=None).values_list("patient", flat=True))


def due_pictures(asker: Asker, at: int = 0) -> tuple[list[Due], int | None]:
    """Pictures of the asker's facility that belong to no visit and whose time is over, the oldest first.

    A page of them from a place of the list, and the place of the next page.
    """
    today = timezone.localdate()
    before = date(today.year - rules.shortest(), 1, 1)
    found = imaging.unvisited(asker, before, at, PAGE + 1)
    rows = _pictures(found[:PAGE], today)
    held = _held(rows)
    return [replace(row, held=row.held or row.patient in held) for row in rows], at + PAGE if found[PAGE:] else None


def _pictures(found: Sequence[imaging.Unvisited], today: date) -> list[Due]:
    """Those of these studies whose time is over."""
    people = cast("dict[str, r4.Patient]", record.read_many(SYSTEM, "Patient", {one.patient for one in found} - {""}))
    rows = []
    for one in found:
        kind = rules.kind_of_pictures(one.labels, one.since, people.get(one.patient))
        until = rules.kept_until(kind, one.since, today)
        if until and until < today:
            rows.append(
                Due(f"{PICTURES}{one.resource}", one.patient, kind, one.since, until, one.held, one.title, one.uid)
            )
    return rows


def _known(visits: Sequence[r4.Encounter]) -> Callable[[r4.Encounter], tuple[list[r4.Condition], r4.Patient | None]]:
    """What the kind of a record rests on beside the visit, whatever the officer sees: its conditions, its person."""
    ids = [str(one.id) for one in visits]
    conditions: dict[str, list[r4.Condition]] = {}
    page: str | None = None
    while ids:
        query = f"encounter={','.join(f'Encounter/{id_}' for id_ in ids)}&_count=500"
        found = record.search(SYSTEM, "Condition", query, page)
        for one in cast("list[r4.Condition]", found.resources):
            conditions.setdefault(_id(one.encounter), []).append(one)
        page = found.next
        if page is None:
            break
    people = cast("dict[str, r4.Patient]", record.read_many(SYSTEM, "Patient", {_id(one.subject) for one in visits}))
    return lambda visit: (conditions.get(str(visit.id), []), people.get(_id(visit.subject)))


def _id(reference: r4.Reference | None) -> str:
    return ((reference.reference if reference else None) or "").rpartition("/")[2]


def _row(visit: r4.Encounter, today: date, conditions: Sequence[r4.Condition], person: r4.Patient | None) -> Due | None:
    """What has come due of a visit; None while it must be kept, or where its end or its person is not known."""
    end = ((visit.period.end if visit.period else None) or "")[:10]
    patient = ((visit.subject.reference if visit.subject else None) or "").removeprefix("Patient/")
    if len(end) != 10 or not patient or visit.status != "finished":
        return None
    ended, kind = date.fromisoformat(end), rules.kind_of(visit, conditions, person)
    until = rules.kept_until(kind, ended, today)
    return Due(str(visit.id), patient, kind, ended, until) if until and until < today else None


@transaction.atomic
def propose(
    by: Account, number: str, day: date, members: Sequence[str], encounters: Sequence[str], *, reason: str = ""
) -> Destruction:
    """Write down the decision of a council on these records of the officer's facility. Raises PrivacyError."""
    people = list(dict.fromkeys(name.strip() for name in members if name.strip()))
    if not number.strip() or day > timezone.localdate() or len(people) < COUNCIL:
        raise PrivacyError("council")
    if not by.facility or not 0 < len(set(encounters)) <= MOST:
        raise PrivacyError("records")
    if Destruction.objects.filter(facility=by.facility, number=number.strip()).exists():
        raise PrivacyError("minutes")
    rows = [_now(by, encounter) for encounter in dict.fromkeys(encounters)]
    if any(row is None or row.held for row in rows):
        raise PrivacyError("records")
    made = Destruction.objects.create(
        facility=by.facility,
        number=number.strip(),
        day=day,
        members="\n".join(people),
        reason=reason.strip(),
        proposed_by=by,
        proposed_at=timezone.now(),
    )
    DestructionItem.objects.bulk_create(
        DestructionItem(
            destruction=made,
            encounter=row.encounter,
            patient=row.patient,
            kind=row.kind,
            ended=row.ended,
            until=row.until,
        )
        for row in rows
        if row
    )
    return made


def _now(by: Account, encounter: str, *, lock: bool = False) -> Due | None:
    """What has come due of a visit, or a study without one, of the facility, as it is now.

    lock: keep others from the study until the caller's transaction ends.
    """
    if encounter.startswith(PICTURES):
        study = imaging.unvisited_study(as_house(by, "HOPERAT"), encounter.removeprefix(PICTURES), lock=lock)
        rows = _pictures([study], timezone.localdate()) if study else []
        return replace(rows[0], held=rows[0].held or bool(_held(rows))) if rows else None
    try:
        visit = record.read(as_house(by, "HOPERAT"), "Encounter", encounter)
    except RecordError:
        return None
    provider = getattr(getattr(visit, "serviceProvider", None), "reference", "")
    if not isinstance(visit, r4.Encounter) or provider != f"Organization/{by.facility}":
        return None
    row = _row(visit, timezone.localdate(), *_known([visit])(visit))
    if row is None:
        return None
    held = LegalHold.objects.filter(patient=row.patient, released=None).exists()
    return replace(row, held=held or bool(imaging.held_visits([encounter])))


@transaction.atomic
def decide(by: Account, destruction_id: int, *, confirm: bool) -> Destruction:
    """Confirm it as a second person, which has it carried out, or refuse it. Raises PrivacyError."""
    found = Destruction.objects.select_for_update().filter(pk=destruction_id, facility=by.facility).first()
    if found is None or found.state != State.PROPOSED:
        raise PrivacyError("state")
    if found.proposed_by == by:
        raise PrivacyError("second-person")
    found.state = State.CONFIRMED if confirm else State.REFUSED
    found.confirmed_by, found.confirmed_at = by, timezone.now()
    found.save()
    if confirm:
        jobs.destroy.defer(destruction=found.pk)
    return found


def carry_out(destruction_id: int) -> int:
    """Destroy what a confirmed decision names, a record in a transaction; returns how many versions.

    Safe to repeat and to be killed. What is held, must be kept longer or is gone by now is skipped, and says so.
    """
    one = Destruction.objects.select_related("confirmed_by").get(pk=destruction_id)
    if one.state != State.CONFIRMED or one.confirmed_by is None:
        return 0
    total = 0
    for item in one.items.filter(versions=None, skipped="").order_by("pk"):
        try:
            total += _carry_out(one, one.confirmed_by, item)
        except imaging.Held:  # since it was looked at
            item.skipped = "hold"
            item.save()
    Destruction.objects.filter(pk=one.pk).update(state=State.DONE, done=timezone.now())
    return total


@transaction.atomic
def _carry_out(one: Destruction, by: Account, item: DestructionItem) -> int:
    row = _now(by, item.encounter, lock=True)
    if row is None or row.held:
        exists = row is not None or _exists(by, item.encounter)
        item.skipped = "hold" if row else "kept" if exists else "gone"
    else:
        item.versions = _destroy(one, item)
    item.save()
    return item.versions or 0


def _exists(by: Account, encounter: str) -> bool:
    if encounter.startswith(PICTURES):
        return imaging.unvisited_study(as_house(by, "HOPERAT"), encounter.removeprefix(PICTURES)) is not None
    return bool(record.read_many(as_house(by, "HOPERAT"), "Encounter", [encounter]))


def _destroy(one: Destruction, item: DestructionItem) -> int:
    """Destroy what was written in a visit, also what was deleted before, then the visit itself; or a study."""
    asker = as_house(one.confirmed_by, "HOPERAT")  # type: ignore[arg-type]
    if item.encounter.startswith(PICTURES):
        return imaging.destroy_study(asker, item.encounter.removeprefix(PICTURES), decision(one))
    imaging.record_visit(item.encounter)
    written = record.within(asker, item.patient, item.encounter)
    count = sum(record.destroy(asker, type_, id_, decision(one)) for type_, id_ in written)
    for type_, parameter in ENCOUNTER.items():
        while True:
            query = f"{parameter}=Encounter/{item.encounter}&_count=100"
            found = [str(row.id) for row in record.search(asker, type_, query).resources]
            count += sum(record.destroy(asker, type_, id_, decision(one)) for id_ in found)
            if len(found) < 100:
                break
    return count + record.destroy(asker, "Encounter", item.encounter, decision(one))


def named(by: Account, one: Destruction) -> list[tuple[DestructionItem, str]]:
    """The records of a decision, with how people know each: the visit, or the StudyInstanceUID of pictures."""
    items = list(one.items.order_by("pk"))
    studies = [item.encounter.removeprefix(PICTURES) for item in items if item.encounter.startswith(PICTURES)]
    uids = imaging.study_uids(as_house(by, "HOPERAT"), studies, decision(one)) if studies else {}
    return [(item, uids.get(item.encounter.removeprefix(PICTURES), item.encounter)) for item in items]


def decision(one: Destruction) -> str:
    """What the proof is found by."""
    return f"{one.facility}/{one.number}"


def proof(by: Account, one: Destruction) -> Iterator[record.Destroyed]:
    """What a decision destroyed: the versions of resources, then the objects of the archive of pictures."""
    asker = as_house(by, "HOPERAT")
    yield from record.proof(asker, decision(one))
    yield from imaging.destroyed(asker, decision(one))


@transaction.atomic
def hold(by: Account, patient: str, reason: str) -> LegalHold:
    """Keep everything of a person for now. Raises PrivacyError `reason`."""
    if len(reason.strip()) < SHORTEST:
        raise PrivacyError("reason")
    known = LegalHold.objects.filter(patient=patient, facility=by.facility, released=None).first()
    return known or LegalHold.objects.create(
        patient=patient, facility=by.facility, reason=reason.strip(), by=by, at=timezone.now()
    )


@transaction.atomic
def release(by: Account, hold_id: int) -> None:
    """End a hold of the facility. Raises PrivacyError `state`."""
    if not LegalHold.objects.filter(pk=hold_id, facility=by.facility, released=None).update(released=timezone.now()):
        raise PrivacyError("state")
