"""Why and where a person came, read from the record, as the benefit rules need it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, cast
from zoneinfo import ZoneInfo

from tuetinh.care.insurance.annexes.lists import BY_LEVEL
from tuetinh.care.insurance.benefits import Line
from tuetinh.care.insurance.entitlement import (
    HUNDRED,
    ZERO,
    CardTerm,
    Former,
    Level,
    Reason,
    Situation,
    in_force,
    is_inpatient,
    law,
)
from tuetinh.care.insurance.facts import Card
from tuetinh.care.insurance.kinds import kind_so_far
from tuetinh.commons.catalogues.api import FORMULARY, SUBSTANCES, drug, service
from tuetinh.record import r4

if TYPE_CHECKING:
    from tuetinh.care.insurance.claim_inputs import Inputs

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
BASE: Final = "https://tuetinh.vn/fhir/StructureDefinition"
LEVEL: Final = f"{BASE}/facility-level"  # valueCode primary | basic | specialised
FORMER: Final = f"{BASE}/facility-former-tier"  # valueCode district | provincial | central
POINTS: Final = f"{BASE}/facility-points"  # valueInteger
STATION: Final = f"{BASE}/facility-station"  # valueBoolean
HEAD: Final = f"{BASE}/facility-head-licence"  # valueString: practice licence of the head or who signs for him
CODE: Final = "https://tuetinh.vn/fhir/sid/ma-cskcb"
REASON: Final = f"{BASE}/insurance-reason"  # valueCode of benefits.Reason, on the Encounter
INSURED_PRICE: Final = f"{BASE}/insured-price"  # valueMoney, on the ChargeItem
FUND_SHARE: Final = f"{BASE}/fund-share"  # valueDecimal, percent
REGISTRATION: Final = f"{BASE}/registration-number"  # valueString, SO_DANG_KY of the product
TENDER: Final = f"{BASE}/tender"  # valueString, TT_THAU
CEILING: Final = f"{BASE}/payment-ceiling"  # valueMoney, T_TRANTT of a supply
SCOPE: Final = f"{BASE}/payment-scope"  # valueInteger, PHAM_VI
COST_GROUP: Final = f"{BASE}/cost-group"  # valueString, MA_NHOM where no catalogue tells it: a bed, blood, transport
DRUG_GROUPS: Final = ("4", "5", "6", "7", "17")  # MA_NHOM of table 2: medicines, blood and what is made of it
OTHER_SOURCES: Final = {
    name: f"{BASE}/other-source-{name.lower()}" for name in ("NSNN", "VTNN", "VTTN", "CL")
}  # valueMoney, T_NGUONKHAC_…
SUPPLIES: Final = "https://tuetinh.vn/fhir/CodeSystem/vat-tu-y-te"
POOR_GROUPS: Final = ("DT", "DK", "HN", "XD")  # QĐ 3276, 3.6: minorities and the poor of hard areas, island communes
CLAIM_LINE: Final = "https://tuetinh.vn/fhir/sid/claim-line"  # MA_CSKCB/MA_LK/table/STT of an imported claim
EXAMINATION: Final = "KHAM"  # group of the catalogue


@dataclass(frozen=True, slots=True)
class FacilityFacts:
    """What the claim and the benefit rules need of a facility. code: MA_CSKCB, 5 characters. head: MA_TTDV."""

    code: str
    name: str
    level: Level = "basic"
    former: Former = "district"
    points: int | None = None
    station: bool = False
    head: str = ""


def facility(organization: r4.Organization | None, id_: str = "") -> FacilityFacts:
    """Read an Organization; what it does not say is taken as a district health centre's."""
    if organization is None:
        return FacilityFacts(_five(id_), id_)
    found = {e.url: e for e in organization.extension or []}
    numbers = [i.value or "" for i in organization.identifier or []]
    own = [i.value or "" for i in organization.identifier or [] if i.system == CODE]
    code = next((n for n in own + numbers if re.fullmatch(r"[0-9]{2}[0-9A-Z]{3}", n)), _five(organization.id or id_))
    level = (found[LEVEL].valueCode if LEVEL in found else None) or "basic"
    station = bool(found[STATION].valueBoolean) if STATION in found else False
    former = (found[FORMER].valueCode if FORMER in found else None) or ("district" if level == "basic" else "")
    points = found[POINTS].valueInteger if POINTS in found else None
    head = (found[HEAD].valueString or "") if HEAD in found else ""
    return FacilityFacts(
        code, organization.name or code, cast(Level, level), cast(Former, former), points, station, head
    )


def situation(
    encounter: r4.Encounter,
    cards: list[Card],
    counting: list[Card],
    here: FacilityFacts,
    inputs: Inputs,
    *,
    now: date,
) -> Situation:
    """The benefit situation of a visit; an unfinished one is judged as if it ended now.

    cards: all of the person; counting: those that the visit rests on, the last of them at its end; inputs: the papers
    that it came with, and what was paid this year.
    """
    began = moment(encounter.period.start if encounter.period else None)
    last = counting[-1] if counting else None
    end = ended(encounter) or now
    return Situation(
        on=end,
        began=began.date() if began else None,
        cards=tuple(term for one in cards if one.active and (term := card_term(one))),
        reason=reason(encounter, last, here, inputs),
        level=here.level,
        former=here.former,
        points=here.points,
        station=here.station,
        inpatient=is_inpatient(kind_so_far(encounter)),
        listed_disease=BY_LEVEL.get(here.level) in inputs.annexes,
        hard_area=bool(last and last.area and last.number[:2] in POOR_GROUPS),
        exempt_from=date.fromisoformat(last.exempt_from) if last and len(last.exempt_from) == 10 else None,
        five_years=date.fromisoformat(last.five_years) if last and len(last.five_years) == 10 else None,
        copaid=copaid(last, inputs, end),
        exams_before=inputs.exams_before,
        told=in_force(law()["kind_codes"].get(kind_so_far(encounter), [["", ""]]), end),
    )


def copaid(card: Card | None, inputs: Inputs, end: date) -> Decimal:
    """Co-payment of the year before a visit: what was paid, until the day of a paper of the insurer what that says."""
    if card is None or card.copaid is None or card.copaid_on[:4] != str(end.year):
        return inputs.copaid
    after = [amount for at, amount in inputs.copays if at.date().isoformat() > card.copaid_on]
    later = sum(after, ZERO)
    return max(card.copaid, inputs.copaid - later) + later


def card_term(card: Card) -> CardTerm | None:
    """What a card gives and when; None for a number without a benefit digit."""
    if card.digit is None:
        return None
    since = date.fromisoformat(card.valid_from) if len(card.valid_from) == 10 else date.min
    until = date.fromisoformat(card.valid_to) if len(card.valid_to) == 10 else date.max
    return CardTerm(card.digit, card.number[:2], since, until)


def reason(encounter: r4.Encounter, card: Card | None, here: FacilityFacts, inputs: Inputs) -> Reason:
    """Why the visit counts: what the desk said, an emergency, a paper that holds, else where the card is registered."""
    said = next((e.valueCode for e in encounter.extension or [] if e.url == REASON), None)
    if said:
        return cast(Reason, said)
    if encounter.class_ and encounter.class_.code == "EMER":
        return "emergency"
    if encounter.hospitalization and encounter.hospitalization.origin:
        return "referral"
    if card and card.facility in ("", here.code):
        return "registered"
    return "referral" if inputs.referral else "revisit" if inputs.appointment else "own_choice"


def line(item: r4.ChargeItem) -> Line:
    """A charged line as the benefit rules take it; a charge without price counts as nothing."""
    code = charged_code(item)
    kind_, known = _kind(item, code), service(code)
    price = item.priceOverride.value if item.priceOverride and item.priceOverride.value is not None else ZERO
    found = {e.url: e for e in item.extension or ()}
    insured, ceiling, *aid = (_money(found.get(url)) for url in (INSURED_PRICE, CEILING, *OTHER_SOURCES.values()))
    nsnn, vtnn, vttn, rest = (one or ZERO for one in aid)
    scope = found[SCOPE].valueInteger if SCOPE in found else 1
    share = found[FUND_SHARE].valueDecimal if FUND_SHARE in found else None
    at = moment(item.occurrenceDateTime)
    quantity = item.quantity.value if item.quantity and item.quantity.value is not None else Decimal(1)
    return Line(
        code=code,
        quantity=quantity,
        price=price,
        kind=kind_,
        insured_price=insured,
        special_share=HUNDRED if item.factorOverride is None else item.factorOverride * 100,
        fund_share=HUNDRED if share is None else share,
        ceiling=ceiling,
        others=(nsnn, vtnn, vttn, rest),
        scope=cast(Literal[1, 2, 3], scope or 1),
        role="exam" if item.factorOverride is None and known is not None and known.group == EXAMINATION else "",
        on=at.date() if at else None,
        at=at,
    )


def _money(told: r4.Extension | None) -> Decimal | None:
    return told.valueMoney.value if told and told.valueMoney else None


def kind(item: r4.ChargeItem) -> Literal["drug", "service", "supply"]:
    """Whether a charge is a medicine (table 2), a service or a supply (table 3)."""
    return _kind(item, charged_code(item))


def _kind(item: r4.ChargeItem, code: str) -> Literal["drug", "service", "supply"]:
    systems = {c.system for c in (item.code.coding if item.code else None) or ()}
    if SUPPLIES in systems:
        return "supply"
    if told := next((one.value for one in item.identifier or () if one.system == CLAIM_LINE and one.value), ""):
        return "drug" if "/XML2/" in told else "service"
    for one in item.extension or ():
        if one.url == COST_GROUP and one.valueString in DRUG_GROUPS:
            return "drug"
    return "drug" if FORMULARY in systems or SUBSTANCES in systems or drug(code) else "service"


def is_examination(item: r4.ChargeItem) -> bool:
    """Whether a charge is for being examined by a doctor."""
    known = service(charged_code(item))
    return known is not None and known.group == EXAMINATION


def charged_code(item: r4.ChargeItem) -> str:
    """The first code of a charge."""
    coded = (item.code.coding if item.code else None) or ()
    return (coded[0].code or "") if coded else ""


def ended(encounter: r4.Encounter) -> date | None:
    """The day, in Vietnam, on which a visit ended."""
    end = encounter.period.end if encounter.period else None
    return moment(end).date() if end and moment(end) else None  # type: ignore[union-attr]


@lru_cache(maxsize=4096)  # of a visit the same few are asked for again and again
def moment(text: str | None) -> datetime | None:
    """A FHIR dateTime as a moment of Vietnam's time; a day alone is its beginning."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found.replace(tzinfo=HANOI) if found.tzinfo is None else found.astimezone(HANOI)


def _five(id_: str) -> str:
    match = re.search(r"[0-9]{2}[0-9A-Za-z]{3}", id_)
    return match[0].upper() if match else id_[:5].upper()
