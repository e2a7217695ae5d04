"""What a kick-off of `$export` asks, read and checked before anything is promised (Bulk Data Access 2.0, export.html).

A parameter may come several times, or once with commas between its values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tuetinh.record import permits, r4, reads
from tuetinh.record.asker import Asker
from tuetinh.record.audit import reading
from tuetinh.record.bulk.ledger import LETTERS
from tuetinh.record.errors import BadRequest, Forbidden, Issue, NotFound, Unprocessable, issues_of
from tuetinh.record.operations.declare import Asked
from tuetinh.record.search import run as searching
from tuetinh.record.search.params import compartments
from tuetinh.record.statements import array
from tuetinh.record.steps import Query, Step

NDJSON = "application/fhir+ndjson"
FORMATS = frozenset({NDJSON, "application/ndjson", "ndjson"})
PROVENANCES = {"LatestProvenanceResources": "latest", "RelevantProvenanceResources": "relevant"}
_FILTERS = re.compile(r",(?=[A-Z][A-Za-z]+\?)")
_PATIENT = re.compile(r"(?:.*/)?Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/.*)?")
_GROUP = re.compile(r"Group/([A-Za-z0-9\-.]{1,64})(?:/_history/.*)?")
_RESULTS = frozenset({"_sort", "_count", "_include", "_revinclude", "_elements", "_summary", "_total", "_contained"})


class Wanted(NamedTuple):
    """What is to be exported. asked: as the ledger keeps it; patients: whose records alone, None for no limit.

    asked: `types`, names in order; `compartment`, whether only what belongs to a patient; `since` and `until`,
    instants or ""; `elements`, names by type ("" for all); `filters`, searches by type of which one must match;
    `associated`, whether Provenances come along: `latest`, `relevant` or ""; `organized`, whether by patient.
    """

    asked: dict[str, Any]
    patients: list[str] | None


def export(asked: Asked) -> Step[Wanted]:
    """Read a kick-off. Raises BadRequest, Forbidden, NotFound or Unprocessable with the parameter."""
    lenient = asked.prefer.get("handling") == "lenient"
    form = asked.one("_outputFormat", NDJSON).replace(" ", "+")
    if form not in FORMATS:
        message = f"_outputFormat {form[:80]!r} is not given; {NDJSON} is"
        raise BadRequest(message, "_outputFormat")
    associated = _associated(asked, lenient=lenient)
    organized = _organized(asked, lenient=lenient)
    compartment = asked.type != ""
    types = _types(asked, compartment=compartment, lenient=lenient)
    if organized and reading.NAME in types:
        raise BadRequest("the access log is not organized by patient", "organizeOutputBy")
    patients = yield from _patients(asked)
    filters = yield from _filters(asked, types)
    since, until = asked.one("_since", ""), asked.one("_until", "")
    if since and datetime.fromisoformat(since) > datetime.now(UTC):
        raise BadRequest("_since lies in the future", "_since")
    wanted = {
        "types": types,
        "compartment": compartment,
        "since": since,
        "until": until,
        "elements": _elements(asked),
        "filters": filters,
        "associated": associated,
        "organized": organized,
    }
    return Wanted(wanted, patients)


def _associated(asked: Asked, *, lenient: bool) -> str:
    """`includeAssociatedData`: Provenances of the exported versions, or of these resources in any version."""
    named = _listed(asked, "includeAssociatedData")
    unknown = [name for name in named if name not in PROVENANCES]
    if unknown and not lenient:
        message = f"{unknown[0][:80]!r} does not come along; {' and '.join(PROVENANCES)} can"
        raise BadRequest(message, "includeAssociatedData")
    known = sorted(PROVENANCES[name] for name in named if name in PROVENANCES)
    if known and not may(asked.asker, "Provenance"):
        raise Forbidden("export of Provenance is not within the scopes of this account", "includeAssociatedData")
    return known[-1] if known else ""


def _organized(asked: Asked, *, lenient: bool) -> bool:
    """`organizeOutputBy`: by Patient, whose records stand together then."""
    kind = asked.one("organizeOutputBy", "")
    if kind not in ("", "Patient") and not lenient:
        raise BadRequest(f"the output is not organized by {kind[:80]!r}; Patient is possible", "organizeOutputBy")
    return bool(kind == "Patient")


def _listed(asked: Asked, name: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for value in asked.many(name) for part in value.split(",") if part.strip()))


def may(asker: Asker, type_: str) -> bool:
    """Whether the asker may export something of the type."""
    if type_ == reading.NAME:
        return reading.may(asker)
    return all(asker.may_some(letter, type_) for letter in LETTERS)


def _types(asked: Asked, *, compartment: bool, lenient: bool) -> list[str]:
    named = _listed(asked, "_type")
    for type_ in named:
        if type_ not in r4.RESOURCES:
            raise BadRequest(f"there is no resource type {type_[:80]!r}", "_type")
    personal = {"Patient", *compartments()["Patient"]}
    if compartment:
        outside = [type_ for type_ in named if type_ not in personal]
        if outside and not lenient:
            message = f"{', '.join(outside)} {'is' if len(outside) == 1 else 'are'} not in the patient compartment"
            raise BadRequest(message, "_type")
    refused = [type_ for type_ in named if not may(asked.asker, type_)]
    if refused:
        raise Forbidden(f"export of {', '.join(refused)} is not within the scopes of this account", "_type")
    kinds = named or sorted(r4.RESOURCES.keys() - {reading.NAME})  # the access log is exported where it is named
    found = [t for t in kinds if may(asked.asker, t) and (not compartment or t in personal)]
    if not found and not named:
        raise Forbidden("nothing that could be exported is within the scopes of this account")
    return found


def _elements(asked: Asked) -> dict[str, list[str]]:
    """`_elements` is a list of `name` or `Type.name`."""
    found: dict[str, list[str]] = {}
    for text in _listed(asked, "_elements"):
        type_, dot, name = text.partition(".")
        type_, name = (type_, name) if dot else ("", type_)
        if (dot and type_ not in r4.RESOURCES) or not name.isalnum():
            raise BadRequest(f"{text[:80]!r} is not of the form element or Type.element", "_elements")
        found.setdefault(type_, []).append(name)
    return found


def _filters(asked: Asked, types: Sequence[str]) -> Step[dict[str, list[str]]]:
    """`_typeFilter` is a list of searches such as `Observation?category=laboratory`, several of a type being ORed."""
    found: dict[str, list[str]] = {}
    for text in (part for value in asked.many("_typeFilter") for part in _FILTERS.split(value)):
        type_, mark, query = text.partition("?")
        if not mark or type_ not in r4.RESOURCES:
            raise BadRequest(f"{text[:80]!r} is not of the form Type?search", "_typeFilter")
        if type_ == reading.NAME:
            raise BadRequest("the access log is exported as it is, within _since and _until", "_typeFilter")
        if type_ not in types:
            raise BadRequest(f"{type_} is filtered, but not exported", "_typeFilter")
        wanted, problems = yield from searching.read(type_, query)
        if results := [name for name, _ in wanted.pairs if name.partition(":")[0] in _RESULTS]:
            raise BadRequest(f"{results[0]} has no meaning in a filter", "_typeFilter")
        if problems:
            raise BadRequest(issues=[i._replace(expression="_typeFilter") for i in issues_of(problems)])
        yield from searching.matched(asked.asker, wanted)  # what only the record can refuse
        found.setdefault(type_, []).append(query)
    return found


# -- whose records ----------------------------------------------------------------------------------------------------


def within(asker: Asker, patients: Sequence[r4.Reference], groups: Sequence[r4.Reference]) -> Step[list[str] | None]:
    """Those of the patients who are in one of the groups; None where neither says whom.

    Raises NotFound, BadRequest or Unprocessable with the parameter.
    """
    members: dict[str, None] = {}
    for reference in groups:
        match = _GROUP.fullmatch(reference.reference or "")
        if match is None:
            raise BadRequest(f"{(reference.reference or '')[:80]!r} refers to no Group", "group")
        members |= dict.fromkeys((yield from _members(asker, match[1])))
    named = _named(patients)
    yield from _check_known(asker, named)
    if not patients:
        return list(members) if groups else None
    return [id_ for id_ in named if id_ in members] if groups else named


def _patients(asked: Asked) -> Step[list[str] | None]:
    """The patients that the export is limited to. `patient` names some of those that the place of the call means."""
    members = (yield from _members(asked.asker, asked.id)) if asked.type == "Group" else None
    given = asked.many("patient")
    if not given:
        return members
    if not asked.type:
        raise BadRequest("patient is for the export of Patient and Group", "patient")
    named = _named(given)
    if members is not None and (strangers := set(named) - set(members)):
        raise Unprocessable(issues=[_no_patient(id_, "is no member of the Group") for id_ in sorted(strangers)])
    yield from _check_known(asked.asker, named)
    return named


def _named(references: Sequence[r4.Reference]) -> list[str]:
    """The ids of the Patients that are referred to, each once."""
    named = []
    for reference in references:
        match = _PATIENT.fullmatch(reference.reference or "")
        if match is None:
            raise BadRequest(f"{(reference.reference or '')[:80]!r} refers to no Patient", "patient")
        named.append(match[1])
    return list(dict.fromkeys(named))


def _check_known(asker: Asker, ids: Sequence[str]) -> Step[None]:
    sql = 'SELECT id FROM record."Patient" WHERE id = ANY(%s::text[]) AND NOT deleted'
    known = {row[0] for row in (yield Query(sql, (array(ids),))) if permits.sees(asker, row[0])}
    if strangers := [id_ for id_ in ids if id_ not in known]:
        raise Unprocessable(issues=[_no_patient(id_, "is not known") for id_ in strangers])


def _no_patient(id_: str, why: str) -> Issue:
    return Issue("error", "not-found", f"Patient/{id_} {why}", "patient")


def _members(asker: Asker, id_: str) -> Step[list[str]]:
    """The patients in a Group, and in the Groups in it, who are members now."""
    members: dict[str, None] = {}
    groups = [id_]
    for each in groups:  # grows while it is gone through
        try:
            found = yield from reads.read(asker, "Group", each)
        except NotFound:
            if each == id_:
                raise
            continue  # of a Group within, which is not there for the asker
        group = r4.decode(found.body or b"")
        if not isinstance(group, r4.Group):
            raise AssertionError  # it was read as one
        if not group.actual:
            raise Unprocessable(f"Group/{each} describes people, but lists no members", "Group.actual")
        for reference in _entities(group):
            if match := _PATIENT.fullmatch(reference):
                members[match[1]] = None
            elif (match := _GROUP.fullmatch(reference)) and match[1] not in groups:
                groups.append(match[1])
    return [member for member in members if permits.sees(asker, member)]


def _entities(group: r4.Group) -> Iterator[str]:
    """What the members that are members now refer to."""
    for member in group.member or []:
        if not member.inactive and not _is_over(member.period) and member.entity and member.entity.reference:
            yield member.entity.reference


def _is_over(period: r4.Period | None) -> bool:
    """Whether the period has ended; a partial date lasts to its end."""
    end = (period.end if period else None) or ""
    now = datetime.now(UTC)
    if "T" in end:
        return datetime.fromisoformat(end) < now
    return bool(end) and end < now.date().isoformat()[: len(end)]
