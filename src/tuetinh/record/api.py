"""The record, for the modules above: synchronous, on Django's connection, inside the caller's transaction.

Every function takes the asker first and raises the errors of `tuetinh.record.errors`. Resources go in and come out as
classes of `tuetinh.record.r4`; what comes back from a write carries its new `meta.versionId` and `meta.lastUpdated`.

A resource whose contents (`data`) would make it larger than 16 MiB comes with stand-ins for them, which a later update
keeps; `create_binary` and `read_binary` take and give contents of any size with flat memory.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO, TypeVar, cast

import msgspec
from django.conf import settings
from django.db import connection, transaction

from tuetinh.record import audit, contents, guards, locks, permits, projections, r4, reads, store
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.audit import one_request, reading
from tuetinh.record.audit.accesses import Access, accesses
from tuetinh.record.audit.event import Entry
from tuetinh.record.audit.exposure import Exposed, exposed
from tuetinh.record.destroying import Destroyed, destroy, proof, within
from tuetinh.record.destroying import register as register_destruction
from tuetinh.record.errors import BadRequest, Invalid, Unprocessable, issues_of
from tuetinh.record.import_lock import is_importing
from tuetinh.record.memory import settle
from tuetinh.record.merging import followers
from tuetinh.record.merging.followers import Follower
from tuetinh.record.search import run as searching
from tuetinh.record.steps import Step, run
from tuetinh.record.streaming import bodies, written
from tuetinh.record.validate import check
from tuetinh.record.versioning import new_id

__all__ = [
    "SYSTEM",
    "Access",
    "Asker",
    "Content",
    "Destroyed",
    "Entry",
    "Exposed",
    "Follower",
    "Page",
    "access_log",
    "accesses",
    "analyze",
    "bodies",
    "create",
    "create_binary",
    "create_many",
    "create_missing",
    "custodians",
    "delete",
    "destroy",
    "export_view",
    "exposed",
    "history",
    "is_importing",
    "lock_many",
    "new_id",
    "one_request",
    "proof",
    "put_many",
    "read",
    "read_binary",
    "read_many",
    "ref",
    "register_destruction",
    "register_follower",
    "register_guard",
    "register_projection",
    "search",
    "settle",
    "update",
    "within",
    "written",
]

R = TypeVar("R", bound=r4.Resource)
register_projection = projections.register
register_guard = guards.register
register_follower = followers.register


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search. `next` is the token of the following page, `total` is None unless asked for."""

    resources: list[r4.Resource]
    included: list[r4.Resource] = field(default_factory=list)
    next: str | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What a Binary holds: its media type, how many bytes, and the bytes; patient: whose it is, if anybody's."""

    media: str
    size: int
    patient: str | None
    _part: contents.Part

    def chunks(self) -> Iterator[bytes]:
        """The bytes, some hundred thousand at a time."""
        return self._part.chunks() if isinstance(self._part, contents.Piece) else iter((self._part,))


def create(asker: Asker, resource: R) -> R:
    """Store a new resource and return it as stored. Keeps an id that is set (Conflict when taken), else makes one."""
    return create_many(asker, [resource])[0]


def create_many(asker: Asker, resources: Sequence[R]) -> list[R]:
    """Store many new resources in one go, all or none, and return them as stored, in the same order."""
    fresh = [_checked(resource) for resource in resources]
    given = [(resource.resourceType, resource.id) for resource in fresh if resource.id is not None]

    def step() -> Step[None]:
        yield from locks.refuse_known(given)
        yield from store.create(asker, fresh)

    with transaction.atomic():
        run(asker, step())
    return fresh


def create_missing(asker: Asker, resources: Sequence[R]) -> list[R]:
    """Store those of these new resources, each with an id, whose id nobody has taken; all or none; returns those.

    An id is taken also by what was deleted or is not for the asker. Who stores the same at this moment is waited for.
    """
    fresh = {(one.resourceType, str(one.id)): one for one in map(_checked, resources)}

    def step() -> Step[None]:
        for type_ in sorted({type_ for type_, _ in fresh}):
            ids = [id_ for of, id_ in fresh if of == type_]
            yield from locks.lock_ids(type_, ids)
            for id_ in (yield from locks.taken(type_, ids)):
                del fresh[type_, id_]
        yield from store.create(asker, list(fresh.values()))

    with transaction.atomic():
        run(asker, step())
    return list(fresh.values())


def put_many(asker: Asker, resources: Sequence[R]) -> list[R]:
    """Store the next or first versions of many resources, each with an id and none twice, all or none; as stored."""
    fresh = [_checked(resource) for resource in resources]

    def step() -> Step[None]:
        yield from store.put_many(asker, fresh)

    with transaction.atomic():
        run(asker, step())
    return fresh


def lock_many(asker: Asker, type_: str, ids: Iterable[str]) -> dict[str, r4.Resource]:
    """Current versions by id, which nobody else changes until the transaction ends. Needs a transaction."""
    found = run(asker, locks.lock_many(asker, type_, ids))
    _note(asker, "read", [(one.type, one.patient) for one in found])
    return {one.id: _decoded(asker, one.body) for one in found}


def create_binary(asker: Asker, binary: r4.Binary, chunks: Iterable[bytes]) -> r4.Binary:
    """Store a new Binary with these bytes as its content. Raises contents.NoSpace, and what `create` raises."""
    run(asker, contents.ready())
    with contents.Arriving() as arriving:
        for chunk in chunks:
            arriving.write(chunk)
        data = contents.stand_in(arriving.place()).decode()
    return create(asker, msgspec.structs.replace(binary, data=data))


def load(asker: Asker, resources: Iterable[r4.Resource], chunk: int = 2000) -> Iterator[int]:
    """Store very many new resources with flat memory, a transaction a chunk; yields how many are stored so far.

    For data that the caller makes itself: ids must be new and resources valid, neither is looked at.
    """
    source, done = iter(resources), 0
    while batch := list(islice(source, chunk)):
        with transaction.atomic():
            run(asker, store.create(asker, batch))
        done += len(batch)
        yield done


def analyze(types: Iterable[str]) -> None:
    """Bring the planner's statistics up to date after a bulk load of these types."""
    with connection.cursor() as cursor:
        for type_ in sorted(set(types) & set(r4.RESOURCES)):
            for table in (type_, f"{type_}_date", f"{type_}_number", f"{type_}_string"):
                cursor.execute(f'ANALYZE record."{table}"')


def update(asker: Asker, resource: R, version: int | None = None) -> R:
    """Store the next version and return it. With `version`, PreconditionFailed unless that is the current one."""
    fresh = _checked(resource)
    if fresh.id is None:
        message = "a resource to update needs an id"
        raise BadRequest(message, f"{fresh.resourceType}.id")
    with transaction.atomic():
        run(asker, store.put(asker, fresh, if_match=version))
    return fresh


def delete(asker: Asker, type_: str, id_: str) -> None:
    """Delete a resource; its versions stay in history."""
    with transaction.atomic():
        run(asker, store.delete(asker, type_, id_))


def read(asker: Asker, type_: str, id_: str) -> r4.Resource:
    """The current version. Raises NotFound or Gone."""
    found = run(asker, reads.read(asker, type_, id_))
    audit.note(asker, "read", type_, id_, found.patient)
    return _decoded(asker, found.body)


def custodians(asker: Asker, patient: str) -> set[str]:
    """Facilities that answer for something of a patient's record, as far as it exists for the asker."""
    return run(asker, reads.custodians(patient))


def read_binary(asker: Asker, id_: str) -> Content:
    """What a Binary holds, to be read piece by piece. Raises NotFound, Gone, Forbidden."""
    found = run(asker, reads.read(asker, "Binary", id_))
    audit.note(asker, "read", "Binary", id_, found.patient)
    binary = r4.decode(found.body or b"")
    assert isinstance(binary, r4.Binary)  # noqa: S101
    run(asker, contents.ready())
    data = (binary.data or "").encode()
    part: contents.Part = contents.piece(kept) if (kept := contents.content_of(data)) else b64decode(data)
    return Content(binary.contentType or "", contents.length([part]), found.patient, part)


def read_many(asker: Asker, type_: str, ids: Iterable[str]) -> dict[str, r4.Resource]:
    """Current versions by id; ids that are unknown, deleted or not for the asker are absent."""
    found = run(asker, reads.read_many(asker, type_, set(ids)))
    _note(asker, "read", [(one.type, one.patient) for one in found])
    return {one.id: _decoded(asker, one.body) for one in found}


def history(asker: Asker, type_: str, id_: str) -> list[r4.Resource]:
    """All versions that have content, newest first."""
    found = run(asker, reads.versions(asker, type_, id_))
    _note(asker, "history", [(type_, one.patient) for one in found[:1]])
    return [_decoded(asker, one.body) for one in found if one.body is not None]


def search(asker: Asker, type_: str, query: str, page: str | None = None) -> Page:
    """Search with a FHIR query string such as `patient=Patient/x&code=…&_sort=-date&_count=50`.

    `page` is the `next` of the page before, with the same query. Raises BadRequest for what is not understood.
    """
    permits.allow(asker, "s", type_)
    wanted, problems = run(asker, searching.read(type_, query))
    if any(p.severity == "error" for p in problems):
        raise BadRequest(issues=issues_of(problems))
    found = run(asker, searching.search(asker, wanted, secret=settings.SECRET_KEY.encode(), page=page))
    matches = [_decoded(asker, hit.body) for hit in found.hits if hit.mode == "match"]
    included = [_decoded(asker, hit.body) for hit in found.hits if hit.mode != "match"]
    _note(asker, "search", [(hit.type, hit.patient) for hit in found.hits] or [(type_, None)])
    return Page(matches, included, found.next, found.total)


def access_log(asker: Asker, asked: Sequence[tuple[str, str]]) -> tuple[list[Entry], str | None]:
    """Entries of the access log, asked for as AuditEvents are (`audit.reading`), and the `_page` that follows.

    Looking is logged as well. Raises BadRequest, and Forbidden unless the asker keeps watch or asks about themselves.
    """
    entries, following = run(asker, reading.page(asker, reading.read(asker, asked)))
    for patient in dict.fromkeys(entry.patient for entry in entries) or [None]:
        audit.note(asker, "search", reading.NAME, "", patient)
    return entries, following


def export_view(asker: Asker, definition: object, form: str, out: BinaryIO, since: str | None = None) -> int:
    """Write the rows of a ViewDefinition (SQL on FHIR) over the record as `json`, `ndjson`, `csv` or `parquet`.

    Returns how many they are. Memory stays flat. With `since`, an instant, only of what changed after it. Raises
    Unprocessable for a definition that is none, and where the data does not fit it.
    """
    from tuetinh.record.views import ViewError, output, read, source

    patients: dict[str | None, None] = {}
    count = 0

    def rows() -> Iterator[tuple[object, ...]]:
        nonlocal count
        for count, found in enumerate(source.stream(source.Ask(asker, view, since=since)), 1):  # noqa: B007
            patients[found.patient] = None
            yield found.row

    try:
        view = read(definition)
        output.write(view, rows(), form, out)
    except ViewError as error:
        raise Unprocessable(str(error)) from None
    finally:
        _note(asker, "export", [(view.resource, patient) for patient in patients])
    return count


def ref(resource: r4.Resource, display: str | None = None) -> r4.Reference:
    """A reference to a stored resource."""
    return r4.Reference(reference=f"{resource.resourceType}/{resource.id}", display=display)


def _checked(resource: R) -> R:
    """A valid copy of the resource, which the write may change. Raises Invalid with every problem."""
    copy, problems = check(r4.encode(resource))
    if copy is None or any(p.severity in ("error", "fatal") for p in problems):
        raise Invalid(problems)
    return cast("R", copy)


def _decoded(asker: Asker, body: bytes | None) -> r4.Resource:
    return r4.decode(run(asker, contents.given(body)))


def _note(asker: Asker, action: str, seen: Iterable[tuple[str, str | None]]) -> None:
    """One entry for each type and patient seen."""
    for type_, patient in dict.fromkeys(seen):
        audit.note(asker, action, type_, "", patient)
