"""Tables of QĐ 4210, for visits of before 01/07/2024: what today's rows say, under the names and codes of then."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from tuetinh.care.insurance.filling.fills import Fill
from tuetinh.care.insurance.tables import Row, Tables
from tuetinh.care.insurance.wire_xml3176 import number

CARE: Final = {"01": "1", "02": "2", "05": "2", "07": "2", "08": "2", "03": "3", "04": "3", "06": "3", "09": "9"}
LEFT: Final = {"1": "1", "2": "2", "3": "3", "4": "4", "5": "2"}  # MA_LOAI_RV → TINH_TRANG_RV
OUTCOMES: Final = {"6": "4", "7": "3", "8": "5"}  # results that 4210 has no code for


def _as(name: str) -> Fill:
    return Fill(name, lambda row: row.get(name, ""))


def _through(name: str, table: dict[str, str]) -> Fill:
    return Fill(name, lambda row: table.get(row.get(name, ""), row.get(name, "")))


def _came(row: Row) -> str:
    """MA_LYDO_VVIEN: within the lines, emergency, out of line, or over the lines that are joined."""
    code = row.get("MA_DOITUONG_KCB", "")
    if code == "2":
        return "2"
    return "4" if code in ("3.2", "3.3", "3.6") else "3" if code.startswith("3") else "1"


def _birth(row: Row) -> str:
    """Year alone where month and day are not known."""
    told = row.get("NGAY_SINH", "")[:8]
    return told[:4] if told[4:] == "0000" else told


def _rate(row: Row) -> str:
    """TYLE_TT: the special share and the one of the fund together."""
    special, fund = (Decimal(row.get(name) or 100) for name in ("TYLE_TT_DV", "TYLE_TT_BH"))
    return number(special * fund / 100)


SUMMARY: Final = {
    **{
        name: _as(name)
        for name in [
            "MA_LK",
            "STT",
            "MA_BN",
            "HO_TEN",
            "GIOI_TINH",
            "DIA_CHI",
            "MA_DKBD",
            "GT_THE_TU",
            "GT_THE_DEN",
            "MA_TAI_NAN",
            "NGAY_VAO",
            "NGAY_RA",
            "SO_NGAY_DTRI",
            "NGAY_TTOAN",
            "T_THUOC",
            "T_VTYT",
            "T_BNTT",
            "T_BNCCT",
            "T_BHTT",
            "T_NGUONKHAC",
            "NAM_QT",
            "THANG_QT",
            "MA_KHOA",
            "MA_CSKCB",
            "MA_KHUVUC",
            "MA_PTTT_QT",
            "CAN_NANG",
        ]
    },
    "NGAY_SINH": Fill("NGAY_SINH", _birth),
    "MA_THE": _as("MA_THE_BHYT"),
    "MIEN_CUNG_CT": Fill("NGAY_MIEN_CCT", lambda row: row.get("NGAY_MIEN_CCT", "")[:8]),
    "TEN_BENH": _as("CHAN_DOAN_RV"),
    "MA_BENH": _as("MA_BENH_CHINH"),
    "MA_BENHKHAC": _as("MA_BENH_KT"),
    "MA_LYDO_VVIEN": Fill("MA_DOITUONG_KCB", _came),
    "MA_NOI_CHUYEN": Fill("MA_NOI_DI", lambda row: row.get("MA_NOI_DI", "")),
    "KET_QUA_DTRI": _through("KET_QUA_DTRI", OUTCOMES),
    "TINH_TRANG_RV": _through("MA_LOAI_RV", LEFT),
    "T_TONGCHI": _as("T_TONGCHI_BH"),
    "T_NGOAIDS": Fill("0: không theo định suất", lambda _: "0"),
    "MA_LOAI_KCB": _through("MA_LOAI_KCB", CARE),
}
_LINE: Final = {
    **{
        name: _as(name)
        for name in [
            "MA_LK",
            "STT",
            "MA_NHOM",
            "TT_THAU",
            "PHAM_VI",
            "SO_LUONG",
            "MUC_HUONG",
            "T_NGUONKHAC",
            "T_BNTT",
            "T_BHTT",
            "T_BNCCT",
            "MA_KHOA",
            "MA_BAC_SI",
            "MA_BENH",
            "NGAY_YL",
            "MA_PTTT",
        ]
    },
    "TYLE_TT": Fill("TYLE_TT_DV × TYLE_TT_BH", _rate),
    "THANH_TIEN": _as("THANH_TIEN_BH"),
    "T_NGOAIDS": Fill("0: không theo định suất", lambda _: "0"),
}
OLDER: Final[dict[str, dict[str, Fill]]] = {
    "XML1": SUMMARY,
    "XML2": _LINE
    | {
        name: _as(name)
        for name in [
            "MA_THUOC",
            "TEN_THUOC",
            "DON_VI_TINH",
            "HAM_LUONG",
            "DUONG_DUNG",
            "LIEU_DUNG",
            "SO_DANG_KY",
            "DON_GIA",
        ]
    },
    "XML3": _LINE
    | {
        name: _as(name)
        for name in [
            "MA_DICH_VU",
            "MA_VAT_TU",
            "GOI_VTYT",
            "TEN_VAT_TU",
            "TEN_DICH_VU",
            "DON_VI_TINH",
            "T_TRANTT",
            "MA_GIUONG",
            "NGAY_KQ",
        ]
    }
    | {"DON_GIA": _as("DON_GIA_BH")},
    "XML4": {
        name: _as(name)
        for name in [
            "MA_LK",
            "STT",
            "MA_DICH_VU",
            "MA_CHI_SO",
            "TEN_CHI_SO",
            "GIA_TRI",
            "MA_MAY",
            "MO_TA",
            "KET_LUAN",
            "NGAY_KQ",
        ]
    },
    "XML5": {
        **{name: _as(name) for name in ("MA_LK", "STT", "HOI_CHAN", "PHAU_THUAT")},
        "DIEN_BIEN": _as("DIEN_BIEN_LS"),
        "NGAY_YL": _as("THOI_DIEM_DBLS"),
    },
}


def as_then(tables: Tables) -> Tables:
    """The tables of QĐ 4210 from those of today."""
    disease = tables["XML1"][0].get("MA_BENH_CHINH", "")
    machines = {row.get("MA_DICH_VU", ""): row.get("MA_MAY", "") for row in tables.get("XML3") or []}
    more: dict[str, Callable[[Row], Row]] = {
        "XML2": lambda row: row | {"MA_BENH": disease},
        "XML4": lambda row: row | {"MA_MAY": machines.get(row.get("MA_DICH_VU", ""), "")},
    }
    found: Tables = {}
    for table, fields in OLDER.items():
        rows = map(more.get(table, dict), tables.get(table) or [])
        found[table] = [{name: how.read(row) for name, how in fields.items()} for row in rows]
    return found
