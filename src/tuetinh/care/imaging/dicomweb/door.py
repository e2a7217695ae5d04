"""The `/dicom-web` door: a plain ASGI application beside Django, as `/fhir` is. Who asks is told by `authenticate`."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import MutableMapping
from typing import Any, Final, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool

from tuetinh.care.imaging.archive import queries
from tuetinh.care.imaging.archive.gathering import Gathering
from tuetinh.care.imaging.archive.matching import BadKey, Wanted
from tuetinh.care.imaging.archive.queries import Object, is_drawn
from tuetinh.care.imaging.archive.workers import Workers
from tuetinh.care.imaging.dicomweb import qido, stow, ups, wado
from tuetinh.care.imaging.dicomweb.asked import Call, Refused
from tuetinh.care.imaging.quiet import fault
from tuetinh.care.imaging.reports import may_report
from tuetinh.commons.access.api import at_desk
from tuetinh.record.asker import Asker
from tuetinh.record.contents import NoSpace
from tuetinh.record.contents.files import Away
from tuetinh.record.steps import Step, aenter, arun

T = TypeVar("T")
log = logging.getLogger(__name__)
PATH: Final = "/dicom-web"
THREADS: Final = 4  # that store
INDEXING: Final = 2  # that bring what they store into the index
UID: Final = r"([0-9.]{1,64})"
TAG: Final = "[0-9A-Fa-f]{8}"
_STUDY, _SERIES, _INSTANCE = 0x0020000D, 0x0020000E, 0x00080018
ROUTES: Final = [
    (re.compile(pattern), name)
    for pattern, name in (
        (r"/studies", "studies"),
        (r"/series", "series"),
        (r"/instances", "instances"),
        (rf"/studies/{UID}/series", "series"),
        (rf"/studies/{UID}/instances", "instances"),
        (rf"/studies/{UID}/series/{UID}/instances", "instances"),
        (rf"/studies/{UID}(?:/series/{UID}(?:/instances/{UID})?)?", "objects"),
        (rf"/studies/{UID}(?:/series/{UID}(?:/instances/{UID})?)?/metadata", "metadata"),
        (rf"/studies/{UID}(?:/series/{UID}(?:/instances/{UID})?)?/(rendered|thumbnail)", "drawn"),
        (rf"/studies/{UID}/series/{UID}/instances/{UID}/frames/([0-9,]+)", "frames"),
        (rf"/studies/{UID}/series/{UID}/instances/{UID}/frames/([0-9,]+)/(rendered|thumbnail)", "drawn frame"),
        (rf"/studies/{UID}/series/{UID}/instances/{UID}/bulkdata/({TAG}(?:/[1-9][0-9]{{0,5}}/{TAG})*)", "bulk"),
    )
]
_LEVELS: Final = {"studies": "STUDY", "series": "SERIES", "instances": "IMAGE"}


class DicomDoor:
    """Answers everything below `/dicom-web`."""

    def __init__(self, pool: AsyncConnectionPool[Any], authenticate: ups.Authenticate) -> None:
        self._pool = pool
        self._authenticate = authenticate
        self._workers, self._indexing = Workers(THREADS, "stow"), Workers(INDEXING, "stow-index")
        self._gathering = Gathering(self._indexing)
        self._events = ups.Events(self._workers.arun, authenticate)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        call = Call(scope, receive, send)
        try:
            await self._answer(call)
        except Refused as refused:
            headers = [("www-authenticate", "Bearer")] if refused.status == 401 else []
            if not call.begun:
                await call.answer(refused.status, "text/plain; charset=utf-8", refused.why.encode(), headers)
        except NoSpace:
            await call.answer(507, "text/plain", b"")
        except Away as away:
            if not call.begun:
                await call.answer(away.status, "text/plain; charset=utf-8", str(away).encode())
        except psycopg.OperationalError:
            await call.answer(503, "text/plain", b"")
        except Exception as error:
            log.error("imaging: a request failed: %s", fault(error))
            if not call.begun:  # else the answer ends before its end
                await call.answer(500, "text/plain", b"")

    async def events(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Serve the websocket of a subscriber of workitems."""
        await self._events(scope, receive, send)

    def leave(self) -> None:
        """End what stays open."""
        self._events.stop()

    async def close(self) -> None:
        """Leave the database."""
        for workers in (self._workers, self._indexing):
            await asyncio.to_thread(workers.close)
        await asyncio.to_thread(self._gathering.close)

    async def _answer(self, call: Call) -> None:
        asker = await self._authenticate(call.scope)
        if asker is None:
            raise Refused(401, "who asks is not known")
        path, method = call.scope["path"][len(PATH) :].rstrip("/"), call.scope["method"]
        if method == "POST" and (match := re.fullmatch(rf"/studies(?:/{UID})?", path)):
            asker = at_desk(call.scope, asker)
            if not asker.may("c", "ImagingStudy"):
                raise Refused(403, "storing needs a scope of creating ImagingStudy")
            if asker.role != "system" and not may_report(asker):
                raise Refused(403, "what is seen in pictures is kept for those who report them")
            await stow.store(call, asker, match[1] or "", self._workers.arun, self._gathering.settle)
            return
        if path == ups.PATH or path.startswith(f"{ups.PATH}/"):
            await ups.answer(call, asker, path, self._workers.arun)
            return
        beside = ""
        if match := re.fullmatch(rf"/beside/{UID}(/.+)", path):  # the studies of the person of a study
            beside, path = match.groups()
        route = next(((name, m.groups()) for pattern, name in ROUTES if (m := pattern.fullmatch(path))), None)
        if route is None or (beside and route[0] not in _LEVELS):
            raise Refused(404, "no such resource")
        if method not in ("GET", "HEAD"):
            raise Refused(405, "this is read only")
        if not asker.may("r", "ImagingStudy"):
            raise Refused(403, "reading needs a scope of ImagingStudy")
        await self._read(call, asker, *route, beside)

    async def _read(self, call: Call, asker: Asker, name: str, groups: tuple[str | None, ...], beside: str) -> None:
        within = {tag: uid for tag, uid in zip((_STUDY, _SERIES, _INSTANCE), groups, strict=False) if uid}
        if name in _LEVELS:
            xml = call.wants_xml()
            wanted = qido.wanted(call, _LEVELS[name], within, beside)
            try:
                found = await self._run(asker, queries.find(asker, wanted))
            except BadKey as error:
                raise qido.refused(error) from error
            await qido.answer(call, found, _LEVELS[name], within, xml=xml)
            return
        await _give(call, name, groups, await self._objects(asker, within))

    async def _objects(self, asker: Asker, within: dict[int, str]) -> list[Object]:
        keys = {tag: [uid] for tag, uid in within.items()}
        found = await self._run(asker, queries.objects(asker, Wanted("IMAGE", keys, limit=1_000_000)))
        if not found:
            raise Refused(404, "there is no such object, or it is not for you")
        return found

    async def _run(self, asker: Asker, step: Step[T]) -> T:
        async with self._pool.connection() as conn:
            await aenter(asker, conn)
            return await arun(step, conn)


async def _give(call: Call, name: str, groups: tuple[str | None, ...], found: list[Object]) -> None:
    match name:
        case "objects":
            await wado.objects(call, found)
        case "metadata":
            await wado.all_metadata(call, found)
        case "frames":
            await wado.some_frames(call, found[0], _numbers(groups[3]))
        case "drawn":
            pictures = [one for one in found if is_drawn(one.sop_class, one.transfer_syntax)] or found
            await wado.rendered(call, pictures[len(pictures) // 2], [1], thumbnail=groups[3] == "thumbnail")
        case "drawn frame":
            await wado.rendered(call, found[0], _numbers(groups[3]), thumbnail=groups[4] == "thumbnail")
        case _:
            await wado.bulk(call, found[0], groups[3] or "")


def _numbers(text: str | None) -> list[int]:
    numbers = [int(one) for one in (text or "").split(",") if one and len(one) < 10]
    if not numbers:
        raise Refused(400, "frames are numbered from 1")
    return numbers
