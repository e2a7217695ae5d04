"""Client of the insurance gateway (egw): token and card look-up, as CV 1245 and CV 1923/BHXH-CNTT describe them."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from threading import Lock
from typing import Any

import httpx
import msgspec

from tuetinh.care.insurance.errors import GatewayDown, GatewayNonsense, GatewayRefused

TIMEOUT = httpx.Timeout(6.0, connect=3.0)  # someone stands at the desk
VALID = frozenset({"000", "001", "002", "004"})  # 001 and 002: defence and police, the printed dates hold
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
    """A visit that the gateway knows of."""

    ma_ho_so: str = ""
    ma_cskcb: str = msgspec.field(default="", name="maCSKCB")
    ngay_vao: str = ""
    ngay_ra: str = ""
    ten_benh: str = ""


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
    history: list[PastVisit] = msgspec.field(default=[], name="dsLichSuKCB2018")

    @property
    def valid(self) -> bool:
        """Whether care may be charged to the fund on this card."""
        return self.ma_ket_qua in VALID


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
        answer = self._look_up(body, self._token(fresh=False))
        if answer.ma_ket_qua == UNAUTHORISED:  # the token ran out before its time: a new one, once
            answer = self._look_up(body, self._token(fresh=True))
        if answer.ma_ket_qua == UNAUTHORISED:
            raise GatewayRefused
        if answer.ma_ket_qua in UNAVAILABLE:
            raise GatewayDown
        return answer

    def _look_up(self, body: dict[str, str], token: tuple[str, str]) -> Answer:
        query = {"token": token[0], "id_token": token[1], "username": self.credentials.username}
        query["password"] = self.credentials.password_md5
        reply = self._post("/api/egw/KQNhanLichSuKCB2024", params=query, json=body)
        if reply.status_code == 401:
            return Answer(ma_ket_qua=UNAUTHORISED)
        try:
            # Numbers and nulls stand where text is documented.
            return msgspec.convert(_textual(msgspec.json.decode(reply.content)), Answer)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise GatewayNonsense from error

    def _token(self, *, fresh: bool) -> tuple[str, str]:
        key = (self.url, self.credentials.username)
        with _lock:
            if not fresh and key in _tokens:
                return _tokens[key]
        form = {"username": self.credentials.username, "password": self.credentials.password_md5}
        reply = self._post("/api/token/take", data=form)
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
            raise GatewayDown
        try:
            reply = httpx.post(self.url + path, timeout=self.timeout, trust_env=False, **more)
        except httpx.HTTPError:
            raise GatewayDown from None  # the address holds the password; it must not travel on into logs
        if reply.status_code >= 500:
            raise GatewayDown
        if reply.status_code not in (200, 401):
            raise GatewayNonsense
        return reply


def forget_tokens() -> None:
    """Drop the kept tokens, as after a change of password."""
    with _lock:
        _tokens.clear()


def _textual(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _textual(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_textual(item) for item in value]
    return value if isinstance(value, str) else str(value)
