"""Breakpoints as data: tables of a standard and year, and what they say of a zone or a minimal concentration."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache

from django.db.models import Q
from django.utils.translation import gettext as _

from tuetinh.care.lab.errors import BadTable, NeedsReason, NotAllowed
from tuetinh.care.lab.microbiology.lists import Organism, antibiotics, groups, organisms, rows, sources
from tuetinh.care.lab.models import BreakpointTable
from tuetinh.record.asker import Asker

STANDARDS = ("EUCAST", "CLSI")
DISK, MIC, ETEST = "disk", "mic", "etest"
COLUMNS = ("organisms", "site", "antibiotic", "disk", "zone_s", "zone_r", "mic_s", "mic_r")
_DILUTIONS = [Decimal("0.002"), Decimal("0.004"), Decimal("0.008"), Decimal("0.016"), Decimal("0.03"), Decimal("0.06")]
_DILUTIONS += [Decimal("0.125") * 2**step for step in range(14)]  # to 1024 mg/L
KEEPING = frozenset({"admin", "system"})


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """Limits of an antibiotic for an organism or a group. site: "" for all others. disk: its load in µg.

    As EUCAST writes them S is from zone_s on and up to mic_s, R below zone_r and above mic_r; as CLSI writes them
    zone_r and mic_r are themselves R. None where the table has no limit.
    """

    organism: str
    site: str
    antibiotic: str
    disk: str
    zone_s: Decimal | None = None
    zone_r: Decimal | None = None
    mic_s: Decimal | None = None
    mic_r: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table in force. name: as it stands with every value that it judged."""

    name: str
    standard: str
    year: int
    breakpoints: tuple[Breakpoint, ...]

    def find(self, organism: Organism, antibiotic: str, site: str = "") -> Breakpoint | None:
        """The limits of the organism itself, else of its narrowest group; of the site, else of all sites."""
        known = {(one.organism, one.site): one for one in self.breakpoints if one.antibiotic == antibiotic}
        for name in (organism.code, *organism.groups):
            for place in dict.fromkeys((site, "")):
                if found := known.get((name, place)):
                    return found
        return None

    def panel(self, organism: Organism, site: str = "") -> list[Breakpoint]:
        """What is tested of an organism: the limits of every antibiotic that has some, in the order of the bench."""
        return [found for code in antibiotics() if (found := self.find(organism, code, site))]

    def judge(self, limits: Breakpoint, method: str, number: Decimal, comparator: str = "") -> str:
        """`S`, `I` or `R` of a zone in mm or a concentration in mg/L; "" where the limits do not tell."""
        strict = self.standard == "CLSI"  # R begins at the written limit, not beyond it
        if method == DISK:
            return _zone(limits, number, strict=strict)
        mic = _dilution(number) if method == ETEST else number
        return _concentration(limits, mic, comparator, strict=strict)

    def words(self, limits: Breakpoint, method: str) -> str:
        """Limits in words: S ≥ 20; R < 17."""
        strict = self.standard == "CLSI"
        if method == DISK:
            parts = ("S ≥ ", limits.zone_s), ("R ≤ " if strict else "R < ", limits.zone_r)
        else:
            parts = ("S ≤ ", limits.mic_s), ("R ≥ " if strict else "R > ", limits.mic_r)
        return "; ".join(f"{sign}{limit:f}".replace(".", ",") for sign, limit in parts if limit is not None)


def _dilution(mic: Decimal) -> Decimal:
    """The next two-fold dilution of a strip's reading: 0.19 is judged as 0.25 (EUCAST, gradient tests)."""
    return next((step for step in _DILUTIONS if mic <= step), mic)


def _zone(limits: Breakpoint, zone: Decimal, *, strict: bool) -> str:
    if limits.zone_s is None and limits.zone_r is None:
        return ""
    if limits.zone_s is not None and zone >= limits.zone_s:
        return "S"
    if limits.zone_r is None:
        return ""
    return "R" if zone < limits.zone_r or (strict and zone == limits.zone_r) else "I"


def _concentration(limits: Breakpoint, mic: Decimal, comparator: str, *, strict: bool) -> str:
    if limits.mic_s is None and limits.mic_r is None:
        return ""
    susceptible = limits.mic_s is not None and mic <= limits.mic_s
    if comparator.startswith("<"):  # what is below may be anything: it tells only where all of it is susceptible
        return "S" if susceptible else ""
    beyond = comparator.startswith(">")
    if susceptible and not beyond:
        return "S"
    if limits.mic_r is None:
        return ""
    resistant = mic > limits.mic_r or ((strict or comparator == ">") and mic == limits.mic_r)
    return "R" if resistant else "" if beyond else "I"


@cache
def delivered() -> Table:
    """The table that comes with the house."""
    return Table("EUCAST 2024 (v14.0)", "EUCAST", 2024, tuple(_read(rows("breakpoints-eucast-2024.csv"))))


def in_force(facility: str, day: date) -> Table:
    """The table that a facility judges by on a day: the newest that an administrator has taken into use, else ours."""
    kept = BreakpointTable.objects.filter(Q(facility="") | Q(facility=facility), from_day__lte=day)
    found = kept.order_by("-from_day", "-id").values_list("id", flat=True).first()
    return delivered() if found is None else _kept(found)


@lru_cache(maxsize=16)
def _kept(id_: int) -> Table:
    """A table as it was taken into use: it is never altered, so that this holds for good."""
    row = BreakpointTable.objects.get(pk=id_)
    return Table(row.name, row.standard, row.year, tuple(_read(row.rows)))


def add(
    asker: Asker, *, standard: str, year: int, version: str, from_day: date, text: str, why: str
) -> BreakpointTable:
    """Take the table of a year into use from a day on: CSV with the columns `COLUMNS`, as the standard writes limits.

    Raises NotAllowed, NeedsReason, BadTable with the line.
    """
    if asker.role not in KEEPING:
        raise NotAllowed
    if not why.strip():
        raise NeedsReason
    if standard not in STANDARDS:
        raise BadTable(0, _("Chọn EUCAST hoặc CLSI."))
    told = list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))
    if not told or not set(COLUMNS) <= set(told[0]):
        raise BadTable(1, _("Thiếu cột; cần: %(columns)s.") % {"columns": ", ".join(COLUMNS)})
    kept = [{name: (row.get(name) or "").strip() for name in COLUMNS} for row in told]
    list(_read(kept))
    return BreakpointTable.objects.create(
        facility=asker.facility, standard=standard, year=year, version=version.strip()[:20], from_day=from_day,
        rows=kept, at=datetime.now(UTC), account=asker.account, why=why.strip()[:500],
    )  # fmt: skip


def _read(told: Iterable[dict[str, str]]) -> Iterable[Breakpoint]:
    """Read rows, each for several organisms. Raises BadTable with the line of the first that cannot be."""
    sites = {source.site for source in sources().values()}
    for line, row in enumerate(told, 2):
        names = row["organisms"].split()
        strange = [name for name in names if name not in organisms() and name not in groups()]
        if not names or strange:
            raise BadTable(line, _("Không có vi sinh vật hay nhóm mang mã %(key)s.") % {"key": " ".join(strange)})
        if row["antibiotic"] not in antibiotics():
            raise BadTable(line, _("Không có kháng sinh mang mã %(key)s.") % {"key": row["antibiotic"]})
        if row["site"] not in sites:
            raise BadTable(line, _("Không có vị trí nhiễm khuẩn %(key)s.") % {"key": row["site"]})
        limits = [_limit(row[name], line) for name in COLUMNS[4:]]
        if all(limit is None for limit in limits):
            raise BadTable(line, _("Cần ít nhất một giới hạn."))
        for name in names:
            yield Breakpoint(name, row["site"], row["antibiotic"], row["disk"], *limits)


def _limit(text: str, line: int) -> Decimal | None:
    if not text:
        return None
    try:
        limit = Decimal(text)
    except InvalidOperation:
        limit = Decimal(-1)
    if not (limit.is_finite() and limit >= 0):
        raise BadTable(line, _("%(text)s không phải là giới hạn.") % {"text": text})
    return limit
