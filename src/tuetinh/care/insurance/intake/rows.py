"""The tables of a claim under the names of today, and what of them cannot be stored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone
from django.utils.translation import gettext

from tuetinh.care.insurance.checks import Problem
from tuetinh.care.insurance.intake import reading
from tuetinh.care.insurance.rules.files import FileClaim
from tuetinh.care.insurance.situations import HANOI
from tuetinh.care.insurance.tables import Field, Row, Tables, decision

SKEW: Final = timedelta(minutes=10)  # by which the clock of another hospital may be fast
RENAMED: Final[dict[str, dict[str, str]]] = {
    "XML1": {
        "MA_THE": "MA_THE_BHYT", "MA_BENH": "MA_BENH_CHINH", "MA_BENHKHAC": "MA_BENH_KT", "TEN_BENH": "CHAN_DOAN_RV",
        "T_TONGCHI": "T_TONGCHI_BV", "TINH_TRANG_RV": "MA_LOAI_RV", "MA_NOI_CHUYEN": "MA_NOI_DI",
    },
    "XML2": {"TYLE_TT": "TYLE_TT_BH", "THANH_TIEN": "THANH_TIEN_BV"},
    "XML3": {"TYLE_TT": "TYLE_TT_DV", "THANH_TIEN": "THANH_TIEN_BV", "DON_GIA": "DON_GIA_BV"},
    "XML5": {"DIEN_BIEN": "DIEN_BIEN_LS", "NGAY_YL": "THOI_DIEM_DBLS"},
    "XML13": {"MA_NOI_DI": "MA_CSKCB_DI", "MA_NOI_DEN": "MA_CSKCB_DEN", "PP_DIEU_TRI": "TINH_TRANG_CT"},
}  # fmt: skip
"""Names of former decisions; only where a claim has one of them and not the name of today."""
REASONS_4210: Final = {"1": "1.1", "2": "2", "3": "3"}  # MA_LYDO_VVIEN: registered or referred, emergency, own choice
WORKED_OUT: Final = ("XML1", "MA_DOITUONG_KCB")  # of it, where a claim does not say so itself
PAST: Final = frozenset({
    *("NGAY_SINH", "NGAY_VAO", "NGAY_VAO_NOI_TRU", "NGAY_RA", "NGAY_TTOAN", "NGAY_YL", "NGAY_TH_YL", "NGAY_KQ"),
    "THOI_DIEM_DBLS",
})  # fmt: skip
"""Times of what has happened. Others may lie ahead: the end of a card, a new appointment."""
TABLE = re.compile(r"[0-9]{2}[0-9A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Told:
    """A claim that can be stored, or `findings` that say why not. facility: MA_CSKCB.

    tables: under the names of today, and without values that are none; given: as the file has them.
    """

    place: int
    ma_lk: str
    facility: str
    made: str
    decision: str
    tables: Tables
    findings: list[Problem] = field(default_factory=list)
    given: Tables = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        """Whether something forbids to store it."""
        return any(problem.severity == "block" for problem in self.findings)

    @property
    def summary(self) -> Row:
        """The row of table 1."""
        return self.tables["XML1"][0]


def told(claim: FileClaim, left_out: list[str]) -> Told:
    """What a claim of a file says. left_out: tables that no decision has."""
    if claim.error is not None:
        error = claim.error
        table = error.place if error.place.startswith("XML") else ""
        field_name = error.field if table else error.place
        problem = Problem(table, error.row, field_name, error.what, error.told, "CV 1245")
        return Told(claim.place, claim.ma_lk, claim.facility, claim.made, claim.decision, {}, [problem])
    found = [
        Problem(name, 0, "", "table", gettext("Không quyết định nào có bảng này: bỏ qua."), "", severity="warn")
        for name in left_out
    ]
    tables = {name: [_renamed(name, row) for row in rows] for name, rows in claim.tables.items()}
    found += [*_whole(tables, claim), *_values(tables, claim.decision)]
    facility = ((tables.get("XML1") or [{}])[0].get("MA_CSKCB") or claim.facility).strip()
    given = {
        name: [_given(name, row, was) for row, was in zip(rows, claim.tables[name], strict=True)]
        for name, rows in tables.items()
    }
    return Told(claim.place, claim.ma_lk[:100], facility, claim.made, claim.decision, tables, found, given)


def _given(table: str, row: Row, was: Row) -> Row:
    """The values as the file has them, without those that were taken out."""
    names = RENAMED.get(table, {})
    return {name: value for name, value in was.items() if name in row or names.get(name, name) in row}


def _renamed(table: str, row: Row) -> Row:
    """A row under the names of today, without what is empty."""
    names = RENAMED.get(table, {})
    new = {names.get(name, name) if names.get(name, name) not in row else name: value for name, value in row.items()}
    if table == "XML1":
        if reason := REASONS_4210.get(new.get("MA_LYDO_VVIEN", "")):
            new.setdefault("MA_DOITUONG_KCB", reason)
        if kind := new.get("MA_LOAI_KCB"):
            new["MA_LOAI_KCB"] = kind.zfill(2)
    return {name: value for name, value in new.items() if value}


def _whole(tables: Tables, claim: FileClaim) -> Iterator[Problem]:
    """What a visit cannot do without."""
    rows = tables.get("XML1") or []
    if len(rows) != 1:
        yield Problem("XML1", 0, "MA_LK", "count", gettext("Hồ sơ phải có đúng một dòng tổng hợp."), "")
        return
    row = rows[0]
    for name in ("MA_LK", "HO_TEN", "NGAY_VAO"):
        if not row.get(name):
            yield Problem("XML1", 1, name, "required", gettext("Thiếu: không lập được lượt khám."), "")
    if not TABLE.fullmatch(row.get("MA_CSKCB") or claim.facility):
        yield Problem("XML1", 1, "MA_CSKCB", "pattern", gettext("Không phải mã cơ sở khám chữa bệnh."), "")
    start, end = (reading.at(row.get(name, "")) for name in ("NGAY_VAO", "NGAY_RA"))
    if row.get("NGAY_VAO") and len(start) < 11:
        yield Problem("XML1", 1, "NGAY_VAO", "format", gettext("Không phải thời điểm yyyymmddHHMM."), "")
    digits = min(len(start), len(end))  # a day alone is not before its hours
    if end[:digits] < start[:digits]:
        yield Problem("XML1", 1, "NGAY_RA", "order", gettext("Ngày ra trước ngày vào."), "")
    for name, lines in tables.items():
        for place, line in enumerate(lines, 1):
            if line.get("MA_LK", row.get("MA_LK")) != row.get("MA_LK"):
                yield Problem(name, place, "MA_LK", "key", gettext("Khác mã đợt điều trị của bảng tổng hợp."), "")


def _values(tables: Tables, by: str) -> Iterator[Problem]:
    """Values that are none: they are taken out, and told; a time of what has happened that lies ahead forbids all."""
    latest = timezone.now() + SKEW
    for name, rows in tables.items():
        known = _described(name, by)
        for place, row in enumerate(rows, 1):
            for field_name, value in list(row.items()):
                one = known.get(field_name)
                if one is None and (name, field_name) == WORKED_OUT:
                    continue
                if one is None:
                    why = gettext("Quyết định không có trường này: bỏ qua.")
                    yield Problem(name, place, field_name, "unknown", why, "", severity="hint")
                elif field_name in PAST and (moment := _moment(value)) and moment > latest:
                    yield Problem(name, place, field_name, "future", gettext("Thời điểm ở tương lai."), "", one.label)
                elif why := _wrong(one, value):
                    yield Problem(name, place, field_name, "value", why, "", one.label, "warn", value[:200])
                    del row[field_name]


def _described(table: str, by: str) -> dict[str, Field]:
    names = RENAMED.get(table, {})
    found = decision(by).tables.get(table)
    return {
        alias: one for one in (found.fields if found else []) for alias in (one.name, names.get(one.name, one.name))
    }


def _moment(value: str) -> datetime | None:
    found = reading.at(value) or (reading.birth(value) if len(value) in (4, 8, 12) else "")
    try:
        moment = datetime.fromisoformat(found if len(found) > 7 else f"{found}-01-01"[:10] if found else "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=HANOI)


def _wrong(one: Field, value: str) -> str:
    """Why a value cannot be kept as what it should be, or ""."""
    if one.format == "birth" or one.name == "NGAY_SINH":
        return "" if reading.birth(value) else gettext("Không phải ngày sinh: bỏ qua.")
    if one.format:
        values = reading.parts(value) if one.separator else [value]
        return "" if all(map(reading.at, values)) else gettext("Không phải thời điểm: bỏ qua.")
    if one.type == "number" and not one.separator:
        return "" if reading.amount(value) is not None else gettext("Không phải số: bỏ qua.")
    return ""
