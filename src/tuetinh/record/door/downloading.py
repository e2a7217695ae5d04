"""Binaries that leave as they are (FHIR R4 binary.html), whole or in ranges (RFC 9110, 14)."""

from __future__ import annotations

import mimetypes
import re
from base64 import b64decode

import msgspec

from tuetinh.record.contents import Part, content_of
from tuetinh.record.contents.giving import Piece, piece
from tuetinh.record.door.call import FHIR, LOOSE, Call, Response, http_date
from tuetinh.record.errors import Issue, outcome
from tuetinh.record.versioning import Stored

UNKNOWN = "application/octet-stream"
# What a browser may show of itself; everything else is saved, so that no script runs in the name of this server.
SHOWN = re.compile(r"application/(?:pdf|dicom)|image/(?!svg)[a-z0-9.-]+|(?:audio|video)/[a-z0-9.-]+|text/plain")
_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})")


class _Raw(msgspec.Struct):
    contentType: str = UNKNOWN
    data: str = ""


def gives_any_type(call: Call, interaction: str) -> bool:
    """Whether what is read has a media type of its own, so that Accept cannot be judged beforehand."""
    return call.type == "Binary" and interaction in ("read", "vread")


def is_wanted(call: Call, found: Stored) -> bool:
    """Whether a Binary is to be given as it is: always, unless FHIR JSON or XML is asked for by name.

    `application/json` and its like are no more than a wish for FHIR where the content is of no type that is accepted.
    """
    if found.type != "Binary" or call.inside_bundle:
        return False
    media = _read(found).contentType.partition(";")[0].strip().lower()
    accepted = call.accepted()
    if call.option("_format") is not None:
        return accepted[0] == media and media not in FHIR
    for kind in accepted:
        if kind in FHIR:
            return False
        if kind in (media, "*/*", f"{media.partition('/')[0]}/*"):
            return True
    return not any(kind in LOOSE for kind in accepted)


def raw(call: Call, found: Stored) -> Response:
    """The content of a Binary. Raises Lost. Needs `contents.ready`."""
    binary = _read(found)
    part: Part = b64decode(binary.data)
    if content := content_of(binary.data.encode()):
        part = piece(content)
    size = part.length if isinstance(part, Piece) else len(part)
    etag = f'"{found.version}"'
    response = Response(200)
    response.headers = _headers(found, binary.contentType) | {"etag": etag, "last-modified": http_date(found.updated)}
    if call.has(found.version, found.updated):
        response.status = 304
        return response
    start, stop = 0, size
    if (asked := _range(call, found, etag)) is not None:
        start, stop = _bounds(asked, size)
        if start >= stop:
            text = f"the range begins after the {size} bytes of the content"
            return Response(416, outcome([Issue("error", "value", text)]), content_range=f"bytes */{size}")
        response.status = 206
        response.headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
    response.parts = [part._replace(start=start, stop=stop) if isinstance(part, Piece) else part[start:stop]]
    return response


def _read(found: Stored) -> _Raw:
    return msgspec.json.decode(found.body or b"{}", type=_Raw)


def _headers(found: Stored, media: str) -> dict[str, str]:
    kind = media.partition(";")[0].strip().lower()
    shown = SHOWN.fullmatch(kind) is not None
    name = f"{found.id}{mimetypes.guess_extension(kind) or ''}"
    headers = {
        "content-type": media if media.isascii() and media.isprintable() else UNKNOWN,
        "content-disposition": f'{"inline" if shown else "attachment"}; filename="{name}"',
        "x-content-type-options": "nosniff",
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
        "vary": "accept, authorization",
    }
    return headers if shown else headers | {"content-security-policy": "sandbox; default-src 'none'"}


def _range(call: Call, found: Stored, etag: str) -> tuple[str, str] | None:
    """The one range that is asked for; None for the whole, also where the client's part is of another version."""
    match = _RANGE.fullmatch(call.headers.get("range", "").strip())
    if call.method != "GET" or match is None or match.groups() == ("", ""):
        return None
    condition = call.headers.get("if-range")
    if condition is not None and condition.strip() not in (etag, http_date(found.updated)):
        return None
    return match[1], match[2]


def _bounds(asked: tuple[str, str], size: int) -> tuple[int, int]:
    """First byte and the one after the last; nothing between them where the range cannot be satisfied."""
    first, last = asked
    if not first:
        return max(size - int(last), 0), size
    return int(first), min(int(last) + 1, size) if last else size
