"""Services paid in part because they repeat or are shared: TYLE_TT_DV (QĐ 3176, bảng 3, trường 17); days in bed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from tuetinh.care.insurance.entitlement import Situation, law

if TYPE_CHECKING:
    from tuetinh.care.insurance.benefits import Line

SHORTEST_STAY = timedelta(hours=4)  # below it no bed is paid for
DAY = timedelta(days=1)


def with_shares(lines: list[Line], situation: Situation) -> list[Line]:
    """The lines with the share of those that have a role; examinations count by day, in the order of the lines."""
    seen: dict[date, int] = {}
    done = []
    for line in lines:
        if line.role == "exam":
            day = line.on or situation.on
            place = seen.get(day, situation.exams_before if day == (situation.began or situation.on) else 0)
            seen[day] = place + 1
            done.append(replace(line, special_share=_step(law()["exam_shares"], place)))
        elif line.role == "bed":
            done.append(replace(line, special_share=_step(law()["bed_shares"], line.people - 1)))
        elif line.role:
            done.append(replace(line, special_share=Decimal(law()["role_shares"][line.role])))
        else:
            done.append(line)
    return done


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


def _step(shares: list[int], place: int) -> Decimal:
    return Decimal(shares[min(place, len(shares) - 1)])
