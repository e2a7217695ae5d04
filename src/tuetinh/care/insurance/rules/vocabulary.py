"""The words of the rules beyond the fields: what is worked out of a visit's rows, and what is known around them."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypedDict

from cel_expr_python import cel
from django.utils.translation import gettext_lazy as _

from tuetinh.care.insurance.approved.checking import (
    MACHINES,
    MEDICINES,
    NOTHING,
    PLACES,
    SERVICES,
    STAFF,
    SUPPLIES,
    Book,
)
from tuetinh.care.insurance.checks import moment_of
from tuetinh.care.insurance.entitlement import CardTerm, base_salary, highest_rate, is_inpatient, possible_rates
from tuetinh.care.insurance.repeats import drug_days, exam_share, longest_drug, served_days
from tuetinh.care.insurance.tables import STAYS, Row, Tables
from tuetinh.commons.catalogues.api import check_diagnosis, code_lists, companions
from tuetinh.commons.catalogues.api import codes as listed
from tuetinh.commons.expressions.api import function

NAN = math.nan
DIGITS = ("1", "2", "3", "4", "5")  # of a card, what it gives
BEDS = frozenset({"14", "15", "16"})
SEXES = {"1": "male", "2": "female"}
_TEXTS = cel.Type.List(cel.Type.STRING)


@dataclass(frozen=True, slots=True)
class Licence:
    """What the register says of a practitioner: from and to (yyyymmdd, "" open), codes of the scope of practice."""

    since: str = ""
    until: str = ""
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Around:
    """What is known beside the claim itself. Empty where nothing is known: then no rule that needs it finds a fault.

    licences: by licence number; staffed: whether they are all that the facility has. prices, tenders: of the facility's
    list, by MA_DICH_VU or `medicine` of a row. busy: by (table, row) the
    other visits (MA_LK) that a machine and a person were at, at the same time. now: yyyymmddHHMM. approved: what the
    insurer has approved for the facility. hours_since_last: hours since the visit before, as the record knows it.
    primary: whether the facility is of the primary level, None where that is not known.
    """

    licences: Mapping[str, Licence] = field(default_factory=dict)
    staffed: bool = False
    prices: Mapping[str, float] = field(default_factory=dict)
    tenders: Mapping[str, str] = field(default_factory=dict)
    busy: Mapping[tuple[str, int], tuple[str, str]] = field(default_factory=dict)
    now: str = ""
    approved: Book = NOTHING
    hours_since_last: float | None = None
    primary: bool | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """One word: its type, what it means, and how it comes out of a row."""

    name: str
    type: cel.Type
    meaning: Any
    worth: Callable[[Facts, int, Row], Any]


class Facts:
    """A visit's tables, with what several rows need to know of each other; worked out once each, when asked for."""

    def __init__(self, tables: Tables, around: Around) -> None:
        self.tables, self.around = tables, around
        self.visit: Row = (tables.get("XML1") or [{}])[0]
        self.kept: dict[Hashable, Any] = {}

    def once(self, name: Hashable, work: Callable[[], Any]) -> Any:
        """The value of a name, worked out the first time."""
        if name not in self.kept:
            self.kept[name] = work()
        return self.kept[name]

    def everywhere(self) -> dict[str, Any]:
        """The words that are the same in every row."""
        found: dict[str, Any] = self.once(
            "everywhere", lambda: {one.name: one.worth(self, 0, {}) for one in EVERYWHERE}
        )
        return found

    @property
    def diagnoses(self) -> list[str]:
        """Principal first, then the others."""
        said = (self.visit.get("MA_BENH_CHINH", ""), *_codes(self.visit.get("MA_BENH_KT", "")))
        return [code for code in said if code]

    @property
    def age(self) -> int | None:
        """Days from the birth to the beginning of the visit."""
        return self.once("age", self._age)  # type: ignore[no-any-return]

    def _age(self) -> int | None:
        born, came = _day(self.visit.get("NGAY_SINH", "")), _day(self.visit.get("NGAY_VAO", ""))
        return (came - born).days if born and came else None

    def refused(self, code: str, *, principal: bool) -> list[str]:
        """What the catalogue holds against a diagnosis, without the name of the catalogue."""
        on = _day(self.visit.get("NGAY_RA", "")) or _day(self.visit.get("NGAY_VAO", "")) or _day(self.around.now)
        sex = SEXES.get(self.visit.get("GIOI_TINH", ""), "unknown")
        found = check_diagnosis(code, principal=principal, sex=sex, age_days=self.age, on=on or date(2025, 1, 1))
        return [refusal.code.removeprefix("icd10-") for refusal in found]

    def services(self) -> dict[str, list[tuple[str, str]]]:
        """By service: day and time of each line, in order of time."""
        found: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for row in self.tables.get("XML3") or []:
            at = row.get("NGAY_TH_YL") or row.get("NGAY_YL", "")
            found[row.get("MA_DICH_VU") or row.get("MA_VAT_TU", "")].append((at[:8], at))
        for times in found.values():
            times.sort()
        return found

    def performed(self) -> dict[str, tuple[float, Counter[str]]]:
        """By service: how often in the visit, and on each day."""
        found: dict[str, tuple[float, Counter[str]]] = {}
        for row in self.tables.get("XML3") or []:
            code = row.get("MA_DICH_VU") or row.get("MA_VAT_TU", "")
            total, days = found.get(code, (0.0, Counter()))
            amount = number(row.get("SO_LUONG", ""))
            days[(row.get("NGAY_YL", ""))[:8]] += amount  # type: ignore[assignment]
            found[code] = (total + amount, days)
        return found

    def packages(self) -> Counter[str]:
        """What the fund is asked for the supplies of each package."""
        found: Counter[str] = Counter()
        for row in self.tables.get("XML3") or []:
            if row.get("GOI_VTYT") and row.get("MA_VAT_TU"):
                found[row["GOI_VTYT"]] += number(row.get("THANH_TIEN_BH", ""))  # type: ignore[assignment]
        return found


@lru_cache(maxsize=1 << 14)
def number(text: str) -> float:
    """A number as written, 0 for none or nonsense, which the field checks tell."""
    try:
        found = float(text) if text else 0.0
    except ValueError:
        return 0.0
    return found if math.isfinite(found) else 0.0


def _codes(text: str) -> list[str]:
    if ";" not in text:
        return [found] if (found := text.strip()) else []
    return [code.strip() for code in text.split(";") if code.strip()]


@lru_cache(maxsize=4096)
def _day(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]) or 1, int(text[6:8]) or 1) if text[:8].isdigit() else None
    except ValueError:
        return None


def _time(text: str) -> datetime | None:
    return moment_of(text.ljust(12, "0"))


# Words ----------------------------------------------------------------------------------------------------------------


def _halves(facts: Facts) -> list[str]:
    """Asterisk codes (QĐ 4469 annex A1) without their dagger code: manifestations of a disease that is not told."""
    told = {_plain(code) for code in facts.diagnoses}
    found = []
    for code in facts.diagnoses:
        pairs = [pair for pair in companions(_plain(code)) if pair[1] == _plain(code)]
        if pairs and not any(pair[0] in told for pair in pairs):
            found.append(code)
    return found


def _plain(code: str) -> str:
    """A diagnosis as the pairs write it: without the point and its dagger or asterisk."""
    return code.replace(".", "").rstrip("*†+")


def _beds(facts: Facts) -> float:
    rows = facts.tables.get("XML3") or []
    return sum(number(row.get("SO_LUONG", "")) for row in rows if row.get("MA_NHOM") in BEDS)


def _exams(facts: Facts) -> float:
    rows = facts.tables.get("XML3") or []
    return sum(number(row.get("SO_LUONG", "")) for row in rows if row.get("MA_NHOM") == "13")


def _salary(facts: Facts) -> float:
    on = _day(facts.visit.get("NGAY_RA", ""))
    return float(base_salary(on)) if on else NAN


def _cards(facts: Facts) -> list[CardTerm]:
    """The cards of table 1; one whose days are not told is good for ever. None where days and cards are not as many."""
    told = [facts.visit.get(name, "").split(";") for name in ("MA_THE_BHYT", "GT_THE_TU", "GT_THE_DEN")]
    found: list[CardTerm] = []
    if any(len(days) != len(told[0]) and days != [""] for days in told[1:]):
        return found
    for place, number_ in enumerate(told[0]):
        since, until = (_day(days[place]) if place < len(days) else None for days in told[1:])
        if number_[2:3] in DIGITS:
            found.append(CardTerm(int(number_[2]), number_[:2], since or date.min, until or date.max))
    return found


class Entitled(TypedDict):
    """What the rate of a line depends on: cards that count on its day, the day, and of the visit its end and kind."""

    cards: list[CardTerm]
    day: date
    on: date
    code: str
    inpatient: bool


def _entitled(facts: Facts, at: str) -> Entitled | None:
    """None where nothing can be said: the end of the visit or a card is not told."""
    visit = facts.visit
    on, day = _day(visit.get("NGAY_RA", "")), _day(at)
    cards = facts.once("cards", lambda: _cards(facts))
    if on is None or not cards:
        return None
    held = [card for card in cards if day and card.since <= day <= card.until] or cards
    return {
        "cards": held, "day": day or on, "on": on, "code": visit.get("MA_DOITUONG_KCB", ""),
        "inpatient": is_inpatient(visit.get("MA_LOAI_KCB", "")),
    }  # fmt: skip


def _highest_rate(facts: Facts, at: str) -> float:
    """NaN where nothing can be said: a code that is not known, or a facility that may be of the primary level."""
    visit, entitled = facts.visit, _entitled(facts, at)
    if entitled is None:
        return NAN
    primary = facts.around.primary if facts.around.primary is not None else visit.get("MA_LOAI_KCB") != "03"
    insured = Decimal(number(visit.get("T_TONGCHI_BH", "")))
    found = highest_rate(**entitled, insured=insured, free=primary or bool(visit.get("NGAY_MIEN_CCT")))
    return NAN if found is None else float(found)


def _rates(facts: Facts, at: str) -> list[float]:
    """What MUC_HUONG may be on a line of a day; empty where nothing can be said."""
    entitled = _entitled(facts, at)
    return [] if entitled is None else [float(rate) for rate in possible_rates(**entitled)]


def _examinations(facts: Facts) -> dict[int, int]:
    """By row of table 3: the place of an examination among those of its day, the one that is paid most first."""
    of_day: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for place, row in enumerate(facts.tables.get("XML3") or [], 1):
        if row.get("MA_NHOM") == "13":
            of_day[row.get("NGAY_YL", "")[:8]].append((-number(row.get("TYLE_TT_DV", "")), place))
    return {place: n for rows in of_day.values() for n, (_share, place) in enumerate(sorted(rows), 1)}


def _exam(facts: Facts, place: int) -> int:
    """The place of an examination in its day, 0 for what is none."""
    return facts.once("exams", lambda: _examinations(facts)).get(place, 0)  # type: ignore[no-any-return]


def _since_last(facts: Facts, row: Row) -> float:
    """Minutes since the same service was done before; NaN for the first."""
    at = row.get("NGAY_TH_YL") or row.get("NGAY_YL", "")
    times = facts.once("services", facts.services)[row.get("MA_DICH_VU") or row.get("MA_VAT_TU", "")]
    earlier = [time for _day_, time in times if time < at]
    if sum(time == at for _day_, time in times) > 1:
        return 0.0
    return minutes(earlier[-1], at) if earlier else NAN


def _licence_fault(facts: Facts, row: Row) -> str:
    """`het-han`, `chua-hieu-luc` or `chua-dang-ky` for the first who may not; "" where all may or nothing is known."""
    at = (row.get("NGAY_TH_YL") or row.get("NGAY_YL") or row.get("NGAY_KQ", ""))[:8]
    named = row.get("MA_BAC_SI", ""), row.get("NGUOI_THUC_HIEN", ""), row.get("MA_BS_DOC_KQ", "")
    return facts.once((at, named), lambda: _licences_fault(facts.around, ";".join(named), at))  # type: ignore[no-any-return]


def _licences_fault(around: Around, named: str, at: str) -> str:
    for who in dict.fromkeys(_codes(named)):
        known = around.licences.get(who)
        if known is None:
            if around.staffed:
                return "chua-dang-ky"
        elif known.until and at > known.until:
            return "het-han"
        elif known.since and at < known.since:
            return "chua-hieu-luc"
    return ""


def _scopes(facts: Facts, row: Row) -> list[str]:
    known = facts.around.licences.get(row.get("MA_BAC_SI", ""))
    return list(known.scopes) if known else []


def _priced(facts: Facts, row: Row) -> float:
    code = row.get("MA_DICH_VU", "") if "TEN_THUOC" not in row else medicine(row)
    return facts.around.prices.get(code, NAN)


def medicine(row: Row) -> str:
    """What tells a medicine from every other in the price list: name, strength, form, unit."""
    return "|".join(row.get(name, "") for name in ("TEN_THUOC", "HAM_LUONG", "DANG_BAO_CHE", "DON_VI_TINH"))


def _ordered_on(row: Row) -> date | None:
    return _day(row.get("NGAY_TH_YL") or row.get("NGAY_YL", ""))


def _not_approved(facts: Facts, row: Row) -> list[str]:
    """What the approved catalogues hold against a line: medicine, supply or service."""
    book = facts.around.approved
    for catalogue, name in ((MEDICINES, "MA_THUOC"), (SUPPLIES, "MA_VAT_TU"), (SERVICES, "MA_DICH_VU")):
        if row.get(name):
            return book.faults(catalogue, row[name], _ordered_on(row), row) if catalogue in book.items else []
    return []


def _one_not_approved(facts: Facts, catalogue: str, row: Row, *names: str) -> str:
    """What a catalogue holds against the first code of some fields that is not right."""
    book = facts.around.approved
    if catalogue not in book.items:
        return ""
    return book.any_fault(catalogue, ";".join(row.get(name, "") for name in names), _ordered_on(row))


def _same_medicine(facts: Facts) -> Counter[tuple[str, str, str]]:
    rows = facts.tables.get("XML2") or []
    return Counter((r.get("MA_THUOC", ""), r.get("TEN_THUOC", ""), r.get("NGAY_YL", "")) for r in rows)


def _days_of(row: Row) -> float:
    found = drug_days(row)
    return NAN if found is None else float(found)


def _results(facts: Facts) -> dict[tuple[str, str, str], set[str]]:
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for row in facts.tables.get("XML4") or []:
        found[row.get("MA_DICH_VU", ""), row.get("MA_CHI_SO", ""), row.get("NGAY_KQ", "")].add(row.get("GIA_TRI", ""))
    return found


def _with_results(facts: Facts) -> set[str]:
    return {row.get("MA_DICH_VU", "") for row in facts.tables.get("XML4") or []}


def _service_row(facts: Facts, row: Row) -> Row:
    """The line of table 3 of the service that a result is of."""
    lines = facts.once("by-code", lambda: {r.get("MA_DICH_VU", ""): r for r in facts.tables.get("XML3") or []})
    return lines.get(row.get("MA_DICH_VU", ""), {})  # type: ignore[no-any-return]


EVERYWHERE = [
    Word("BENH", _TEXTS, _("mọi mã bệnh của đợt điều trị, bệnh chính trước"),
         lambda f, _n, _r: f.diagnoses),
    Word("TUOI", cel.Type.DOUBLE, _("tuổi tròn năm lúc đến khám"),
         lambda f, _n, _r: NAN if f.age is None else float(f.age // 365.25)),
    Word("TUOI_NGAY", cel.Type.DOUBLE, _("tuổi tính bằng ngày lúc đến khám"),
         lambda f, _n, _r: NAN if f.age is None else float(f.age)),
    Word("NOI_TRU", cel.Type.BOOL, _("nội trú, ban ngày hoặc lưu tại trạm (MA_LOAI_KCB 03, 04, 06, 09)"),
         lambda f, _n, _r: f.visit.get("MA_LOAI_KCB") in STAYS),
    Word("BANG", _TEXTS, _("các bảng có trong hồ sơ"),
         lambda f, _n, _r: [name for name, rows in f.tables.items() if rows]),
    Word("BAY_GIO", cel.Type.STRING, _("lúc kiểm tra, yyyymmddHHMM"), lambda f, _n, _r: f.around.now),
    Word("LUONG_CO_SO", cel.Type.DOUBLE, _("mức tham chiếu (lương cơ sở) ngày kết thúc"),
         lambda f, _n, _r: _salary(f)),
]  # fmt: skip
OF_VISIT = [
    Word("LOI_BENH_CHINH", _TEXTS, _("lỗi của bệnh chính theo danh mục: unknown, needs-digits, not-principal, "
         "discouraged-principal, death-only, other-sex, age"),
         lambda f, _n, r: f.refused(r["MA_BENH_CHINH"], principal=True) if r.get("MA_BENH_CHINH") else []),
    Word("LOI_BENH_KT", _TEXTS, _("lỗi của các bệnh kèm theo, cùng các mã lỗi"),
         lambda f, _n, r: [e for c in _codes(r.get("MA_BENH_KT", "")) for e in f.refused(c, principal=False)]),
    Word("THIEU_CAP", _TEXTS, _("mã biểu hiện (*) không có mã căn nguyên (†) đi cùng"), lambda f, _n, _r: _halves(f)),
    Word("SO_CONG_KHAM", cel.Type.DOUBLE, _("số lần khám (MA_NHOM 13)"), lambda f, _n, _r: _exams(f)),
    Word("SO_NGAY_GIUONG", cel.Type.DOUBLE, _("số ngày giường (MA_NHOM 14, 15, 16)"), lambda f, _n, _r: _beds(f)),
    Word("NHOM_THE", _TEXTS, _("nhóm đối tượng (2 ký tự đầu) của các thẻ"),
         lambda _f, _n, r: [card[:2] for card in _codes(r.get("MA_THE_BHYT", ""))]),
    Word("TINH_THE", _TEXTS, _("mã tỉnh (ký tự 4, 5) của các thẻ, trừ các nhóm mà quân đội, công an, cơ yếu cấp được"),
         lambda _f, _n, r: [card[3:5] for card in _codes(r.get("MA_THE_BHYT", ""))
                            if card[:2] not in lists()["THE_QUAN_DOI_CONG_AN"]]),
    Word("SO_NGAY_DVKT", cel.Type.DOUBLE, _("số ngày khác nhau có dịch vụ kỹ thuật ở bảng 3 (nhóm 1, 2, 3, 8, 18)"),
         lambda f, _n, _r: float(served_days(f.tables.get("XML3") or []))),
    Word("SO_NGAY_DON", cel.Type.DOUBLE, _("số ngày của thuốc dùng dài nhất theo LIEU_DUNG, 0 khi không ghi"),
         lambda f, _n, _r: float(longest_drug(f.tables.get("XML2") or []))),
    Word("GIO_TU_LUOT_TRUOC", cel.Type.DOUBLE, _("số giờ từ khi lượt khám trước kết thúc, ở bất kỳ cơ sở nào, trong "
         "2 ngày; âm khi hai lượt chồng nhau"),
         lambda f, _n, _r: NAN if f.around.hours_since_last is None else f.around.hours_since_last),
]  # fmt: skip
RATE = Word(
    "MUC_HUONG_CAO_NHAT",
    cel.Type.DOUBLE,
    _("mức hưởng cao nhất mà thẻ, đối tượng và chi phí của đợt cho phép vào ngày của dòng"),
    lambda f, _n, r: f.once(("rate", at := r.get("NGAY_YL", "")[:8]), lambda: _highest_rate(f, at)),
)
RATES = Word(
    "CAC_MUC_HUONG",
    cel.Type.List(cel.Type.DOUBLE),
    _("các mức hưởng có thể có của dòng theo thẻ và đối tượng, rỗng khi không biết"),
    lambda f, _n, r: f.once(("rates", at := r.get("NGAY_YL", "")[:8]), lambda: _rates(f, at)),
)
OF_STAFF = [
    Word("LOI_CHUNG_CHI", cel.Type.STRING, _("người ghi trên dòng: het-han, chua-hieu-luc, chua-dang-ky hoặc rỗng"),
         lambda f, _n, r: _licence_fault(f, r)),
    Word("PHAM_VI_BAC_SI", _TEXTS, _("mã phạm vi hành nghề của MA_BAC_SI, rỗng khi không biết"),
         lambda f, _n, r: _scopes(f, r)),
    Word("LOI_DANH_MUC_NGUOI", cel.Type.STRING, _("người ghi trên dòng theo danh mục 02/DM: khong-co, chua-hieu-luc, "
         "het-hieu-luc hoặc rỗng"), lambda f, _n, r: _one_not_approved(f, STAFF, r, "MA_BAC_SI", "NGUOI_THUC_HIEN")),
]  # fmt: skip
APPROVED = Word(
    "LOI_DANH_MUC",
    _TEXTS,
    _(
        "lỗi của dòng theo danh mục 03/DM, 04/DM, 05/DM: khong-co, chua-hieu-luc, het-hieu-luc, so-dang-ky, thau, gia,"
        " ten, ham-luong"
    ),
    lambda f, _n, r: _not_approved(f, r),
)
OF_MEDICINE = [
    APPROVED,
    RATE,
    RATES,
    Word("SO_DONG_TRUNG", cel.Type.DOUBLE, _("số dòng cùng thuốc, cùng lúc ra y lệnh"),
         lambda f, _n, r: float(f.once("same", lambda: _same_medicine(f))[
             r.get("MA_THUOC", ""), r.get("TEN_THUOC", ""), r.get("NGAY_YL", "")])),
    Word("SO_NGAY_THUOC", cel.Type.DOUBLE, _("số ngày dùng ghi trong LIEU_DUNG"), lambda _f, _n, r: _days_of(r)),
    Word("GIA_DUYET", cel.Type.DOUBLE, _("giá trong bảng giá của cơ sở"), lambda f, _n, r: _priced(f, r)),
    Word("THAU_DUYET", cel.Type.STRING, _("TT_THAU trong bảng giá của cơ sở"),
         lambda f, _n, r: f.around.tenders.get(medicine(r), "")),
]  # fmt: skip
OF_SERVICE = [
    APPROVED,
    RATE,
    RATES,
    Word("LOI_BENH", _TEXTS, _("lỗi của các mã bệnh trên dòng, cùng các mã lỗi như bệnh kèm theo"),
         lambda f, _n, r: f.once(("line", told := r.get("MA_BENH", "")), lambda: [
             e for c in _codes(told) for e in f.refused(c, principal=False)])),
    Word("LOI_DANH_MUC_MAY", cel.Type.STRING, _("máy của dòng theo danh mục 06/DM, các lỗi như trên"),
         lambda f, _n, r: _one_not_approved(f, MACHINES, r, "MA_MAY")),
    Word("LOI_DANH_MUC_KHOA", cel.Type.STRING, _("khoa của dòng theo danh mục 01/DM, các lỗi như trên"),
         lambda f, _n, r: _one_not_approved(f, PLACES, r, "MA_KHOA")),
    Word("SO_LAN", cel.Type.DOUBLE, _("tổng số lượng của dịch vụ này trong đợt"),
         lambda f, _n, r: f.once("performed", f.performed)[r.get("MA_DICH_VU") or r.get("MA_VAT_TU", "")][0]),
    Word("SO_LAN_NGAY", cel.Type.DOUBLE, _("số lượng của dịch vụ này trong ngày ra y lệnh"),
         lambda f, _n, r: float(f.once("performed", f.performed)[r.get("MA_DICH_VU") or r.get("MA_VAT_TU", "")][1]
                                [r.get("NGAY_YL", "")[:8]])),
    Word("KHAM_THU", cel.Type.DOUBLE, _("thứ tự của lần khám trong ngày, lần có TYLE_TT_DV cao nhất trước; 0 khi không "
         "phải khám"), lambda f, n, _r: float(_exam(f, n))),
    Word("TYLE_KHAM", cel.Type.DOUBLE, _("TYLE_TT_DV cao nhất của lần khám có thứ tự đó; 100 khi không phải khám"),
         lambda f, n, _r: float(exam_share(max(_exam(f, n) - 1, 0)))),
    Word("PHUT_TU_LAN_TRUOC", cel.Type.DOUBLE, _("số phút từ lần làm trước của dịch vụ này"),
         lambda f, _n, r: _since_last(f, r)),
    Word("TONG_GOI", cel.Type.DOUBLE, _("tổng THANH_TIEN_BH của vật tư cùng GOI_VTYT"),
         lambda f, _n, r: f.once("packages", f.packages)[r.get("GOI_VTYT", "")] if r.get("GOI_VTYT") else 0.0),
    Word("CO_KET_QUA", cel.Type.BOOL, _("bảng 4 có kết quả của dịch vụ này"),
         lambda f, _n, r: r.get("MA_DICH_VU", "") in f.once("results-of", lambda: _with_results(f))),
    Word("GIA_DUYET", cel.Type.DOUBLE, _("giá trong bảng giá của cơ sở"), lambda f, _n, r: _priced(f, r)),
    Word("MAY_TRUNG", cel.Type.STRING, _("MA_LK khác mà máy này đang làm cùng lúc"),
         lambda f, n, _r: f.around.busy.get(("XML3", n), ("", ""))[0]),
    Word("NGUOI_TRUNG", cel.Type.STRING, _("MA_LK khác mà người này đang làm cùng lúc"),
         lambda f, n, _r: f.around.busy.get(("XML3", n), ("", ""))[1]),
]  # fmt: skip
OF_RESULT = [
    Word("SO_KET_QUA_KHAC", cel.Type.DOUBLE, _("số giá trị khác nhau của chỉ số này ở cùng một lúc"),
         lambda f, _n, r: float(len(f.once("results", lambda: _results(f))[
             r.get("MA_DICH_VU", ""), r.get("MA_CHI_SO", ""), r.get("NGAY_KQ", "")]))),
    Word("NGAY_YL_DV", cel.Type.STRING, _("NGAY_YL của dịch vụ ở bảng 3, rỗng khi không có"),
         lambda f, _n, r: _service_row(f, r).get("NGAY_YL", "")),
    Word("NHOM_DV", cel.Type.STRING, _("MA_NHOM của dịch vụ ở bảng 3"),
         lambda f, _n, r: _service_row(f, r).get("MA_NHOM", "")),
]  # fmt: skip
BY_TABLE = {
    "XML1": OF_VISIT,
    "XML2": [*OF_STAFF, *OF_MEDICINE],
    "XML3": [*OF_STAFF, *OF_SERVICE],
    "XML4": [*OF_STAFF, *OF_RESULT],
}


@cache
def words(table: str) -> tuple[Word, ...]:
    """The words of a table beyond its fields."""
    return (*EVERYWHERE, *BY_TABLE.get(table, ()))


# Functions ------------------------------------------------------------------------------------------------------------


def minutes(start: str, end: str) -> float:
    """Minutes between two times (yyyymmddHHMM); NaN, which no comparison holds for, where one is not told."""
    first, last = _time(start), _time(end)
    return (last - first).total_seconds() / 60 if first and last else NAN


def days(start: str, end: str) -> float:
    """Calendar days between two times."""
    first, last = _day(start), _day(end)
    return float((last - first).days) if first and last else NAN


def hour(at: str) -> float:
    """The hour of a time as a decimal, 0 to below 24."""
    found = _time(at) if len(at) == 12 else None
    return found.hour + found.minute / 60 if found else NAN


def weekday(at: str) -> float:
    """The day of the week: 2 Monday to 7 Saturday, 8 Sunday."""
    found = _day(at)
    return found.isoweekday() + 1.0 if found else NAN


def starts(code: str, beginnings: list[str]) -> bool:
    """Whether a code begins with one of these."""
    return code.startswith(tuple(beginnings))


def any_starts(codes: list[str], beginnings: list[str]) -> bool:
    """Whether one of the codes begins with one of these."""
    return any(code.startswith(tuple(beginnings)) for code in codes)


@cache
def lists() -> dict[str, tuple[str, ...]]:
    """Named lists of beginnings of codes, as `tools/make_rule_lists.py` made them."""
    found = json.loads((Path(__file__).parents[1] / "data" / "rule_lists.json").read_bytes())
    return {name: tuple(codes) for name, codes in found.items()}


def in_list(name: str, codes: list[str]) -> bool:
    """Whether one of the codes begins as one of a named list does. Raises KeyError for an unknown list."""
    return any(code.startswith(lists()[name]) for code in codes)


def is_listed(name: str, code: str) -> bool:
    """Whether a list of the Ministry or the insurer (`MA_TINH_63`…) has a code. Raises KeyError for an unknown list."""
    return code in listed(name)


def is_list(function: str, name: str) -> bool:
    """Whether there is a list of that name, for `co_ma` or `nhom` to ask."""
    return name in (code_lists() if function == "co_ma" else lists())


_TEXT, _NUMBER = cel.Type.STRING, cel.Type.DOUBLE
EXPLAINED = {
    "phut(a, b)": _("số phút từ lúc a đến lúc b"),
    "ngay(a, b)": _("số ngày từ ngày a đến ngày b"),
    "gio(a)": _("giờ trong ngày, 0 đến 24"),
    "thu(a)": _("thứ trong tuần: 2 đến 7, chủ nhật là 8"),
    'dau(ma, ["…"])': _("mã bắt đầu bằng một trong các chuỗi"),
    'co_dau(BENH, ["…"])': _("một trong các mã bắt đầu bằng một trong các chuỗi"),
    'nhom("…", BENH)': _("một trong các mã thuộc danh sách có tên đó"),
    'co_ma("…", ma)': _("danh mục mã có tên đó có mã này"),
    "cac_ma(a)": _("các mã ngăn cách bằng dấu ;"),
}


IN_PYTHON: dict[str, Callable[..., Any]] = {
    "phut": minutes, "ngay": days, "gio": hour, "thu": weekday, "dau": starts, "co_dau": any_starts, "nhom": in_list,
    "co_ma": is_listed, "cac_ma": _codes,
}  # fmt: skip
_TAKE = {
    "phut": (_NUMBER, _TEXT, _TEXT), "ngay": (_NUMBER, _TEXT, _TEXT), "gio": (_NUMBER, _TEXT), "thu": (_NUMBER, _TEXT),
    "dau": (cel.Type.BOOL, _TEXT, _TEXTS), "co_dau": (cel.Type.BOOL, _TEXTS, _TEXTS),
    "nhom": (cel.Type.BOOL, _TEXT, _TEXTS), "co_ma": (cel.Type.BOOL, _TEXT, _TEXT), "cac_ma": (_TEXTS, _TEXT),
}  # fmt: skip
FUNCTIONS = cel.CelExtension("tuetinh", [function(name, work, *_TAKE[name]) for name, work in IN_PYTHON.items()])
