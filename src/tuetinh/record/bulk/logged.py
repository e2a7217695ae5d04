"""The access log in an export, as AuditEvent: from where it lies, and nothing of it is ever deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuetinh.record import r4
from tuetinh.record.audit import reading
from tuetinh.record.audit.event import audit_event
from tuetinh.record.steps import run

if TYPE_CHECKING:
    from tuetinh.record.bulk.export import Export, Part, Seen

ENTRIES = 5000  # in a page


def page(export: Export, part: Part, seen: Seen) -> int:
    """Write the next entries of a part, and note whose they are; returns how many bytes."""
    asker = export.job.asker
    if part.kind != "output":
        export.next_part()
        return 0
    entries = run(asker, reading.since(asker, _wanted(export, part), export.place["after"], ENTRIES))
    written = 0
    for entry in entries:
        written += export.add("output", part.type, export.cut(part.type, r4.encode(audit_event(entry, asker))))
        seen[part.type].add(entry.patient or "")
        export.place["after"] = entry.position
    if len(entries) < ENTRIES:
        export.next_part()
    return written


def _wanted(export: Export, part: Part) -> reading.Wanted:
    """What must hold of an entry."""
    wanted = reading.read(export.job.asker, [])
    wanted.where.add("at <= %s", export.job.moment)
    for name, sign in (("since", ">"), ("until", "<=")):
        if export.asked[name]:
            wanted.where.add(f"at {sign} %s::timestamptz", export.asked[name])
    if part.patients is not None:
        wanted.where.add("patient = ANY(%s::text[])", list(part.patients))
    elif export.asked["compartment"]:
        wanted.where.add("patient IS NOT NULL")
    return wanted
