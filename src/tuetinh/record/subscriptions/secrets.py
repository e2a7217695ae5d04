"""Headers of a channel are secrets: kept sealed beside the record, shown to nobody, put on the wire only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from tuetinh.record import seals
from tuetinh.record.errors import Issue, Unprocessable

MASK = "********"
PURPOSE = "subscription headers"
MOST = 20
LONGEST = 8000
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}")
_OURS = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade", "te"})
Headers = dict[str, str]


def split(lines: Sequence[str | None], known: Mapping[str, str]) -> tuple[Headers, list[str]]:
    """Headers with their values, and the lines that may be stored; a masked value is the known one.

    Raises Unprocessable for what is no header (RFC 9110, 5.1 and 5.5) or one that is ours to write.
    """
    found: Headers = {}
    for number, line in enumerate(lines):
        name, colon, value = (line or "").partition(":")
        name, value = name.strip(), value.strip()
        if not colon or not _NAME.fullmatch(name) or len(value) > LONGEST or not value.isprintable():
            raise _wrong(number, "a header has the form Name: value")
        if name.lower() in _OURS or name.lower() in (one.lower() for one in found) or number >= MOST:
            raise _wrong(number, f"the header {name} cannot be given, or not again")
        if value == MASK:
            if name not in known:
                raise _wrong(number, f"the value of {name} is hidden; send it again")
            value = known[name]
        found[name] = value
    return found, [f"{name}: {MASK}" for name in found]


def seal(headers: Headers) -> bytes | None:
    """The headers as they are kept."""
    return seals.seal(PURPOSE, msgspec.json.encode(headers)) if headers else None


def unseal(sealed: bytes | None) -> Headers:
    """The headers again; none where the node's key is another one than when they were sealed."""
    content = seals.unseal(PURPOSE, sealed) if sealed else None
    return msgspec.json.decode(content, type=Headers) if content else {}


def _wrong(number: int, text: str) -> Unprocessable:
    return Unprocessable(issues=[Issue("error", "value", text, f"Subscription.channel.header[{number}]")])
