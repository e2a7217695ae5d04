"""Bundles put together from stored bytes, without decoding them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tuetinh.record import versioning
from tuetinh.record.versioning import Stored


def bundle(kind: str, entries: Sequence[bytes], links: Sequence[tuple[str, str]], total: int | None = None) -> bytes:
    """A Bundle of entries that are JSON already."""
    head = msgspec.json.encode(
        {
            "resourceType": "Bundle",
            "id": versioning.new_id(),
            "meta": {"lastUpdated": versioning.instant(versioning.now())},
            "type": kind,
        }
    )[:-1]
    if total is not None:
        head += b',"total":%d' % total
    head += b',"link":' + msgspec.json.encode([{"relation": relation, "url": url} for relation, url in links])
    if entries:
        head += b',"entry":[' + b",".join(entries) + b"]"
    return head + b"}"


def entry(one: Stored, base: str, mode: str = "match") -> bytes:
    """A version as an entry of a searchset."""
    parts = (base.encode(), one.type.encode(), one.id.encode(), one.body or b"", mode.encode())
    return b'{"fullUrl":"%b/%b/%b","resource":%b,"search":{"mode":"%b"}}' % parts
