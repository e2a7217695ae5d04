"""An export that is organized by patient: a header, then everything of one patient, then the next (`organizeOutputBy`).

Of some patients at once the keys of all their records are read, type by type; bodies are read patient by patient. A
patient's records are never spread over two files.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tuetinh.record.bulk.reading import groups, rows
from tuetinh.record.search.where import bigints

if TYPE_CHECKING:
    from tuetinh.record.bulk.export import Export, Part, Seen

AT_ONCE = 50  # patients whose keys are read together
_NEXT = """SELECT r.key, r.id FROM record."Patient" r WHERE NOT r.deleted AND r.key > %s AND r.key <= %s
ORDER BY r.key LIMIT %s"""


class _Person(NamedTuple):
    """A patient: its place in the order of the part, and type, key and size of all that is to be written."""

    place: int
    id: str
    records: list[tuple[int, int, int]]


class People:
    """The patients of an export, from the place on that its job tells."""

    def __init__(self, work: Export) -> None:
        self._work = work
        self._waiting: deque[_Person] = deque()
        others = [type_ for type_ in work.asked["types"] if type_ != "Patient"]
        self._types = [*(["Patient"] if "Patient" in work.asked["types"] else []), *others]

    def page(self, part: Part, seen: Seen) -> int:
        """Write some of the records of the next patient; returns how many bytes. Moves the export's place."""
        place = self._work.place
        if not self._waiting:
            self._waiting += self._next(part, place["after"])
        if not self._waiting:
            self._work.next_part()
            return 0
        person, begun = self._waiting[0], place.get("begun")
        left = [record for record in person.records if begun is None or list(record[:2]) > begun]
        written = 0
        if left and begun is None:
            header = {"name": "header", "valueReference": {"reference": f"Patient/{person.id}"}}
            line = msgspec.json.encode({"resourceType": "Parameters", "parameter": [header]})
            written += self._work.add("output", "", line)
        group = _group(left)
        if group:
            written += self._write(part, person, group, seen)
        if len(group) < len(left):
            place["begun"] = list(group[-1][:2])
        else:
            self._waiting.popleft()
            place.pop("begun", None)
            place["after"] = person.place
        return written

    def _next(self, part: Part, after: int) -> list[_Person]:
        """The patients that come after a place, with what is to be written of each."""
        asker = self._work.job.asker
        if part.patients is None:
            found = [(key, id_) for key, id_ in rows(asker, _NEXT, [after, self._work.place["top"], AT_ONCE])]
        else:
            found = list(enumerate(part.patients, 1))[after : after + AT_ONCE]
        people = {id_: _Person(place, id_, []) for place, id_ in found}
        for number, type_ in enumerate(self._types):
            for patient, key, size in self._keys(part, type_, list(people)):
                people[patient].records.append((number, key, size))
        return list(people.values())

    def _keys(self, part: Part, type_: str, patients: Sequence[str]) -> list[tuple[str, int, int]]:
        condition = self._work.condition(part._replace(kind="output", type=type_, patients=patients))
        sql = (
            f'SELECT r.patient, r.key, octet_length(r.body) FROM record."{type_}" r WHERE {condition.all_of()}'
            " ORDER BY r.key"
        )
        return [(row[0], row[1], row[2]) for row in rows(self._work.job.asker, sql, condition.params)]

    def _write(self, part: Part, person: _Person, records: Sequence[tuple[int, int, int]], seen: Seen) -> int:
        """Write records of one type, as far as they are still wanted."""
        type_ = self._types[records[0][0]]
        condition = self._work.condition(part._replace(kind="output", type=type_, patients=[person.id]))
        sql = (
            f'SELECT r.body FROM record."{type_}" r WHERE r.key = ANY(%s::bigint[]) AND {condition.all_of()}'
            " ORDER BY r.key"
        )
        written = 0
        keys = bigints([key for _, key, _ in records])
        for (body,) in rows(self._work.job.asker, sql, [keys, *condition.params]):
            written += self._work.add("output", "", self._work.cut(type_, body), fill=False)
            seen[type_].add(person.id)
        return written


def _group(records: Sequence[tuple[int, int, int]]) -> Sequence[tuple[int, int, int]]:
    """The first records that are of one type and may be in memory at once."""
    same = [(key, size) for number, key, size in records if number == records[0][0]]
    return records[: len(next(groups(same), []))]
