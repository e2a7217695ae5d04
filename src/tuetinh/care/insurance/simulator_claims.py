"""What the simulated gateway does with files: takes, refuses, loses its answer, lists the day, finds faults afterwards.

Claims on a reserved card (`simulator.RESERVED`) bring what its last three digits say: a result code of GW_KQ_GUI; 503
out of service; 504 taken, but the answer comes too late; 505 taken, and the connection is cut; 599 taken, but answered
with no JSON; 602 taken, and a fault is found later; 606 taken twice, as when a line repeats a request by itself. What
is paid of a claim: `simulator_results`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from tuetinh.care.insurance.errors import WireError
from tuetinh.care.insurance.sending.signing import signer_of
from tuetinh.care.insurance.simulator_results import judge
from tuetinh.care.insurance.tables import Tables
from tuetinh.care.insurance.wire_xml3176 import LIMIT, read, read_status
from tuetinh.record import seals

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
FAULT = "202"
PURPOSE = "simulated gateway"  # of what is sealed


class Receipt(NamedTuple):
    """A file that was taken. number, person, file: of a claim, its maHoSo, whose it is (BHXH number), what it says."""

    transaction: str
    facility: str
    kind: str
    ma_lk: str
    sha256: str
    total: Decimal
    received: datetime
    faults: list[str]
    judged: list[list[str]] = []  # noqa: RUF012 - of a tuple, never changed: see `simulator_results.judge`
    number: int | None = None
    person: str = ""
    file: bytes = b""


class Ledger(Protocol):
    """Where the gateway keeps what it has taken."""

    def add(self, receipt: Receipt) -> None:
        """Keep a receipt."""

    def of_day(self, facility: str, day: date) -> list[Receipt]:
        """What was taken from a facility on a day of Vietnam."""

    def of_month(self, facility: str, month: date) -> list[Receipt]:
        """What was taken from a facility in a month of Vietnam, in the order in which it came."""

    def find(self, facility: str, transaction: str) -> Receipt | None:
        """One receipt."""

    def of_person(self, person: str) -> list[Receipt]:
        """Claims of a person by their BHXH number, the last that came first."""

    def numbered(self, number: int) -> Receipt | None:
        """The claim of a maHoSo."""


class Reply(NamedTuple):
    """What to answer. trouble: 503, 504, 505 or 599, after what was to be done is done; "" none."""

    body: dict[str, object]
    trouble: str = ""


def take(form: dict[str, str], ledger: Ledger) -> Reply:
    """Take a file as the documented call brings it."""
    facility = form.get("maCSKCB", "")
    if not re.fullmatch(r"[0-9A-Z]{5}", facility) or form.get("maTinh") != facility[:2]:
        return _refused("205")
    try:
        file = base64.b64decode(form.get("fileHSBase64", ""), validate=True)
        signed = signer_of(file) is not None
    except (binascii.Error, WireError):
        return _refused("205")
    except ValueError:
        return _refused("125")
    if len(file) > LIMIT:
        return _refused("1001")
    if not signed:
        return _refused("123")
    try:
        tables = _tables(file, form.get("loaiHoSo", ""), facility)
    except WireError:
        return _refused("205")
    row = next(iter(tables.values()))[0]
    what = _trouble(row.get("MA_THE_BHYT", ""))
    if what == "503":
        return Reply({}, what)
    if what in {"123", "124", "125", "403", "500", "701"}:
        return _refused(what)
    now = datetime.now(HANOI)
    faults = [FAULT] if what == "602" else []
    digest = hashlib.sha256(file).hexdigest()
    key, total = row.get("MA_LK", ""), _amount(row.get("T_TONGCHI_BH", ""))
    judged, claimed = (judge(tables), file) if "XML1" in tables else ([], b"")
    person = row.get("MA_THE_BHYT", "")[-10:] if claimed else ""
    for _time in range(2 if what == "606" else 1):
        number = f"{facility}{now:%y%m%d%H%M%S}{secrets.token_hex(4)}"
        receipt = Receipt(number, facility, form["loaiHoSo"], key, digest, total, now, faults, judged)
        ledger.add(receipt._replace(number=secrets.randbelow(10**12) if claimed else None, person=person, file=claimed))
    told = {
        "maKetQua": "200",
        "maGiaoDich": number,
        "thoiGianTiepNhan": f"{now:%Y%m%d%H%M%S}",
        "thongDiep": "Thành công",
    }
    return Reply(dict(told), what if what in {"504", "505", "599"} else "")


def day(facility: str, asked: str, ledger: Ledger) -> dict[str, object]:
    """The files of a day (dd/MM/yyyy)."""
    try:
        on = datetime.strptime(asked, "%d/%m/%Y").date()  # noqa: DTZ007 - a day, no moment
    except ValueError:
        return {"maKetQua": "205"}
    rows = [
        {"maGiaoDich": one.transaction, "soLuongHoSo": 1, "slHoSoDung": int(not one.faults),
         "slHoSoLoi": len(one.faults), "tongTien": str(one.total), "mieuTa": ""}
        for one in ledger.of_day(facility, on)
    ]  # fmt: skip
    return {"maKetQua": "200", "dsHoSo": rows}


def faults(facility: str, transaction: str, ledger: Ledger) -> dict[str, object]:
    """What was found wrong with a file."""
    found = ledger.find(facility, transaction)
    if found is None:
        return {"maKetQua": "205", "dsLoi": []}
    return {"maKetQua": "200", "dsLoi": [{"maLoi": one, "moTaLoi": "Nội dung XML sai"} for one in found.faults]}


def _tables(file: bytes, kind: str, facility: str) -> Tables:
    """The tables of a file, first that which says whose visit it is; raises WireError for no such file of theirs."""
    if kind == "0":
        tables: Tables = {"XML0": read_status(file)}
    elif kind == "130":
        envelope = read(file)
        if envelope.facility != facility:
            raise WireError("content", "MACSKCB")
        tables = {"XML1": []} | envelope.tables
    else:
        raise WireError("content", "loaiHoSo")
    if len(next(iter(tables.values()))) != 1:
        raise WireError("content", "XML1")
    return tables


def _refused(code: str) -> Reply:
    from tuetinh.commons.catalogues.api import codes

    return Reply({"maKetQua": code, "maGiaoDich": None, "thongDiep": codes("GW_KQ_GUI").get(code, "")})


def _trouble(card: str) -> str:
    from tuetinh.care.insurance.simulator import RESERVED

    return card[-3:] if card.startswith(RESERVED) else ""


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text or 0)
    except InvalidOperation:
        return Decimal(0)


class Stored:
    """The ledger in the database."""

    def add(self, receipt: Receipt) -> None:
        """Keep a receipt."""
        from tuetinh.care.insurance.models import SimulatedReceipt

        sealed = seals.seal(PURPOSE, receipt.file) if receipt.file else b""
        SimulatedReceipt.objects.create(**receipt._replace(file=sealed)._asdict())

    def of_day(self, facility: str, day: date) -> list[Receipt]:
        """What was taken from a facility on a day of Vietnam."""
        begin = datetime.combine(day, time(), HANOI)
        return _receipts(facility=facility, received__gte=begin, received__lt=begin + timedelta(days=1))

    def of_month(self, facility: str, month: date) -> list[Receipt]:
        """What was taken from a facility in a month of Vietnam, in the order in which it came."""
        begin = datetime(month.year, month.month, 1, tzinfo=HANOI)
        end = (begin + timedelta(days=32)).replace(day=1)
        return _receipts(facility=facility, received__gte=begin, received__lt=end)

    def find(self, facility: str, transaction: str) -> Receipt | None:
        """One receipt."""
        return next(iter(_receipts(pk=transaction, facility=facility)), None)

    def of_person(self, person: str) -> list[Receipt]:
        """Claims of a person by their BHXH number, the last that came first."""
        return [_opened(one) for one in reversed(_receipts(person=person))]

    def numbered(self, number: int) -> Receipt | None:
        """The claim of a maHoSo."""
        return next((_opened(one) for one in _receipts(number=number)), None)


def _receipts(**wanted: object) -> list[Receipt]:
    """Receipts in the order in which they came, with what they say still sealed."""
    from tuetinh.care.insurance.models import SimulatedReceipt

    rows = SimulatedReceipt.objects.filter(**wanted).order_by("received")
    return [Receipt(*(getattr(row, name) for name in Receipt._fields)) for row in rows]


def _opened(receipt: Receipt) -> Receipt:
    return receipt._replace(file=seals.unseal(PURPOSE, receipt.file) or b"")
