"""How an answer of the insurer looks in FHIR: ClaimResponse. Builder and reader."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from tuetinh.care.insurance.facts import INSURER
from tuetinh.care.insurance.filling.summary import MA_LK
from tuetinh.care.insurance.results.comparing import Compared
from tuetinh.care.insurance.results.wire import WHOLE
from tuetinh.record import r4

ANSWER: Final = "https://tuetinh.vn/fhir/ket-qua-giam-dinh"
LINE: Final = "https://tuetinh.vn/fhir/StructureDefinition/claim-line"  # table and STT of a line of the claim
REASON: Final = "https://tuetinh.vn/fhir/CodeSystem/ly-do-tu-choi"
REVIEW: Final = "https://tuetinh.vn/fhir/CodeSystem/giam-dinh"
CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/adjudication"
Told = tuple[Decimal, Decimal, str, str]
"""Of a line: claimed, accepted, code and words of the reason."""


def claim_response(
    patient: str, facility: str, ma_lk: str, found: Iterable[Compared], *, created: str, state: str, words: str
) -> r4.ClaimResponse:
    """Build the answer to a claim. state: as `Adjudication.State`; created: the day of the decision.

    An item has what was submitted, the benefit, and where they differ the reduction with its reason.
    """
    compared = list(found)
    claimed = sum((one.line.fund for one in compared), Decimal(0))
    accepted = sum((one.accepted for one in compared), Decimal(0))
    lines = [one for one in compared if one.line.where != WHOLE]
    whole = [one for one in compared if one.line.where == WHOLE]
    pending = state == "pending"
    return r4.ClaimResponse(
        identifier=[r4.Identifier(system=ANSWER, value=f"{facility}/{ma_lk}")],
        status="active",
        type=_concept("http://terminology.hl7.org/CodeSystem/claim-type", "institutional"),
        subType=_concept(REVIEW, state),
        use="claim",
        patient=r4.Reference(reference=f"Patient/{patient}"),
        created=created,
        insurer=INSURER,
        requestor=r4.Reference(reference=f"Organization/{facility}"),
        request=r4.Reference(type="Claim", identifier=r4.Identifier(system=MA_LK, value=ma_lk)),
        outcome="queued" if pending else "complete",
        disposition=words or None,
        item=[_item(n, one, pending=pending) for n, one in enumerate(lines, 1)] or None,
        adjudication=[part for one in whole for part in _adjudication(one, pending=pending)] or None,
        total=[_total("submitted", claimed)] + ([] if pending else [_total("benefit", accepted)]),
    )


def told(response: r4.ClaimResponse) -> dict[tuple[str, int], Told]:
    """What an answer says, by table and STT of the line; `WHOLE` for what it says beyond lines."""
    found = {}
    for item in response.item or []:
        where = next((e.valueString or "" for e in item.extension or [] if e.url == LINE), "")
        table, _, place = where.partition(".")
        if place.isdigit():
            found[table, int(place)] = _read(item.adjudication or [])
    if response.adjudication:
        found[WHOLE] = _read(response.adjudication)
    return found


def _item(number: int, one: Compared, *, pending: bool) -> r4.ClaimResponseItem:
    where = r4.Extension(url=LINE, valueString=f"{one.line.table}.{one.line.place}")
    return r4.ClaimResponseItem(
        extension=[where], itemSequence=number, adjudication=list(_adjudication(one, pending=pending))
    )


def _adjudication(one: Compared, *, pending: bool) -> list[r4.ClaimResponseItemAdjudication]:
    parts = [_part("submitted", one.line.fund)]
    if pending:
        return parts
    parts.append(_part("benefit", one.accepted))
    if one.difference:
        reduced = _part("reduction", one.difference, REVIEW)
        coding = [r4.Coding(system=REASON, code=one.reason)] if one.reason else None
        if coding or one.words:
            reduced.reason = r4.CodeableConcept(coding=coding, text=one.words or None)
        parts.append(reduced)
    return parts


def _read(parts: Iterable[r4.ClaimResponseItemAdjudication]) -> Told:
    amounts, reason = {}, r4.CodeableConcept()
    for part in parts:
        code = (part.category.coding or [r4.Coding()])[0].code if part.category else ""
        amounts[code] = (part.amount.value if part.amount else None) or Decimal(0)
        reason = part.reason or reason
    claimed = amounts.get("submitted", Decimal(0))
    code = (reason.coding[0].code or "") if reason.coding else ""
    return claimed, amounts.get("benefit", claimed), code, reason.text or ""


def _part(code: str, amount: Decimal, system: str = CATEGORY) -> r4.ClaimResponseItemAdjudication:
    return r4.ClaimResponseItemAdjudication(category=_concept(system, code), amount=_money(amount))


def _total(code: str, amount: Decimal) -> r4.ClaimResponseTotal:
    return r4.ClaimResponseTotal(category=_concept(CATEGORY, code), amount=_money(amount))


def _money(amount: Decimal) -> r4.Money:
    return r4.Money(value=amount, currency="VND")


def _concept(system: str, code: str) -> r4.CodeableConcept:
    return r4.CodeableConcept(coding=[r4.Coding(system=system, code=code)])
