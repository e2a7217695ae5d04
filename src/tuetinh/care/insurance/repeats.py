"""Services paid in part because they repeat or are shared: TYLE_TT_DV (QĐ 3176, bảng 3, trường 17); days in bed and of
treatment (bảng 1, trường 39).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tuetinh.care.insurance.entitlement import Situation, law
from tuetinh.care.insurance.tables import Row

if TYPE_CHECKING:
    from tuetinh.care.insurance.benefits import Line

SHORTEST_STAY = timedelta(hours=4)  # below it no bed is paid for
DAY = timedelta(days=1)
TECHNIQUES = frozenset({"1", "2", "3", "8", "18"})  # MA_NHOM of what is done


def with_shares(lines: list[Line], situation: Situation) -> list[Line]:
    """The lines with the share of those that have a role; examinations count by day, in the order of the lines."""
    seen: dict[date, int] = {}
    done = []
    for line in lines:
        if line.role == "exam":
            day = line.on or situation.on
            place = seen.get(day, situation.exams_before if day == (situation.began or situation.on) else 0)
            seen[day] = place + 1
            done.append(replace(line, special_share=exam_share(place)))
        elif line.role == "bed":
            done.append(replace(line, special_share=_step(law()["bed_shares"], line.people - 1)))
        elif line.role:
            done.append(replace(line, special_share=Decimal(law()["role_shares"][line.role])))
        else:
            done.append(line)
    return done


def role_share(role: str) -> Decimal | None:
    """TYLE_TT_DV of a second operation or procedure of one session (`again_same_team`…); None for no such role."""
    found = law()["role_shares"].get(role)
    return None if found is None else Decimal(found)


def exam_share(before: int) -> Decimal:
    """TYLE_TT_DV of an examination, by how many were before it on its day."""
    return _step(law()["exam_shares"], before)


def bed_days(admitted: datetime, left: datetime, *, worse: bool) -> int:
    """How many days in bed the fund pays (TT 22/2023 Đ6).

    worse: the person died, went on to another hospital or left no better, which counts the day of leaving too.
    """
    stay = left - admitted
    if stay < SHORTEST_STAY:
        return 0
    if stay <= DAY:
        return 1
    return (left.date() - admitted.date()).days + (1 if worse else 0)


def served_days(services: Iterable[Row]) -> int:
    """How many days have a technique, which examinations, beds and transport are none of: rows of table 3."""
    rows = (row for row in services if row.get("MA_DICH_VU") and row.get("MA_NHOM") in TECHNIQUES)
    return len({(row.get("NGAY_TH_YL") or row.get("NGAY_YL", ""))[:8] for row in rows})


def longest_drug(medicines: Iterable[Row]) -> Decimal:
    """Days of the drug that is taken longest, 0 where no dose says any: rows of table 2."""
    return max((days for row in medicines if (days := drug_days(row)) is not None), default=Decimal(0))


def drug_days(medicine: Row) -> Decimal | None:
    """Days of a dose (QĐ 3176, bảng 2, trường 12: `… * 10 ngày […]`); None where it does not say."""
    for part in medicine.get("LIEU_DUNG", "").split("*"):
        digits, _space, unit = part.strip().partition(" ")
        if unit.startswith("ngày") and re.fullmatch(r"[0-9]+(\.[0-9]+)?", digits):
            return Decimal(digits)
    return None


def _step(shares: list[int], place: int) -> Decimal:
    return Decimal(shares[min(place, len(shares) - 1)])
