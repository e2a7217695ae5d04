"""One request at the door, and the response to it."""

from __future__ import annotations

import asyncio
import os
import re
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, MutableMapping
from copy import copy
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit
from wsgiref.handlers import format_date_time

import msgspec
from django.conf import settings
from django.http.request import split_domain_port, validate_host

from tuetinh.record import formats, origin, r4, summary
from tuetinh.record.asker import Asker
from tuetinh.record.contents import Part
from tuetinh.record.errors import BadRequest, Invalid, NotAcceptable, RecordError, TooLarge, TooSlow, UnsupportedMedia
from tuetinh.record.operations import Operation
from tuetinh.record.validate import check

T = TypeVar("T")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_SECONDS = 60
LARGE = 64 * 1024  # bytes of a body from which on it is read beside the event loop
JSON = "application/fhir+json"
XML = "application/fhir+xml"
FORM = "application/x-www-form-urlencoded"
TAKEN = frozenset({JSON, "application/json", "text/json", "application/json+fhir"})
_GIVEN = TAKEN | {"*/*", "application/*", "text/*"}
_FORMATS = TAKEN | {"json"}
XML_TAKEN = frozenset({XML, "application/xml", "text/xml", "application/xml+fhir"})
_XML_FORMATS = XML_TAKEN | {"xml"}
FHIR = frozenset({JSON, XML, "application/json+fhir", "application/xml+fhir"})
LOOSE = TAKEN | XML_TAKEN
VERSIONS = ("4.0", "4.0.1")
_UTF8 = re.compile(r'charset="?(utf-?8|us-ascii)"?')
_HOST = re.compile(r"[A-Za-z0-9.\-]+(:\d{1,5})?|\[[0-9A-Fa-f:]+\](:\d{1,5})?")


class Call:
    """A request: address, headers, who asks, and its body once it is read."""

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        headers: dict[str, str],
        base: str,
        *,
        body: bytes = b"",
    ) -> None:
        self.method, self.path, self.query = method, path, query
        self.headers, self.base, self.body = headers, base, body
        self.asker: Asker = _NOBODY
        self.inside_bundle = False
        self.is_left: Callable[[], bool] = lambda: False
        """Whether the client has gone away."""
        self.operation: Operation | None = None
        self.form: list[tuple[str, str]] = []
        """The parameters in the body of a posted search."""
        self.binary: r4.Binary | None = None
        """The Binary whose content the body was."""
        self.type = self.id = self.version = ""
        self.compartment: tuple[str, str] | None = None

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        """The decoded parameters of the address."""
        try:
            return parse_qsl(self.query, keep_blank_values=True, errors="strict", max_num_fields=200)
        except ValueError as error:
            message = f"the query string is malformed: {str(error)[:100]}"
            raise BadRequest(message) from error

    def searched(self) -> list[tuple[str, str]]:
        """The parameters of a search, of the address and, where it is posted, of the form. Raises BadRequest."""
        if self.method != "POST":
            return self.pairs
        self.take_form()
        origin.current.get().ask(f"{self.path}?{urlencode(self.form)}")
        return [*self.pairs, *self.form]

    def take_form(self) -> None:
        """Read the form of a posted search, which may also say in which format the answer is wanted.

        Raises UnsupportedMedia, BadRequest or NotAcceptable.
        """
        if self.content_type() not in ("", FORM):
            message = f"a search by POST has a body of {FORM}"
            raise UnsupportedMedia(message)
        try:
            self.form = parse_qsl(self.body.decode(), keep_blank_values=True, errors="strict", max_num_fields=1000)
        except ValueError as error:
            message = "the form of the search is malformed"
            raise BadRequest(message) from error
        if any(name == "_format" for name, _ in self.form):
            self.__dict__.pop("format", None)
            self.check_format()

    def option(self, name: str) -> str | None:
        """The last value of a parameter, or None."""
        pairs = [*self.pairs, *self.form] if name in self.query else self.form
        return next((value for key, value in reversed(pairs) if key == name), None)

    @cached_property
    def prefer(self) -> dict[str, str]:
        """The Prefer header (RFC 7240) as name and value."""
        parts = (part.partition("=") for part in re.split(r"[;,]", self.headers.get("prefer", "")))
        return {name.strip().lower(): value.strip().strip('"') for name, _, value in parts if name.strip()}

    @property
    def lenient(self) -> bool:
        """Whether unknown search parameters may be passed over."""
        return self.prefer.get("handling") == "lenient"

    def if_match(self) -> int | None:
        """The version that If-Match names."""
        from tuetinh.record.bundles import version_of

        value = self.headers.get("if-match")
        return None if value is None or value.strip() == "*" else version_of(value)

    def is_fresh(self) -> bool:
        """Whether If-None-Match asks that what is put is not there yet."""
        return self.headers.get("if-none-match", "").strip() == "*"

    def has(self, version: int, updated: datetime) -> bool:
        """Whether the client says that it has this version of what it reads (RFC 9110, 13.1.2 and 13.1.3)."""
        known = self.headers.get("if-none-match")
        if known is not None:
            return not {tag.strip().removeprefix("W/") for tag in known.split(",")}.isdisjoint({f'"{version}"', "*"})
        moment = _since(self.headers.get("if-modified-since"))
        return moment is not None and updated.replace(microsecond=0) <= moment

    def parts(self, types: Collection[str]) -> tuple[str | None, list[str]]:
        """What `_summary` and `_elements` ask of resources of the types. Raises BadRequest."""
        mode = summary.check_mode(self.option("_summary"))
        if mode == "count":
            message = "_summary=count is for searches"
            raise BadRequest(message, "_summary")
        elements = [name for name in (self.option("_elements") or "").split(",") if name]
        summary.check_elements(types, elements)
        return mode, elements

    def content_type(self) -> str:
        """The media type of the body, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_large(self) -> bool:
        """Whether the body takes long to be read."""
        return len(self.body) > LARGE

    @property
    def is_conditional(self) -> bool:
        """Whether a search decides what is created."""
        return "if-none-exist" in self.headers or (self.method == "POST" and bool(self.query))

    async def checked(self, check: Callable[[], T]) -> T:
        """What a look at the body gives, taken beside the event loop when it is large."""
        return await asyncio.to_thread(check) if self.is_large else check()

    async def resource(self, type_: str) -> r4.Resource:
        """The body as a checked resource of the type. Raises Invalid, BadRequest or UnsupportedMedia."""
        if self.binary is not None:
            return copy(self.binary)
        self.need_json()
        resource, problems = await self.checked(lambda: check(self.body))
        if resource is None or any(p.severity in ("error", "fatal") for p in problems):
            raise Invalid(problems)
        if resource.resourceType != type_:
            message = f"a {resource.resourceType} cannot be stored at {type_}"
            raise BadRequest(message, f"{resource.resourceType}.resourceType")
        return resource

    def need_json(self) -> None:
        """Raise UnsupportedMedia unless the body is said to be FHIR JSON (or nothing is said)."""
        kind = self.content_type()
        if kind and kind not in TAKEN:
            message = f"a body of {kind[:80]!r} is not understood; send {JSON} or {XML}"
            raise UnsupportedMedia(message)

    def accepted(self) -> list[str]:
        """The media types that the client takes, best first (`_format` before Accept; RFC 9110, 12.5.1)."""
        if (wanted := self.option("_format")) is not None:
            kind, *details = (piece.strip().lower() for piece in wanted.split(";"))
            return [kind.replace(" ", "+")] if _is_ours(details) else []
        ranked = []
        for part in self.headers.get("accept", "").split(","):
            kind, *details = (piece.strip().lower() for piece in part.split(";"))
            weight = next((_weight(d[2:]) for d in details if d.startswith("q=")), 1.0)
            if weight > 0 and _is_ours(details):
                ranked.append((-weight, kind))
        return [kind for _, kind in sorted(ranked, key=lambda pair: pair[0])]

    @cached_property
    def format(self) -> str:
        """`json` or `xml`, as the client wants it, or "" when it takes neither."""
        if "_format" not in self.query and not self.form and self.headers.get("accept", "") in ("", "*/*", JSON):
            return "json"
        try:
            accepted = self.accepted()
        except RecordError:
            return "json"  # in which the malformed query is refused
        for kind in accepted:
            if kind in _XML_FORMATS:
                return "xml"
            if kind in _GIVEN or kind in _FORMATS or not kind:
                return "json"
        return ""

    @property
    def is_pretty(self) -> bool:
        """Whether the answer is to be laid out for people."""
        return "_pretty=true" in self.query or ("_pretty", "true") in self.form

    def check_format(self) -> None:
        """Raise NotAcceptable when the client takes neither JSON nor XML."""
        if self.format:
            return
        if self.operation is None or self.operation.media.isdisjoint(self.accepted()):
            wanted = self.option("_format") or self.headers.get("accept", "")
            message = f"{wanted[:200]!r} is not given here; {JSON} and {XML} of FHIR {VERSIONS[0]} are"
            raise NotAcceptable(message)

    def check_encoding(self) -> None:
        """Raise UnsupportedMedia for a body said to be in another encoding than UTF-8 or another version of FHIR."""
        said = self.headers.get("content-type", "").lower()
        if not _is_ours([detail.strip() for detail in said.split(";")[1:]]):
            raise UnsupportedMedia(f"a body is of FHIR {VERSIONS[0]} here (R4 http.html, 3.1.0.1.12)")
        if "charset=" in said and not _UTF8.search(said):
            message = "a body is in UTF-8 (R4 http.html, 3.1.0.1.11)"
            raise UnsupportedMedia(message)

    @property
    def is_xml(self) -> bool:
        """Whether the body is FHIR XML."""
        return bool(self.body) and self.content_type() in XML_TAKEN

    def translate(self) -> None:
        """Turn the body from FHIR XML into JSON. Raises BadRequest or Invalid."""
        self.body = formats.read(self.body)
        self.headers["content-type"] = JSON


def _is_ours(details: list[str]) -> bool:
    """Whether the parameters of a media type name no other version of FHIR (R4 http.html, 3.1.0.1.12)."""
    said = [detail[12:].strip('"') for detail in details if detail.startswith("fhirversion=")]
    return all(version in VERSIONS for version in said)


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


class Response:
    """What is sent back: `chunks` or `parts` where they are set, else `body` with its large contents."""

    __slots__ = ("body", "chunks", "headers", "parts", "status")

    def __init__(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.status, self.body = status, body
        self.parts: list[Part] = []
        self.chunks: AsyncGenerator[bytes, None] | None = None
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


_NOBODY = Asker(account="", role="")


def base_of(scope: Scope, headers: dict[str, str]) -> str:
    """The absolute address of the door as the client sees it; of a host that is none of ours, the address bound to."""
    host = headers.get("host", "")
    if not (_HOST.fullmatch(host) and validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)):
        server = scope.get("server") or ("127.0.0.1", 80)
        host = f"{server[0]}:{server[1]}"
    url = urlsplit(os.environ.get("TUETINH_URL", ""))
    if url.scheme == "https" and host == url.netloc:
        return f"https://{host}/fhir"  # whatever stands in front of it
    peer = (scope.get("client") or ("", 0))[0]
    scheme = origin.scheme_of(peer, headers.get("x-forwarded-proto", ""), scope.get("scheme", "http"))
    return f"{scheme}://{host}/fhir"


async def read_body(receive: Receive, headers: dict[str, str], limit: int) -> bytes:
    """The whole body, unpacked when it came as gzip. Raises TooLarge without reading on."""
    said = headers.get("content-length", "")
    if said.isascii() and said.isdigit() and int(said[:20]) > limit:
        raise too_large(limit)
    encoding = headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        message = f"the content encoding {encoding[:40]!r} is not understood"
        raise UnsupportedMedia(message)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _gather(receive, limit)
    except TimeoutError as error:
        raise TooSlow(f"the body did not arrive within {BODY_SECONDS} seconds") from error
    if encoding == "gzip":
        body = await asyncio.to_thread(_unzip, body, limit)
    return body.removeprefix(b"\xef\xbb\xbf")  # a byte order mark may be passed over (RFC 8259, 8.1)


async def _gather(receive: Receive, limit: int) -> bytes:
    """All chunks of a body. Raises TooLarge, or BadRequest when the client leaves."""
    chunks, size = [], 0
    while True:
        message_ = await receive()
        if message_["type"] != "http.request":
            message = "the client left before the body was whole"
            raise BadRequest(message)
        chunk: bytes = message_.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        chunks.append(chunk)
        if not message_.get("more_body"):
            break
    return b"".join(chunks)


def _unzip(body: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        data = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        message = "the body is no gzip"
        raise BadRequest(message) from error
    if len(data) > limit:
        raise too_large(limit)
    if not unpacker.eof:
        message = "the gzip of the body ends too early"
        raise BadRequest(message)
    return data


def too_large(limit: int) -> TooLarge:
    """The refusal of a body."""
    return TooLarge(f"the body is larger than {limit} bytes, the limit that TUETINH_BODY_LIMIT sets on this node")


def http_date(moment: datetime) -> str:
    """A date for Last-Modified."""
    return format_date_time(moment.timestamp())


def _since(text: str | None) -> datetime | None:
    """The time of If-Modified-Since, or None when there is none or it is no date (RFC 9110, 13.1.3)."""
    try:
        moment = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def pretty(body: bytes) -> bytes:
    """The same JSON on many lines."""
    return msgspec.json.format(body, indent=2)
