"""How a request looks in the record: Communications between the person and who answers, notes beside an entry."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from django.utils import timezone

from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import SubjectRequest
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import RecordError

if TYPE_CHECKING:
    from tuetinh.commons.access.api import Account

NUMBER: Final = "https://tuetinh.vn/fhir/sid/data-request"
TOLD: Final = {
    "made": "Yêu cầu về dữ liệu cá nhân số {number} đã được nhận.",
    "accept": "Yêu cầu số {number} đang được xem xét.",
    "forward": "Yêu cầu số {number} đã được chuyển đến cơ sở giữ dữ liệu.",
    "grant": "Yêu cầu số {number} được chấp nhận.",
    "refuse": "Yêu cầu số {number} bị từ chối; lý do có trong phần trả lời.",
    "finish": "Yêu cầu số {number} đã thực hiện xong.",
    "take-back": "Yêu cầu số {number} đã được rút lại.",
    "note": "Đã có đính chính theo yêu cầu số {number}.",
}
"""What a notification says. What was asked and answered stays with the request, where only both sides read it."""
_WROTE: Final = (
    "recorder",
    "performer",
    "requester",
    "author",
    "asserter",
    "informationSource",
    "prescriber",
    "assessor",
)
_COMPLETES: Final = {"Observation": "amended", "DiagnosticReport": "amended"}


def as_house(by: Account, purpose: str = "PATRQT") -> Asker:
    """The house in an account's name, for what the action itself has allowed: the access log names the account."""
    return replace(
        SYSTEM,
        account=str(by.pk),
        role=by.role,
        facility=by.facility,
        practitioner=by.practitioner,
        purpose=purpose,
    )


def tell(asker: Asker, by: Account, request: SubjectRequest, step: str) -> None:
    """Write that a step was taken: from the person to the facility, or the other way."""
    person = r4.Reference(reference=f"Patient/{request.patient}")
    facility = r4.Reference(reference=f"Organization/{request.facility}") if request.facility else None
    own = asker.patient is not None
    writes = replace(asker, scopes=asker.scopes | {"patient/Communication.c"}) if own else as_house(by)
    record.create(
        writes,
        r4.Communication(
            identifier=[r4.Identifier(system=NUMBER, value=str(request.pk))],
            status="completed",
            category=[
                r4.CodeableConcept(
                    coding=[
                        r4.Coding(
                            system="http://terminology.hl7.org/CodeSystem/communication-category", code="notification"
                        )
                    ]
                )
            ],
            subject=person,
            sent=timezone.now().isoformat(timespec="seconds"),
            sender=person if own else facility,
            recipient=[facility] if own and facility else None if own else [person],
            payload=[r4.CommunicationPayload(contentString=TOLD[step].format(number=request.pk))],
        ),
    )


def subject(asker: Asker, patient: str, about: str) -> tuple[int, str]:
    """The version of what a request is about, and the id of the Practitioner who wrote it ("" where it names none).

    Raises PrivacyError `about` for what is not in the person's record, or not there for the asker.
    """
    found = entry(asker, patient, about)
    return int((found.meta.versionId if found.meta else None) or 1), _author(found)


def entry(asker: Asker, patient: str, about: str) -> r4.Resource:
    """The resource that a request is about. Raises PrivacyError `about`."""
    type_, _, id_ = about.partition("/")
    try:
        found = record.read(replace(asker, patient=patient), type_, id_)
    except RecordError as error:
        raise PrivacyError("about") from error
    return found


def annotate(asker: Asker, about: str, text: str, by: Account) -> None:
    """Add a note of its author to an entry; what was written stays. Raises PrivacyError `about`, `no-note`."""
    type_, _, id_ = about.partition("/")
    try:
        found = record.read(asker, type_, id_)
    except RecordError as error:
        raise PrivacyError("about") from error
    if not hasattr(found, "note") or not isinstance(found.note, list | None):
        raise PrivacyError("no-note")
    author = r4.Reference(reference=f"Practitioner/{by.practitioner}") if by.practitioner else None
    note = r4.Annotation(
        authorReference=author,
        authorString=None if author else by.full_name,
        time=timezone.now().isoformat(timespec="seconds"),
        text=text,
    )
    found.note = [*(found.note or []), note]
    if type_ in _COMPLETES and getattr(found, "status", "") == "final":
        found.status = _COMPLETES[type_]  # type: ignore[attr-defined]
    version = int((found.meta.versionId if found.meta else None) or 1)
    try:
        record.update(asker, found, version=version)
    except RecordError as error:
        raise PrivacyError("about") from error


def _author(found: r4.Resource) -> str:
    for name in _WROTE:
        value = getattr(found, name, None)
        for one in cast("list[object]", value if isinstance(value, list) else [value]):
            reference = one if isinstance(one, r4.Reference) else getattr(one, "actor", None)
            named = (reference.reference or "") if isinstance(reference, r4.Reference) else ""
            if named.startswith("Practitioner/"):
                return named.removeprefix("Practitioner/")
    return ""
