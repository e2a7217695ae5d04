"""What share of a visit the fund owes to whom, where and when. The law is data (`data/benefits.json`), by its days.

Rules: Luật BHYT as amended by 46/2014/QH13 and 51/2024/QH15, NĐ 188/2025 Đ19 and Đ38, TT 01/2025, QĐ 3276, NQ 261.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

HUNDRED = Decimal(100)
ZERO = Decimal(0)
NOT_INSURED = "9"  # QĐ 3276: a visit without insurance

Reason = Literal["registered", "emergency", "referral", "revisit", "moved", "newborn", "donor", "own_choice"]
Level = Literal["primary", "basic", "specialised"]
Former = Literal["district", "provincial", "central", ""]


@dataclass(frozen=True, slots=True)
class CardTerm:
    """What a card gives, and when. digit: its third character; group: its first two; since, until: days in force."""

    digit: int
    group: str = ""
    since: date = date.min
    until: date = date.max


@dataclass(frozen=True, slots=True)
class Situation:
    """Why, where and when the person came.

    on: end of the visit; began: its beginning, the same day when None. cards: all that are in force on a day of it, in
    any order. reason: why the person came here. level, former, points: level of the facility, its former tier, its
    score (None: provisional). station: a commune health station. exempt: the insurer's paper waives the co-payment,
    exempt_from: since this day; five_years: day on which five years running are full, copaid: co-payment of this year
    before the visit, which waive it too. exams_before: examinations here on the same day, at earlier visits. told:
    MA_DOITUONG_KCB where it is told and not worked out of the rest.
    """

    on: date
    cards: tuple[CardTerm, ...] = ()
    reason: Reason = "registered"
    level: Level = "basic"
    former: Former = ""
    points: int | None = None
    station: bool = False
    inpatient: bool = False
    listed_disease: bool = False
    hard_area: bool = False
    exempt: bool = False
    exempt_from: date | None = None
    began: date | None = None
    five_years: date | None = None
    copaid: Decimal = ZERO
    exams_before: int = 0
    told: str = ""


def cards_on(situation: Situation, day: date) -> list[CardTerm]:
    """The cards that count on a day of the visit.

    Where none is in force: one that expired during the visit, until the discharge and 15 days at most (NĐ 188 Đ38);
    a newborn without any has a child's (MA_THE_TAM, bảng 7).
    """
    holding = [card for card in situation.cards if card.since <= day <= card.until]
    if holding:
        return holding
    began = situation.began or situation.on
    grace = timedelta(days=law()["grace_days"])
    late = [card for card in situation.cards if card.since <= day and began <= card.until and day - card.until <= grace]
    if late:
        return late
    return [CardTerm(1, "TE")] if situation.reason == "newborn" and not situation.cards else []


def is_inpatient(kind: str) -> bool:
    """Whether visits of a kind (MA_LOAI_KCB: QĐ 824, 1804) have the shares of inpatients."""
    return kind in law()["inpatient_kinds"]


def card_rate(cards: list[CardTerm], day: date) -> Decimal:
    """Percent that the best of these cards gives on a day; 0 without a card."""
    full = in_force(law()["full_rate_groups"], day)
    given = [HUNDRED if card.group in full else Decimal(law()["card_rate"].get(str(card.digit), 0)) for card in cards]
    return max(given, default=ZERO)


def category(situation: Situation) -> tuple[str, Decimal]:
    """MA_DOITUONG_KCB and the share of the card rate; rows are tried from top to bottom (QĐ 3276)."""
    began = situation.began or situation.on
    if not cards_on(situation, situation.on) and not any(
        card.since <= situation.on and began <= card.until for card in situation.cards
    ):
        return NOT_INSURED, ZERO
    if situation.told:
        rows = told_rows(situation.told, situation.on, inpatient=situation.inpatient)
        return situation.told, Decimal(in_force(rows[0]["share"], situation.on)) if rows else ZERO
    facts: dict[str, Any] = {name: getattr(situation, name) for name in situation.__slots__} | {
        "points": _points(situation.points)
    }
    for row in in_force(law()["rules"], situation.on):
        if all(facts[name] in allowed for name, allowed in row["when"].items()):
            return row["code"], Decimal(in_force(row["share"], situation.on))
    return NOT_INSURED, ZERO


def rows_of(code: str, on: date, *, inpatient: bool) -> list[dict[str, Any]]:
    """The rows of the law on a day that give a code (MA_DOITUONG_KCB) to in- or outpatients."""
    rows = in_force(law()["rules"], on)
    return [row for row in rows if row["code"] == code and inpatient in row["when"].get("inpatient", [inpatient])]


def told_rows(code: str, on: date, *, inpatient: bool) -> list[dict[str, Any]]:
    """The rows of a code that is told; also of those of which QĐ 824 and 3276 name no share, and nothing is checked."""
    known = rows_of(code, on, inpatient=inpatient)
    return known or [row for row in in_force(law()["told"], on) if row["code"] == code]


def is_in_level(code: str, on: date, *, inpatient: bool) -> bool:
    """Whether a visit with this code has the whole share of the card; one without any is taken for such."""
    rows = told_rows(code, on, inpatient=inpatient)
    return not rows or Decimal(in_force(rows[0]["share"], on)) == HUNDRED


def benefit_rate(situation: Situation, day: date, insured: Decimal, code: str, share: Decimal) -> Decimal:
    """MUC_HUONG of the lines of a day of a visit whose whole cost within the scope is `insured`."""
    rate = card_rate(cards_on(situation, day), day)
    in_level = share == HUNDRED
    small = in_level and not code.startswith("3.") and insured < small_cost(situation.on)
    if rate and (small or (in_level and (_primary(situation, code) or waived(situation, day)))):
        rate = HUNDRED
    return _plain(rate * share / HUNDRED)


def highest_rate(
    cards: list[CardTerm], day: date, *, on: date, code: str, inpatient: bool, insured: Decimal, free: bool
) -> Decimal | None:
    """The highest MUC_HUONG of the lines of a day that a visit which ended on `on` may have; None for an unknown code.

    code: MA_DOITUONG_KCB; insured: cost of the visit within the scope; free: whether a paper waives the co-payment, or
    the facility is of the primary level.
    """
    if code == NOT_INSURED:
        return ZERO
    rows = rows_of(code, on, inpatient=inpatient)
    if not rows:
        return None
    share = max(Decimal(in_force(row["share"], on)) for row in rows)
    rate = card_rate(cards, day)
    small = not code.startswith("3.") and insured < small_cost(on)
    if rate and share == HUNDRED and (small or free or code in in_force(law()["full_rate_codes"], on)):
        rate = HUNDRED
    return _plain(rate * share / HUNDRED)


def possible_rates(cards: list[CardTerm], day: date, *, on: date, code: str, inpatient: bool) -> set[Decimal]:
    """Every MUC_HUONG that a line of a day can have with one of these cards; none for an unknown code.

    Where the share is whole it may be 100 with any card: a small cost, a primary facility, a paper. on, code: as above.
    """
    if code == NOT_INSURED:
        return {ZERO}
    shares = {Decimal(in_force(row["share"], on)) for row in rows_of(code, on, inpatient=inpatient)}
    rates = {card_rate([card], day) for card in cards}
    found = {_plain(rate * share / HUNDRED) for rate in rates for share in shares}
    return found | ({HUNDRED} if HUNDRED in shares else set())


def waived(situation: Situation, day: date) -> bool:
    """Whether nothing is paid together any more on a day, by paper or by what was paid before the visit.

    A paper holds until its year is over.
    """
    since = situation.exempt_from
    by_paper = since is not None and since <= day and since.year == day.year
    return situation.exempt or by_paper or (counts(situation, day) and not left_to_copay(situation))


def counts(situation: Situation, day: date) -> bool:
    """Whether five years running are full on a day, from when six base salaries are a limit (Luật BHYT Đ22 k1 đ)."""
    return situation.five_years is not None and situation.five_years <= day


def left_to_copay(situation: Situation) -> Decimal:
    """What is left of the six base salaries of a year before a visit: more is not taken from the person."""
    return max(copay_limit(situation.on) - situation.copaid, ZERO)


def base_salary(on: date) -> Decimal:
    """The base salary (reference level) in force on a day."""
    return Decimal(in_force(law()["base_salary"], on))


def small_cost(on: date) -> Decimal:
    """Visits that cost less are paid in full (15 % of the base salary)."""
    return base_salary(on) * Decimal(law()["small_cost_percent"]) / HUNDRED


def copay_limit(on: date) -> Decimal:
    """Co-payment of a year beyond which someone insured for five years running pays none (six base salaries)."""
    return base_salary(on) * Decimal(law()["copay_limit_months"])


def in_force(steps: list[list[Any]], on: date) -> Any:
    """The last value whose day has come; the first when none has."""
    value, day = steps[0][1], on.isoformat()
    for since, step in steps:
        if since <= day:
            value = step
    return value


@cache
def law() -> dict[str, Any]:
    """The rules and amounts, as the file says them."""
    found: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "benefits.json").read_text(encoding="utf-8"))
    return found


def _primary(situation: Situation, code: str) -> bool:
    """Whether the care is paid in full because a station, or (since 2025) any primary facility, gave it."""
    levels = in_force(law()["full_rate_levels"], situation.on)
    return situation.station or situation.level in levels or code in in_force(law()["full_rate_codes"], situation.on)


def _points(points: int | None) -> str:
    if points is None:
        return "none"
    return "below_50" if points < 50 else "below_70" if points < 70 else "above"


def _plain(rate: Decimal) -> Decimal:
    return rate.quantize(Decimal(1)) if rate == rate.to_integral_value() else rate.normalize()
