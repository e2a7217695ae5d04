"""The tables of the page of statistics: their columns in words, their rows as cells, and what their chart shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth import get_user_model
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tuetinh.care.lab.catalogue import SPECIMENS, benches, test
from tuetinh.care.lab.samples.plan import REJECTIONS
from tuetinh.care.lab.statistics import costs, queries
from tuetinh.care.lab.statistics.queries import SAMPLE_SUMS, STEPS, TEST_SUMS, Asked, Took, share
from tuetinh.commons.ui.api import Bar

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

Cells = list[Any]
BY: Final = {
    "day": gettext_lazy("Ngày"),
    "month": gettext_lazy("Tháng"),
    "test": gettext_lazy("Xét nghiệm"),
    "bench": gettext_lazy("Bàn"),
    "urgent": gettext_lazy("Mức ưu tiên"),
    "machine": gettext_lazy("Máy"),
    "person": gettext_lazy("Người duyệt kỹ thuật"),
    "kind": gettext_lazy("Loại mẫu"),
    "reason": gettext_lazy("Lý do từ chối"),
}
STEP_NAMES: Final = {
    "collect": gettext_lazy("Chỉ định → lấy mẫu"),
    "transport": gettext_lazy("Lấy mẫu → nhận mẫu"),
    "analyse": gettext_lazy("Nhận mẫu → duyệt kỹ thuật"),
    "sign": gettext_lazy("Duyệt kỹ thuật → trả"),
    "lab": gettext_lazy("Nhận mẫu → trả"),
    "total": gettext_lazy("Chỉ định → trả"),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of table: its name, by what it may be divided, and its columns beside that."""

    name: _StrPromise
    by: tuple[str, ...]
    columns: tuple[_StrPromise, ...]


KINDS: Final = {
    "tests": Kind(
        gettext_lazy("Số lượng và chất lượng"),
        ("day", "month", "test", "bench", "urgent", "machine", "person"),
        (
            gettext_lazy("Chỉ định"), gettext_lazy("Đã trả"), gettext_lazy("Trễ hẹn"), gettext_lazy("Trễ %"),
            gettext_lazy("Chỉ số"), gettext_lazy("Bất thường %"), gettext_lazy("Nguy kịch"),
            gettext_lazy("Dương tính"), gettext_lazy("Dương tính %"), gettext_lazy("Sửa sau trả"),
            gettext_lazy("Hủy"),
        ),
    ),
    "times": Kind(
        gettext_lazy("Thời gian trả kết quả"),
        ("day", "month", "test", "bench", "urgent"),
        (*STEP_NAMES.values(), gettext_lazy("Số chỉ định")),
    ),
    "samples": Kind(
        gettext_lazy("Mẫu và báo nguy kịch"),
        ("day", "month", "kind", "bench", "urgent", "reason"),
        (
            gettext_lazy("Mẫu"), gettext_lazy("Từ chối"), gettext_lazy("Từ chối %"), gettext_lazy("Có nguy kịch"),
            gettext_lazy("Đã báo"), gettext_lazy("Báo trong 30 phút"), gettext_lazy("Đúng hạn %"),
        ),
    ),
    "costs": Kind(
        gettext_lazy("Chi phí"),
        ("test",),
        (
            gettext_lazy("Đã trả"), gettext_lazy("Thu"), gettext_lazy("Hóa chất"),
            gettext_lazy("Hóa chất mỗi xét nghiệm"), gettext_lazy("Chênh lệch"),
        ),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """rows: what `cells` and `bar` take, one by one, so that a page cuts them before they are written."""

    kind: str
    by: str
    rows: Any
    cells: Callable[[Any], Cells]
    bar: Callable[[Any], tuple[Decimal, str, Decimal]]
    key: Callable[[Any], Any]
    total: Cells
    chart: str

    @property
    def heads(self) -> list[str]:
        """The words over its columns."""
        return [str(BY[self.by]), *(str(one) for one in KINDS[self.kind].columns)]

    @property
    def standing(self) -> bool:
        """Whether its bars stand, as over time."""
        return self.by in ("day", "month")

    def lines(self, rows: Iterable[Any]) -> list[Cells]:
        """Rows as they are shown, each with the name of its key."""
        rows = list(rows)
        named = names(self.by, (self.key(row) for row in rows))
        return [[named[self.key(row)], *self.cells(row)] for row in rows]

    def bars(self, rows: Iterable[Any]) -> list[Bar]:
        """Rows as the chart shows them."""
        rows = list(rows)
        named = names(self.by, (self.key(row) for row in rows), short=True)
        return [
            Bar(named[self.key(row)], value, said, behind) for row in rows for value, said, behind in [self.bar(row)]
        ]


def table(asked: Asked, kind: str, by: str) -> Table:
    """A table of some kind, by something that it may be divided by."""
    if kind == "tests":
        grouped = queries.tests(asked, by)
        total = queries.totals(grouped, TEST_SUMS)
        return Table(
            kind, by, grouped, lambda row: _tests({n: row[f"sum_{n}"] for n in TEST_SUMS}),
            lambda row: (Decimal(row["sum_done"]), str(row["sum_done"]), Decimal(row["sum_ordered"])),
            _key, _tests(total), _("Số chỉ định (nhạt) và đã trả (đậm)"),
        )  # fmt: skip
    if kind == "samples":
        drawn = queries.samples(asked, by)
        counted = queries.totals(drawn, SAMPLE_SUMS)
        return Table(
            kind, by, drawn, lambda row: _samples({n: row[f"sum_{n}"] for n in SAMPLE_SUMS}),
            lambda row: (Decimal(row["sum_refused"]), f"{row['sum_refused']} / {row['sum_samples']}", Decimal(0)),
            _key, _samples(counted), _("Số mẫu bị từ chối"),
        )  # fmt: skip
    if kind == "costs":
        spent = costs.by_test(asked)
        return Table(
            kind, by, spent, lambda row: [row.done, row.fees, row.reagents, row.each, row.fees - row.reagents],
            lambda row: (row.reagents, _money(row.reagents), row.fees), lambda row: row.test,
            _spent(spent), _("Tiền thu (nhạt) và hóa chất (đậm)"),
        )  # fmt: skip
    took = queries.times(asked, by)
    whole = queries.times(asked, "").get("", {})
    rows = sorted(took.items(), key=(lambda one: one[0]) if by in ("day", "month") else _most)  # type: ignore[arg-type,return-value]
    return Table(
        kind, by, rows, lambda row: _times(row[1]),
        lambda row: _total(row[1]), lambda row: row[0], _times(whole),
        _("Chỉ định → trả: trung vị (đậm) và phân vị 90 (nhạt), phút"),
    )  # fmt: skip


def _key(row: dict[str, Any]) -> Any:
    return row["key"]


def _tests(n: dict[str, Any]) -> Cells:
    return [
        n["ordered"], n["done"], n["late"], share(n["late"], n["done"]), n["results"],
        share(n["abnormal"], n["results"]), n["critical"], n["positive"], share(n["positive"], n["judged"]),
        n["corrected"], n["cancelled"],
    ]  # fmt: skip


def _samples(n: dict[str, Any]) -> Cells:
    return [
        n["samples"], n["refused"], share(n["refused"], n["samples"]), n["critical"], n["called"], n["in_time"],
        share(n["in_time"], n["critical"]),
    ]  # fmt: skip


def _times(steps: dict[str, Took]) -> Cells:
    said = [f"{steps[step].median} / {steps[step].p90}" if step in steps else "" for step in STEPS]
    return [*said, steps["total"].count if "total" in steps else 0]


def _total(steps: dict[str, Took]) -> tuple[Decimal, str, Decimal]:
    if "total" not in steps:
        return Decimal(0), "", Decimal(0)
    return (
        Decimal(steps["total"].median),
        f"{steps['total'].median} / {steps['total'].p90}",
        Decimal(steps["total"].p90),
    )


def _most(one: tuple[Any, dict[str, Took]]) -> int:
    return -max(took.count for took in one[1].values())


def _spent(rows: list[costs.Spent]) -> Cells:
    fees, reagents = (sum((getattr(row, name) for row in rows), Decimal(0)) for name in ("fees", "reagents"))
    return [sum(row.done for row in rows), fees, reagents, "", fees - reagents]


def _money(amount: Decimal) -> str:
    return f"{amount:,.0f}".replace(",", ".")


def names(by: str, keys: Iterable[Any], *, short: bool = False) -> dict[Any, str]:
    """What the keys of a dimension are called; short: as a chart has room for."""
    wanted = list(keys)
    if by == "person":
        accounts = get_user_model().objects.filter(pk__in=[key for key in wanted if key.isdigit()])
        known = {str(pk): name for pk, name in accounts.values_list("pk", "full_name")}
        return {key: known.get(key, key) or _("Chưa duyệt") for key in wanted}
    return {key: _name(by, key, short=short) for key in wanted}


def _name(by: str, key: Any, *, short: bool) -> str:
    if isinstance(key, date):
        form = "%m/%Y" if by == "month" else "%d/%m" if short else "%d/%m/%Y"
        return key.strftime(form)
    if by == "test":
        known = test(key)
        return known.name if known else key
    if by == "bench":
        return benches()[key].name if key in benches() else key or _("Chưa rõ")
    if by == "urgent":
        return _("Cấp cứu") if key else _("Thường")
    if by == "kind":
        return str(SPECIMENS.get(key, key)) or _("Chưa rõ")
    if by == "reason":
        return str(REJECTIONS.get(key, _("Lý do khác")))
    return key or _("Làm tay hoặc chưa đo")
