"""A benefit case as JSON: read with the circular's names or plain English ones, and its split written back.

The names, their meaning and examples are in `docs/benefit.md`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from msgspec import structs

from tuetinh.care.insurance.benefits import Line, Role, Split, split
from tuetinh.care.insurance.entitlement import (
    HUNDRED,
    ZERO,
    CardTerm,
    Former,
    Level,
    Reason,
    Situation,
    is_inpatient,
    told_rows,
)
from tuetinh.care.insurance.errors import BadCase
from tuetinh.care.insurance.repeats import bed_days
from tuetinh.care.insurance.situations import DRUG_GROUPS, HANOI

Reader = Callable[[Any], Any]
MOST = {
    "quantity": Decimal("1e7"),
    "price": Decimal("1e11"),
}  # what the fields of the tables hold (10 and 15 characters)
CARD = re.compile(r"[A-Z]{2}[1-5][0-9]{2}[0-9]{10}")
REASONS = {
    "1.1": "registered", "1.3": "referral", "1.4": "moved", "1.5": "revisit", "1.6": "donor", "1.7": "newborn",
    "2": "emergency",
}  # fmt: skip
LEVELS = {"ban_dau": "primary", "co_ban": "basic", "chuyen_sau": "specialised"}
TIERS = {"huyen": "district", "tinh": "provincial", "trung_uong": "central"}
SOURCES = ("T_NGUONKHAC_NSNN", "T_NGUONKHAC_VTNN", "T_NGUONKHAC_VTTN", "T_NGUONKHAC_CL")
ROLES = ("exam", "bed", "stretcher", "again_same_team", "again_other_team", "again_procedure")
NO_BETTER, MOVED_ON = ("3", "4", "5", "6"), "2"  # KET_QUA_DTRI, MA_LOAI_RV
BED = "15"  # MA_NHOM of days in bed
SUPPLY_GROUPS = ("10", "11")  # MA_NHOM


def benefit(case: Any) -> dict[str, Any]:
    """The split of a case, amounts as decimals. Raises BadCase, which names the field."""
    told = _object(case, CASE, "")
    days = _days_in_bed(told)
    given = told.get("lines") or ([{"price": told["total"]}] if "total" in told else [])
    lines = [_line(one, f"lines[{n}]", days) for n, one in enumerate(given)]
    if "rate" in told:
        lines = [line if line.rate is not None else structs.replace(line, rate=told["rate"]) for line in lines]
    if not lines:
        raise BadCase("lines", "is missing or empty")
    situation = _situation(told)
    alone = split([structs.replace(line, others=(ZERO,) * 4) for line in lines], situation)
    for n, (line, cost) in enumerate(zip(lines, alone.lines, strict=True)):
        if line.on and not (situation.began or line.on) <= line.on <= situation.on:
            raise BadCase(f"lines[{n}].on", "is not a day of the visit")
        if sum(line.others) > cost.total:
            raise BadCase(f"lines[{n}].T_NGUONKHAC", "is more than the cost of the line")
    found = split(lines, situation)
    return _written(str(told.get("id", "")), replace(found, rate=told.get("rate", found.rate)), days)


def _days_in_bed(told: dict[str, Any]) -> int | None:
    """Days of a stay, where its beginning is told; worse by its outcome (KET_QUA_DTRI, MA_LOAI_RV)."""
    if "admitted" not in told:
        return None
    if told["admitted"] > told["on"]:
        raise BadCase("admitted", "is later than the end of the visit")
    worse = told.get("outcome") in NO_BETTER or told.get("leaving") == MOVED_ON
    return bed_days(told["admitted"], told["on"], worse=worse)


def _situation(told: dict[str, Any]) -> Situation:
    code = told.get("category", "")
    reason = told.get("reason") or (REASONS.get(code, "own_choice") if code else "")
    if not reason:
        elsewhere = told.get("registered_at") and told.get("facility") and told["facility"] not in told["registered_at"]
        reason = "own_choice" if elsewhere else "registered"
    on, began = told["on"].date(), told.get("began")
    if began and began > on:
        raise BadCase("began", "is later than the end of the visit")
    inpatient = told["inpatient"] if "inpatient" in told else is_inpatient(told.get("kind_of_care", ""))
    if code and not told_rows(code, on, inpatient=inpatient):  # where it is for inpatients alone, none need say so
        inpatient = inpatient or not {"inpatient", "kind_of_care"} & told.keys()
        if not told_rows(code, on, inpatient=inpatient):
            raise BadCase("category", "has no share of such a visit on this day")
    return Situation(
        on=on,
        began=began,
        cards=_cards(told),
        reason=cast(Reason, reason),
        level=cast(Level, told.get("level", "basic")),
        former=cast(Former, told.get("former", "")),
        points=told.get("points"),
        station=told.get("station", False),
        inpatient=inpatient,
        listed_disease=told.get("listed_disease", False),
        hard_area=told.get("hard_area", False),
        exempt=told.get("exempt", False),
        exempt_from=told.get("exempt_from"),
        five_years=told.get("five_years"),
        copaid=told.get("copaid", ZERO),
        exams_before=told.get("exams_before", 0),
        told="" if "reason" in told else code,
    )


def _cards(told: dict[str, Any]) -> tuple[CardTerm, ...]:
    """The cards of a list, or of fields that hold several values as table 1 writes them."""
    if "cards" in told:
        return tuple(_card(one, f"cards[{n}]") for n, one in enumerate(told["cards"]))
    numbers = [part.strip() for part in told.get("card", "").split(";") if part.strip()]
    sides = {}
    for name in ("card_since", "card_until"):
        parts = [part.strip() for part in told.get(name, "").split(";") if part.strip()]
        if parts and len(parts) != len(numbers):
            raise BadCase(name, f"has {len(parts)} values for {len(numbers)} cards")
        sides[name] = parts or [""] * len(numbers)
    rows = zip(numbers, sides["card_since"], sides["card_until"], strict=True)
    return tuple(
        _card({"number": n, **({"since": s} if s else {}), **({"until": u} if u else {})}, f"MA_THE_BHYT[{i}]")
        for i, (n, s, u) in enumerate(rows)
    )


def _card(value: Any, place: str) -> CardTerm:
    told = _object(value, CARD_FIELDS, place)
    number = told.get("number", "")
    if number and not CARD.fullmatch(number):
        raise BadCase(f"{place}.number", "is not a card number of 15 characters")
    if not number and "digit" not in told:
        raise BadCase(f"{place}.number", "is missing")
    since, until = told.get("since", date.min), told.get("until", date.max)
    if since > until:
        raise BadCase(f"{place}.until", "is before the first day")
    return CardTerm(int(number[2]) if number else told["digit"], number[:2], since, until)


def _line(value: Any, place: str, days: int | None) -> Line:
    told = _object(value, LINE, place)
    group = told.get("group", "")
    named = next((kind for kind in ("drug", "service", "supply") if f"{kind}_code" in told), "")
    by_group = "drug" if group in DRUG_GROUPS else "supply" if group in SUPPLY_GROUPS else "service"
    kind = told.get("kind") or (by_group if group else named or "service")
    role = told.get("role") or ("exam" if group == "13" and "special_share" not in told else "")
    role = role or ("bed" if "people" in told and "special_share" not in told else "")
    each = [told.get(name, ZERO) for name in SOURCES]
    if "other" in told and any(name in told for name in SOURCES) and sum(each) != told["other"]:
        raise BadCase(f"{place}.T_NGUONKHAC", "is not the sum of the four sources")
    if "other" in told and not any(each):
        each[3] = told["other"]
    return Line(
        code=told.get("code") or told.get(f"{named}_code", ""),
        quantity=told.get("quantity", Decimal(1 if days is None or group != BED else days)),
        price=told["price"],
        kind=kind,
        insured_price=told.get("insured_price"),
        special_share=told.get("special_share", HUNDRED),
        fund_share=told.get("fund_share", HUNDRED),
        ceiling=told.get("ceiling"),
        collects_difference=told.get("collects_difference", True),
        others=(each[0], each[1], each[2], each[3]),
        role=cast(Role, role),
        people=told.get("people", 1),
        scope=told.get("scope", 1),
        on=told["on"].date() if "on" in told else None,
        at=told.get("on"),
        aid=told.get("aid", "person"),
        rate=told.get("rate"),
    )  # fmt: skip


def _written(id_: str, found: Split, days: int | None) -> dict[str, Any]:
    lines = [
        {
            "code": one.line.code, "DON_GIA_BH": one.insured_price, "TYLE_TT_DV": one.line.special_share,
            "TYLE_TT_BH": one.line.fund_share, "THANH_TIEN_BV": one.total, "THANH_TIEN_BH": one.insured,
            "MUC_HUONG": one.rate, "T_NGUONKHAC": one.other, "T_BNTT": one.patient, "T_BNCCT": one.copay,
            "T_BHTT": one.fund,
        }
        for one in found.lines
    ]  # fmt: skip
    sums = {
        "T_TONGCHI_BV": found.total, "T_TONGCHI_BH": found.insured, "T_NGUONKHAC": found.other, "T_BNTT": found.patient,
        "T_BNCCT": found.copay, "T_BHTT": found.fund,
    }  # fmt: skip
    law = {"MA_DOITUONG_KCB": found.code, "card_rate": found.card_rate, "share": found.share, "MUC_HUONG": found.rate}
    stay = {} if days is None else {"SO_NGAY_GIUONG": days}
    return {**({"MA_LK": id_} if id_ else {}), **law, **stay, **sums, "due": found.due, "lines": lines}


# Reading ------------------------------------------------------------------------------------------------------------


def _object(value: Any, fields: dict[str, tuple[tuple[str, ...], Reader]], place: str) -> dict[str, Any]:
    """The values of an object by their English names, each under one of its names."""
    if not isinstance(value, dict):
        raise BadCase(place, "is not an object")
    dot = f"{place}." if place else ""
    names = {name: key for key, (others, _) in fields.items() for name in (key, *others)}
    found: dict[str, Any] = {}
    for name, told in value.items():
        key = names.get(name)
        if key is None:
            raise BadCase(f"{dot}{name}", "is not a field of a case")
        if told is None or told == "":
            continue
        if key in found:
            raise BadCase(f"{dot}{name}", "says again what another name says")
        try:
            found[key] = fields[key][1](told)
        except (ValueError, TypeError, InvalidOperation, OverflowError) as error:
            raise BadCase(f"{dot}{name}", str(error) or "is not valid") from error
    for key in ("on",) if fields is CASE else ("price",) if fields is LINE else ():
        if key not in found:
            raise BadCase(f"{dot}{key}", f"is missing ({' or '.join((key, *fields[key][0]))})")
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool | dict | list):
        raise ValueError("is not text")
    return str(value).strip()


def _number(most: Decimal, decimals: int) -> Reader:
    def read(value: Any) -> Decimal:
        if isinstance(value, bool | dict | list):
            raise ValueError("is not a number")
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            raise ValueError("is not a number") from None
        if not number.is_finite():
            raise ValueError("is not a number")
        if number < 0:
            raise ValueError("is negative")
        if number > most or (number and number.normalize().as_tuple().exponent < -decimals):  # type: ignore[operator]
            raise ValueError(f"is more than {most:f} or has more than {decimals} decimals")
        return number

    return read


def _whole(least: int, most: int) -> Reader:
    def read(value: Any) -> int:
        number = _number(Decimal(most), 0)(value)
        if number < least:
            raise ValueError(f"is less than {least}")
        return int(number)

    return read


def _one_of(*allowed: str, words: dict[str, str] | None = None) -> Reader:
    def read(value: Any) -> str:
        text = (words or {}).get(_text(value), _text(value))
        if text not in allowed:
            raise ValueError(f"is none of {', '.join([*allowed, *(words or {})])}")
        return text

    return read


def _flag(value: Any) -> bool:
    if value in (True, False, "0", "1"):
        return value in (True, "1")
    raise ValueError("is neither true nor false")


def _day(value: Any) -> date:
    return _moment(value).date()


def _moment(value: Any) -> datetime:
    """A time of Vietnam as yyyymmdd, yyyymmddHHMM or ISO."""
    text = _text(value)
    form = {8: "%Y%m%d", 12: "%Y%m%d%H%M"}.get(len(text)) if text.isdigit() else None
    try:
        found = datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007
        return found.astimezone(HANOI).replace(tzinfo=None) if found.tzinfo else found
    except ValueError:
        raise ValueError("is not a day (yyyymmdd, yyyymmddHHMM or yyyy-mm-dd)") from None


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("is not a list")
    return value


QUANTITY, MONEY, PERCENT = _number(MOST["quantity"], 3), _number(MOST["price"], 3), _number(HUNDRED, 2)
CASE: dict[str, tuple[tuple[str, ...], Reader]] = {
    "id": (("MA_LK",), _text),
    "on": (("NGAY_RA",), _moment),
    "began": (("NGAY_VAO",), _day),
    "admitted": (("NGAY_VAO_NOI_TRU",), _moment),
    "outcome": (("KET_QUA_DTRI",), _text),
    "leaving": (("MA_LOAI_RV",), _text),
    "cards": ((), _list),
    "card": (("MA_THE_BHYT",), _text),
    "card_since": (("GT_THE_TU",), _text),
    "card_until": (("GT_THE_DEN",), _text),
    "registered_at": (("MA_DKBD",), lambda value: [part.strip() for part in _text(value).split(";")]),
    "facility": (("MA_CSKCB",), _text),
    "category": (("MA_DOITUONG_KCB",), _text),
    "reason": ((), _one_of(*REASONS.values(), "own_choice")),
    "kind_of_care": (("MA_LOAI_KCB",), lambda value: _text(value).zfill(2)),
    "inpatient": (("NOI_TRU",), _flag),
    "level": (("CAP_KCB",), _one_of("primary", "basic", "specialised", words=LEVELS)),
    "former": (("TUYEN_CU",), _one_of("district", "provincial", "central", words=TIERS)),
    "points": (("DIEM",), _whole(0, 100)),
    "station": (("TRAM_Y_TE",), _flag),
    "listed_disease": (("BENH_PHU_LUC",), _flag),
    "hard_area": (("VUNG_KHO_KHAN",), _flag),
    "exempt": (("MIEN_CUNG_CHI_TRA",), _flag),
    "exempt_from": (("NGAY_MIEN_CCT",), _day),
    "five_years": (("NAM_NAM_LIEN_TUC",), _day),
    "copaid": (("T_BNCCT_NAM",), MONEY),
    "exams_before": (("SO_LAN_KHAM_TRUOC",), _whole(0, 99)),
    "rate": (("MUC_HUONG",), PERCENT),
    "total": (("T_TONGCHI_BH",), MONEY),
    "lines": (("CHI_TIET",), _list),
}
CARD_FIELDS: dict[str, tuple[tuple[str, ...], Reader]] = {
    "number": (("MA_THE_BHYT",), _text),
    "digit": ((), _whole(1, 5)),
    "since": (("GT_THE_TU",), _day),
    "until": (("GT_THE_DEN",), _day),
}
LINE: dict[str, tuple[tuple[str, ...], Reader]] = {
    "code": ((), _text),
    "drug_code": (("MA_THUOC",), _text),
    "service_code": (("MA_DICH_VU",), _text),
    "supply_code": (("MA_VAT_TU",), _text),
    "kind": ((), _one_of("drug", "service", "supply")),
    "group": (("MA_NHOM",), _text),
    "quantity": (("SO_LUONG",), QUANTITY),
    "price": (("DON_GIA_BV", "DON_GIA"), MONEY),
    "insured_price": (("DON_GIA_BH",), MONEY),
    "special_share": (("TYLE_TT_DV",), PERCENT),
    "fund_share": (("TYLE_TT_BH",), PERCENT),
    "ceiling": (("T_TRANTT",), MONEY),
    "collects_difference": (("THU_CHENH_LECH",), _flag),
    "other": (("T_NGUONKHAC",), _number(MOST["price"], 2)),
    **{name: ((), _number(MOST["price"], 2)) for name in SOURCES},
    "aid": (("NGUON_GIUP",), _one_of("person", "facility", "arv")),
    "role": ((), _one_of(*ROLES)),
    "people": (("SO_NGUOI_GIUONG",), _whole(1, 99)),
    "scope": (("PHAM_VI",), _whole(1, 3)),
    "on": (("NGAY_YL",), _moment),
    "rate": (("MUC_HUONG",), PERCENT),
}
