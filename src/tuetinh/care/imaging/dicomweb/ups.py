"""UPS-RS (PS3.18, 11): workitems over HTTP, and what subscribers are told over a websocket."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, NamedTuple

import orjson
from django.db import transaction

from tuetinh.care.imaging.dicomweb.asked import JSON, Call, Refused
from tuetinh.care.imaging.dicomweb.datasets import Unclear, dataset_in
from tuetinh.care.imaging.reports import may_report
from tuetinh.care.imaging.workitems import actions, own, queries, told
from tuetinh.care.imaging.workitems.matching import Impossible, filter_of
from tuetinh.care.imaging.workitems.models import EventReport
from tuetinh.record.asker import Asker

PATH: Final = "/workitems"
LARGEST: Final = 2**20  # bytes of a body
PAUSE: Final = 1.0  # seconds between looks for what is to be told
CHECK: Final = 5.0  # seconds after which it is asked again who listens
_UID, _TITLE = r"([0-9.]{1,64})", r"([A-Za-z0-9_.-]{1,16})"
_SUBSCRIBERS: Final = re.compile(rf"/workitems/{_UID}/subscribers/{_TITLE}(/suspend)?")
_ONE: Final = re.compile(rf"/workitems/{_UID}(/state|/cancelrequest)?")
EVENTS: Final = re.compile(rf"/dicom-web/subscribers/{_TITLE}")
Work = Callable[..., Awaitable[Any]]
Authenticate = Callable[[MutableMapping[str, Any]], Awaitable[Asker | None]]


class _Asked(NamedTuple):
    """A request, who asks it, and what lets things be done with the database."""

    call: Call
    asker: Asker
    work: Work

    async def done(self, do: Callable[..., Any], *arguments: Any) -> Any:
        """What a function returns; what is impossible as an answer."""
        try:
            return await self.work(do, *arguments)
        except Impossible as error:
            raise Refused(error.status, error.why) from error


async def answer(call: Call, asker: Asker, path: str, work: Work) -> None:
    """Answer a request below `/workitems`; `work` does something on a thread that has the database. Raises Refused."""
    reads = call.scope["method"] in ("GET", "HEAD")
    is_system = asker.role == "system"  # no app that somebody let in
    if not asker.facility or not (is_system or (reads and may_report(asker))):
        raise Refused(
            403, "workitems are those of a facility: its systems work with them, who reads pictures sees them"
        )
    if is_system and not asker.may("r" if reads else "u", "Task"):
        raise Refused(403, "workitems need a scope of Task")
    asked = _Asked(call, asker, work)
    if match := _SUBSCRIBERS.fullmatch(path):
        await _subscription(asked, *match.groups())
    elif path == PATH and not reads:
        await _create(asked)
    elif path == PATH:
        await _search(asked)
    elif match := _ONE.fullmatch(path):
        await _one(asked, *match.groups())
    else:
        raise Refused(404, "no such resource")


async def _create(asked: _Asked) -> None:
    call = asked.call
    named = next((name for name, value in call.query if not value), "") or call.option("workitem")
    item = await asked.done(actions.create, asked.asker, named, await _dataset(call))
    await call.answer(201, JSON, b"", [("location", f"{call.base}{PATH}/{item.uid}")])


async def _search(asked: _Asked) -> None:
    call = asked.call
    limit, offset = _count(call, "limit", "1000"), _count(call, "offset", "0")
    left_out = {"limit", "offset", "includefield", "fuzzymatching", "accept"}
    wanted = {name: value for name, value in call.query if name not in left_out}
    found = await asked.done(queries.search, asked.asker, wanted, limit, offset)
    warned = [] if queries.sees_people(asked.asker) else _warned("work of patients needs a scope of Patient")
    if found:
        await call.answer_json(found, headers=warned)
    else:
        await call.answer_nothing(warned)


def _count(call: Call, name: str, usual: str) -> int:
    text = call.option(name, usual)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Refused(400, f"{name} is a number")
    return int(text)


async def _one(asked: _Asked, uid: str, what: str | None) -> None:
    call, method = asked.call, asked.call.scope["method"]
    match method, what:
        case "GET" | "HEAD", None:
            await call.answer_json([await asked.done(queries.retrieve, asked.asker, uid)])
        case "POST", None:
            by = call.option("transaction-uid") or next((name for name, value in call.query if not value), "")
            await asked.done(actions.update, asked.asker, uid, by, await _dataset(call))
            await call.answer(200, JSON, b"")
        case "PUT", "/state":
            warning = await asked.done(actions.change_state, asked.asker, uid, await _dataset(call))
            await call.answer(200, JSON, b"", _warned(warning))
        case "POST", "/cancelrequest":
            dataset = await _dataset(call, needed=False)
            warning = await asked.done(actions.request_cancel, asked.asker, uid, dataset)
            await call.answer(202, JSON, b"", _warned(warning))
        case _:
            raise Refused(405, "not of a workitem")


def _warned(warning: str) -> list[tuple[str, str]]:
    return [("warning", f'299 tuetinh "{warning}"')] if warning else []


async def _subscription(asked: _Asked, uid: str, title: str, suspend: str | None) -> None:
    call, method, facility = asked.call, asked.call.scope["method"], asked.asker.facility
    of_all = uid in (told.GLOBAL, told.FILTERED)
    locks = _flag(call, "deletionlock")

    def do() -> None:
        item = None if of_all else actions.locked(asked.asker, uid)
        if method == "DELETE":
            told.unsubscribe(facility, title, item)
        elif suspend and not told.suspend(facility, title):
            raise Impossible(404, "there is no such subscription")
        elif not suspend:
            keys = [pair for pair in call.query if pair[0] not in ("deletionlock", "accept")]
            wanted = filter_of(keys) if uid == told.FILTERED else {}
            told.subscribe(facility, title, item, wanted=wanted, locks=locks)

    if method not in ("POST", "DELETE") or (suspend and (method == "DELETE" or not of_all)):
        raise Refused(405, "not of a subscription")
    await asked.done(_together, do)
    if method == "DELETE" or suspend:
        await call.answer(200, JSON, b"")
        return
    events = f"{call.base.replace('http', 'ws', 1)}/subscribers/{title}"
    await call.answer(201, JSON, b"", [("content-location", events)])


def _flag(call: Call, name: str) -> bool:
    text = call.option(name, "false").lower()
    if text not in ("true", "false"):
        raise Refused(400, f"{name} is true or false")
    return text == "true"


def _together(do: Callable[[], None]) -> None:
    with transaction.atomic():
        do()


async def _dataset(call: Call, *, needed: bool = True) -> dict[str, Any]:
    """The data set of a body: DICOM JSON, an array of one or the object alone."""
    body = bytearray()
    async for chunk in call.chunks():
        body += chunk
        if len(body) > LARGEST:
            raise Refused(413, "the body is too large")
    if not body and not needed:
        return {}
    if call.headers.get("content-type", JSON).partition(";")[0].strip() not in (JSON, "application/json"):
        raise Refused(415, "application/dicom+json is expected")
    try:
        return dataset_in(bytes(body))
    except Unclear as error:
        raise Refused(400, str(error)) from error


class Events:
    """The websockets of subscribers (PS3.18, 11.14): each gets its reports, which are gone once they were sent."""

    def __init__(self, work: Work, authenticate: Authenticate) -> None:
        """authenticate: tells who asks, or None."""
        self._work, self._authenticate = work, authenticate
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Close every one."""
        self._stopping.set()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Serve one until either side closes it, or its rights end. Pages have no business here: only systems, which
        send a token.
        """
        await receive()
        match = EVENTS.fullmatch(scope["path"])
        facility = await self._facility(scope) if match else ""
        if not match or not facility:
            await send({"type": "websocket.close", "code": 1008})
            return
        await send({"type": "websocket.accept"})
        leaving = asyncio.create_task(_left(receive))
        stopping = asyncio.create_task(self._stopping.wait())
        asked = time.monotonic()
        try:
            while not leaving.done() and not stopping.done():
                if time.monotonic() - asked > CHECK:
                    asked = time.monotonic()
                    if await self._facility(scope) != facility:
                        break
                await self._send(facility, match[1], send)
                await asyncio.wait({leaving, stopping}, timeout=PAUSE, return_when=asyncio.FIRST_COMPLETED)
            if not leaving.done():
                await send({"type": "websocket.close", "code": 1001 if stopping.done() else 1008})
        finally:
            leaving.cancel()
            stopping.cancel()

    async def _facility(self, scope: MutableMapping[str, Any]) -> str:
        """The facility whose workitems a system may be told of now, "" for none."""
        asker = await self._authenticate(scope)
        return asker.facility if asker and asker.role == "system" and asker.may("r", "Task") else ""

    async def _send(self, facility: str, title: str, send: Any) -> None:
        for report in await self._work(_next, facility, title):
            await send({"type": "websocket.send", "text": orjson.dumps(report.body).decode()})
            await self._work(report.delete)


def _next(facility: str, title: str) -> list[EventReport]:
    own.follow(facility)
    return told.next_reports(facility, title)


async def _left(receive: Any) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass
