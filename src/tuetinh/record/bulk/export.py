"""The work of `$export`: type by type, in the order of keys, a few megabytes a turn.

First `settling`; what a resource is when its turn comes is written. What changed since is found by the next export with
`_since`. A turn reads the keys and sizes of a page, then bodies up to a number of bytes at once.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import IO, Any, NamedTuple

import msgspec

from tuetinh.record import contents, granular, summary
from tuetinh.record.asker import SYSTEM
from tuetinh.record.audit import reading
from tuetinh.record.bulk import associated, files, ledger, logged, organized, settling
from tuetinh.record.bulk.ledger import LETTERS, Call, File, Job
from tuetinh.record.bulk.reading import groups, one, rows
from tuetinh.record.search import parse
from tuetinh.record.search import run as searching
from tuetinh.record.search.conditions import Tokens
from tuetinh.record.search.parse import compartment_hashes
from tuetinh.record.search.where import Rows, Sql, bigints, where
from tuetinh.record.steps import run

KEYS = 5000  # that a page looks at
TURN = 32 * 1024 * 1024  # bytes after which what was written is made safe and told
TURN_SECONDS = 0.5
FILE_BYTES = 1024**3
FILE_COUNT = 1_000_000
PATIENTS = 500  # whose records are asked for in one statement
NOBODYS = """(r.patient IS NULL OR NOT EXISTS (
SELECT FROM record."Patient" p WHERE p.type = 'Patient' AND p.id = r.patient AND NOT p.deleted AND p.key <= %s))"""


Seen = defaultdict[str, set[str]]
"""Whose resources were written, by their type."""


class Part(NamedTuple):
    """What a turn is about, of some patients or (None) of all.

    kind: `output`, resources of a type; `people`, all records of one patient after the other; `rest`, resources of a
    type that are no known patient's; `associated`, the Provenances of a type's resources; `deleted`, its deletions;
    `beside`, resources of somebody else that name one of the patients as well, as their performer or a member; but no
    Patients: who links to one of them is another person, for whom nobody asked.
    """

    kind: str
    type: str
    patients: Sequence[str] | None


class Export:
    """An export that stands where its job says. What it does is called on one thread, with Django's connection."""

    def __init__(self, job: Job) -> None:
        self.job, self.asked, self.place = job, job.asked, job.position
        self._conditions: dict[str, Sql] = {}
        self._file: IO[bytes] | None = None
        self._began = time.monotonic()
        run(job.asker, contents.ready())
        run(SYSTEM, granular.ready(job.asker.scopes))
        patients = ledger.patients_of(job.id)
        if job.asker.patient is not None:
            patients = [job.asker.patient]
        self._patients = patients or []
        self._batches = None if patients is None else {id_: n // PATIENTS for n, id_ in enumerate(patients)}
        self._parts = list(_parts(self.asked, patients))
        self._people = organized.People(self)

    async def go_on(self, call: Call) -> None:
        """Work until all is done. `call` runs a function on the job's thread."""
        while await call(self._turn):
            pass

    def _turn(self) -> bool:
        """Do some of the work and tell the ledger; False when all is done."""
        if "top" not in self.place:
            return self._settle()
        began, seen, written = time.monotonic(), Seen(set), 0
        while self.place["part"] < len(self._parts) and written < TURN and time.monotonic() - began < TURN_SECONDS:
            part = self._parts[self.place["part"]]
            written += self._page(part, seen)
        if self.place["part"] < len(self._parts):
            self._tell(seen)
            return True
        self._close()
        self._tell(seen)
        ledger.finish(self.job)
        return False

    def _page(self, part: Part, seen: Seen) -> int:
        """Write some of the next rows of a part, and note whose they are; returns how many bytes."""
        if part.kind == "people":
            return self._people.page(part, seen)
        if part.type == reading.NAME:
            return logged.page(self, part, seen)
        condition = self.condition(part)
        keys = self._keys(part, condition)
        written = 0
        for group in groups(keys):
            written += self._write(part, condition, [key for key, _ in group], seen)
            self.place["after"] = group[-1][0]
            if written >= TURN:
                break
        if len(keys) < KEYS and (not keys or self.place["after"] == keys[-1][0]):
            self.next_part()
        return written

    def next_part(self) -> None:
        """Begin the next part."""
        self.place |= {"part": self.place["part"] + 1, "after": 0}

    def close(self) -> None:
        """Let the open file go; what was not told is written again by who goes on."""
        if self._file is not None:
            self._file.close()
            self._file = None

    # -- when ---------------------------------------------------------------------------------------------------------

    def _settle(self) -> bool:
        """Draw transactionTime, and wait until no transaction that began before is left."""
        if settling.settled(self.job, self._began):
            top = one(self.job.asker, "SELECT last_value FROM record.resource_key")
            self.place |= {"top": top, "part": 0, "after": 0}
        ledger.move(self.job)
        return True

    # -- what ---------------------------------------------------------------------------------------------------------

    def condition(self, part: Part) -> Sql:
        """What must hold of a row of the part."""
        if part.type not in self._conditions:
            self._conditions[part.type] = self.of_type(part.type, self.asked["filters"].get(part.type, [""]))
        found = self._conditions[part.type]
        if part.kind == "deleted":
            found = where(Rows((part.type,), patient=self.job.asker.patient), ())
            found.parts[0] = "r.deleted"
        mine = Sql([*found.parts, "r.key <= %s"], [*found.params, self.place["top"]])
        for name, sign in (("since", ">"), ("until", "<=")):
            if self.asked[name]:
                mine.add(f"r.updated {sign} %s::timestamptz", self.asked[name])
        if part.kind == "beside":
            self._beside(mine, part)
        elif part.patients is not None:
            mine.add("r.patient = ANY(%s::text[])", list(part.patients))
        elif self.asked["compartment"]:
            mine.add("r.patient IS NOT NULL")
        if part.kind == "rest":
            mine.add(NOBODYS, self.place["top"])
        return mine

    def _beside(self, found: Sql, part: Part) -> None:
        """Whom a row names is told by its tokens; it is none of the patients', and of no batch before."""
        patients = part.patients or ()
        before = self._patients[: self._batches[patients[0]] * PATIENTS] if self._batches and patients else []
        found.add("r.tokens && %s::bigint[]", bigints(compartment_hashes(part.type, "Patient", patients)))
        found.add("(r.patient = ANY(%s::text[])) IS NOT TRUE", self._patients)
        if before:
            found.add("NOT r.tokens && %s::bigint[]", bigints(compartment_hashes(part.type, "Patient", before)))

    def output(self, type_: str) -> Part:
        """The part of all resources of a type, whoever the patients are."""
        return Part("output", type_, None)

    def batch_of(self, patient: str | None) -> int | None:
        """In which batch of patients a resource comes; None where its patient is not meant."""
        return 0 if self._batches is None else self._batches.get(patient or "")

    def of_type(self, type_: str, queries: Sequence[str]) -> Sql:
        """The searches of `_typeFilter`, of which one must match, within the asker's scopes."""
        asker = self.job.asker
        searches = [parse.parse(type_, query)[0] for query in queries]
        found = [each for s in searches if (each := run(asker, searching.matched(asker, s))) is not None]
        if not found:
            return Sql(["FALSE"])
        either = Sql([each.join("AND")[0] for each in found], [value for each in found for value in each.params])
        sql, params = either.join("OR")
        reading = [Tokens(tuple(sorted(clause))) for clause in granular.clauses(asker.scopes, "r", type_)]
        scoped = where(Rows((type_,)), reading)
        return Sql([sql, *scoped.parts], [*params, *scoped.params])

    def _keys(self, part: Part, condition: Sql) -> list[tuple[int, int]]:
        """The next rows of a part: key and size of the body."""
        size = "octet_length(r.body)" if part.kind in ("output", "rest", "beside") else "0"
        sql = (
            f'SELECT r.key, {size} FROM record."{part.type}" r WHERE {condition.all_of()} AND r.key > %s'
            " ORDER BY r.key LIMIT %s"
        )
        return [(key, size) for key, size in rows(self.job.asker, sql, [*condition.params, self.place["after"], KEYS])]

    def _write(self, part: Part, condition: Sql, keys: Sequence[int], seen: Seen) -> int:
        """Write these rows, as far as they are still wanted; returns how many bytes."""
        if part.kind == "deleted":
            return self._write_deleted(part, condition, keys, seen)
        if part.kind == "associated":
            return associated.write(self, part, condition, keys, seen)
        wanted = bigints(keys)
        sql = (
            f'SELECT r.patient, r.body FROM record."{part.type}" r'
            f" WHERE r.key = ANY(%s::bigint[]) AND {condition.all_of()} ORDER BY r.key"
        )
        written = 0
        for patient, body in rows(self.job.asker, sql, [wanted, *condition.params]):
            written += self.add("output", part.type, self.cut(part.type, body))
            seen[part.type].add(patient or "")
        return written

    def cut(self, type_: str, body: bytes) -> bytes:
        """A resource with the elements that are wanted."""
        return summary.cut(body, None, [*self.asked["elements"].get("", ()), *self.asked["elements"].get(type_, ())])

    def _write_deleted(self, part: Part, condition: Sql, keys: Sequence[int], seen: Seen) -> int:
        """Write tombstones as transactions of deletions; of a granular scope, those whose last content was within."""
        scopes = self.job.asker.scopes
        clauses = [granular.clauses(scopes, letter, part.type) for letter in LETTERS]
        last = "NULL::bytea"
        if any(clauses):
            last = (
                f'(SELECT h.body FROM record."{part.type}_history" h'
                f" WHERE h.type = '{part.type}' AND h.id = r.id AND h.version = r.version - 1)"
            )
        wanted = bigints(keys)
        sql = (
            f'SELECT r.id, r.patient, {last} FROM record."{part.type}" r'
            f" WHERE r.key = ANY(%s::bigint[]) AND {condition.all_of()} ORDER BY r.key"
        )
        gone = []
        for id_, patient, body in rows(self.job.asker, sql, [wanted, *condition.params]):
            if all(granular.within_body(each, body) for each in clauses):
                gone.append({"request": {"method": "DELETE", "url": f"{part.type}/{id_}"}})
                seen[part.type].add(patient or "")
        if not gone:
            return 0
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": gone}
        return self.add("deleted", "Bundle", msgspec.json.encode(bundle))

    # -- where --------------------------------------------------------------------------------------------------------

    def add(self, kind: str, type_: str, line: bytes, *, fill: bool = True) -> int:
        """Add a line to the file of its kind. fill: not to one that is full."""
        current = self._current(kind, type_, fill=fill)
        if self._file is None:
            self._file = files.opened(self.job.id, current.name, current.bytes)
        size = 0
        for piece in chain(contents.stream(line), (b"\n",)):
            size += self._file.write(piece)
        current.count += 1
        current.bytes += size
        return size

    def _current(self, kind: str, type_: str, *, fill: bool) -> File:
        """The file that is being written, begun anew where it is another one or full."""
        last = self.job.files[-1] if self.job.files else None
        if last is not None and not last.whole:
            same = (last.kind, last.type) == (kind, type_)
            if same and not (fill and (last.bytes >= FILE_BYTES or last.count >= FILE_COUNT)):
                return last
            self._close()
        number = 1 + sum(1 for file in self.job.files if (file.kind, file.type) == (kind, type_))
        name = f"{'deleted' if kind == 'deleted' else type_ or 'by-patient'}-{number}.ndjson"
        self.job.files.append(File(kind, type_, name))
        return self.job.files[-1]

    def _close(self) -> None:
        """Name the file that is being written."""
        last = self.job.files[-1] if self.job.files else None
        if last is None or last.whole:
            return
        with self._file or files.opened(self.job.id, last.name, last.bytes) as file:
            files.keep(file)
        self._file = None
        files.name_it(self.job.id, last.name)
        last.whole = True

    def _tell(self, seen: Seen) -> None:
        """Make what was written safe, then tell it."""
        if self._file is not None:
            files.keep(self._file)
        count = sum(file.count for file in self.job.files if file.kind == "output")
        done = min(self.place["part"], len(self._parts) - 1)
        self.job.progress = (
            f"{self._parts[done].type or 'Patient'}: part {done + 1} of {len(self._parts)}; {count} resources written"
        )
        ledger.move(self.job, [(type_, patients) for type_, patients in seen.items() if patients])


def _parts(asked: dict[str, Any], patients: Sequence[str] | None) -> Iterator[Part]:
    """Every part, in the order of the work."""
    starts = range(0, len(patients), PATIENTS) if patients is not None else (0,)
    batches = [None if patients is None else patients[start : start + PATIENTS] for start in starts]
    kinds = ["rest" if asked.get("organized") else "output"]
    if asked.get("organized"):
        yield from (Part("people", "", batch) for batch in batches)
        kinds = kinds if patients is None else []
    if asked.get("associated") and not _has_all_provenances(asked):
        kinds.append("associated")
    if asked["since"]:
        kinds.append("deleted")
    if patients is not None and not asked.get("organized"):
        kinds.append("beside")
    parts = (Part(kind, type_, batch) for kind in kinds for type_ in asked["types"] for batch in batches)
    yield from (part for part in parts if (part.kind, part.type) != ("beside", "Patient"))


def _has_all_provenances(asked: dict[str, Any]) -> bool:
    """Whether all Provenances are exported by themselves."""
    narrowed = asked["compartment"] or asked["since"] or asked["until"] or "Provenance" in asked["filters"]
    return "Provenance" in asked["types"] and not narrowed
