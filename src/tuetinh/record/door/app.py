"""The ASGI application: from the request to the handler, and from every failure to an OperationOutcome."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import re
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, TypeVar, cast

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from tuetinh.record import audit, contents, formats, granular, guards, projections, r4, store, versioning
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.door import downloading, handlers, routes, uploading
from tuetinh.record.door.call import JSON, XML, Call, Receive, Response, Scope, Send, base_of, pretty, read_body
from tuetinh.record.door.shares import Shares
from tuetinh.record.door.together import Together
from tuetinh.record.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    Issue,
    NotAllowed,
    RecordError,
    StorageFull,
    TooMany,
    Unauthorized,
    Unavailable,
    Unprocessable,
)
from tuetinh.record.origin import Origin, come_from
from tuetinh.record.steps import BROKEN_BY_OTHERS, Row, Step, aenter, arun

T = TypeVar("T")
Authenticate = Callable[[Scope], Awaitable[Asker | None]]
_DATABASE = (
    PoolTimeout,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    OSError,
    TimeoutError,
)
Connection = psycopg.AsyncConnection[Row]
Pool = AsyncConnectionPool[Connection]

ATTEMPTS = 4
_TOO_LONG = (psycopg.errors.QueryCanceled, psycopg.errors.IdleInTransactionSessionTimeout)
_IN_THE_WAY = (*BROKEN_BY_OTHERS, psycopg.errors.LockNotAvailable)
BODY_LIMIT = 16 * 1024 * 1024
POOL_SECONDS = 5.0
WATCH_SECONDS = 0.1  # that a search has before its client is watched
# Connections, of the pool's 16, that requests of a kind may hold together, and those of one account. The rest is for
# reads, creates, and the question who asks.
COSTLY = (6, 3)
CHANGES = (6, 4)
SEARCHES = frozenset(
    {"search", "search_all", "search_compartment", "history_type", "history_all", "search_audit_events"}
)
CONDITIONAL = frozenset({"update_by", "patch_by", "delete_by"})
LOCKING = frozenset({"update", "patch", "delete"})
TRIED = {"GET": "read", "HEAD": "read", "POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
RETRY_SECONDS = "2"
GUARDING = {  # what somebody stored must not run in the place of the house
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'self'; sandbox",
    "referrer-policy": "no-referrer",
}
LEAVING_SECONDS = 1.5  # that a search may go on when the process leaves
PREPARED = 1000  # statements are one for each type and shape
_REQUEST_ID = re.compile(r"[A-Za-z0-9\-._:]{1,64}")
log = logging.getLogger(__name__)


class Door:
    """The `/fhir` application. Needs a pool of autocommit connections and who tells who asks."""

    def __init__(self, pool: Pool, authenticate: Authenticate) -> None:
        self.pool = pool
        self.authenticate = authenticate
        self.together = Together(self._create)
        self.is_leaving = False
        self.costly, self.changes = Shares(*COSTLY), Shares(*CHANGES)
        self.body_limit = int(os.environ.get("TUETINH_BODY_LIMIT", BODY_LIMIT))
        self.binary_limit = int(os.environ.get(uploading.LIMIT_SETTING, uploading.LIMIT))

    async def startup(self) -> None:
        """Get ready; needs a running event loop."""
        handlers.warm()

    def leave(self) -> None:
        """Let searches and batches that are under way end soon; the process is about to leave."""
        self.is_leaving = True
        self.costly.end(LEAVING_SECONDS)

    async def shutdown(self) -> None:
        """Store what the access log still holds."""
        await asyncio.to_thread(audit.writer.close)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        request_id = headers.get("x-request-id", "")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = versioning.new_id()
        query = scope["query_string"].decode("latin-1")
        call = Call(scope["method"], scope["path"][5:], query, headers, base_of(scope, headers))
        with audit.one_request(_origin(scope, call)):
            response = await self._safely(call, scope, receive)
        if call.format == "xml" and response.body and "content-type" not in response.headers:
            response.body = await asyncio.to_thread(formats.write, response.body)
            if call.is_pretty:
                response.body = await asyncio.to_thread(formats.pretty, response.body)
            response.headers["content-type"] = f"{XML}; charset=utf-8"
        if call.is_pretty and response.body and response.headers.get("content-type", JSON) == JSON:
            response.body = pretty(response.body)
        if contents.may_hold(response.body):
            response = await self._filled(call.asker, response)
        await _send(call, response, request_id, receive, send)

    async def _filled(self, asker: Asker, response: Response) -> Response:
        """The response with the large contents of its body in their places."""
        try:
            await self.run(asker, contents.ready())
            response.parts = await asyncio.to_thread(contents.parts, response.body)
        except RecordError as error:
            log.error("a content is missing in the data folder; `tuetinh check` names it")
            return refusal(error)
        except _DATABASE as error:
            return refusal(translate(error))
        return response

    async def _safely(self, call: Call, scope: Scope, receive: Receive) -> Response:
        """The response to a call; whatever goes wrong is a response as well."""
        try:
            if call.method == "OPTIONS":
                return Response(204, allow="GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
            route = routes.find(call)
            if route.name not in routes.OPEN:
                call.asker = await self._who(scope)
                if granular.asks_value_sets(call.asker.scopes):
                    await self.run(SYSTEM, granular.ready(call.asker.scopes))
                routes.allow(call, route)
            if route.name != "bulk_file" and not downloading.gives_any_type(call, route.name):
                call.check_format()
            if uploading.comes_raw(call, route.name):
                call.binary = await uploading.receive_binary(self, call, receive)
            elif call.method in ("POST", "PUT", "PATCH"):
                if uploading.may_be_long(call, route.name, self.body_limit):
                    call.body = await uploading.receive_json(self, call, receive)
                else:
                    call.body = await read_body(receive, call.headers, self.body_limit)
                if call.headers.get("content-type") not in (None, JSON):
                    call.check_encoding()
                    if call.is_xml:
                        await asyncio.to_thread(call.translate)
            if _only_looks(call, route):
                return await _while_asked(self.answer(call, route), receive)
            if route.name == "bundle":
                return await _watched(call, self.answer(call, route), receive)
            return await self.answer(call, route)
        except RecordError as error:
            return self._refused(call, error)
        except _DATABASE as error:
            return refusal(translate(error))
        except Exception as error:
            return self._broken(error)

    @staticmethod
    def _refused(call: Call, error: RecordError) -> Response:
        """The refusal of a call. Who tries what is not for them, or does not exist for them, is in the access log."""
        if error.status in (403, 404) and (call.type or call.operation) and call.asker.account:
            action = f"${call.operation.name}" if call.operation else TRIED[call.method]
            audit.note(call.asker, action, call.type, call.id, None, outcome=audit.REFUSED, reason=error.issues[0].code)
        return refusal(error)

    async def _who(self, scope: Scope) -> Asker:
        asker = await self.authenticate(scope)
        if asker is None:
            message = "who asks is not known: send a Bearer token"
            raise Unauthorized(message)
        return asker

    async def answer(self, call: Call, route: routes.Route) -> Response:
        """Run the handler of a route, in its turn where it may cost much."""
        handler: Callable[[Door, Call], Awaitable[Response]] = getattr(handlers, route.name)
        async with self._turn(call, route):
            return await handler(self, call)

    def _turn(self, call: Call, route: routes.Route) -> AbstractAsyncContextManager[None]:
        account = call.asker.account
        if _only_looks(call, route):
            return self.costly.turn(account, stoppable=True)
        if route.name in CONDITIONAL or call.operation or call.is_conditional or call.is_large:
            return self.costly.turn(account) if route.name != "bundle" else nullcontext()
        return self.changes.turn(account) if route.name in LOCKING else nullcontext()

    async def inner(self, call: Call) -> Response:
        """Answer a call that is an entry of a batch; refusals are responses."""
        try:
            route = routes.find(call)
            routes.allow(call, route)
            if route.name == "bundle" or route.name.startswith("bulk_"):
                message = "neither a Bundle nor bulk data can be inside of a batch"
                raise BadRequest(message)
            return await self.answer(call, route)
        except RecordError as error:
            return self._refused(call, error)
        except _DATABASE as error:
            return refusal(translate(error))
        except Exception as error:
            return self._broken(error)

    def _broken(self, error: Exception) -> Response:
        """A fault of ours: logged without the text of the error, which may hold health data."""
        trace = "".join(traceback.format_tb(error.__traceback__))
        log.error("a request failed: %s\n%s", type(error).__name__, trace)
        return refusal(RecordError("the server failed; the fault is in its log"), 500)

    async def _create(self, asker: Asker, resources: list[r4.Resource]) -> list[versioning.Stored]:
        type_ = resources[0].resourceType
        if len(resources) == 1 and not projections.exists(type_) and not guards.exists(type_):
            try:
                return await self.run(asker, store.create(asker, resources, alone=True))
            except store.NeedsTransaction:
                pass
        return await self.transact(asker, lambda: store.create(asker, resources))

    async def run(self, asker: Asker, step: Step[T]) -> T:
        """Drive a step whose statements stand alone."""
        conn = await self.pool.getconn(POOL_SECONDS)
        try:
            conn.prepared_max = PREPARED
            await aenter(asker, conn)
            return await arun(step, conn)
        finally:
            await self.pool.putconn(conn)

    async def transact(self, asker: Asker, step: Callable[[], Step[T]]) -> T:
        """Drive a step in one transaction; one that others' locks broke is begun anew a few times."""
        return await self.transacted(asker, lambda conn: arun(step(), conn))

    async def transacted(self, asker: Asker, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do some work on a connection in one transaction, as `transact` does."""
        conn = await self.pool.getconn(POOL_SECONDS)
        try:
            conn.prepared_max = PREPARED
            await aenter(asker, conn)
            for attempt in range(ATTEMPTS):
                try:
                    async with conn.transaction():
                        return await work(conn)
                except _IN_THE_WAY:
                    if attempt == ATTEMPTS - 1:
                        raise
                    await asyncio.sleep(random.uniform(0.01, 0.05) * 2**attempt)  # noqa: S311
            raise AssertionError  # the last attempt returns or raises
        finally:
            await self.pool.putconn(conn)


def _origin(scope: Scope, call: Call) -> Origin:
    """Where a request comes from, and what it asks beyond the name of a resource."""
    forwarded = ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for")
    made = come_from((scope.get("client") or ("",))[0], forwarded, call.headers.get("user-agent", ""))
    if query := call.query:
        made.ask(f"{call.path}?{query}")
    return made


def _only_looks(call: Call, route: routes.Route) -> bool:
    """Whether the call may take long and changes nothing, so that it can be ended in the middle."""
    return route.name in SEARCHES or (call.operation is not None and not call.operation.affects)


async def _while_asked(answer: Coroutine[Any, Any, Response], receive: Receive) -> Response:
    """The answer, unless the client goes away first: nothing that only reads is worked on for long for nobody."""
    working = cast("asyncio.Task[Any]", asyncio.current_task())
    gone: asyncio.Task[None] | None = None

    def watch() -> None:  # most are answered before it is worth a task
        nonlocal gone
        gone = asyncio.ensure_future(_gone(receive))
        gone.add_done_callback(stop)

    def stop(_: asyncio.Task[None]) -> None:
        if not timer.cancelled():
            working.cancel()

    timer = asyncio.get_running_loop().call_later(WATCH_SECONDS, watch)
    try:
        return await answer
    except asyncio.CancelledError:
        if gone is None or not gone.done() or working.uncancel():
            raise
        raise BadRequest("the client left before the answer was ready") from None
    finally:
        timer.cancel()
        if gone is not None:
            gone.cancel()


async def _watched(call: Call, answer: Coroutine[Any, Any, Response], receive: Receive) -> Response:
    """The answer; the call knows meanwhile whether the client has gone away."""
    gone = asyncio.ensure_future(_gone(receive))
    call.is_left = gone.done
    try:
        return await answer
    finally:
        gone.cancel()


def translate(error: BaseException) -> RecordError:
    """What a failure of the database means to the client."""
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return Forbidden("what would be written is not for this account to write")
    if isinstance(error, psycopg.errors.ProgramLimitExceeded):
        return Unprocessable("the resource holds a value that is too long to be found by")
    if isinstance(error, psycopg.errors.DiskFull):
        log.error("the disk of the database is full")
        return StorageFull("the disk of the database is full; nothing was stored, and nothing is until there is room")
    if isinstance(error, _TOO_LONG):
        text = "the request took too long and was stopped; ask for less at once"
        return Unavailable(issues=[Issue("error", "too-costly", text)])
    if isinstance(error, _IN_THE_WAY):
        return Conflict("another request changes the same resources; try again")
    if isinstance(error, psycopg.errors.UniqueViolation):
        return Conflict("another request made the same resource at the same time; try again")
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, OSError, TimeoutError)):
        log.warning("the database does not answer: %s", type(error).__name__)
        return Unavailable("the database does not answer now")
    log.warning("the database refused a statement: %s", type(error).__name__)
    return Unprocessable("the resource holds a value that cannot be stored")


def refusal(error: RecordError, status: int | None = None) -> Response:
    """An error as a response."""
    response = Response(status or error.status, error.outcome())
    if error.status == 401:
        response.headers["www-authenticate"] = 'Bearer realm="fhir"'
    if error.status in (429, 503):
        response.headers["retry-after"] = str(error.seconds) if isinstance(error, TooMany) else RETRY_SECONDS
    if isinstance(error, NotAllowed):
        response.headers["allow"] = error.allow
    return response


async def _send(call: Call, response: Response, request_id: str, receive: Receive, send: Send) -> None:
    parts = response.parts or [response.body]
    length = contents.length(parts)
    headers: list[tuple[bytes, bytes]] = [(b"x-request-id", request_id.encode())]
    if call.asker.account:
        response.headers.setdefault("cache-control", "no-store")  # what is of a person stays in no browser, no proxy
    response.headers = GUARDING | response.headers
    if length and "content-type" not in response.headers:
        headers.append((b"content-type", b"application/fhir+json; charset=utf-8"))
    headers += [(k.encode(), v.encode("latin-1", "replace")) for k, v in response.headers.items()]
    bodiless = call.method == "HEAD" or response.status in (204, 304)
    if response.status not in (204, 304) and response.chunks is None:
        headers.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if response.chunks is not None:
        await _send_chunks(call, response.chunks, receive, send)
    elif bodiless or not response.parts:
        await send({"type": "http.response.body", "body": b"" if bodiless else response.body})
    else:
        await _send_parts(parts, receive, send)


async def _send_chunks(call: Call, chunks: AsyncGenerator[bytes, None], receive: Receive, send: Send) -> None:
    """Send a body as fast as the client takes it, until it goes."""
    gone = asyncio.ensure_future(_gone(receive))
    try:
        async with contextlib.aclosing(chunks):
            async for chunk in chunks:
                if call.method == "HEAD" or gone.done():
                    break
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()


async def _send_parts(parts: list[contents.Part], receive: Receive, send: Send) -> None:
    """Send a body with files: read beside the event loop, as fast as the client takes them, until it goes."""
    gone = asyncio.ensure_future(_gone(receive))
    try:
        for part in parts:
            chunks = part.chunks() if isinstance(part, contents.Piece) else iter((part,))
            while not gone.done() and (chunk := await asyncio.to_thread(next, chunks, b"")):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()


async def _gone(receive: Receive) -> None:
    """Wait until the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass
