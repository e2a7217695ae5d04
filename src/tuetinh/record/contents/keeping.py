"""The steps of a write that concern large contents: out of the JSON into files, and who uses which."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tuetinh.record.contents import files
from tuetinh.record.contents.stand_ins import LARGE, Content, digest_of, find, may_hold, ready, stand_in
from tuetinh.record.statements import array
from tuetinh.record.steps import Query, Step, computed

# Elements of type base64Binary that can be large; what is not canonical base64 (RFC 4648, 4) stays where it is.
_VALUE = re.compile(rb'("(?:data|[a-z]+Base64Binary)":")([A-Za-z0-9+/]{%d,}={0,2})"' % (LARGE * 4 // 3))
_USES = """INSERT INTO record.content (digest, size, type, id, shard, patient, custodian)
SELECT decode(c.digest, 'hex'), c.size, %s, c.id, c.shard, c.patient, c.custodian
FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[])
  AS c(digest, size, id, shard, patient, custodian)
ON CONFLICT DO NOTHING"""


class User(NamedTuple):
    """The row of a resource that uses contents."""

    id: str
    shard: str
    patient: str | None
    custodian: str | None


def keep(type_: str, bodies: Sequence[bytes], users: Sequence[User]) -> Step[list[bytes]]:
    """Put the large contents of resources of a type into files; returns the bodies to store.

    Comes before the resources are stored: what is used must never look unused. Raises NoSpace.
    """
    if not any(len(body) > LARGE or may_hold(body) for body in bodies):
        return list(bodies)
    yield from ready()
    taken = yield from computed(lambda: [_replaced(body, files.store) for body in bodies])
    uses = dict.fromkeys(
        (content, user) for body, user in zip(taken, users, strict=True) for _, _, content in find(body)
    )
    if uses:
        columns = zip(*((c.digest.hex(), str(c.size), *user) for c, user in uses), strict=True)
        yield Query(_USES, (type_, *map(array, columns)))
    return taken


def shortened(body: bytes) -> Step[bytes]:
    """The body as it would be stored, to compare it with what is; makes no files."""
    if len(body) <= LARGE:
        return body
    yield from ready()
    return (yield from computed(lambda: _replaced(body, digest_of)))


def _replaced(body: bytes, content_of: Callable[[bytes], Content]) -> bytes:
    """The body with stand-ins in the place of its large contents."""

    def replaced(match: re.Match[bytes]) -> bytes:
        text = match[2]
        data = b64decode(text) if len(text) % 4 == 0 else b""
        if len(data) <= LARGE or b64encode(data) != text:
            return match[0]
        return match[1] + stand_in(content_of(data)) + b'"'

    return _VALUE.sub(replaced, body) if len(body) > LARGE else body
