"""What the simulated gateway tells of a person's earlier visits: those whose claims it has taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tuetinh.care.insurance.wire_xml3176 import read

if TYPE_CHECKING:
    from tuetinh.care.insurance.simulator_claims import Ledger
    from tuetinh.care.insurance.tables import Row, Tables

MOST: Final = 20


def visits(person: str, ledger: Ledger) -> list[dict[str, Any]]:
    """dsLichSuKCB2018: the last visits of a person by their BHXH number, each as it was claimed last."""
    last: dict[tuple[str, str], dict[str, Any]] = {}
    for one in ledger.of_person(person):
        if (one.facility, one.ma_lk) not in last and len(last) < MOST and one.file and not one.faults:
            row = _tables(one.file)["XML1"][0]
            last[one.facility, one.ma_lk] = {
                "maHoSo": one.number,
                "maCSKCB": one.facility,
                "ngayVao": row.get("NGAY_VAO", ""),
                "ngayRa": row.get("NGAY_RA", ""),
                "tenBenh": row.get("CHAN_DOAN_RV") or row.get("TEN_BENH", ""),
                "tinhTrang": row.get("MA_LOAI_RV") or row.get("TINH_TRANG_RV", ""),
                "kqDieuTri": row.get("KET_QUA_DTRI", ""),
                "lyDoVV": row.get("MA_LYDO_VVIEN", ""),
            } | {f"TEMP{n}": None for n in range(1, 6)}
    return list(last.values())


def visit(number: str, ledger: Ledger) -> dict[str, Any]:
    """nhanHoSoKCBChiTiet: the tables of one."""
    found = ledger.numbered(int(number)) if number.isdecimal() and len(number) < 19 else None
    if found is None or not found.file:
        return {"maKetQua": "200", "hoSoKCB": None}
    tables = _tables(found.file)
    told = {"xml1": _named(tables["XML1"][0])}
    lists = {f"dsXml{n}": [_named(row) for row in tables.get(f"XML{n}", [])] for n in range(2, 6)}
    return {"maKetQua": "200", "hoSoKCB": told | lists}


def _tables(file: bytes) -> Tables:
    return read(file).tables


def _named(row: Row) -> dict[str, Any]:
    """A row with the names that the gateway gives columns: TEN_THUOC is TenThuoc. What is empty is null."""
    return {"".join(part.capitalize() for part in name.split("_")): value or None for name, value in row.items()}
