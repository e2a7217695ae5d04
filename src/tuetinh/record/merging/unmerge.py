"""A merge undone: each of two people has again what is theirs, whatever was written since.

To the source go back, as new versions: what the merge moved (with later changes, the references at the places where the
source had stood); what was sent in the source's name since; and what was made since within such a thing (`WITHIN`), if
everything that it lies within goes back. What lies within things of both people stays and is told. All else stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from tuetinh.record import r4, store
from tuetinh.record.asker import Asker
from tuetinh.record.errors import Unprocessable
from tuetinh.record.merging import followers, ledger, references
from tuetinh.record.merging.ledger import Merge
from tuetinh.record.merging.merge import BATCH, Outcome, allow, both, locked, person, shut
from tuetinh.record.merging.survivor import without
from tuetinh.record.statements import array, version
from tuetinh.record.steps import Pause, Query, Row, Step

# Elements that say what a resource is part of (fivews.html "context"; workflow.html): it goes where that goes.
WITHIN = (
    "encounter",
    "context",
    "episodeOfCare",
    "basedOn",
    "partOf",
    "specimen",
    "request",
    "authorizingPrescription",
    "derivedFrom",
    "parent",
    "focus",
    "target",
    "result",
    "prescription",
    "chargeItemReference",
)
_WITHIN = re.compile(rb'"(?:' + "|".join(WITHIN).encode() + rb')":(?:\{[^{}\[\]]*\}|\[[^\[\]]*\])')
_REFERENCE = re.compile(rb'"reference":"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})"')
PASSES = 5  # things made later lie within things made earlier, but for those of one transaction


def unmerge(asker: Asker, source: str, *, target: str = "", reason: str = "", preview: bool = False) -> Step[Outcome]:
    """Undo the merge in force of this source. Needs a transaction, to be begun anew upon LockNotAvailable.

    preview: count only. Raises Unprocessable, NotFound, Forbidden.
    """
    allow(asker)
    found = yield from _in_force(source, target)
    yield from shut([found.source, found.target])
    found = yield from _in_force(source, target)
    rows = yield from both(found.source, found.target)
    later = yield from ledger.of_source(found.target)
    if later:
        message = f"Patient/{found.target} was itself merged into Patient/{later.target} since; undo that first"
        raise Unprocessable(message)
    yield Query("SAVEPOINT looking")
    kept = yield from _note_later(found)
    counts = dict((yield from ledger.types(found.id)))
    if preview:
        yield Query("ROLLBACK TO SAVEPOINT looking")
        return Outcome(found.id, found.source, found.target, counts, kept=kept)
    for type_ in counts:
        yield from _move_back(asker, found, type_)
    moved_rows = yield from followers.go_back(found)
    restored = yield from _restored(found, rows)
    yield from store.rewrite(asker, "Patient", [rows[found.source], rows[found.target]], restored, "unmerge")
    yield Query(
        "UPDATE record.merge SET undone = %s::timestamptz, undone_account = %s, undone_role = %s, undone_reason = %s "
        "WHERE id = %s",
        (datetime.now(UTC).isoformat(), asker.account, asker.role, reason, found.id),
    )
    return Outcome(found.id, found.source, found.target, counts, moved_rows, restored[0], kept)


def _in_force(source: str, target: str) -> Step[Merge]:
    found = yield from ledger.of_source(source)
    if found is None:
        message = f"Patient/{source} is not merged into anybody"
        raise Unprocessable(message)
    if target and found.target != target:
        message = f"Patient/{source} was merged into Patient/{found.target}, not Patient/{target}"
        raise Unprocessable(message)
    return found


def _move_back(asker: Asker, found: Merge, type_: str) -> Step[None]:
    """Turn the listed resources of a type to the source again, a batch at a time; what was deleted since stays so."""
    after = ""
    while listed := (yield from ledger.batch(found.id, type_, after, BATCH)):
        after = max(listed)
        rows, resources = [], []
        for row in (yield from locked(type_, listed)):
            body = bytes(row[5])
            turned = _turned_back(body, found, listed[row[0]])
            if turned != body:
                rows.append(row)
                resources.append(r4.decode(turned))
        if rows:
            yield from store.rewrite(asker, type_, rows, resources, "unmerge")
        yield Pause()


def _turned_back(body: bytes, found: Merge, spots: Sequence[str]) -> bytes:
    """The resource with the source where it had stood; in a list that was edited since, as far as that can be told."""
    now = references.paths(body, found.target)
    if references.ALL not in spots and not set(spots) <= set(now):
        # Elements moved up or down: those of the same name take the place, as many as there were.
        left = [spot for spot in spots if spot in now]
        for spot in (spot for spot in spots if spot not in now):
            left += [other for other in now if other not in left and _bare(other) == _bare(spot)][:1]
        spots = left
    return references.turned(body, found.target, found.source, only=set(spots))


def _bare(path: str) -> str:
    return re.sub(r"\.\d+(?=\.|$)", "", path)


def _note_later(found: Merge) -> Step[list[tuple[str, str]]]:
    """Add to the ledger what was made since within things of the source; returns what lies within things of both."""
    kept: dict[tuple[str, str], None] = {}
    for _ in range(PASSES):
        new, kept = yield from _one_pass(found)
        if not new:
            break
    return list(kept)


def _one_pass(found: Merge) -> Step[tuple[int, dict[tuple[str, str], None]]]:
    after, new, kept = found.key, 0, dict[tuple[str, str], None]()
    while rows := (yield from _made_since(found, after)):
        after = rows[-1][2]
        within = {(row[0], row[1]): _outer(bytes(row[3])) for row in rows}
        theirs = yield from _listed(found.id, {key for keys in within.values() for key in keys})
        spots = []
        for row in rows:
            key, outer = (row[0], row[1]), within[row[0], row[1]]
            if outer and outer <= theirs:
                spots.append((*key, [references.ALL]))
            elif outer & theirs:
                kept[key] = None
        yield from ledger.note(found.id, spots)
        new += len(spots)
        yield Pause()
    return new, kept


def _made_since(found: Merge, after: int) -> Step[list[Row]]:
    return (
        yield Query(
            "SELECT type, id, key, body FROM record.resource r WHERE patient = %s AND key > %s AND NOT deleted "
            "AND type <> 'Patient' AND NOT EXISTS ("
            "SELECT FROM record.merge_moved m JOIN record.merge g ON g.id = m.merge "
            "WHERE m.type = r.type AND m.id = r.id AND g.target = %s AND g.undone IS NULL) ORDER BY key LIMIT %s",
            (found.target, after, found.target, BATCH),
            prepare=False,
        )
    )


def _outer(body: bytes) -> set[tuple[str, str]]:
    """What a resource lies within, people left out."""
    found = {
        (type_.decode(), id_.decode()) for part in _WITHIN.findall(body) for type_, id_ in _REFERENCE.findall(part)
    }
    return {key for key in found if key[0] != "Patient"}


def _listed(merge: str, keys: set[tuple[str, str]]) -> Step[set[tuple[str, str]]]:
    """Which of these belong to the source."""
    if not keys:
        return set()
    pairs = sorted(keys)
    rows = yield Query(
        "SELECT type, id FROM record.merge_moved WHERE merge = %s "
        "AND (type, id) IN (SELECT * FROM unnest(%s::text[], %s::text[]))",
        (merge, array(t for t, _ in pairs), array(i for _, i in pairs)),
    )
    return {(row[0], row[1]) for row in rows}


def _restored(found: Merge, rows: dict[str, Row]) -> Step[list[r4.Patient]]:
    """Both Patients without what the merge did to them."""
    result: list[r4.Patient] = []
    for id_, before in ((found.source, found.source_version), (found.target, found.target_version)):
        old = yield from _version(id_, before)
        merged = yield from _version(id_, before + 1)
        result.append(without(old, merged, person(rows[id_])))
    return result


def _version(id_: str, number: int) -> Step[r4.Patient]:
    rows = yield Query(version("Patient"), (id_, number, id_, number))
    return person(rows[0])
