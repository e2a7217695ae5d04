"""The merge of two Patients: everything that names the source is turned to the target, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from tuetinh.record import r4, store, versioning
from tuetinh.record.asker import Asker
from tuetinh.record.errors import Conflict, Forbidden, NotFound, Unprocessable
from tuetinh.record.merging import followers, ledger, references
from tuetinh.record.merging.survivor import has_link, survivor, vanished
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.statements import array, lock_many
from tuetinh.record.steps import Pause, Query, Row, Step

BATCH = 200
GATE = "5s"  # for writes under way to end, while it holds nothing that they may want
ROUNDS = 6
LOCK = "700ms"  # shorter than PostgreSQL's deadlock_timeout: a merge yields to whoever is in its way, and begins anew


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a merge did or would do. counts: resources by type. kept: (type, id) of what a person should look at."""

    merge: str
    source: str
    target: str
    counts: dict[str, int]
    rows: int = 0
    patient: r4.Patient | None = None
    kept: list[tuple[str, str]] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many resources."""
        return sum(self.counts.values())


def allow(asker: Asker) -> None:
    """Raise Forbidden unless the asker may change resources of every type, of all people."""
    if asker.patient is not None or asker.is_granular or not asker.may("u", "Patient") or not _may_all(asker):
        message = "merging people changes resources of every type; the scopes of this account do not allow it"
        raise Forbidden(message)


def _may_all(asker: Asker) -> bool:
    return asker.sight == EVERYTHING and all(asker.may("u", type_) for type_ in r4.RESOURCES)


def shut(people: Sequence[str]) -> Step[None]:
    """Shut the gates of these people until the transaction ends; writes under way are waited for, but not long.

    Raises psycopg's LockNotAvailable, upon which the transaction is to be begun anew.
    """
    rows = yield Query(
        "SELECT DISTINCT hashtext(p) & 255 AS gate FROM unnest(%s::text[]) p ORDER BY 1", (array(people),)
    )
    gates = [row[0] for row in rows]
    yield Query("SAVEPOINT gates")
    for turn in range(ROUNDS):
        try:
            for number, gate in enumerate(gates):
                yield Query(f"SET LOCAL lock_timeout = '{LOCK if number else GATE}'")
                yield Query("SELECT pg_advisory_xact_lock(740074, %s)", (gate,))
            break
        except psycopg.errors.LockNotAvailable:
            if turn == ROUNDS - 1:
                raise
            yield Query("ROLLBACK TO SAVEPOINT gates")
            gates.reverse()  # waits for the busier one first, while it holds nothing
    yield Query(f"SET LOCAL lock_timeout = '{LOCK}'")


def both(source: str, target: str) -> Step[dict[str, Row]]:
    """The locked rows of two Patients who are there."""
    ids = array(sorted({source, target}))
    rows = yield Query(lock_many("Patient"), ("{}", ids, ids))
    here = {row[0]: row for row in rows}
    for id_ in (source, target):
        if id_ not in here:
            message = f"Patient/{id_} is not known"
            raise NotFound(message)
        if here[id_][4]:
            message = f"Patient/{id_} was deleted"
            raise Unprocessable(message)
    return here


def person(row: Row) -> r4.Patient:
    """The Patient of a locked row."""
    found = r4.decode(bytes(row[5]))
    assert isinstance(found, r4.Patient)  # noqa: S101
    return found


def _check(source: r4.Patient, target: r4.Patient) -> Step[None]:
    """Refuse what would make a circle, or lead into nothing."""
    for one in (source, target):
        merged = yield from ledger.of_source(str(one.id))
        if merged:
            message = f"Patient/{one.id} was merged into Patient/{merged.target} already"
            raise Unprocessable(message)
        if has_link(one, "replaced-by"):
            message = f"Patient/{one.id} was replaced by another one (Patient.link)"
            raise Unprocessable(message)


def preview(asker: Asker, source: str, target: str) -> Step[Outcome]:
    """What a merge would move, without changing anything; raises what the merge would raise."""
    return (yield from _merge(asker, source, target, None, "", preview_only=True))


def merge(
    asker: Asker, source: str, target: str, *, result: r4.Patient | None = None, reason: str = ""
) -> Step[Outcome]:
    """Merge the source into the target. result: the target as it is to be; else it takes what it lacks.

    Needs a transaction, to be begun anew upon LockNotAvailable. Raises Unprocessable, NotFound, Conflict, Forbidden.
    """
    return (yield from _merge(asker, source, target, result, reason))


def _merge(
    asker: Asker, source: str, target: str, result: r4.Patient | None, reason: str, *, preview_only: bool = False
) -> Step[Outcome]:
    allow(asker)
    if source == target:
        message = "source and target are the same Patient"
        raise Unprocessable(message)
    yield from shut([source])
    rows = yield from both(source, target)
    gone, stays = person(rows[source]), person(rows[target])
    yield from _check(gone, stays)
    if clashing := (yield from followers.clashes(source, target)):
        message = f"both people stand in {', '.join(clashing)} at this time; end one of the two first"
        raise Conflict(message)
    id_ = versioning.new_id()
    yield Query("SAVEPOINT looking")
    yield from _begin(asker, id_, rows[source], rows[target], reason)
    counts = dict((yield from ledger.types(id_)))
    if preview_only:
        yield Query("ROLLBACK TO SAVEPOINT looking")
        return Outcome(id_, source, target, counts, patient=result or survivor(stays, gone))
    for type_ in counts:
        yield from _move_type(asker, id_, type_, source, target)
    moved_rows = yield from followers.follow(id_, source, target)
    after = result or survivor(stays, gone)
    yield from store.rewrite(asker, "Patient", [rows[source], rows[target]], [vanished(gone, target), after], "merge")
    yield Query("UPDATE record.merge SET moved = %s WHERE id = %s", (sum(counts.values()), id_))
    return Outcome(id_, source, target, counts, moved_rows, after)


def _begin(asker: Asker, id_: str, source: Row, target: Row, reason: str) -> Step[None]:
    """Open the entry of the ledger, and list what names the source."""
    yield Query(
        "INSERT INTO record.merge (id, source, target, at, account, role, facility, reason, source_version, "
        "target_version, key) "
        "SELECT %s, %s, %s, %s::timestamptz, %s, %s, %s, %s, %s, %s, nextval('record.resource_key')",
        (
            *(
                id_,
                source[0],
                target[0],
                versioning.now().isoformat(),
                asker.account,
                asker.role,
                asker.facility,
                reason,
            ),
            *(source[1], target[1]),
        ),
    )
    yield Query(
        "INSERT INTO record.merge_moved (merge, type, id) SELECT %s, type, id FROM record.resource "
        "WHERE (patient = %s OR tokens && %s::bigint[]) AND NOT deleted AND type <> 'Patient'",
        (id_, source[0], references.hashes(source[0])),
        prepare=False,
    )


def _move_type(asker: Asker, id_: str, type_: str, source: str, target: str) -> Step[None]:
    """Turn the listed resources of a type, a batch at a time."""
    after = ""
    while listed := (yield from ledger.batch(id_, type_, after, BATCH)):
        after = max(listed)
        rows, bodies, spots = [], [], []
        for row in (yield from locked(type_, listed)):
            body = bytes(row[5] or b"")
            if found := references.spots(body, source, target):
                rows.append(row)
                bodies.append(r4.decode(references.turned(body, source, target)))
                spots.append((type_, row[0], found))
        if rows:
            yield from store.rewrite(asker, type_, rows, bodies, "merge")
        yield from ledger.note(id_, spots)
        yield Pause()


def locked(type_: str, ids: Sequence[str] | dict[str, list[str]]) -> Step[list[Row]]:
    """The locked current rows of these ids, in their order; tombstones are left out."""
    names = array(sorted(ids))
    rows = yield Query(lock_many(type_), ("{}", names, names))
    return [row for row in rows if not row[4]]


def check_result(result: r4.Patient, source: str, target: str) -> None:
    """Raise Unprocessable for a result-patient that is not the target, or does not replace the source (R5 merge)."""
    if result.id != target:
        message = f"result-patient must have the id of the target, {target}"
        raise Unprocessable(message, "result-patient")
    if not has_link(result, "replaces", source):
        message = f"result-patient must have a link of type replaces to Patient/{source}"
        raise Unprocessable(message, "result-patient")
    if has_link(result, "replaced-by"):
        message = "result-patient is replaced by another one itself"
        raise Unprocessable(message, "result-patient")
