"""Diseases of the annexes of TT 01/2025, as the facility entered them: no text of the law may be guessed at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tuetinh.care.insurance.errors import BadList, NotAllowed
from tuetinh.care.insurance.facts import ADMINISTERING
from tuetinh.care.insurance.models import DiseaseList
from tuetinh.record.asker import Asker

SPECIALISED, BASIC, YEARLY = "1", "2", "3"
ANNEXES: Final = {
    SPECIALISED: gettext_lazy("Phụ lục I: tự đến cơ sở cấp chuyên sâu vẫn hưởng 100%"),
    BASIC: gettext_lazy("Phụ lục II: tự đến cơ sở cấp cơ bản vẫn hưởng 100%"),
    YEARLY: gettext_lazy("Phụ lục III: phiếu chuyển cơ sở có giá trị 1 năm"),
}
BY_LEVEL: Final = {"specialised": SPECIALISED, "basic": BASIC}  # QĐ 3276, 1.17 and 1.16
_CODE = re.compile(r"([A-Z])([0-9]{2})(\.[0-9]{1,2})?")


def standing(facility: str) -> dict[str, DiseaseList]:
    """The lists that hold at a facility, by annex: its own, else those for all; one query."""
    found: dict[str, DiseaseList] = {}
    for one in DiseaseList.objects.filter(facility__in={"", facility}).order_by("facility", "id"):
        found[one.annex] = one  # those of the facility come after those for all, the last one last
    return found


def annexes_of(code: str, lists: Iterable[DiseaseList]) -> frozenset[str]:
    """The annexes that have an ICD-10 code: each says beginnings of codes."""
    return frozenset(one.annex for one in lists if code and code.startswith(tuple(one.codes)))


def change(asker: Asker, annex: str, text: str) -> DiseaseList:
    """Enter an annex anew: codes and ranges (`C00-C97; E11.2`). Raises NotAllowed, and BadList for what is no code.

    It holds at the administrator's facility or, having none, everywhere.
    """
    if asker.role not in ADMINISTERING:
        raise NotAllowed
    codes = sorted(dict.fromkeys(read(text)))
    return DiseaseList.objects.create(
        annex=annex, facility=asker.facility, codes=codes, at=timezone.now(), account=asker.account
    )


def read(text: str) -> Iterator[str]:
    """The codes of a text; a range is its categories of three characters. Raises BadList."""
    for part in re.split(r"[;,\s]+", re.sub(r"\s*[-–]\s*", "-", text.upper())):
        if not part:
            continue
        first, dash, last = part.partition("-")
        begin, end = _CODE.fullmatch(first), _CODE.fullmatch(last if dash else first)
        if not begin or not end or (dash and (begin[3] or end[3] or begin[1] != end[1] or begin[2] > end[2])):
            raise BadList(_("%(part)s không phải mã ICD-10 hay khoảng mã.") % {"part": part[:40]})
        if dash:
            yield from (f"{begin[1]}{number:02}" for number in range(int(begin[2]), int(end[2]) + 1))
        else:
            yield first
