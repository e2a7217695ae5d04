"""A gateway to demonstrate and test with: speaks the documented protocol, knows the cards of the demo province.

Reserved cards begin with GD4129999999; their last three digits are the result they bring, or what goes wrong: 503 out
of service, 504 no answer in time, 599 no JSON, 498 the token is refused once.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import msgspec

from tuetinh.care.insurance import simulator_history as past
from tuetinh.care.insurance import simulator_results as review
from tuetinh.care.insurance.gateway import UNAUTHORISED
from tuetinh.care.insurance.simulator_claims import Ledger, Stored, day, faults, take
from tuetinh.commons.catalogues.api import codes, fold

RESERVED = "GD4129999999"
SLOW_SECONDS = 20.0
MOST_LOOKS, MOST_PEOPLE = 10, 10_000  # that are remembered
RESULTS = "GW_KQ_TRA_THE"
HANOI = ZoneInfo("Asia/Ho_Chi_Minh")

T = TypeVar("T")
Scope = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Card:
    """A card as the insurer keeps it. Dates ISO; result: forced code, "" = as the dates say; replaced_by: new card."""

    number: str
    name: str
    birth: str
    gender: str = ""
    address: str = ""
    facility: str = ""
    valid_from: str = ""
    valid_to: str = ""
    area: str = ""
    five_years: str = ""
    cccd: str = ""
    result: str = ""
    replaced_by: str = ""


class Simulator:
    """The gateway as an ASGI application. find: card by card number, BHXH number or CCCD; ledger: of files taken."""

    def __init__(
        self, find: Callable[[str], Card | None], ledger: Ledger | None = None, *, slow: float = SLOW_SECONDS
    ) -> None:
        self.find, self.ledger, self.slow = find, ledger or Stored(), slow
        self.tokens: dict[str, tuple[datetime, str]] = {}
        self.refused_once: set[str] = set()
        self.looked_up: OrderedDict[str, deque[dict[str, str]]] = OrderedDict()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="gateway")

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer the documented calls; 404 for anything else."""
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        routes: dict[str, Callable[..., Awaitable[tuple[int, bytes]]]] = {
            "/api/token/take": self._take_token,
            "/api/egw/KQNhanLichSuKCB2024": self._look_up,
            "/api/egw/nhanHoSoKCBChiTiet": self._visit,
            "/api/qd130/checkInKcbQd3176": self._take,
            "/api/qd130/guiHoSoXmlQD3176": self._take,
            "/api/egw/nhanChiTietHSNgay4210": self._day,
            "/api/egw/nhanChiTietLoiHS4210": self._faults,
            "/api/his/KQDanhSachDotGiamDinh": self._review,
            "/api/his/KQGiamDinhHoSo": self._review,
            "/api/his/KQQuyetToan": self._review,
        }
        handler = routes.get(scope["path"])
        if handler is None or scope["method"] != "POST":
            status, content = 404, b"{}"
        else:
            told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
            status, content = await handler(_flat(scope["query_string"]) | told | {"call": scope["path"]}, body)
        if status == 0:  # hang up in the middle of the answer
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"999")]})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            raise ConnectionAbortedError
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _take_token(self, query: dict[str, str], body: bytes) -> tuple[int, bytes]:
        form = _flat(body)
        password = form.get("password", "")
        if not form.get("username") or len(password) != 32 or password != password.upper():
            return 200, _json({"maKetQua": UNAUTHORISED})
        token = secrets.token_urlsafe(24)
        until = datetime.now(HANOI) + timedelta(minutes=30)
        self.tokens[token] = (until, form["username"])
        key = {"access_token": token, "id_token": token[::-1], "token_type": "bearer", "username": form["username"]}
        return 200, _json({"maKetQua": "200", "APIKey": key | {"expires_in": until.isoformat()}})

    def _knows(self, token: str, second: str) -> bool:
        until, _ = self.tokens.get(token, (None, ""))
        return until is not None and until >= datetime.now(HANOI) and second == token[::-1]

    async def _take(self, told: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if (
            not self._knows(told.get("accesstoken", ""), told.get("tokenid", ""))
            or len(told.get("passwordhash", "")) != 32
        ):
            return 401, _json({"maKetQua": UNAUTHORISED})
        reply = await self._aside(take, _flat(body), self.ledger)
        if reply.trouble == "503":
            return 503, b"Service Unavailable"
        if reply.trouble == "504":
            await asyncio.sleep(self.slow)
        if reply.trouble == "505":
            return 0, b""
        return 200, b"<html>maintenance" if reply.trouble == "599" else _json(reply.body)

    async def _visit(self, query: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """One visit of the history; what is asked stands in the address."""
        return await self._answer(query, b"{}", lambda *_: past.visit(query.get("maHoSo", ""), self.ledger))

    async def _day(self, query: dict[str, str], body: bytes) -> tuple[int, bytes]:
        return await self._answer(
            query, body, lambda facility, asked: day(facility, asked.get("ngayGui", ""), self.ledger)
        )

    async def _faults(self, query: dict[str, str], body: bytes) -> tuple[int, bytes]:
        def found(_: str, asked: dict[str, str]) -> dict[str, object]:
            return faults(asked.get("maCSKCB", ""), asked.get("maGiaoDich", ""), self.ledger)

        return await self._answer(query, body, found)

    async def _review(self, told: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Results and settlement: the token comes in headers, the facility in the body."""

        def found(facility: str, asked: dict[str, str]) -> dict[str, object]:
            if asked.get("maCSKCB") != facility:
                return {"maKetQua": "403"}
            return review.ANSWERS[told["call"].rpartition("/")[2]](asked, self.ledger)

        status, content = await self._answer(told, body, found)
        code = msgspec.json.decode(content).get("maKetQua")
        if code == "504":
            await asyncio.sleep(self.slow)
        return (int(code), b"") if code in ("503", "504") else (status, content)

    async def _answer(
        self, query: dict[str, str], body: bytes, found: Callable[[str, dict[str, str]], dict[str, object]]
    ) -> tuple[int, bytes]:
        """Answer what is asked with a token; the facility is that of its account, by the name of it."""
        token = query.get("token", "")
        if not self._knows(token, query.get("id_token", "")):
            return 401, _json({"maKetQua": UNAUTHORISED})
        try:
            asked = msgspec.json.decode(body, type=dict[str, str])
        except msgspec.MsgspecError:
            return 200, _json({"maKetQua": "205"})
        return 200, _json(await self._aside(found, self.tokens[token][1][:5], asked))

    async def _aside(self, work: Callable[..., T], *given: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, _with_database, work, *given)

    async def _look_up(self, query: dict[str, str], body: bytes) -> tuple[int, bytes]:
        token = query.get("token", "")
        if not self._knows(token, query.get("id_token", "")):
            return 401, _json({"maKetQua": UNAUTHORISED, "ghiChu": codes(RESULTS)[UNAUTHORISED]})
        try:
            asked = msgspec.json.decode(body, type=dict[str, str])
        except msgspec.MsgspecError:
            return 200, _json({"maKetQua": "205", "ghiChu": codes(RESULTS)["205"]})
        number = asked.get("maThe", "").strip().upper()
        if number.startswith(RESERVED) and (trouble := await self._trouble(number[-3:], token)):
            return trouble
        known = reserved(number) if number.startswith(RESERVED) else None
        card = known or await self._aside(self.find, number)
        found = answer(number, card, asked, today=datetime.now(HANOI).date())
        if person := found.get("maSoBHXH"):
            found["dsLichSuKCB2018"] = await self._aside(past.visits, person, self.ledger)
            found["dsLichSuKT2018"] = self._looked_up(person, self.tokens[token][1])
        return 200, _json(found)

    def _looked_up(self, person: str, account: str) -> list[dict[str, str]]:
        """Who looked the person up before, the last first; this one is told to the next."""
        known = self.looked_up.pop(person, None) or deque(maxlen=MOST_LOOKS)
        before = list(known)
        told = {"userKT": account, "thoiGianKT": f"{datetime.now(HANOI):%Y%m%d%H%M}", "thongBao": "", "maLoi": ""}
        known.appendleft(told)
        self.looked_up[person] = known
        if len(self.looked_up) > MOST_PEOPLE:
            self.looked_up.popitem(last=False)
        return before

    async def _trouble(self, what: str, token: str) -> tuple[int, bytes] | None:
        if what == "503":
            return 503, b"Service Unavailable"
        if what == "504":
            await asyncio.sleep(self.slow)
            return 504, b""
        if what == "599":
            return 200, b"<html>maintenance"
        if what == "498" and token not in self.refused_once and not self.refused_once:
            self.refused_once.add(token)
            return 401, _json({"maKetQua": UNAUTHORISED})
        return None


def reserved(number: str) -> Card:
    """The reserved card of this number: any name and birth date fit it."""
    result = number[-3:]
    return Card(
        number, "", "", "Nữ", "Xã Bình Lư, Tỉnh Lai Châu", "12001", "2026-01-01", "2027-12-31",
        result="" if result in ("498", "000") else result,
        replaced_by=RESERVED + "000" if result in ("003", "004") else "",
    )  # fmt: skip


def answer(number: str, card: Card | None, asked: dict[str, str], *, today: date) -> dict[str, Any]:
    """What the gateway says: the number is looked at first, then the name, the birth date, the state of the card."""
    result = _result(number, card, asked, today)
    found: dict[str, Any] = {"maKetQua": result, "ghiChu": codes(RESULTS)[result], "maThe": number}
    if card is None or result in ("050", "051", "052", "053", "060", "061", "070", UNAUTHORISED):
        return found
    found |= {
        "maThe": card.number, "hoTen": card.name or asked.get("hoTen", ""),
        "ngaySinh": _vn(card.birth) or asked.get("ngaySinh", ""),
        "gioiTinh": card.gender, "diaChi": card.address, "maDKBD": card.facility, "cqBHXH": "BHXH tỉnh Lai Châu",
        "gtTheTu": _vn(card.valid_from), "gtTheDen": _vn(card.valid_to), "maKV": card.area or None,
        "ngayDu5Nam": _vn(card.five_years), "maSoBHXH": card.number[-10:], "maTheCu": None, "maTheMoi": None,
    }  # fmt: skip
    if card.replaced_by:
        found |= {"maTheMoi": card.replaced_by, "gtTheTuMoi": _vn(card.valid_from), "gtTheDenMoi": _vn(card.valid_to)}
        found |= {"maDKBDMoi": card.facility}
    return found


def _result(number: str, card: Card | None, asked: dict[str, str], today: date) -> str:
    if len(number) == 15 and (not number[:2].isalpha() or not number[2:].isdigit()):
        return "051"
    if len(number) == 15 and number[2] not in "12345":
        return "053"
    if len(number) == 15 and number[3:5] not in codes("MA_TINH_63"):
        return "052"
    if len(number) not in (10, 12, 15):
        return "205"
    if card is None:
        return "050"
    if card.name and fold(card.name) != fold(asked.get("hoTen", "")):
        return "061" if fold(card.name)[:1] == fold(asked.get("hoTen", ""))[:1] else "060"
    if card.birth and asked.get("ngaySinh", "") not in (_vn(card.birth), card.birth[:4]):
        return "070"
    if card.result:
        return card.result if card.result in codes(RESULTS) else "050"
    return "010" if card.valid_to and card.valid_to < today.isoformat() else "000"


def _vn(iso: str) -> str | None:
    return "/".join(reversed(iso.split("-"))) if iso else None


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)


def _flat(form: bytes) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(form.decode("latin-1")).items()}


def _with_database(work: Callable[..., T], *given: Any) -> T:
    """Work in a thread that may use the database, and leaves no connection open."""
    from django.db import connections

    try:
        return work(*given)
    finally:
        connections.close_all()


def _from_database(number: str) -> Card | None:
    from tuetinh.care.insurance.queries import simulated_card

    return simulated_card(number)


app = Simulator(_from_database)
