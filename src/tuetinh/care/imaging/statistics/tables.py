"""The tables of the page of statistics: what they count, by what, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast
from zoneinfo import ZoneInfo

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import TruncDate, TruncMonth
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tuetinh.care.imaging.models import Device, Exam
from tuetinh.care.imaging.statistics.models import PictureCount
from tuetinh.commons.access.api import owner_names
from tuetinh.commons.identity.api import display_name
from tuetinh.commons.ui.api import Bar
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

HANOI: Final = ZoneInfo("Asia/Ho_Chi_Minh")
BY: Final = {
    "day": gettext_lazy("Ngày"),
    "month": gettext_lazy("Tháng"),
    "machine": gettext_lazy("Máy"),
    "modality": gettext_lazy("Loại máy"),
    "taker": gettext_lazy("Người chụp"),
    "reader": gettext_lazy("Người đọc"),
}
MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of table: its name, by what it may be divided, its columns beside that, and the name of its chart."""

    name: _StrPromise
    by: tuple[str, ...]
    columns: tuple[_StrPromise, ...]
    chart: _StrPromise


KINDS: Final = {
    "exams": Kind(
        gettext_lazy("Ca chụp"),
        ("day", "month", "machine", "modality", "taker", "reader"),
        (gettext_lazy("Đã chụp"), gettext_lazy("Đã trả kết quả"), gettext_lazy("Khẩn")),
        gettext_lazy("Số ca đã chụp (nhạt) và đã trả kết quả (đậm)"),
    ),
    "pictures": Kind(
        gettext_lazy("Ảnh và dung lượng"),
        ("day", "month", "machine", "modality"),
        (gettext_lazy("Ảnh"), gettext_lazy("Dung lượng (MiB)")),
        gettext_lazy("Dung lượng nhận được (MiB)"),
    ),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is counted: of a facility, from one day to another."""

    facility: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Table:
    """A table: rows of its key and its sums, as the database gives them."""

    kind: str
    by: str
    rows: QuerySet[Any, dict[str, Any]]
    total: list[int]

    @property
    def heads(self) -> list[str]:
        """The words over its columns."""
        return [str(BY[self.by]), *(str(one) for one in KINDS[self.kind].columns)]

    @property
    def standing(self) -> bool:
        """Whether its bars stand, as over time."""
        return self.by in ("day", "month")

    def lines(self, rows: Iterable[dict[str, Any]]) -> list[list[Any]]:
        """Rows as they are shown, each with the name of its key."""
        rows = list(rows)
        named = _names(self.by, [row["key"] for row in rows])
        return [[named[row["key"]], *_cells(self.kind, row)] for row in rows]

    def bars(self, rows: Iterable[dict[str, Any]]) -> list[Bar]:
        """Rows as the chart shows them."""
        found = []
        for name, *cells in self.lines(rows):
            value, behind = (cells[1], cells[0]) if self.kind == "exams" else (cells[1], 0)
            said = f"{cells[1]} / {cells[0]}" if self.kind == "exams" else str(cells[1])
            found.append(Bar(name[:5] if self.by == "day" else name, Decimal(value), said, Decimal(behind)))
        return found


_SUMS: Final = {
    "exams": {
        "n0": Count("pk"),
        "n1": Count("pk", filter=Q(stage=Exam.Stage.REPORTED)),
        "n2": Count("pk", filter=Q(urgent=True)),
    },
    "pictures": {"n0": Sum("pictures"), "n1": Sum("size")},
}  # fmt: skip
_KEYS: Final[dict[str, dict[str, Any]]] = {
    "exams": {
        "day": TruncDate("ended_at", tzinfo=HANOI), "month": TruncMonth("ended_at", tzinfo=HANOI),
        "machine": F("device"), "modality": F("modality"), "taker": F("taken_by"), "reader": F("read_by"),
    },
    "pictures": {"day": F("day"), "month": TruncMonth("day"), "machine": F("source"), "modality": F("modality")},
}  # fmt: skip


def table(asked: Asked, kind: str, by: str) -> Table:
    """A table of some kind, by something that it may be divided by."""
    rows: QuerySet[Any] = _exams(asked) if kind == "exams" else _pictures(asked)
    sums = _SUMS[kind]
    found = rows.order_by().annotate(key=_KEYS[kind][by]).values("key").annotate(**sums)
    order = ("key",) if by in ("day", "month") else ("-n0", "key")
    total = rows.aggregate(**sums)
    return Table(kind, by, cast("Any", found.order_by(*order)), _cells(kind, total))


def _exams(asked: Asked) -> QuerySet[Exam]:
    begin = datetime.combine(asked.first, time.min, HANOI)
    end = datetime.combine(asked.last + timedelta(days=1), time.min, HANOI)
    done = (Exam.Stage.DONE, Exam.Stage.REPORTED)
    return Exam.objects.filter(facility=asked.facility, stage__in=done, ended_at__gte=begin, ended_at__lt=end)


def _pictures(asked: Asked) -> QuerySet[PictureCount]:
    return PictureCount.objects.filter(facility=asked.facility, day__gte=asked.first, day__lte=asked.last)


def _cells(kind: str, row: dict[str, Any]) -> list[int]:
    numbers = [int(row[name] or 0) for name in _SUMS[kind]]
    return numbers if kind == "exams" else [numbers[0], -(-numbers[1] // MIB)]


def _names(by: str, keys: Sequence[Any]) -> dict[Any, str]:
    """Keys in words."""
    if by == "day":
        return {key: f"{key:%d/%m/%Y}" for key in keys}
    if by == "month":
        return {key: f"{key:%m/%Y}" for key in keys}
    if by == "machine":
        return _machines(keys)
    if by in ("taker", "reader"):
        return _people(keys)
    return {key: key or _("Chưa rõ") for key in keys}


def _machines(keys: Sequence[Any]) -> dict[Any, str]:
    """Machines by their row, or by the name under which they send (`AE CT1`)."""
    rows = list(Device.objects.all().only("pk", "title", "name"))
    known: dict[Any, str] = {row.pk: row.name for row in rows} | {f"AE {row.title}": row.name for row in rows}
    return {key: known.get(key) or str(key or _("Chưa rõ")) for key in keys}


def _people(keys: Sequence[str]) -> dict[str, str]:
    """People by the id of their Practitioner or account, or as a machine wrote their name."""
    ids = [key for key in keys if key and " " not in key and "^" not in key]
    found = [one for one in record.read_many(SYSTEM, "Practitioner", ids).values() if isinstance(one, r4.Practitioner)]
    named, _clients = owner_names(ids, [])
    named |= {str(one.id): display_name(r4.Patient(name=one.name)) for one in found}
    return {key: named.get(key) or key.replace("^", " ").strip() or _("Chưa rõ") for key in keys}
