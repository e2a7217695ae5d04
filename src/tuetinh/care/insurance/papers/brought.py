"""The paper that a person came with, entered when it is brought: also after the visit was paid, or has ended."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, cast

from django.db import transaction
from django.utils.translation import gettext as _

from tuetinh.care.insurance.claim_inputs import PAYMENT
from tuetinh.care.insurance.errors import BadBroughtPaper, NotAllowed, NoVisit
from tuetinh.care.insurance.followers import insurance_changed
from tuetinh.care.insurance.papers.actions import visit_here
from tuetinh.care.insurance.sending.queue import claim_is_changed
from tuetinh.care.insurance.situations import CODE, REASON
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

MAY: Final = frozenset({"reception", "cashier", "system"})
KINDS: Final = ("referral", "revisit")
FACILITY: Final = re.compile(r"[0-9]{2}[0-9A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Brought:
    """A paper that came with a person. kind: `referral`, `revisit`, "" for none; origin: MA_CSKCB that referred."""

    kind: str = ""
    number: str = ""
    origin: str = ""


def brought(encounter: r4.Encounter) -> Brought:
    """The paper that a visit says it came with."""
    said = next((one.valueCode or "" for one in encounter.extension or [] if one.url == REASON), "")
    stay = encounter.hospitalization or r4.EncounterHospitalization()
    number = stay.preAdmissionIdentifier.value if stay.preAdmissionIdentifier else ""
    told = stay.origin.identifier if stay.origin else None
    origin = told.value if told and told.system == CODE else ""
    return Brought(said if said in KINDS else "", number or "", origin or "")


def bring(asker: Asker, encounter_id: str, paper: Brought) -> None:
    """Write which paper a visit came with; who pays what is worked out again, and its claim sent again if it was sent.

    Raises NotAllowed, NoVisit, BadBroughtPaper.
    """
    if asker.role not in MAY:
        raise NotAllowed
    _refuse_wrong(paper)
    with transaction.atomic():
        visit_here(asker, encounter_id)
        encounter = cast(r4.Encounter, record.lock_many(PAYMENT, "Encounter", [encounter_id])[encounter_id])
        if encounter.status in ("cancelled", "entered-in-error"):
            raise NoVisit
        if brought(encounter) == paper:
            return
        _write(encounter, paper)
        record.update(replace(PAYMENT, account=asker.account, facility=asker.facility), encounter)
        patient = (encounter.subject.reference or "") if encounter.subject else ""
        insurance_changed(patient.rpartition("/")[2], settled=True)
        claim_is_changed(encounter_id, _("Giấy người bệnh mang theo được ghi hoặc sửa sau khi gửi: gửi lại."))
        publish(f"visit:{encounter_id}")


def _refuse_wrong(paper: Brought) -> None:
    if paper.kind not in ("", *KINDS):
        raise BadBroughtPaper("kind", "kind")
    if paper.kind and not paper.number:
        raise BadBroughtPaper("number", "number")
    if paper.kind == "referral" and not FACILITY.fullmatch(paper.origin):
        raise BadBroughtPaper("origin", "origin")


def _write(encounter: r4.Encounter, paper: Brought) -> None:
    others = [one for one in encounter.extension or [] if one.url != REASON or one.valueCode not in KINDS]
    said = [one for one in others if one.url == REASON]
    if paper.kind:
        others = [one for one in others if one not in said]
        others.append(r4.Extension(url=REASON, valueCode=paper.kind))
    encounter.extension = others or None
    stay = encounter.hospitalization or r4.EncounterHospitalization()
    stay.preAdmissionIdentifier = r4.Identifier(value=paper.number) if paper.kind else None
    from_ = r4.Reference(identifier=r4.Identifier(system=CODE, value=paper.origin))
    stay.origin = from_ if paper.kind == "referral" else None
    encounter.hospitalization = stay if r4.encode(stay) != b"{}" else None
