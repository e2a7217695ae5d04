"""What the pages of requests ask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from tuetinh.commons.access.api import place_name
from tuetinh.commons.identity.api import display_name, names_of
from tuetinh.governance.privacy.models import SubjectRequest
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

if TYPE_CHECKING:
    from tuetinh.commons.access.api import Account

State = SubjectRequest.State
EACH: Final = 25  # entries of a type that a correction can be about
ENTRIES: Final = {
    "AllergyIntolerance": "_sort=-_lastUpdated",
    "Condition": "_sort=-_lastUpdated",
    "Observation": "_sort=-date",
    "MedicationRequest": "_sort=-_lastUpdated",
    "Immunization": "_sort=-date",
    "Procedure": "_sort=-date",
}
"""Types that a person is offered for a correction, in which order."""


def answered_by(by: Account) -> QuerySet[SubjectRequest]:
    """Requests that this officer answers: those of the facility, or all for one of the province."""
    rows = SubjectRequest.objects.all()
    return rows.filter(facility=by.facility) if by.facility else rows


def queue(by: Account, state: str) -> QuerySet[SubjectRequest]:
    """Requests of a state, or the open ones for "": what is due first on top, or what was closed last."""
    rows = answered_by(by)
    if state in State.values and state not in SubjectRequest.OPEN:
        return rows.filter(state=state).order_by("-closed", "-pk")
    rows = rows.filter(state=state) if state else rows.filter(closed=None)
    return rows.order_by("due", "pk")


def late(by: Account) -> QuerySet[SubjectRequest]:
    """Open requests of which a deadline has passed: unanswered, or not carried out."""
    now = timezone.now()
    rows = answered_by(by).filter(closed=None)
    return rows.filter(due__lt=now) | rows.filter(answered=None, answer_by__lt=now)


def of_person(patient: str) -> QuerySet[SubjectRequest]:
    """What was asked for about a person, newest first."""
    return SubjectRequest.objects.filter(patient=patient).order_by("-received", "-pk")


def next_due(one: SubjectRequest) -> tuple[object, bool]:
    """The deadline that runs, and whether it has passed."""
    at = one.due if one.answered else min(one.answer_by, one.due)
    return at, at < (one.closed or timezone.now())


def places(asker: Asker, patient: str) -> dict[str, str]:
    """Facilities that keep something of the record, or have looked at it, by id."""
    ids = {one.facility for one in record.accesses(asker, patient, limit=500) if one.facility}
    ids |= record.custodians(asker, patient)
    return {id_: place_name("Organization", id_) for id_ in sorted(ids)}


def entries(asker: Asker, patient: str) -> list[tuple[str, str]]:
    """What a correction can be about: `Type/id` and words; the person's own details first."""
    found = [(f"Patient/{patient}", _("Thông tin cá nhân: họ tên, ngày sinh, giấy tờ, địa chỉ"))]
    for type_, order in ENTRIES.items():
        if asker.may("s", type_):
            page = record.search(asker, type_, f"patient=Patient/{patient}&{order}&_count={EACH}")
            found += [(f"{type_}/{one.id}", words_of(one)) for one in page.resources]
    return found


def consents(asker: Asker, patient: str) -> list[tuple[str, str]]:
    """Consents in force that can be withdrawn: `Consent/id` and words."""
    if not asker.may("s", "Consent"):
        return []
    page = record.search(asker, "Consent", f"patient=Patient/{patient}&status=active&_count=100")
    return [(f"Consent/{one.id}", words_of(one)) for one in page.resources]


def words_of(one: r4.Resource) -> str:
    """A line that tells an entry from others: what it is, and when."""
    if isinstance(one, r4.Patient):
        return display_name(one)
    if isinstance(one, r4.Consent):
        kind = one.provision.type if one.provision else ""
        told = _("Không cho xem") if kind == "deny" else _("Cho phép")
        return f"{told} · {(one.dateTime or '')[:10]}"
    concept = next(
        (v for name in ("code", "vaccineCode", "medicationCodeableConcept") if (v := getattr(one, name, None))), None
    )
    words = ""
    if isinstance(concept, r4.CodeableConcept):
        words = concept.text or next((c.display or c.code or "" for c in concept.coding or []), "")
    when = next((v for name in _WHEN if isinstance(v := getattr(one, name, None), str)), "")
    return " · ".join(part for part in (words or one.resourceType, when[:10]) if part)


_WHEN: Final = ("effectiveDateTime", "occurrenceDateTime", "performedDateTime", "authoredOn", "recordedDate", "issued")


def names(asker: Asker, rows: Iterable[SubjectRequest]) -> dict[str, str]:
    """Names of the people, for an officer who may read them."""
    if not asker.may("r", "Patient"):
        return {}
    return names_of(asker, {one.patient for one in rows})
