"""How insurance looks in FHIR: Coverage, eligibility request and response. Builders and readers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final

from tuetinh.care.insurance.gateway import EXPIRED, Answer
from tuetinh.commons.catalogues.api import codes
from tuetinh.commons.identity.api import BHYT_CARD
from tuetinh.record import r4

INSURER: Final = r4.Reference(display="Bảo hiểm xã hội Việt Nam")
CLASSES: Final = "http://terminology.hl7.org/CodeSystem/coverage-class"
RESULTS: Final = "https://tuetinh.vn/fhir/CodeSystem/gw-kq-tra-the"
OUR_CLASSES: Final = "https://tuetinh.vn/fhir/CodeSystem/coverage-class"
FIVE_YEARS: Final = "https://tuetinh.vn/fhir/StructureDefinition/coverage-five-years"
EXEMPT: Final = "https://tuetinh.vn/fhir/StructureDefinition/coverage-copay-exempt"  # valueDate: since when, by paper
COPAID: Final = "https://tuetinh.vn/fhir/StructureDefinition/coverage-copaid"  # co-payment of a year, by paper
OF_PAPERS: Final = frozenset({EXEMPT, COPAID})
AREA: Final = "https://tuetinh.vn/fhir/StructureDefinition/coverage-area"
ADMINISTERING: Final = frozenset({"admin", "system"})  # roles that change rules and lists


@dataclass(frozen=True, slots=True)
class Card:
    """A Coverage as the desk and the claim need it. Dates ISO, "" when unknown."""

    number: str
    valid_from: str = ""
    valid_to: str = ""
    facility: str = ""  # MA_DKBD
    area: str = ""  # MA_KHUVUC
    five_years: str = ""
    exempt_from: str = ""  # since when the insurer's paper waives the co-payment
    copaid: Decimal | None = None  # co-payment of the year until `copaid_on`, as the insurer certifies
    copaid_on: str = ""
    paper: str = ""  # number of that paper
    active: bool = True

    @property
    def digit(self) -> int | None:
        """The benefit digit."""
        return int(self.number[2]) if len(self.number) == 15 and self.number[2].isdigit() else None

    def holds_on(self, day: date) -> bool:
        """Whether the card is in force on a day."""
        iso = day.isoformat()
        return (
            self.active
            and (not self.valid_from or self.valid_from <= iso)
            and (not self.valid_to or iso <= self.valid_to)
        )


def coverage(answer: Answer, patient: str, *, today: date = date.min, id_: str | None = None) -> r4.Coverage:
    """Build the Coverage of a card that the gateway knows; the new card when the old one was replaced.

    One that has run out was good until then: a stay in which it ended is still paid.
    """
    new = bool(answer.ma_the_moi) and answer.ma_ket_qua == "003"
    number = answer.ma_the_moi if new else answer.ma_the
    start, end = (answer.gt_the_tu_moi, answer.gt_the_den_moi) if new else (answer.gt_the_tu, answer.gt_the_den)
    classes = [_class("group", number[:2]), _class("plan", number[2:3])] if len(number) == 15 else []
    if facility := (answer.ma_dkbd_moi if new else answer.ma_dkbd):
        classes.append(_class("registered-facility", facility, OUR_CLASSES))
    extensions = []
    if answer.ngay_du_5_nam:
        extensions.append(r4.Extension(url=FIVE_YEARS, valueDate=iso(answer.ngay_du_5_nam)))
    if answer.ma_kv:
        extensions.append(r4.Extension(url=AREA, valueCode=answer.ma_kv))
    over = answer.ma_ket_qua == EXPIRED and "" < iso(end) < today.isoformat()
    return r4.Coverage(
        id=id_,
        extension=extensions or None,
        identifier=[r4.Identifier(system=BHYT_CARD, value=number)],
        status="active" if answer.valid or new or over else "cancelled",
        type=r4.CodeableConcept(coding=[_coding("PUBLICPOL")], text="Bảo hiểm y tế"),
        subscriberId=number,
        beneficiary=r4.Reference(reference=f"Patient/{patient}"),
        period=r4.Period(start=iso(start) or None, end=iso(end) or None) if start or end else None,
        payor=[INSURER],
        class_=classes or None,
    )


def temporary_card(patient: str, number: str, start: str, end: str, *, facility: str) -> r4.Coverage:
    """Build the Coverage of a child under six before the insurer has given a number (MA_THE_TAM, bảng 7)."""
    classes = [_class("group", number[:2]), _class("plan", number[2:3])]
    return r4.Coverage(
        identifier=[r4.Identifier(system=BHYT_CARD, value=number, use="temp")],
        status="active",
        type=r4.CodeableConcept(coding=[_coding("PUBLICPOL")], text="Bảo hiểm y tế"),
        subscriberId=number,
        beneficiary=r4.Reference(reference=f"Patient/{patient}"),
        period=r4.Period(start=start, end=end),
        payor=[INSURER],
        class_=[*classes, _class("registered-facility", facility, OUR_CLASSES)],
    )


def card(coverage: r4.Coverage) -> Card:
    """Read the card of a Coverage, ours or another system's."""
    number = next(
        (i.value or "" for i in coverage.identifier or [] if i.system == BHYT_CARD), coverage.subscriberId or ""
    )
    period = coverage.period or r4.Period()
    extensions = {e.url: e for e in coverage.extension or []}
    certified = (extensions[COPAID].extension or []) if COPAID in extensions else []
    facility = next((c.value or "" for c in coverage.class_ or [] if _code(c.type) == "registered-facility"), "")
    return Card(
        number=number,
        valid_from=(period.start or "")[:10],
        valid_to=(period.end or "")[:10],
        facility=facility,
        area=(extensions[AREA].valueCode or "") if AREA in extensions else "",
        five_years=(extensions[FIVE_YEARS].valueDate or "") if FIVE_YEARS in extensions else "",
        exempt_from=(extensions[EXEMPT].valueDate or "") if EXEMPT in extensions else "",
        copaid=next((one.valueMoney.value for one in certified if one.valueMoney), None),
        copaid_on=next((one.valueDate for one in certified if one.valueDate), ""),
        paper=next((one.valueString for one in certified if one.valueString), ""),
        active=coverage.status == "active",
    )


def cards_of(coverages: Iterable[r4.Coverage]) -> list[Card]:
    """The cards of these that have a number, the one that lasts longest first; all of them are of one person.

    A paper about the co-payment is the person's: what the latest says counts for each card.
    """
    found = [one for one in map(card, coverages) if one.number]
    told = max(found, key=lambda one: one.copaid_on, default=None)
    free = max((one.exempt_from for one in found), default="")
    if told and (told.copaid_on or free):
        paper = {"copaid": told.copaid, "copaid_on": told.copaid_on, "paper": told.paper, "exempt_from": free}
        found = [replace(one, **paper) for one in found]
    return sorted(found, key=lambda one: (one.active, one.valid_to or "9"), reverse=True)


def certify(
    coverage: r4.Coverage, amount: Decimal, on: date, exempt_from: date | None = None, *, paper: str = ""
) -> None:
    """Write what a paper of the insurer says: the co-payment of a year until a day, since when none is due any more.

    paper: its number.
    """
    told = [
        r4.Extension(url="amount", valueMoney=r4.Money(value=amount, currency="VND")),
        r4.Extension(url="on", valueDate=on.isoformat()),
    ]
    if paper:
        told.append(r4.Extension(url="number", valueString=paper))
    withdraw_paper(coverage)
    coverage.extension = [*(coverage.extension or []), r4.Extension(url=COPAID, extension=told)]
    if exempt_from:
        coverage.extension.append(r4.Extension(url=EXEMPT, valueDate=exempt_from.isoformat()))


def withdraw_paper(coverage: r4.Coverage) -> bool:
    """Take away what a paper of the insurer said; returns whether there was one."""
    kept = [one for one in coverage.extension or [] if one.url not in OF_PAPERS]
    had = len(kept) < len(coverage.extension or [])
    coverage.extension = kept or None
    return had


def keep_paper(coverage: r4.Coverage, old: r4.Coverage) -> None:
    """Carry what a paper of the insurer said over to the card as it was asked about again."""
    kept = [one for one in old.extension or [] if one.url in OF_PAPERS]
    coverage.extension = [*(coverage.extension or []), *kept] or None


def request(patient: str, facility: str, now: str, *, encounter: str = "") -> r4.CoverageEligibilityRequest:
    """Build the question that goes to the insurer."""
    about = r4.Reference(reference=f"Encounter/{encounter}")
    info = r4.CoverageEligibilityRequestSupportingInfo(sequence=1, information=about)
    return r4.CoverageEligibilityRequest(
        status="active",
        purpose=["validation"],
        patient=r4.Reference(reference=f"Patient/{patient}"),
        created=now,
        provider=r4.Reference(reference=f"Organization/{facility}") if facility else None,
        insurer=INSURER,
        supportingInfo=[info] if encounter else None,
    )


def response(
    request: r4.CoverageEligibilityRequest,
    *,
    outcome: str,
    now: str,
    code: str = "",
    words: str = "",
    coverage: r4.Coverage | None = None,
    inforce: bool = False,
) -> r4.CoverageEligibilityResponse:
    """Build the answer. outcome: `complete`, `queued` or `error`; code and words: the gateway's result."""
    insurance = r4.CoverageEligibilityResponseInsurance(
        coverage=r4.Reference(reference=f"Coverage/{coverage.id}"), inforce=inforce, benefitPeriod=coverage.period
    ) if coverage else None  # fmt: skip
    refused = code and not inforce
    concept = r4.CodeableConcept(
        coding=[r4.Coding(system=RESULTS, code=code, display=words or None)], text=words or None
    )
    return r4.CoverageEligibilityResponse(
        status="active",
        purpose=["validation"],
        patient=request.patient,
        created=now,
        request=r4.Reference(reference=f"CoverageEligibilityRequest/{request.id}"),
        outcome=outcome,
        disposition=words or None,
        insurer=INSURER,
        insurance=[insurance] if insurance else None,
        error=[r4.CoverageEligibilityResponseError(code=concept)] if refused else None,
    )


def result_words(code: str) -> str:
    """What a result code of the card look-up says."""
    return codes("GW_KQ_TRA_THE").get(code, code)


def iso(text: str) -> str:
    """dd/MM/yyyy as ISO; "" for anything else."""
    parts = text.split("/")
    return "-".join(reversed(parts)) if len(parts) == 3 and all(p.isdigit() for p in parts) else ""


def _class(code: str, value: str, system: str = CLASSES) -> r4.CoverageClass:
    return r4.CoverageClass(type=r4.CodeableConcept(coding=[r4.Coding(system=system, code=code)]), value=value)


def _coding(code: str) -> r4.Coding:
    return r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code=code)


def _code(concept: r4.CodeableConcept | None) -> str:
    return (concept.coding[0].code or "") if concept and concept.coding else ""
