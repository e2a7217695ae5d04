"""Client of the insurance gateway (egw), as CV 1245 and CV 1923/BHXH-CNTT describe it: token, card look-up with earlier
visits, one of them, notice of a visit (table 0), claim file, what became of files; and as vendors describe it: results
of the review, settlement.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from threading import Lock
from typing import Any, Literal, TypeVar

import httpx
import msgspec

from tuetinh.care.insurance.errors import GatewayDown, GatewayNonsense, GatewayRefused, GatewayUnreached
from tuetinh.care.insurance.tables import Tables

T = TypeVar("T")
TIMEOUT = httpx.Timeout(6.0, connect=3.0)  # someone stands at the desk
SENDING = httpx.Timeout(60.0, connect=5.0)  # a file of megabytes in a busy hour
VALID = frozenset({"000", "001", "002", "004"})  # 001 and 002: defence and police, the printed dates hold
EXPIRED = "010"
UNAVAILABLE = frozenset({"100", "101"})  # the gateway's own trouble: ask again later
UNAUTHORISED = "401"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The account of a facility at the gateway. password_md5: upper-case hex, as it is sent. officer: who asks."""

    username: str
    password_md5: str
    officer: str = ""
    officer_cccd: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """number: card (15 characters), BHXH number (10 digits) or CCCD (12). birth: dd/MM/yyyy or yyyy."""

    number: str
    name: str
    birth: str


class PastVisit(msgspec.Struct, frozen=True, rename="camel"):
    """A visit that the gateway knows of. ngay_vao, ngay_ra: yyyyMMddHHmm."""

    ma_ho_so: str = ""
    ma_cskcb: str = msgspec.field(default="", name="maCSKCB")
    ngay_vao: str = ""
    ngay_ra: str = ""
    ten_benh: str = ""
    tinh_trang: str = ""
    kq_dieu_tri: str = ""


class PastCheck(msgspec.Struct, frozen=True, rename="camel"):
    """When somebody looked the card up. user_kt: account, `12001_BV`; thoi_gian_kt: yyyyMMddHHmm."""

    user_kt: str = msgspec.field(default="", name="userKT")
    thoi_gian_kt: str = msgspec.field(default="", name="thoiGianKT")


class Answer(msgspec.Struct, frozen=True, rename="camel"):
    """What the gateway says of a card, in its own names. Dates are dd/MM/yyyy."""

    ma_ket_qua: str
    ghi_chu: str = ""
    ma_the: str = ""
    ho_ten: str = ""
    ngay_sinh: str = ""
    gioi_tinh: str = ""
    dia_chi: str = ""
    ma_dkbd: str = msgspec.field(default="", name="maDKBD")
    gt_the_tu: str = ""
    gt_the_den: str = ""
    ma_kv: str = msgspec.field(default="", name="maKV")
    ngay_du_5_nam: str = msgspec.field(default="", name="ngayDu5Nam")
    ma_so_bhxh: str = msgspec.field(default="", name="maSoBHXH")
    ma_the_moi: str = ""
    gt_the_tu_moi: str = ""
    gt_the_den_moi: str = ""
    ma_dkbd_moi: str = msgspec.field(default="", name="maDKBDMoi")
    visits: list[PastVisit] = msgspec.field(default=[], name="dsLichSuKCB2018")
    checks: list[PastCheck] = msgspec.field(default=[], name="dsLichSuKT2018")

    @property
    def valid(self) -> bool:
        """Whether care may be charged to the fund on this card."""
        return self.ma_ket_qua in VALID


class Taken(msgspec.Struct, frozen=True, rename="camel"):
    """What the gateway says of a file (code list GW_KQ_GUI). thoi_gian_tiep_nhan: yyyyMMddHHmmss."""

    ma_ket_qua: str
    ma_giao_dich: str = ""
    thoi_gian_tiep_nhan: str = ""
    thong_diep: str = ""


class DayEntry(msgspec.Struct, frozen=True, rename="camel"):
    """One file of a day, as the gateway has it."""

    ma_giao_dich: str
    so_luong_ho_so: str = "0"
    tong_tien: str = "0"


class Fault(msgspec.Struct, frozen=True, rename="camel"):
    """What the gateway finds wrong with a file after it has taken it (code list GW_LOI_HO_SO)."""

    ma_loi: str
    mo_ta_loi: str = ""


class Round(msgspec.Struct, frozen=True, rename="camel"):
    """A round in which the insurer reviews claims (KQDanhSachDotGiamDinh)."""

    ma_dot: str
    ten_dot: str = ""
    tu_ngay: str = ""
    den_ngay: str = ""
    trang_thai: str = ""


class Settled(msgspec.Struct, frozen=True, rename="camel"):
    """What the insurer settles for a month or quarter (KQQuyetToan)."""

    ky_quyet_toan: str
    tong_chi_phi_de_nghi: str = "0"
    tong_chi_phi_duyet: str = "0"
    tong_chi_phi_khong_duyet: str = "0"
    ly_do_khong_duyet: str = ""
    trang_thai: str = ""


Kind = Literal["status", "claim"]
CALLS: dict[Kind, tuple[str, str]] = {
    "status": ("/api/qd130/checkInKcbQd3176", "0"),
    "claim": ("/api/qd130/guiHoSoXmlQD3176", "130"),
}  # address and loaiHoSo


def md5_password(password: str) -> str:
    """The form in which the gateway wants a password; the protocol's choice, not ours."""
    return hashlib.md5(password.encode(), usedforsecurity=False).hexdigest().upper()


_tokens: dict[tuple[str, str], tuple[str, str]] = {}
_lock = Lock()


class Gateway:
    """One facility's connection. `url` is the base address, the node's setting when left out."""

    def __init__(self, credentials: Credentials, url: str | None = None, timeout: httpx.Timeout = TIMEOUT) -> None:
        self.credentials = credentials
        self.url = (os.environ.get("TUETINH_GATEWAY_URL", "") if url is None else url).rstrip("/")
        self.timeout = timeout

    def card(self, question: Question) -> Answer:
        """Look up a card. Raises GatewayDown, GatewayRefused or GatewayNonsense; a bad card is an answer, no error."""
        body = {
            "maThe": question.number,
            "hoTen": question.name,
            "ngaySinh": question.birth,
            "hoTenCb": self.credentials.officer,
            "cccdCb": self.credentials.officer_cccd,
        }
        answer = _read(self._ask("/api/egw/KQNhanLichSuKCB2024", body), Answer)
        if answer.ma_ket_qua in UNAVAILABLE:
            raise GatewayDown
        return answer

    def visit(self, number: str) -> Tables | None:
        """The tables of a visit that `card` told of, as its facility claimed it; None where there are none any more.

        number: its maHoSo. Columns of tables 1–5 have the names of whatever decision the visit was claimed by. Raises
        as `card` does.
        """
        found = self._ask("/api/egw/nhanHoSoKCBChiTiet", None, maHoSo=number)
        if not isinstance(found, dict):
            raise GatewayNonsense
        if found.get("maKetQua") in UNAVAILABLE:
            raise GatewayDown
        told = found.get("hoSoKCB") or {}
        if not isinstance(told, dict):
            raise GatewayNonsense
        if not told:
            return None
        rows = {"XML1": [told.get("xml1") or {}]} | {f"XML{n}": told.get(f"dsXml{n}") or [] for n in range(2, 6)}
        tables = _read(rows, dict[str, list[dict[str, str]]])
        return {name: [{column(key): value for key, value in row.items()} for row in tables[name]] for name in tables}

    def send(self, kind: Kind, file: bytes, facility: str) -> Taken:
        """Send a signed file. facility: MA_CSKCB. A refusal is an answer, no error.

        Raises GatewayUnreached or GatewayRefused where the file has not come to the gateway; after GatewayDown or
        GatewayNonsense nobody knows, `day` tells.
        """
        path, number = CALLS[kind]
        form = {"username": self.credentials.username, "loaiHoSo": number, "maTinh": facility[:2]}
        form |= {"maCSKCB": facility, "fileHSBase64": base64.b64encode(file).decode()}

        def post(token: tuple[str, str]) -> httpx.Response:
            headers = {"accessToken": token[0], "tokenId": token[1], "passwordHash": self.credentials.password_md5}
            return self._post(path, data=form, headers=headers)

        return _read(self._authorised(post), Taken)

    def day(self, on: date) -> list[DayEntry]:
        """The files that the gateway has taken from the facility on a day. Raises as `card` does."""
        found = self._ask("/api/egw/nhanChiTietHSNgay4210", {"ngayGui": f"{on:%d/%m/%Y}"})
        return _read(found.get("dsHoSo", []) if isinstance(found, dict) else None, list[DayEntry])

    def faults(self, facility: str, transaction: str) -> list[Fault]:
        """What the gateway found wrong with a file since. Raises as `card` does."""
        found = self._ask("/api/egw/nhanChiTietLoiHS4210", {"maCSKCB": facility, "maGiaoDich": transaction})
        return _read(found.get("dsLoi", []) if isinstance(found, dict) else None, list[Fault])

    def rounds(self, facility: str, month: date) -> list[Round]:
        """The rounds of review of a month. facility: MA_CSKCB. Raises as `card` does."""
        found = self._review("KQDanhSachDotGiamDinh", facility, thang=f"{month:%m}", nam=f"{month:%Y}")
        return _read(found.get("dsDotGiamDinh", []), list[Round])

    def results(self, facility: str, round_: str) -> dict[str, Any]:
        """What the insurer says of each claim of a round, as it says it: `results.wire` reads it. Raises as `card`."""
        return self._review("KQGiamDinhHoSo", facility, maDot=round_)

    def settlement(self, facility: str, period: str) -> Settled | None:
        """What is settled for a period (MM/YYYY or QX/YYYY), None where nothing is yet. Raises as `card` does."""
        found = self._review("KQQuyetToan", facility, kyQuyetToan=period)
        return _read(found, Settled) if found.get("kyQuyetToan") else None

    def _review(self, call: str, facility: str, **asked: str) -> dict[str, Any]:
        account = {"username": self.credentials.username, "password": self.credentials.password_md5}
        body = account | {"maCSKCB": facility} | asked

        def post(token: tuple[str, str]) -> httpx.Response:
            return self._post(f"/api/his/{call}", json=body, headers={"token": token[0], "id_token": token[1]})

        found = self._authorised(post)
        if not isinstance(found, dict) or "maKetQua" not in found:
            raise GatewayNonsense
        if found["maKetQua"] in UNAVAILABLE | {"500"}:
            raise GatewayDown
        if found["maKetQua"] == "403":
            raise GatewayRefused
        if found["maKetQua"] != "200":
            raise GatewayNonsense
        return found

    def _ask(self, path: str, body: dict[str, str] | None, **asked: str) -> Any:
        def post(token: tuple[str, str]) -> httpx.Response:
            query = {"token": token[0], "id_token": token[1], "username": self.credentials.username}
            return self._post(path, params=query | {"password": self.credentials.password_md5} | asked, json=body)

        return self._authorised(post)

    def _authorised(self, post: Callable[[tuple[str, str]], httpx.Response]) -> Any:
        """Ask with the token that is kept; where it ran out before its time, with a new one, once."""
        for fresh in (False, True):
            reply = post(self._token(fresh=fresh))
            if reply.status_code == 401:
                continue
            try:
                found = _textual(msgspec.json.decode(reply.content))  # numbers and nulls stand where text is documented
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise GatewayNonsense from error
            if not isinstance(found, dict) or found.get("maKetQua") != UNAUTHORISED:
                return found
        raise GatewayRefused

    def _token(self, *, fresh: bool) -> tuple[str, str]:
        key = (self.url, self.credentials.username)
        with _lock:
            if not fresh and key in _tokens:
                return _tokens[key]
        form = {"username": self.credentials.username, "password": self.credentials.password_md5}
        try:
            reply = self._post("/api/token/take", data=form)
        except GatewayDown:
            raise GatewayUnreached from None
        if reply.status_code == 401:
            raise GatewayRefused
        try:
            found = msgspec.json.decode(reply.content)
            accepted = str(found["maKetQua"]) == "200"
            token = (str(found["APIKey"]["access_token"]), str(found["APIKey"]["id_token"])) if accepted else None
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise GatewayNonsense from error
        if token is None:
            raise GatewayRefused
        with _lock:
            _tokens[key] = token
        return token

    def _post(self, path: str, **more: Any) -> httpx.Response:
        if not self.url:
            raise GatewayUnreached
        try:
            reply = httpx.post(self.url + path, timeout=self.timeout, trust_env=False, **more)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise GatewayUnreached from None
        except httpx.HTTPError:
            raise GatewayDown from None  # the address holds the password; it must not travel on into logs
        if reply.status_code >= 500:
            raise GatewayDown
        if reply.status_code not in (200, 401):
            raise GatewayNonsense
        return reply


def column(name: str) -> str:
    """The column of a table that an answer calls so: `TenThuoc` is TEN_THUOC."""
    return re.sub(r"(?<=.)(?=[A-Z])", "_", name).upper()


def forget_tokens() -> None:
    """Drop the kept tokens, as after a change of password."""
    with _lock:
        _tokens.clear()


def _read(found: Any, type_: type[T]) -> T:
    try:
        return msgspec.convert(found, type_)
    except msgspec.MsgspecError as error:
        raise GatewayNonsense from error


def _textual(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _textual(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_textual(item) for item in value]
    return value if isinstance(value, str) else str(value)
