"""Who pays what of a visit: fund, co-payment, patient, other sources. Pure arithmetic on decimals; the law is data.

Rules: Luật BHYT as amended by 51/2024/QH15, NĐ 188/2025 Đ19, TT 01/2025, QĐ 3276; formulas of QĐ 3176, tables 2 and 3.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

CENT = Decimal("0.01")
HUNDRED = Decimal(100)
ZERO = Decimal(0)
NOT_INSURED = "9"  # QĐ 3276: a visit without insurance

Reason = Literal["registered", "emergency", "referral", "revisit", "moved", "newborn", "donor", "own_choice"]
Level = Literal["primary", "basic", "specialised"]
Former = Literal["district", "provincial", "central", ""]


@dataclass(frozen=True, slots=True)
class Situation:
    """Why, where and when the person came.

    on: end of the visit. card_digit: third character of the card, None without a card in force. reason: why the person
    came here. level, former, points: level of the facility, its former tier, its score (None: provisional).
    station: a commune health station. exempt: co-payment waived (five years and limit passed, NQ 261).
    """

    on: date
    card_digit: int | None
    reason: Reason = "registered"
    level: Level = "basic"
    former: Former = ""
    points: int | None = None
    station: bool = False
    inpatient: bool = False
    listed_disease: bool = False
    hard_area: bool = False
    exempt: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One charged line. Field names of QĐ 3176 in brackets.

    price: hospital price [DON_GIA_BV]; insured_price: [DON_GIA_BH], the price when None; special_share [TYLE_TT_DV];
    fund_share [TYLE_TT_BH], 0 outside the scope; ceiling [T_TRANTT]; others: the four sources of T_NGUONKHAC.
    collects_difference: False for the second formula of XML3 field 19 (a second exam, a shared bed…).
    """

    code: str
    quantity: Decimal
    price: Decimal
    kind: Literal["drug", "service", "supply"] = "service"
    insured_price: Decimal | None = None
    special_share: Decimal = HUNDRED
    fund_share: Decimal = HUNDRED
    ceiling: Decimal | None = None
    collects_difference: bool = True
    others: tuple[Decimal, Decimal, Decimal, Decimal] = (ZERO, ZERO, ZERO, ZERO)


@dataclass(frozen=True, slots=True)
class SplitLine:
    """A line with its amounts: total = fund + copay + patient + other, exactly."""

    line: Line
    insured_price: Decimal  # DON_GIA_BH
    total: Decimal  # THANH_TIEN_BV
    insured: Decimal  # THANH_TIEN_BH
    rate: Decimal  # MUC_HUONG
    fund: Decimal  # T_BHTT
    copay: Decimal  # T_BNCCT
    patient: Decimal  # T_BNTT
    other: Decimal  # T_NGUONKHAC


@dataclass(frozen=True, slots=True)
class Split:
    """The whole visit. code: MA_DOITUONG_KCB; card_rate, share in percent; rate: MUC_HUONG; the rest: sums of lines."""

    lines: tuple[SplitLine, ...]
    code: str
    card_rate: Decimal
    share: Decimal
    rate: Decimal
    total: Decimal = field(default=ZERO)
    insured: Decimal = field(default=ZERO)
    fund: Decimal = field(default=ZERO)
    copay: Decimal = field(default=ZERO)
    patient: Decimal = field(default=ZERO)
    other: Decimal = field(default=ZERO)

    @property
    def due(self) -> Decimal:
        """What the patient pays at the desk, in whole đồng."""
        return (self.copay + self.patient).quantize(Decimal(1), ROUND_HALF_UP)


def split(lines: list[Line], situation: Situation) -> Split:
    """Divide the cost of a visit. Raises ValueError for a negative amount or more aid than cost on a line."""
    code, share = category(situation)
    if not (share and card_rate(situation.card_digit)):  # no right to benefit: nothing is in the scope of the fund
        lines = [replace(line, fund_share=ZERO) for line in lines]
    priced = [_priced(line) for line in lines]
    insured = sum((amount for _, _, amount in priced), ZERO)
    rate = benefit_rate(situation, insured, code, share)
    done = tuple(_shared(line, *amounts, rate) for line, amounts in zip(lines, priced, strict=True))
    sums = {
        name: sum((getattr(one, name) for one in done), ZERO)
        for name in ("total", "insured", "fund", "copay", "patient", "other")
    }
    return Split(done, code, card_rate(situation.card_digit), share, rate, **sums)


def card_rate(digit: int | None) -> Decimal:
    """Percent that the benefit digit of the card gives; 0 without a card."""
    return Decimal(_law()["card_rate"].get(str(digit), 0))


def category(situation: Situation) -> tuple[str, Decimal]:
    """MA_DOITUONG_KCB and the share of the card rate; rows are tried from top to bottom (QĐ 3276)."""
    if situation.card_digit is None:
        return NOT_INSURED, ZERO
    facts: dict[str, Any] = {name: getattr(situation, name) for name in situation.__slots__} | {
        "points": _points(situation.points)
    }
    day = situation.on.isoformat()
    rules = [rule for rule in _law()["rules"] if rule["from"] <= day] or _law()["rules"][:1]
    for row in rules[-1]["rows"]:
        if all(facts[name] in allowed for name, allowed in row["when"].items()):
            return row["code"], Decimal(in_force(row["share"], situation.on))
    return NOT_INSURED, ZERO


def benefit_rate(situation: Situation, insured: Decimal, code: str, share: Decimal) -> Decimal:
    """MUC_HUONG of the lines of a visit whose cost within the scope is `insured`."""
    rate = card_rate(situation.card_digit)
    in_level = share == HUNDRED and not code.startswith("3.")
    small = in_level and insured < small_cost(situation.on)
    if small or code in _law()["full_rate_codes"] or (situation.exempt and share == HUNDRED):
        rate = HUNDRED
    return _plain(rate * share / HUNDRED)


def base_salary(on: date) -> Decimal:
    """The base salary (reference level) in force on a day."""
    return Decimal(in_force(_law()["base_salary"], on))


def small_cost(on: date) -> Decimal:
    """Visits that cost less are paid in full (15 % of the base salary)."""
    return base_salary(on) * Decimal(_law()["small_cost_percent"]) / HUNDRED


def copay_limit(on: date) -> Decimal:
    """Co-payment of a year above which someone insured for five years running pays none (six base salaries)."""
    return base_salary(on) * Decimal(_law()["copay_limit_months"])


def in_force(steps: list[list[Any]], on: date) -> Any:
    """The last value whose day has come; the first when none has."""
    value = steps[0][1]
    for since, step in steps:
        if since <= on.isoformat():
            value = step
    return value


def _priced(line: Line) -> tuple[Decimal, Decimal, Decimal]:
    """DON_GIA_BH, THANH_TIEN_BV, THANH_TIEN_BH."""
    if line.quantity < 0 or line.price < 0 or min(line.others) < 0:
        message = f"negative amount on {line.code}"
        raise ValueError(message)
    unit = line.price if line.insured_price is None else line.insured_price
    if line.ceiling is not None:  # XML3 field 15
        unit = min(unit, line.ceiling)
    special, fund = line.special_share / HUNDRED, line.fund_share / HUNDRED
    whole = line.quantity * line.price
    if line.kind != "drug":
        whole = whole * special if line.collects_difference else whole - line.quantity * unit * (1 - special)
    total = _round(whole)
    insured = _round(line.quantity * unit * fund * (1 if line.kind == "drug" else special))
    return unit, total, min(insured, total)


def _shared(line: Line, unit: Decimal, total: Decimal, insured: Decimal, rate: Decimal) -> SplitLine:
    fund = _round(insured * rate / HUNDRED)
    copay = insured - fund
    patient = total - insured
    left = other = sum(line.others, ZERO)
    if other > total:
        message = f"more aid than cost on {line.code}"
        raise ValueError(message)
    taken = []
    for part in (patient, copay, fund):  # XML2 field 26: from T_BNTT, then T_BNCCT, then T_BHTT
        taken.append(part - min(part, left))
        left -= min(part, left)
    return SplitLine(line, unit, total, insured, rate, fund=taken[2], copay=taken[1], patient=taken[0], other=other)


def _points(points: int | None) -> str:
    if points is None:
        return "none"
    return "below_50" if points < 50 else "below_70" if points < 70 else "above"


def _round(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def _plain(rate: Decimal) -> Decimal:
    return rate.quantize(Decimal(1)) if rate == rate.to_integral_value() else rate.normalize()


@cache
def _law() -> dict[str, Any]:
    law: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "benefits.json").read_text(encoding="utf-8"))
    return law
