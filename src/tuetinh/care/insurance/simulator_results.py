"""What the simulated insurer pays: it judges each claim as it takes it, and tells when it is asked for results.

Of ordinary claims, by their MA_LK, one in eight has its dearest line reduced and one in eight its last line refused.
Claims on a reserved card (`simulator.RESERVED`) bring what its last three digits say: 610 refused as a whole; 611 the
first line reduced by half; 612 the last line refused; 613 paid in full; 614 reduced without saying in which line; 615
the insurer wants more. Whoever asks for a month of 2099 finds it out of order: December out of service, November too
slow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

from tuetinh.care.insurance.tables import Row, Tables

if TYPE_CHECKING:
    from tuetinh.care.insurance.simulator_claims import Ledger, Receipt

BROKEN: Final = 2099
REASONS: Final = {
    "TL01": "Đơn giá cao hơn giá được phê duyệt.",
    "TL02": "Chỉ định không phù hợp với chẩn đoán.",
    "TL03": "Người thực hiện chưa đăng ký hành nghề tại cơ sở.",
    "TL04": "Không có quyền lợi trong thời gian điều trị.",
}  # composed: the insurer's own list of codes is not public
Judged = list[list[str]]
"""Lines of a claim: number of the table, STT, T_BHTT, what is paid of it, code of the reason."""


def judge(tables: Tables) -> Judged:
    """What will be paid of each line of a claim; "" as the amount where the insurer does not say it by line."""
    summary = tables["XML1"][0]
    lines = [
        [name[3:], row.get("STT") or str(place), *[str(amount(row.get("T_BHTT", "")))] * 2, ""]
        for name in ("XML2", "XML3")
        for place, row in enumerate(tables.get(name) or [], 1)
    ]  # fmt: skip
    what = _wish(summary)
    if what == "610":
        return [[*line[:3], "0", "TL04"] for line in lines]
    if what in ("614", "615"):
        return [[*line[:3], "", what] for line in lines]
    if lines and what == "611":
        _reduce(lines[0], Decimal(2), "TL01")
    if lines and what == "reduced":
        _reduce(max(lines, key=lambda line: Decimal(line[2])), Decimal("0.7"), "TL02")
    if lines and what in ("612", "last"):
        lines[-1][3:] = ["0", "TL03"]
    return lines


def rounds(asked: dict[str, str], ledger: Ledger) -> dict[str, object]:
    """KQDanhSachDotGiamDinh: one round a month in which something was taken."""
    month = _month(asked.get("thang", ""), asked.get("nam", ""))
    if month is None:
        return {"maKetQua": "205"}
    if month.year == BROKEN:
        return {"maKetQua": {12: "503", 11: "504"}.get(month.month, "500")}
    facility = asked["maCSKCB"]
    found = [{
        "maDot": f"{facility}-{month:%Y%m}", "tenDot": f"Giám định tự động tháng {month:%m/%Y}",
        "tuNgay": f"{month:%d/%m/%Y}", "denNgay": "", "trangThai": "Đang giám định",
    }] if _claims(ledger, facility, month) else []  # fmt: skip
    return {"maKetQua": "200", "dsDotGiamDinh": found}


def results(asked: dict[str, str], ledger: Ledger) -> dict[str, object]:
    """KQGiamDinhHoSo: what is paid of each claim of a round, with the lines that are reduced."""
    facility, _, month = asked.get("maDot", "").partition("-")
    known = _month(month[4:], month[:4])
    if known is None or facility != asked["maCSKCB"]:
        return {"maKetQua": "205"}
    return {"maKetQua": "200", "dsKetQuaGiamDinh": [_told(one) for one in _claims(ledger, facility, known)]}


def settlement(asked: dict[str, str], ledger: Ledger) -> dict[str, object]:
    """KQQuyetToan: the sums of a month or quarter."""
    first, _, year = asked.get("kyQuyetToan", "").partition("/")
    months = [str(3 * int(first[1]) - back) for back in (2, 1, 0)] if first in ("Q1", "Q2", "Q3", "Q4") else [first]
    found = [
        one for number in months if (month := _month(number, year)) for one in _claims(ledger, asked["maCSKCB"], month)
    ]
    if not found:
        return {"maKetQua": "200"}
    claimed, paid = (sum((_sum(one, place) for one in found), Decimal(0)) for place in (2, 3))
    return {
        "maKetQua": "200", "kyQuyetToan": asked["kyQuyetToan"], "tongChiPhiDeNghi": str(claimed),
        "tongChiPhiDuyet": str(paid), "tongChiPhiKhongDuyet": str(claimed - paid), "trangThai": "Chờ duyệt",
        "lyDoKhongDuyet": "",
    }  # fmt: skip


ANSWERS: Final[dict[str, Callable[[dict[str, str], Ledger], dict[str, object]]]] = {
    "KQDanhSachDotGiamDinh": rounds,
    "KQGiamDinhHoSo": results,
    "KQQuyetToan": settlement,
}


def amount(text: str) -> Decimal:
    """An amount of a file, 0 for what is none."""
    try:
        return Decimal(text or 0)
    except InvalidOperation:
        return Decimal(0)


def _told(one: Receipt) -> dict[str, object]:
    reduced = [line for line in one.judged if line[3] != line[2]]
    kind = reduced[0][4] if reduced else ""
    told: dict[str, object] = {"maLK": one.ma_lk, "maGiaoDich": one.transaction}
    if kind == "615":
        return told | {"trangThai": "Cần bổ sung", "lyDo": "Bổ sung bản chụp bệnh án."}
    paid = _sum(one, 3)
    if kind == "614":
        return told | {"trangThai": "Không đạt", "soTienDuyet": str(paid), "lyDo": REASONS["TL02"]}
    lines = [
        {"soBangXml": table, "sttXml": place, "tienXuatToan": str(Decimal(claimed) - Decimal(accepted)),
         "maLyDo": code, "lyDo": REASONS[code]}
        for table, place, claimed, accepted, code in reduced
    ]  # fmt: skip
    return told | {"trangThai": "Không đạt" if reduced else "Đạt", "soTienDuyet": str(paid), "dsChiTiet": lines}


def _claims(ledger: Ledger, facility: str, month: date) -> list[Receipt]:
    """The last file of each claim that was taken in a month and has no fault."""
    return list({one.ma_lk: one for one in ledger.of_month(facility, month) if one.judged and not one.faults}.values())


def _sum(one: Receipt, place: int) -> Decimal:
    """The sum of what is claimed (2) or paid (3); nine tenths where it is not told by line."""
    return sum((Decimal(line[place]) if line[place] else Decimal(line[2]) * 9 / 10 for line in one.judged), Decimal(0))


def _reduce(line: list[str], share: Decimal, reason: str) -> None:
    kept = Decimal(line[2]) / share if share > 1 else Decimal(line[2]) * share
    line[3:] = [str(kept.quantize(Decimal(1))), reason]


def _wish(summary: Row) -> str:
    from tuetinh.care.insurance.simulator import RESERVED

    card = summary.get("MA_THE_BHYT", "")
    if card.startswith(RESERVED):
        return card[-3:]
    chance = hashlib.sha256(summary.get("MA_LK", "").encode()).digest()[0] % 8
    return {0: "reduced", 1: "last"}.get(chance, "")


def _month(number: str, year: str) -> date | None:
    try:
        return date(int(year), int(number), 1)
    except ValueError:
        return None
