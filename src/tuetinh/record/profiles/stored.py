"""The library with the profiles that are stored in the record, as it is now."""

from __future__ import annotations

import msgspec

from tuetinh.record.profiles.library import Library
from tuetinh.record.steps import Query, Step
from tuetinh.record.terminology import shelf

_MARK = """SELECT count(*), coalesce(max(updated), '-infinity')::text, coalesce(sum(version), 0)
FROM record."StructureDefinition" WHERE NOT deleted"""
_BODIES = 'SELECT body FROM record."StructureDefinition" WHERE NOT deleted ORDER BY updated'
_now: dict[str, tuple[object, Library]] = {}


def library() -> Step[Library]:
    """What profiles there are. They are read again when one has changed, or a value set has."""
    terminology = yield from shelf.refresh()
    ((*mark,),) = yield Query(_MARK)
    key = (*mark, terminology.mark)
    known = _now.get("")
    if known is None or known[0] != key:
        found = Library()
        for (body,) in (yield Query(_BODIES)):
            found.add(msgspec.json.decode(bytes(body)))
        known = _now[""] = (key, found)
    return known[1]
