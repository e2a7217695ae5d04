"""Page tokens: where a page ended, signed, and good only for the same search by the same asker."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

import msgspec

from tuetinh.record.asker import Asker
from tuetinh.record.search.parse import Search

_SEAL = 16


class PageRefused(ValueError):
    """A page token that was not given out for this search to this asker."""


@dataclass(frozen=True, slots=True)
class Position:
    """The last row of a page (sort values as text, key), the moment of the first page and the total that it told.

    survivors: the first page was answered with what survivors of merged people have.
    defined: the URL of the last definition, where a page ended among those of the server itself (`built_in`), which
    come after what is stored; "" before the first one.
    """

    key: int
    values: tuple[str | None, ...]
    snapshot: str
    began: str
    total: int | None = None
    survivors: bool = False
    defined: str | None = None


def _seal(secret: bytes, asker: Asker, search: Search, payload: bytes) -> bytes:
    who = repr((asker.account, asker.role, asker.facility, asker.patient)).encode()
    parts = b"\x1f".join((b"search page", who, search.fingerprint(), payload))
    return hmac.new(secret, parts, hashlib.sha256).digest()[:_SEAL]


def write(secret: bytes, asker: Asker, search: Search, position: Position) -> str:
    """Return the token of the page after `position`."""
    payload = msgspec.msgpack.encode(position)
    return urlsafe_b64encode(_seal(secret, asker, search, payload) + payload).decode().rstrip("=")


def read(secret: bytes, asker: Asker, search: Search, token: str) -> Position:
    """Return the position in a token. Raises PageRefused."""
    try:
        data = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        seal, payload = data[:_SEAL], data[_SEAL:]
        if not hmac.compare_digest(seal, _seal(secret, asker, search, payload)):
            raise PageRefused("the page belongs to another search or asker")
        position = msgspec.msgpack.decode(payload, type=Position)
        if position.defined is None and len(position.values) != len(search.sort):
            raise PageRefused("the page is of another order, that of a former version of the server")
        return position
    except PageRefused:
        raise
    except (ValueError, msgspec.DecodeError) as error:
        raise PageRefused("the page token is damaged") from error
