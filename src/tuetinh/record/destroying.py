"""Destruction of resources whose time is over: no version keeps a body, and what is left proves what was destroyed.

A deletion leaves the versions before it in history; a destruction takes their bodies, index entries and contents away
for good. The numbers of the versions, their times and the change feed stay, since they name nobody; so does the access
log, which is not touched. `record.destroyed` keeps the SHA-256 of each version and the decision that it rests on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple

from django.db import connection, transaction

from tuetinh.record import audit, store
from tuetinh.record.asker import Asker
from tuetinh.record.errors import BadRequest
from tuetinh.record.statements import array
from tuetinh.record.steps import Query, Row, Step, enter, run

_BODIES: Final = """SELECT version, updated, body FROM record."{type}_history"
WHERE type = '{type}' AND id = %s AND body IS NOT NULL ORDER BY version"""
_KEEP: Final = """INSERT INTO record.destroyed (type, id, shard, version, updated, patient, custodian, labels, sha256,
  decision)
SELECT '{type}', r.id, r.shard, v.version, v.updated, r.patient, r.custodian, r.labels, v.sha256, %s
FROM record."{type}" r, unnest(%s::integer[], %s::timestamptz[], %s::text[]) AS v(version, updated, sha256)
WHERE r.type = '{type}' AND r.id = %s"""
_WIPE: Final = """UPDATE record."{type}_history" SET body = NULL, deleted = true
WHERE type = '{type}' AND id = %s AND body IS NOT NULL"""
_FORGET: Final = "DELETE FROM record.content WHERE type = %s AND id = %s"
_PROOF: Final = """SELECT type, id, version, updated, sha256, at FROM record.destroyed
WHERE decision = %s AND (type, id, version) > (%s, %s, %s) ORDER BY type, id, version LIMIT %s"""
# What is there with its body; what was deleted, with the last that it had.
_NAMING: Final = """SELECT type, id, body FROM record.resource
WHERE patient = %s AND NOT deleted AND position(convert_to(%s, 'UTF8') IN body) > 0
UNION ALL
SELECT * FROM (
  SELECT DISTINCT ON (h.type, h.id) h.type, h.id, h.body FROM record.history h
  JOIN record.resource r ON r.type = h.type AND r.id = h.id AND r.deleted
  WHERE h.patient = %s AND h.body IS NOT NULL ORDER BY h.type, h.id, h.version DESC
) gone WHERE position(convert_to(%s, 'UTF8') IN body) > 0"""
WHOLE: Final = frozenset({"Encounter", "EpisodeOfCare", "Patient"})
"""What may name a visit and is not written in it."""
BLOCK: Final = 1000


Follow = Callable[[Asker, str, str], None]
_followers: dict[str, Follow] = {}


def register(type_: str, follow: Follow) -> None:
    """Let a module take along what it has of a resource of a type: asker, id, decision; in the same transaction.

    What it raises stops the destruction.
    """
    _followers[type_] = follow


class Destroyed(NamedTuple):
    """A version that was destroyed. sha256: of its JSON as it was stored, in hex. at: when it was destroyed."""

    type: str
    id: str
    version: int
    updated: datetime
    sha256: str
    at: datetime


def destroy(asker: Asker, type_: str, id_: str, decision: str) -> int:
    """Destroy all versions of a resource; returns how many, none for one that is destroyed already.

    decision: what it rests on, kept with the proof. Needs what deleting needs. Raises NotFound, Forbidden, and
    BadRequest without a decision.
    """
    if not decision.strip():
        message = "nothing is destroyed without a decision"
        raise BadRequest(message)
    with transaction.atomic():
        gone = run(asker, _destroyed(asker, type_, id_, decision))
        if gone:
            audit.note(asker, "destroy", type_, id_, gone[0])
            if follow := _followers.get(type_):
                follow(asker, id_, decision)
    return gone[1] if gone else 0


def within(asker: Asker, patient: str, encounter: str) -> list[tuple[str, str]]:
    """Type and id of what was written in a visit of a person and has a body still, deleted or not; not the visit."""
    named = rb'"(?:encounter|context)":\[?(?:\{[^{}]*\},)*\{[^{}]*"reference":"Encounter/' + re.escape(
        encounter.encode()
    )
    pattern = re.compile(named + rb'(?:/_history/[^"]*)?"')
    rows = run(asker, _naming(patient, f'"Encounter/{encounter}'))
    return [(type_, id_) for type_, id_, body in rows if type_ not in WHOLE and pattern.search(bytes(body))]


def _naming(patient: str, text: str) -> Step[list[Row]]:
    return (yield Query(_NAMING, (patient, text, patient, text), prepare=False))


def _destroyed(asker: Asker, type_: str, id_: str, decision: str) -> Step[tuple[str | None, int] | None]:
    stored = yield from store.delete(asker, type_, id_)
    rows = yield Query(_BODIES.format(type=type_), (id_,))
    if not rows:
        return None
    columns = [array(str(row[0]) for row in rows), array(row[1].isoformat() for row in rows)]
    hashes = array(sha256(bytes(row[2])).hexdigest() for row in rows)
    yield Query(_KEEP.format(type=type_), (decision, *columns, hashes, id_))
    yield Query(_WIPE.format(type=type_), (id_,))
    yield Query(_FORGET, (type_, id_))
    return stored.patient, len(rows)


def proof(asker: Asker, decision: str) -> Iterator[Destroyed]:
    """What was destroyed by a decision, as far as it exists for the asker, in the order of types, ids and versions."""
    after: tuple[str, str, int] = ("", "", 0)
    while True:
        enter(asker)
        with connection.cursor() as cursor:
            cursor.execute(_PROOF, [decision, *after, BLOCK])
            rows = [Destroyed(*row) for row in cursor.fetchall()]
        yield from rows
        if len(rows) < BLOCK:
            return
        after = rows[-1][:3]
