"""A claim as the gateway took it, without the way there: for tests of what comes back."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tuetinh.care.insurance.models import ClaimCase, Transmission
from tuetinh.care.insurance.tables import Row, Tables
from tuetinh.care.insurance.wire_xml3176 import write
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

NOON = datetime(2026, 11, 2, 5, tzinfo=UTC)
WHAT_THEY_COST = 95_000  # of the fund: the medicine 10,000, the examination 45,000, the test 40,000


def line(number: int, fund: int, **more: str) -> Row:
    cost = str(fund)
    told = {"STT": str(number), "SO_LUONG": "1", "THANH_TIEN_BV": cost, "THANH_TIEN_BH": cost, "T_BHTT": cost}
    nothing = dict.fromkeys(("T_BNTT", "T_BNCCT", "T_NGUONKHAC"), "0")
    return told | nothing | {"MUC_HUONG": "100", "TYLE_TT_BH": "100", "PHAM_VI": "1", "NGAY_YL": "202611020830"} | more


def tables(ma_lk: str, **summary: str) -> Tables:
    """A visit with an examination, a test and a medicine."""
    one = {
        "MA_LK": ma_lk, "STT": "1", "HO_TEN": "LÒ THỊ PÂNG", "MA_THE_BHYT": "GD4121200000017", "GIOI_TINH": "2",
        "NGAY_SINH": "197203150000", "MA_BENH_CHINH": "I10", "NGAY_VAO": "202611020815", "NGAY_RA": "202611021040",
        "SO_NGAY_DTRI": "1", "MA_LOAI_KCB": "01", "T_TONGCHI_BV": "95000", "T_TONGCHI_BH": "95000", "T_BHTT": "95000",
        "T_BNCCT": "0", "T_BNTT": "0", "T_NGUONKHAC": "0", "MA_CSKCB": "12104", "NAM_QT": "2026", "THANG_QT": "11",
        "MA_DKBD": "12104", "T_THUOC": "10000", "T_VTYT": "0", "T_BHTT_GDV": "95000",
    }  # fmt: skip
    medicine = line(
        1, 10_000, MA_THUOC="40.50", TEN_THUOC="Paracetamol", DON_GIA="500", SO_LUONG="20", MA_NHOM="4",
        DON_VI_TINH="viên", HAM_LUONG="500 mg", DUONG_DUNG="1.01", SO_DANG_KY="VD-1", TT_THAU="1/QĐ;G1;N1;2026",
    )  # fmt: skip
    exam = line(1, 45_000, MA_DICH_VU="02.1897", TEN_DICH_VU="Khám Nội", MA_NHOM="13", DON_GIA_BV="45000",
                DON_GIA_BH="45000", TYLE_TT_DV="100", DON_VI_TINH="Lần")  # fmt: skip
    test = line(2, 40_000, MA_DICH_VU="23.0075.1494", TEN_DICH_VU="Định lượng glucose", MA_NHOM="1",
                DON_GIA_BV="40000", DON_GIA_BH="40000", TYLE_TT_DV="100", DON_VI_TINH="Lần")  # fmt: skip
    return {"XML1": [one | summary], "XML2": [medicine], "XML3": [exam, test]}


def sent_claim(
    ma_lk: str = "LK1", *, facility: str = "12104", day: int = 2, said: Tables | None = None, **more: Any
) -> ClaimCase:
    """A claim of a visit that ended on a day of November 2026, with the file that the gateway took.

    more: fields of the case.
    """
    told = said or tables(ma_lk)
    patient = "cast-citizen"
    if patient not in record.read_many(SYSTEM, "Patient", [patient]):
        record.create(SYSTEM, r4.Patient(id=patient, gender="female"))
    ended = NOON + timedelta(days=day - 2)
    values = {
        "facility": facility, "site": facility, "patient": patient, "state": "accepted", "ended": ended, "due": ended,
        "by": date(2026, 11, 30), "ma_lk": ma_lk, "encounter": f"e-{ma_lk}", "total": told["XML1"][0]["T_TONGCHI_BH"],
        "fund": told["XML1"][0]["T_BHTT"], "first_accepted": ended + timedelta(hours=1),
    } | more  # fmt: skip
    case = ClaimCase.objects.create(**values)
    file = write(told, facility=facility, made=ended.date(), by="3176")
    Transmission.objects.create(
        case=case, began=ended, ended=ended, outcome="accepted", code="200", transaction=f"GD-{ma_lk}",
        file=gzip.compress(file, mtime=0), sha256="0" * 64,
    )  # fmt: skip
    return case
