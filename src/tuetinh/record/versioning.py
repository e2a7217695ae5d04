"""A version of a resource: its name, its time and its bytes."""

from __future__ import annotations

import re
import secrets
import time
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from tuetinh.record import r4

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


class Stored(NamedTuple):
    """A version as it is stored. `body` is None for a tombstone; `created`: the first one, or one after a deletion."""

    type: str
    id: str
    version: int
    updated: datetime
    patient: str | None
    body: bytes | None
    created: bool = False

    @property
    def deleted(self) -> bool:
        """Whether this version is a tombstone."""
        return self.body is None


def new_id() -> str:
    """A new logical id: UUID version 7, so ids of one time lie together in the index."""
    value = (
        (int(time.time() * 1000) << 80) | (7 << 76) | (secrets.randbits(12) << 64) | (2 << 62) | secrets.randbits(62)
    )
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_id(text: str) -> bool:
    """Whether the text is a FHIR id."""
    return _ID.fullmatch(text) is not None


def now() -> datetime:
    """The time of a version, in milliseconds as FHIR's instant shows it."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def instant(moment: datetime) -> str:
    """A FHIR instant in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Span(NamedTuple):
    """Which versions of a history: written since a moment; current after one and before another (`_at`)."""

    since: str = "-infinity"
    after: str = "-infinity"
    before: str = "infinity"


EVER = Span()


def stamp(resource: r4.Resource, version: int, updated: datetime) -> bytes:
    """Write version and time into `meta` and return the bytes to keep."""
    if resource.meta is None:
        resource.meta = r4.Meta()
    resource.meta.versionId = str(version)
    resource.meta.lastUpdated = instant(updated)
    return r4.encode(resource)


def content(resource: r4.Resource) -> bytes:
    """The bytes of a resource without version and time, to compare two versions."""
    meta = resource.meta
    if meta is not None:
        bare = msgspec.structs.replace(meta, versionId=None, lastUpdated=None)
        resource = msgspec.structs.replace(resource, meta=bare if bare != r4.Meta() else None)
    return r4.encode(resource)
