"""Versions of resources, read as they are stored, as steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tuetinh.record import permits, statements
from tuetinh.record.asker import Asker
from tuetinh.record.errors import Gone
from tuetinh.record.steps import Query, Row, Step
from tuetinh.record.versioning import EVER, Span, Stored


def custodians(patient: str) -> Step[set[str]]:
    """Facilities that answer for something of a patient's record."""
    sql = "SELECT DISTINCT custodian FROM record.resource WHERE patient = %s AND custodian <> '' AND NOT deleted"
    rows = yield Query(sql, (patient,), prepare=False)
    return {row[0] for row in rows}


def read(asker: Asker, type_: str, id_: str) -> Step[Stored]:
    """The current version. Raises NotFound, Gone, Forbidden."""
    permits.allow(asker, "r", type_)
    rows = yield Query(statements.read(type_), (id_,))
    return seen(asker, type_, id_, rows)


def seen(asker: Asker, type_: str, id_: str, rows: Sequence[Row]) -> Stored:
    """The version of a row if it exists for the asker."""
    if not rows or not permits.shows(asker, "r", type_, rows[0][3], rows[0][5]):
        raise permits.absent(type_, id_)
    _, version, updated, patient, deleted, body = rows[0]
    if deleted:
        gone = Gone(f"{type_}/{id_} was deleted")
        gone.version = version
        raise gone
    return Stored(type_, id_, version, updated, patient, body)


def read_many(asker: Asker, type_: str, ids: Iterable[str]) -> Step[list[Stored]]:
    """Current versions of those ids that exist for the asker, in no order."""
    permits.allow(asker, "r", type_)
    rows = yield Query(statements.read_many(type_), (statements.array(ids),))
    return [
        Stored(type_, r[0], r[1], r[2], r[3], r[5])
        for r in rows
        if not r[4] and permits.shows(asker, "r", type_, r[3], r[5])
    ]


def read_version(asker: Asker, type_: str, id_: str, version: int) -> Step[Stored]:
    """One version. Raises NotFound, Gone (the version is a tombstone), Forbidden."""
    permits.allow(asker, "r", type_)
    rows = yield Query(statements.version(type_), (id_, version, id_, version))
    return seen(asker, type_, id_, rows)


def versions(
    asker: Asker, type_: str, id_: str, *, below: int = 2**31 - 1, span: Span = EVER, limit: int = 100
) -> Step[list[Stored]]:
    """Versions of a resource below a number, newest first, tombstones among them. Raises NotFound."""
    return (yield from counted(asker, type_, id_, below=below, span=span, limit=limit))[0]


def counted(
    asker: Asker, type_: str, id_: str, *, below: int = 2**31 - 1, span: Span = EVER, limit: int = 100
) -> Step[tuple[list[Stored], int]]:
    """The same, and how many versions there are of any number. Raises NotFound."""
    permits.allow(asker, "r", type_)
    wanted = [id_, span.since, span.before]
    rows = yield Query(statements.versions(type_), (*wanted, *wanted, span.after, below, limit))
    found = [
        Stored(type_, id_, r[1], r[2], r[3], r[5], created=r[1] == 1)
        for r in rows
        if permits.shows(asker, "r", type_, r[3], r[5])
    ]
    if not found and below == 2**31 - 1:
        exists = yield Query(statements.read(type_), (id_,))
        if not exists or not permits.shows(asker, "r", type_, exists[0][3], exists[0][5]):
            raise permits.absent(type_, id_)
    return found, rows[0][6] if rows else 0
