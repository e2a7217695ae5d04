"""A request at `/dicom-web`: what it asks for, and how its answer is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from tuetinh.care.imaging.dicomweb import multipart, native
from tuetinh.care.imaging.dicomweb.multipart import parameters
from tuetinh.record.origin import scheme_of

JSON: Final = "application/dicom+json"
_JSON: Final = (JSON, "application/json", "application/*", "*/*", "")
Headers = Sequence[tuple[str, str]]


class Refused(Exception):
    """An answer that is no success: the status, and why."""

    def __init__(self, status: int, why: str = "") -> None:
        super().__init__(why)
        self.status, self.why = status, why


@dataclass(frozen=True, slots=True)
class Accepted:
    """A media type that a client takes. syntax: its transfer-syntax, `*` any, "" where it says none."""

    media: str
    type: str = ""
    syntax: str = ""

    @property
    def inner(self) -> str:
        """The media type of a part, or of the whole where it is not multipart."""
        return self.type if self.media == "multipart/related" else self.media

    @property
    def is_multipart(self) -> bool:
        """Whether the answer comes in parts."""
        return self.media == "multipart/related"


@dataclass(slots=True)
class Call:
    """One request."""

    scope: MutableMapping[str, Any]
    receive: Any
    send: Any
    headers: dict[str, str] = field(init=False)
    query: list[tuple[str, str]] = field(init=False)
    begun: bool = field(init=False, default=False)  # whether the head of the answer is sent

    def __post_init__(self) -> None:
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self.scope["headers"]}
        self.query = parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)

    @property
    def base(self) -> str:
        """The address of the service, as the client has called it."""
        peer = (self.scope.get("client") or ("", 0))[0]
        forwarded = self.headers.get("x-forwarded-proto", "")
        scheme = scheme_of(peer, forwarded, self.scope.get("scheme", "http"))
        return f"{scheme}://{self.headers.get('host', 'localhost')}/dicom-web"

    @property
    def accepts(self) -> list[Accepted]:
        """What the client takes, by preference; `?accept=` goes before the header (PS3.18, 8.3.3.1)."""
        text = ", ".join(value for name, value in self.query if name == "accept") or self.headers.get("accept", "*/*")
        found = []
        for one in _split(text):
            told = parameters(one)
            weight = float(told.get("q", "1") or 1) if told.get("q", "1").replace(".", "").isdigit() else 1.0
            found.append((weight, Accepted(told[""], told.get("type", "").lower(), told.get("transfer-syntax", ""))))
        return [accepted for weight, accepted in sorted(found, key=lambda pair: -pair[0]) if weight > 0]

    def accepting(self, fits: Callable[[Accepted], bool]) -> Accepted:
        """The media type that the client prefers of those that can be given. Raises Refused."""
        found = next((one for one in self.accepts if fits(one)), None)
        if found is None:
            raise Refused(406, "none of the media types that are accepted can be given")
        return found

    def wants_xml(self, *, parts: bool = True) -> bool:
        """Whether metadata is to be XML rather than JSON. Raises Refused where it may be neither.

        parts: of several data sets, each of which is a document of its own (PS3.18, 8.7.3.2).
        """

        def fits(one: Accepted) -> bool:
            return one.media in _JSON or (one.inner == native.MEDIA and one.is_multipart == parts)

        return self.accepting(fits).inner == native.MEDIA

    def option(self, name: str, usual: str = "") -> str:
        """The value of a query parameter."""
        return next((value for key, value in self.query if key == name), usual)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        while True:
            message = await self.receive()
            if message["type"] != "http.request":
                raise Refused(400, "the client has left")
            if body := message.get("body"):
                yield body
            if not message.get("more_body"):
                return

    async def answer(self, status: int, media: str, body: bytes, headers: Headers = ()) -> None:
        """Send a whole answer."""
        await self.start(status, media, [("content-length", str(len(body))), *headers])
        await self.send({"type": "http.response.body", "body": b"" if self.scope["method"] == "HEAD" else body})

    async def answer_nothing(self, headers: Headers = ()) -> None:
        """Send that nothing was found (204)."""
        await self.start(204, JSON, headers)
        await self.end()

    async def answer_json(self, value: object, status: int = 200, headers: Headers = ()) -> None:
        """Send DICOM JSON."""
        await self.answer(status, JSON, orjson.dumps(value), headers)

    async def answer_parts(self, values: Iterable[bytes], media: str, headers: Headers = ()) -> None:
        """Send documents, each as a part."""
        boundary = multipart.new_boundary()
        await self.start(200, f'multipart/related; type="{media}"; boundary={boundary}', headers)
        for number, value in enumerate(values):
            await self.more(multipart.head(boundary, media, first=number == 0) + value)
        await self.more(multipart.tail(boundary))
        await self.end()

    async def start(self, status: int, media: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Send the head of an answer; nothing of it is kept by anybody on the way."""
        usual = [("content-type", media), ("cache-control", "no-store"), ("x-content-type-options", "nosniff")]
        told = [(name.encode(), value.encode("latin-1", "replace")) for name, value in (*usual, *headers)]
        self.begun = True
        await self.send({"type": "http.response.start", "status": status, "headers": told})

    async def more(self, body: bytes) -> None:
        """Send some of the body."""
        await self.send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self) -> None:
        """End the body."""
        await self.send({"type": "http.response.body", "body": b""})


def _split(text: str) -> list[str]:
    """The media types of a list; commas within quotes belong to a parameter."""
    parts, inside, start = [], False, 0
    for at, sign in enumerate(text):
        if sign == '"':
            inside = not inside
        elif sign == "," and not inside:
            parts.append(text[start:at])
            start = at + 1
    return [part for part in (*parts, text[start:]) if part.strip()]
