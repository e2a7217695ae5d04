"""What stands in a stored resource in the place of a large content.

96 characters of base64, so that a resource with a stand-in is a valid resource for everything inside the record: a
mark, the SHA-256 and the size of the content, and a seal. The seal is made with a key that only the database knows:
nobody outside can write a stand-in and so be given the content of somebody else.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import NamedTuple

from tuetinh.record.steps import Query, Step

LARGE = 64 * 1024
"""Contents with more bytes than these are files."""

MARK = b64encode(b"tuetinh-file")
_FORM = re.compile(MARK + rb"[A-Za-z0-9+/]{80}")
_SEAL = 20
_key: list[bytes] = []


class Content(NamedTuple):
    """A content that is a file: the SHA-256 and the number of its bytes."""

    digest: bytes
    size: int


def ready() -> Step[None]:
    """Get the key of this record, once in a process; whoever makes or reads stand-ins does this first."""
    if not _key:
        rows = yield Query("SELECT key FROM record.content_key")
        _key.append(bytes(rows[0][0]))


def stand_in(content: Content) -> bytes:
    """The stand-in of a content."""
    payload = content.digest + content.size.to_bytes(8, "big")
    return MARK + b64encode(payload + _seal(payload))


def _seal(payload: bytes) -> bytes:
    return hmac.digest(_key[0], payload, "sha256")[:_SEAL]


def may_hold(body: bytes) -> bool:
    """Whether there could be stand-ins in a body; needs no key."""
    return MARK in body


def find(body: bytes) -> list[tuple[int, int, Content]]:
    """Where stand-ins begin and end in a body, and what they stand for, in order."""
    found = []
    for match in _FORM.finditer(body):
        if content := content_of(match[0]):
            found.append((*match.span(), content))
    return found


def content_of(text: bytes) -> Content | None:
    """What the text stands for, or None when it is no stand-in of this record."""
    if _FORM.fullmatch(text) is None:
        return None
    data = b64decode(text[len(MARK) :])
    payload, seal = data[:-_SEAL], data[-_SEAL:]
    if not hmac.compare_digest(seal, _seal(payload)):
        return None
    return Content(payload[:32], int.from_bytes(payload[32:], "big"))


def owner() -> str:
    """What names this record to its folder, and tells nothing of the key. Needs `ready`."""
    return sha256(b"owner of contents" + _key[0]).hexdigest()


def digest_of(data: bytes) -> Content:
    """The content that these bytes are."""
    return Content(sha256(data).digest(), len(data))
