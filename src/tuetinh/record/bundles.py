"""Transactions (FHIR R4 http.html, 3.1.0.11): a Bundle of interactions of which all happen or none.

`read_bundle` takes the envelope apart without touching the resources in it; `transaction` is the step that does the
rest. References inside the Bundle are rewritten in the JSON text of each entry before it is decoded: one pass, and no
walk of the tree.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from tuetinh.record import conditional, contents, locks, patch, permits, r4, reads, store, versioning
from tuetinh.record.asker import Asker
from tuetinh.record.errors import (
    BadRequest,
    Invalid,
    NotFound,
    PreconditionFailed,
    RecordError,
    Unprocessable,
)
from tuetinh.record.patch import FHIRPATH_PATCH, JSON_PATCH, XML_PATCH, Patch, limits
from tuetinh.record.steps import Pause, Step, computed
from tuetinh.record.validate import check

# Elements of type Reference, uri and url hold links (http.html, 3.1.0.11.2); canonicals and strings are left alone.
_LINK = re.compile(rb'"(reference|url|uri|valueUri|valueUrl|valueUuid|valueOid)"\s*:\s*"((?:[^"\\]|\\.)*)"')
_NARRATIVE = re.compile(rb'((?:href|src)=\\"|(?:href|src)=\')((?:urn:uuid|urn:oid):[^"\'\\]+)')
_URL = re.compile(r"(?:https?://.*/)?([A-Z][A-Za-z]+)(?:/([A-Za-z0-9\-.]{1,64}))?/?")
_CONDITION = re.compile(r"([A-Z][A-Za-z]+)\?(.+)")
ORDER = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")


_ABSENT = msgspec.Raw()


class EntryRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Bundle.entry.request."""

    method: str
    url: str
    ifNoneMatch: str | None = None
    ifModifiedSince: str | None = None
    ifMatch: str | None = None
    ifNoneExist: str | None = None
    id: str | None = None
    extension: msgspec.Raw = _ABSENT
    modifierExtension: msgspec.Raw = _ABSENT


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    """Bundle.entry, its resource still as text."""

    fullUrl: str | None = None
    resource: msgspec.Raw = _ABSENT
    request: EntryRequest | None = None
    search: msgspec.Raw = _ABSENT
    response: msgspec.Raw = _ABSENT
    link: msgspec.Raw = _ABSENT
    id: str | None = None
    extension: msgspec.Raw = _ABSENT
    modifierExtension: msgspec.Raw = _ABSENT


class Envelope(msgspec.Struct, forbid_unknown_fields=True):
    """A Bundle, the resources in it still as text."""

    resourceType: str
    type: str = ""
    entry: list[Entry] = []
    id: str | None = None
    meta: msgspec.Raw = _ABSENT
    implicitRules: str | None = None
    language: str | None = None
    identifier: msgspec.Raw = _ABSENT
    timestamp: str | None = None
    total: int | None = None
    link: msgspec.Raw = _ABSENT
    signature: msgspec.Raw = _ABSENT


class Answer(NamedTuple):
    """What became of one entry, for Bundle.entry.response."""

    status: str
    location: str = ""
    version: int = 0
    modified: str = ""
    body: bytes | None = None
    outcome: bytes | None = None


class Work:
    """One entry on its way: what it asks for, and on which resource."""

    def __init__(self, number: int, entry: Entry, request: EntryRequest) -> None:
        self.number, self.entry, self.request = number, entry, request
        self.place = f"Bundle.entry[{number}]"
        self.method = request.method
        path, _, self.query = request.url.partition("?")
        match = _URL.fullmatch(path)
        self.type: str = match[1] if match else ""
        self.id: str | None = match[2] if match else None
        self.path = path
        self.reads = self.method in ("GET", "HEAD") or (self.method == "POST" and "/$" in f"/{path}")
        """Whether it only reads: also an operation, of which those that change something are refused."""
        self.match: conditional.Match | None = None
        self.resource: r4.Resource | None = None
        self.answer: Answer | None = None

    @property
    def is_guarded(self) -> bool:
        """Whether it is written only at a version, or only where there is nothing yet."""
        return bool(self.request.ifMatch) or self.request.ifNoneMatch == "*"

    @property
    def name(self) -> str:
        """The address of the resource, as references name it."""
        return f"{self.type}/{self.id}"


_decoder = msgspec.json.Decoder(Envelope)


class Reading(NamedTuple):
    """An entry that only reads, to be answered when all is written: what it asks for, with the names of new ones."""

    number: int
    method: str
    url: str
    entry: Entry


def read_bundle(data: bytes) -> Envelope:
    """Take the Bundle apart. Raises Invalid with every problem when it is no Bundle."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _, problems = check(data)
        if problems:
            raise Invalid(problems) from error
        raise BadRequest(str(error)[:200], "Bundle") from error


def transaction(asker: Asker, envelope: Envelope) -> Step[list[Answer | Reading]]:
    """Do what every entry asks for and return the answers in the Bundle's order. Needs a transaction around it.

    Reads come last (http.html, 3.1.0.11.2), so they are left to the caller.
    Raises the first refusal, or Invalid with all problems of all entries, placed below `Bundle.entry[n]`.
    """
    works = _works(envelope)
    for work in works:
        try:
            yield from _settle(asker, work)
        except RecordError as error:
            raise error.inside(work.place) from error
        if work.number % store.PAUSE == 0:
            yield Pause()
    _refuse_twice(works)
    names = _names(works)
    conditions: dict[str, str] = {}
    problems: list[RecordError] = []
    for work in works:
        if work.method in ("POST", "PUT") and work.answer is None and not work.reads:
            try:
                raw = bytes(work.entry.resource)
                yield from resolve_conditions(asker, raw, conditions)
                body = rewrite(raw, names, conditions)
                work.resource = decode_entry(body, work.type, work.id, same=work.method == "PUT")
            except RecordError as error:
                problems.append(error.inside(work.place))
            yield Pause()
    if problems:
        refused = Unprocessable(issues=[issue for problem in problems for issue in problem.issues])
        refused.status = min(problem.status for problem in problems)
        raise refused
    yield from _write(asker, works)
    for work in works:
        try:
            if work.method == "PATCH":
                work.answer = yield from _patch(asker, work, names, conditions)
        except RecordError as error:
            raise error.inside(work.place) from error
    return [
        Reading(work.number, work.method, rewrite_url(work.request.url, names), work.entry)
        if work.reads
        else work.answer or Answer("200 OK")
        for work in works
    ]


def _works(envelope: Envelope) -> list[Work]:
    """The entries as work; raises BadRequest for one that cannot be understood."""
    works = []
    for number, entry in enumerate(envelope.entry):
        place = f"Bundle.entry[{number}]"
        if entry.request is None:
            message = "an entry of a transaction needs a request"
            raise BadRequest(message, f"{place}.request")
        work = Work(number, entry, entry.request)
        if work.method not in ORDER:
            message = f"the method {work.method[:20]!r} is not known"
            raise BadRequest(message, f"{place}.request.method")
        if work.reads:
            works.append(work)
            continue
        if work.type not in r4.RESOURCES:
            message = f"{work.request.url[:200]!r} leads to no resource type"
            raise BadRequest(message, f"{place}.request.url")
        if work.method in ("POST", "PUT", "PATCH") and not bytes(entry.resource):
            message = f"{work.method} needs a resource"
            raise BadRequest(message, f"{place}.resource")
        if work.method == "POST" and (work.id or work.query):
            message = "POST in a transaction goes to a resource type"
            raise BadRequest(message, f"{place}.request.url")
        if work.method != "POST" and not work.id and not work.query:
            message = f"{work.method} needs an id or a condition"
            raise BadRequest(message, f"{place}.request.url")
        if work.request.ifMatch:
            try:
                version_of(work.request.ifMatch)
            except RecordError as error:
                raise error.inside(f"{place}.request.ifMatch") from error
        works.append(work)
    return works


def _settle(asker: Asker, work: Work) -> Step[None]:
    """Find out which resource the entry means; give new ones their ids."""
    if work.reads:
        return
    if work.method == "POST":
        permits.allow(asker, "c", work.type)
        if condition := work.request.ifNoneExist:
            work.match = yield from conditional.find_alone(asker, work.type, condition.partition("?")[2] or condition)
        if work.match:
            work.id = work.match.id
            work.answer = Answer("200 OK", f"{work.name}/_history/{work.match.version}", work.match.version)
        else:
            work.id = versioning.new_id()
    elif work.method in ("PUT", "DELETE", "PATCH") and not work.id:
        work.match = yield from conditional.find_alone(asker, work.type, work.query)
        if work.match:
            work.id = work.match.id
        elif work.method == "DELETE":
            work.answer = Answer("204 No Content")
        elif work.method == "PATCH":
            message = "nothing matches the condition of the patch"
            raise NotFound(message)
        else:
            peek = msgspec.json.decode(bytes(work.entry.resource) or b"{}", type=_Peek)
            work.id = peek.id or versioning.new_id()


class _PeekMeta(msgspec.Struct):
    versionId: str = ""


class _Peek(msgspec.Struct):
    id: str | None = None
    meta: _PeekMeta | None = None


def _refuse_twice(works: Iterable[Work]) -> None:
    """No resource may be written by two entries."""
    written: dict[str, Work] = {}
    for work in works:
        if work.reads or work.id is None or (work.method == "POST" and work.match):
            continue
        if other := written.get(work.name):
            message = f"{work.name} is written by this entry and by {other.place}"
            raise BadRequest(message, f"{work.place}.request.url")
        written[work.name] = work


def _names(works: Sequence[Work]) -> dict[str, str]:
    """What the entries are called inside the Bundle → what they are called from now on.

    A link to the very version that an entry brings means the first version of what it makes (bundle.html#references).
    """
    names: dict[str, str] = {}
    versioned = any(b"/_history/" in bytes(work.entry.resource) for work in works)
    for work in works:
        url = work.entry.fullUrl
        if not url or work.reads or work.method not in ("POST", "PUT"):
            continue
        if url in names and names[url] != work.name:
            message = f"{url[:200]} is the fullUrl of two entries"
            raise BadRequest(message, f"{work.place}.fullUrl")
        names[url] = work.name
        relative = "/".join(url.rsplit("/", 2)[1:]) if url.startswith(("http://", "https://")) else url
        names.setdefault(relative, work.name)  # a relative link means the same server's resource
        if versioned and work.method == "POST" and not work.match:
            for own in (url, relative) if (version := _version_brought(work)) else ():
                names.setdefault(f"{own}/_history/{version}", f"{work.name}/_history/1")
    return names


def _version_brought(work: Work) -> str:
    """The version of which an entry says that it brings it; empty when it says none, or nothing sound."""
    try:
        meta = msgspec.json.decode(bytes(work.entry.resource), type=_Peek).meta
    except msgspec.DecodeError:
        return ""
    return meta.versionId if meta else ""


def rewrite(raw: bytes, names: dict[str, str], conditions: dict[str, str] | None = None) -> bytes:
    """The entry's JSON with its links to other entries (and conditional references) replaced."""

    def replaced(match: re.Match[bytes]) -> bytes:
        text = _text(match[2])
        base, mark, fragment = text.partition("#")
        target = names.get(text) or (names.get(base) if mark else None)
        if target is None and conditions and match[1] == b"reference":
            target = conditions.get(text)
        if target is None:
            return match[0]
        link = target + (mark + fragment if target == names.get(base) and mark and text not in names else "")
        return b'"' + match[1] + b'":' + msgspec.json.encode(link)

    def linked(match: re.Match[bytes]) -> bytes:
        target = names.get(match[2].decode("utf-8", "replace"))
        return match[1] + target.encode() if target else match[0]

    if names or conditions:
        raw = _LINK.sub(replaced, raw)
        if b"urn:" in raw:
            raw = _NARRATIVE.sub(linked, raw)
    return raw


def rewrite_url(url: str, names: dict[str, str]) -> str:
    """A request's url with the names of entries replaced."""
    if "urn:" in url:
        for old, new in names.items():
            url = url.replace(old, new)
    return url


def _text(quoted: bytes) -> str:
    if b"\\" in quoted:
        try:
            return msgspec.json.decode(b'"' + quoted + b'"', type=str)
        except msgspec.DecodeError:
            return ""
    return quoted.decode("utf-8", "replace")


def resolve_conditions(asker: Asker, raw: bytes, known: dict[str, str]) -> Step[None]:
    """Look up conditional references (`Patient?identifier=…`); each must name exactly one resource."""
    if b"?" not in raw:
        return
    for key, quoted in _LINK.findall(raw):
        text = _text(quoted)
        match = _CONDITION.fullmatch(text)
        if key != b"reference" or text in known or not match or match[1] not in r4.RESOURCES:
            continue
        found = yield from conditional.find(asker, match[1], match[2])
        if found is None:
            message = f"the conditional reference {text[:200]} matches nothing"
            raise PreconditionFailed(message)
        known[text] = f"{found.type}/{found.id}"


def may_have_conditions(raw: bytes) -> bool:
    """Whether there could be conditional references in the JSON of a resource."""
    return b"?" in raw and any(_CONDITION.fullmatch(_text(quoted)) for key, quoted in _LINK.findall(raw))


def with_conditions(asker: Asker, raw: bytes) -> Step[bytes]:
    """The JSON of a resource with the conditional references in it resolved. Raises PreconditionFailed."""
    conditions: dict[str, str] = {}
    yield from resolve_conditions(asker, raw, conditions)
    return rewrite(raw, {}, conditions) if conditions else raw


def decode_entry(raw: bytes, type_: str, id_: str | None, *, same: bool = False) -> r4.Resource:
    """Decode and check a resource that is to have this type and id; raises Invalid or BadRequest.

    same: an id of its own must be that id; else it is overwritten.
    """
    resource, problems = check(raw)
    if resource is None or any(p.severity in ("error", "fatal") for p in problems):
        raise Invalid(problems)
    if resource.resourceType != type_:
        message = f"a {resource.resourceType} cannot be stored at {type_}"
        raise BadRequest(message, f"{resource.resourceType}.resourceType")
    if same and resource.id not in (None, id_):
        message = f"the id in the body must be the id in the address, {id_}"
        raise BadRequest(message, f"{type_}.id")
    resource.id = id_
    return resource


def _write(asker: Asker, works: list[Work]) -> Step[None]:
    """Deletions, then new resources, then updates."""
    for work in works:
        if work.method == "DELETE" and work.answer is None:
            work.answer = yield from _placed(work, _delete(asker, work))
    fresh = [w for w in works if w.method == "POST" and w.resource is not None]
    for work, stored in zip(
        fresh, (yield from store.create(asker, [w.resource for w in fresh if w.resource])), strict=True
    ):
        work.answer = _answer(stored)
    puts = [w for w in works if w.method == "PUT" and w.resource is not None]
    for work in sorted((w for w in puts if w.is_guarded), key=lambda w: w.name):
        if_match = version_of(work.request.ifMatch) if work.request.ifMatch else None
        put = store.put(asker, work.resource, if_match=if_match, fresh=not work.request.ifMatch)  # type: ignore[arg-type]
        work.answer = _answer((yield from _placed(work, put)))
    plain = [w for w in puts if not w.is_guarded]
    versions, _ = yield from store.put_many(asker, [w.resource for w in plain if w.resource])
    for work, stored in zip(plain, versions, strict=True):
        work.answer = _answer(stored)


def _placed(work: Work, step: Step[Any]) -> Step[Any]:
    """Run a step of one entry; a refusal names the entry."""
    try:
        return (yield from step)
    except RecordError as error:
        raise error.inside(work.place) from error


def _delete(asker: Asker, work: Work) -> Step[Answer]:
    if_match = version_of(work.request.ifMatch) if work.request.ifMatch else None
    try:
        stored = yield from store.delete(asker, work.type, str(work.id), if_match=if_match)
    except NotFound:
        return Answer("204 No Content")
    return Answer("204 No Content", "", stored.version)


def patch_of(raw: bytes) -> Patch:
    """The patch that an entry of a Bundle carries: Parameters, or a Binary (http.html, 3.1.0.8).

    Raises BadRequest, Invalid, TooLarge.
    """
    limits.check_parameters(raw)
    resource, problems = check(raw)
    if isinstance(resource, r4.Parameters):
        return Patch(FHIRPATH_PATCH, raw)
    if resource is None:
        raise Invalid(problems)
    if not isinstance(resource, r4.Binary) or resource.contentType not in (JSON_PATCH, XML_PATCH):
        message = f"PATCH takes Parameters, or a Binary of {JSON_PATCH} or {XML_PATCH}"
        raise BadRequest(message, "Binary.contentType")
    try:
        return Patch(resource.contentType, base64.b64decode(resource.data or "", validate=True))
    except binascii.Error as error:
        message = "the patch is not base64"
        raise BadRequest(message, "Binary.data") from error


def _patch(asker: Asker, work: Work, names: dict[str, str], conditions: dict[str, str]) -> Step[Answer]:
    operations = patch_of((yield from contents.given(bytes(work.entry.resource))))
    if operations.media != XML_PATCH:
        yield from resolve_conditions(asker, operations.data, conditions)
        operations = Patch(operations.media, rewrite(operations.data, names, conditions))
    if_match = version_of(work.request.ifMatch) if work.request.ifMatch else None
    stored = yield from patched(asker, work.type, str(work.id), operations, if_match)
    return _answer(stored)


def patched(asker: Asker, type_: str, id_: str, operations: Patch, if_match: int | None) -> Step[versioning.Stored]:
    """Apply a patch to the current version. Needs a transaction."""
    permits.allow(asker, "u", type_)
    row = yield from locks.lock(type_, id_)
    current = reads.seen(asker, type_, id_, [row[:6]] if row else [])
    if if_match is not None and current.version != if_match:
        message = f"{type_}/{id_} is at version {current.version}, not {if_match}"
        raise PreconditionFailed(message)
    body = yield from contents.given(current.body)
    after = yield from computed(lambda: patch.apply(body, operations))
    after = yield from with_conditions(asker, after)
    return (yield from store.put(asker, decode_entry(after, type_, id_), if_match=if_match, upsert=False))


def _answer(stored: versioning.Stored) -> Answer:
    status = "201 Created" if stored.created else "200 OK"
    location = f"{stored.type}/{stored.id}/_history/{stored.version}"
    return Answer(status, location, stored.version, versioning.instant(stored.updated), stored.body)


def version_of(etag: str) -> int:
    """The version that an entity tag names: `W/"3"`, `"3"` or `3`. Raises BadRequest."""
    text = etag.strip().removeprefix("W/").strip('"')
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        message = f"{etag[:80]!r} is no version of this server"
        raise PreconditionFailed(message)
    return int(text)


def response_bundle(kind: str, answers: Iterable[Answer], base: str, *, full: bool) -> bytes:
    """The Bundle of answers. full: with the resources as they are now (Prefer: return=representation)."""
    entries = []
    for answer in answers:
        response: dict[str, Any] = {"status": answer.status}
        if answer.location:
            response["location"] = f"{base}/{answer.location}"
        if answer.version:
            response["etag"] = f'W/"{answer.version}"'
        if answer.modified:
            response["lastModified"] = answer.modified
        if answer.outcome:
            response["outcome"] = msgspec.Raw(answer.outcome)
        entry: dict[str, Any] = {}
        if answer.body is not None and (full or not answer.location):
            entry["resource"] = msgspec.Raw(answer.body)
        entries.append(entry | {"response": response})
    bundle: dict[str, Any] = {"resourceType": "Bundle", "id": versioning.new_id(), "type": f"{kind}-response"}
    return msgspec.json.encode(bundle | ({"entry": entries} if entries else {}))
