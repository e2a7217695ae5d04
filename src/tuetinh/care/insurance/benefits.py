"""Who pays what of a visit: fund, co-payment, patient, other sources. Pure arithmetic on decimals.

Formulas of QĐ 3176, tables 2 and 3; the rates come from `entitlement`, the shares of repeated services from `repeats`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Literal

import msgspec
from msgspec.structs import replace

from tuetinh.care.insurance.entitlement import (
    HUNDRED,
    ZERO,
    CardTerm,
    Situation,
    benefit_rate,
    card_rate,
    cards_on,
    category,
    counts,
    left_to_copay,
    waived,
)
from tuetinh.care.insurance.repeats import with_shares

ORDER = ("patient", "copay", "fund")  # XML2 field 26: from T_BNTT, then T_BNCCT, then T_BHTT
ARV_ORDER = ("copay", "patient", "fund")
CENT = Decimal("0.01")
ONE_ORDER = date(2025, 1, 1)  # since QĐ 3176 other sources are all taken from the parts of a line in the same order
ARMY = 5  # digit of the cards of army, police and cipher, for whom the fund pays PHAM_VI 3 too

Aid = Literal["person", "facility", "arv"]
Role = Literal["", "exam", "bed", "stretcher", "again_same_team", "again_other_team", "again_procedure"]


class Line(msgspec.Struct, frozen=True):
    """One charged line. Field names of QĐ 3176 in brackets.

    price: hospital price [DON_GIA_BV]; insured_price: [DON_GIA_BH], the price when None; special_share [TYLE_TT_DV];
    fund_share [TYLE_TT_BH], 0 outside the scope; ceiling [T_TRANTT]; others: the four sources of T_NGUONKHAC.
    collects_difference: False for the second formula of XML3 field 19 (a second exam, a shared bed…).
    role: what the special share is worked out from, instead of being told: the place of an examination in its day, the
    people in a bed, a second operation or procedure of one session. scope: [PHAM_VI]. on: its day, else the last one;
    at: the moment of it, by which lines of a day come one after the other.
    rate: [MUC_HUONG] where it is told instead of worked out. aid: whom the other sources help, which QĐ 130 and 4750
    tell apart (before 2025): `person`; `facility`, whose aid lowers the cost before it is shared; `arv`, medicines of
    which the co-payment is taken over.
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
    role: Role = ""
    people: int = 1
    scope: Literal[1, 2, 3] = 1
    on: date | None = None
    at: datetime | None = None
    aid: Aid = "person"
    rate: Decimal | None = None


class SplitLine(msgspec.Struct, frozen=True):
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
    """The whole visit. code: MA_DOITUONG_KCB; card_rate, share in percent; rate: MUC_HUONG; the rest: sums of lines.

    card_rate and rate are those of the last day; lines of days with another card have a rate of their own. waived: no
    co-payment is due any more this year; passed: the line of the visit with which the year's limit was reached.
    """

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
    waived: bool = False
    passed: Line | None = None

    @property
    def due(self) -> Decimal:
        """What the patient pays at the desk, in whole đồng."""
        return (self.copay + self.patient).quantize(Decimal(1), ROUND_HALF_UP)


def split(lines: list[Line], situation: Situation) -> Split:
    """Divide the cost of a visit. Raises ValueError for a negative amount or more aid than cost on a line."""
    code, share = category(situation)
    held = cache(lambda day: cards_on(situation, day))  # most lines of a visit are of one day
    rate_on = cache(lambda day: benefit_rate(situation, day, insured, code, share))
    lines = [_in_scope(line, held(line.on or situation.on), share) for line in with_shares(lines, situation)]
    if situation.on >= ONE_ORDER:
        lines = [line if line.aid == "person" else replace(line, aid="person") for line in lines]
    priced = [_priced(line) for line in lines]
    insured = sum((amount for _, _, amount in priced), ZERO)
    done = tuple(
        _shared(line, *amounts, line.rate if line.rate is not None else rate_on(line.on or situation.on))
        for line, amounts in zip(lines, priced, strict=True)
    )
    done, passed = _within_the_year(done, situation, share)
    sums = {
        name: sum((getattr(one, name) for one in done), ZERO)
        for name in ("total", "insured", "fund", "copay", "patient", "other")
    }
    of_card = card_rate(held(situation.on), situation.on)
    return Split(
        done,
        code,
        of_card,
        share,
        HUNDRED if passed else rate_on(situation.on),
        **sums,
        waived=passed is not None or waived(situation, situation.on),
        passed=passed,
    )


def _within_the_year(
    lines: tuple[SplitLine, ...], situation: Situation, share: Decimal
) -> tuple[tuple[SplitLine, ...], Line | None]:
    """The lines, those from which on six base salaries of the year were paid together at the full rate; which was it.

    The line that reaches the limit is paid together up to it. Own choice out of level neither counts nor ends it.
    """
    left = left_to_copay(situation)
    if share != HUNDRED or not left or not counts(situation, situation.on):
        return lines, None
    found, passed = list(lines), None
    for n in sorted(range(len(lines)), key=lambda n: _turn(lines[n].line, situation.on)):
        one = lines[n]
        if not counts(situation, one.line.on or situation.on) or (passed is None and one.copay <= left):
            left = max(left - one.copay, ZERO)
            continue
        passed = passed or one.line
        found[n] = replace(one, copay=left, fund=one.fund + one.copay - left) if left else _paid_in_full(one)
        left = ZERO
    return tuple(found), passed


def _turn(line: Line, last: date) -> tuple[date, float]:
    return line.on or last, line.at.timestamp() if line.at else float("inf")


def _paid_in_full(one: SplitLine) -> SplitLine:
    if one.line.rate is not None or not one.rate:
        return replace(one, copay=ZERO, fund=one.fund + one.copay)
    return _shared(one.line, one.insured_price, one.total, one.insured, HUNDRED)


def _in_scope(line: Line, cards: list[CardTerm], share: Decimal) -> Line:
    """The line, its fund share 0 where the fund owes nothing of it. cards: those that count on its day."""
    if line.rate is not None:
        return line
    scope = line.scope == 1 or (line.scope == 3 and any(card.digit == ARMY for card in cards))
    return line if scope and share and cards else replace(line, fund_share=ZERO)


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
    left = other = sum(line.others, ZERO)
    if other > total:
        message = f"more aid than cost on {line.code}"
        raise ValueError(message)
    shared = insured - min(insured, left) if line.aid == "facility" else insured
    left -= insured - shared
    fund = _round(shared * rate / HUNDRED)
    parts = {"patient": total - insured, "copay": shared - fund, "fund": fund}
    for name in ARV_ORDER if line.aid == "arv" else ORDER:
        taken = min(parts[name], left)
        parts[name] -= taken
        left -= taken
    return SplitLine(line, unit, total, insured, rate, other=other, **parts)


def _round(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)
