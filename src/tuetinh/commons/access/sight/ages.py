"""From which ages on a minor decides with, and then without, those who act for them: settings, with their clauses."""

from __future__ import annotations

import os
from datetime import date
from typing import Final

# Bộ luật Dân sự 91/2015/QH13, Điều 20: thành niên từ đủ mười tám tuổi; Điều 136: cha mẹ đại diện con chưa thành niên.
OF_AGE: Final = 18
# Luật Bảo vệ dữ liệu cá nhân 91/2025/QH15: dưới 7 tuổi người giám hộ đồng ý; từ đủ 7 tuổi cả hai bên cùng đồng ý.
AGREES: Final = 7


def of_age() -> int:
    """Full years at which a record passes from parents and guardians to its person (`TUETINH_OF_AGE`)."""
    return int(os.environ.get("TUETINH_OF_AGE", OF_AGE))


def agrees() -> int:
    """Full years from which sensitive data are for the guardian only if the minor agrees (`TUETINH_MINOR_AGREES`)."""
    return int(os.environ.get("TUETINH_MINOR_AGREES", AGREES))


def turns(birth: str, years: int) -> date | None:
    """The day on which somebody is so many years old; None where the birth date is unknown.

    birth: as in FHIR; a year or a month alone counts from its first day, so that no guardian sees longer than the law
    gives. Who was born on 29 February turns on 1 March of a common year.
    """
    try:
        born = date.fromisoformat((f"{birth}-01-01" if len(birth) == 4 else f"{birth}-01")[:10])
        then = born.year + years
        return date(then, 3, 1) if (born.month, born.day) == (2, 29) and not _leap(then) else born.replace(year=then)
    except ValueError:
        return None


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
