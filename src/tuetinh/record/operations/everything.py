"""`$everything` of a patient, an encounter, a group and of all patients (patient.html#everything), page by page.

What the compartment's resources refer to outside of it (practitioners, organizations, places, medicines) comes along on
the page that refers to it, unless `_type` names other types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from tuetinh.record import permits, r4, reads
from tuetinh.record.asker import Asker
from tuetinh.record.bulk import asking
from tuetinh.record.bundling import bundle, entry
from tuetinh.record.errors import BadRequest, issues_of
from tuetinh.record.merging import ledger
from tuetinh.record.operations.declare import Asked, Level, Operation, Out, Param, Reply
from tuetinh.record.search import parse
from tuetinh.record.search import run as searching
from tuetinh.record.search.values import date_range, instant
from tuetinh.record.search.where import bigints
from tuetinh.record.statements import array
from tuetinh.record.steps import Query, Step
from tuetinh.record.versioning import Stored

PAGE = "_page"
COUNT, MOST = 100, 1000
MOST_OF_A_VISIT = 5000  # resources of one type in one encounter
# CompartmentDefinition-encounter (R4): which parameter of each type refers to the encounter.
ENCOUNTER = dict.fromkeys(
    [
        "CarePlan",
        "CareTeam",
        "Claim",
        "ClinicalImpression",
        "Communication",
        "CommunicationRequest",
        "Composition",
        "Condition",
        "DeviceRequest",
        "DiagnosticReport",
        "DocumentReference",
        "ExplanationOfBenefit",
        "Media",
        "MedicationRequest",
        "NutritionOrder",
        "Observation",
        "Procedure",
        "QuestionnaireResponse",
        "RequestGroup",
        "ServiceRequest",
        "VisionPrescription",
    ],
    "encounter",
) | {"ChargeItem": "context", "DocumentManifest": "related-ref", "MedicationAdministration": "context"}
# What is no part of anybody's compartment, but needed to read one.
ALONG = frozenset(
    [
        "Practitioner",
        "PractitionerRole",
        "Organization",
        "Location",
        "HealthcareService",
        "Medication",
        "Device",
        "Substance",
        "Endpoint",
    ]
)
# When care took place, by the names that FHIR gives to it; the first that is there counts (fivews.html, "done").
CARE_DATES = [
    "effectiveDateTime",
    "effectivePeriod",
    "effectiveInstant",
    "performedDateTime",
    "performedPeriod",
    "occurrenceDateTime",
    "occurrencePeriod",
    "period",
    "started",
    "whenHandedOver",
    "whenPrepared",
    "onsetDateTime",
    "onsetPeriod",
    "servicedPeriod",
    "start",
    "authoredOn",
    "recordedDate",
    "billablePeriod",
    "created",
    "date",
    "issued",
    "sent",
]
_REFERENCE = re.compile(rb'"reference":"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})"')


def of_patient(asked: Asked) -> Step[Reply]:
    """Everything in the compartment of one patient; of one who was merged, that of the survivor."""
    chains = yield from ledger.chains([asked.id])
    person = chains[asked.id][-1].target if asked.id in chains else asked.id
    first = yield from reads.read(asked.asker, "Patient", person)
    types = _types(asked)
    after, count = _position(asked), _count(asked)
    where, params = "", []
    if since := asked.one("_since"):
        where, params = " AND updated >= %s::timestamptz", [datetime.fromisoformat(since).isoformat()]
    # Of whom a resource is, its column says; who else is named in it, its tokens do, each type by its own parameters.
    hashes = {type_: frozenset(parse.compartment_hashes(type_, "Patient", [person])) for type_ in types}
    rows = yield Query(
        "SELECT type, id, version, updated, patient, body, key, tokens FROM record.resource"
        " WHERE (patient = %s OR tokens && %s::bigint[]) AND NOT deleted AND key > %s"
        f" AND type = ANY(%s::text[]){where} ORDER BY key + 0 LIMIT %s",
        [person, bigints(sorted(frozenset().union(*hashes.values()))), after, array(types), *params, count + 1],
        prepare=False,
    )
    found = [
        Stored(r[0], r[1], r[2], r[3], r[4], bytes(r[5]))
        for r in rows[:count]
        if (r[4] == person or not hashes[r[0]].isdisjoint(r[7])) and permits.shows(asked.asker, "r", r[0], r[4], r[5])
    ]
    following = str(rows[count - 1][6]) if len(rows) > count else None
    chosen = [one for one in found if one.type == "Patient" or _within(one.body, asked)]
    return (yield from _page(asked, chosen, following, first.patient))


def of_all(asked: Asked) -> Step[Reply]:
    """What belongs to any patient whom the asker may see."""
    return (yield from _of_many(asked, None))


def of_group(asked: Asked) -> Step[Reply]:
    """A Group, and what belongs to those who are its members now."""
    group = yield from reads.read(asked.asker, "Group", asked.id)
    people = yield from asking.within(asked.asker, [], [r4.Reference(reference=f"Group/{asked.id}")])
    return (yield from _of_many(asked, people or [], group))


def _of_many(asked: Asked, people: list[str] | None, group: Stored | None = None) -> Step[Reply]:
    """What belongs to these patients, or (None) to any, in the order in which it came; the group goes before it all."""
    after, count = _position(asked), _count(asked)
    where, params = "patient IS NOT NULL", []
    if people is not None:
        where, params = "patient = ANY(%s::text[])", [array(people)]
    if group is not None:
        where, params = f"{where} AND NOT (type = 'Group' AND id = %s)", [*params, group.id]
    if asked.asker.patient is not None:
        where, params = f"{where} AND patient = %s", [*params, asked.asker.patient]
    if since := asked.one("_since"):
        where, params = f"{where} AND updated >= %s::timestamptz", [*params, datetime.fromisoformat(since).isoformat()]
    rows = yield Query(
        "SELECT type, id, version, updated, patient, body, key FROM record.resource"
        f" WHERE {where} AND NOT deleted AND key > %s AND type = ANY(%s::text[]) ORDER BY key LIMIT %s",
        [*params, after, array(_types(asked)), count + 1],
        prepare=False,
    )
    found = [Stored(row[0], row[1], row[2], row[3], row[4], bytes(row[5])) for row in rows[:count]]
    found = [one for one in found if permits.shows(asked.asker, "r", one.type, one.patient, one.body)]
    following = str(rows[count - 1][6]) if len(rows) > count else None
    chosen = [one for one in found if one.type == "Patient" or _within(one.body, asked)]
    first = [group] if group is not None and not after and "Group" in _types(asked) else []
    return (yield from _page(asked, [*first, *chosen], following, None))


def of_encounter(asked: Asked) -> Step[Reply]:
    """An encounter, its patient, and what was recorded within it."""
    first = yield from reads.read(asked.asker, "Encounter", asked.id)
    keys = [("Encounter", asked.id)]
    encounter = msgspec.json.decode(first.body or b"{}", type=_Encounter)
    if encounter.subject and (match := re.fullmatch(r"Patient/([A-Za-z0-9\-.]{1,64})", encounter.subject.reference)):
        keys.append(("Patient", match[1]))
    types = set(_types(asked))
    for type_, code in ENCOUNTER.items():
        if type_ in types:
            keys += yield from _pointing(asked.asker, type_, code, asked.id)
    keys = [key for key in keys if key[0] in types]
    start, count = _position(asked), _count(asked)
    found = yield from _read(asked.asker, keys[start : start + count])
    since = datetime.fromisoformat(asked.one("_since")) if asked.one("_since") else None
    found = [one for one in found if since is None or one.updated >= since]
    following = str(start + count) if len(keys) > start + count else None
    return (yield from _page(asked, found, following, first.patient))


class _Link(msgspec.Struct):
    reference: str = ""


class _Encounter(msgspec.Struct):
    subject: _Link | None = None


def _pointing(asker: Asker, type_: str, code: str, id_: str) -> Step[list[tuple[str, str]]]:
    wanted, problems = parse.parse(type_, [(code, f"Encounter/{id_}")])
    if problems:
        raise BadRequest(issues=issues_of(problems))
    rows = yield from searching.matching(asker, wanted, MOST_OF_A_VISIT)
    return [(row[0], row[1]) for row in rows]


def _read(asker: Asker, keys: Sequence[tuple[str, str]]) -> Step[list[Stored]]:
    """The current versions of these resources, in the order of the keys; unknown ones are left out."""
    groups: dict[str, list[str]] = {}
    for type_, id_ in keys:
        if asker.may_some("r", type_):
            groups.setdefault(type_, []).append(id_)
    found: dict[tuple[str, str], Stored] = {}
    for type_, ids in groups.items():
        for one in (yield from reads.read_many(asker, type_, ids)):
            found[type_, one.id] = one
    return [found[key] for key in dict.fromkeys(keys) if key in found]


def _page(asked: Asked, found: list[Stored], following: str | None, patient: str | None) -> Step[Reply]:
    here = {(one.type, one.id) for one in found}
    types = ALONG.intersection(_types(asked))
    wanted = [key for one in found for key in _links(one.body or b"") if key[0] in types and key not in here]
    along = yield from _read(asked.asker, list(dict.fromkeys(wanted)))
    names = (param.name for param in (*_CARE, *_PARAMS) if param.name != PAGE)
    pairs = [(name, str(value)) for name in names for value in asked.many(name)]  # also those of a body
    links = [("self", _address(asked.path, asked.pairs))]
    if following:
        links.append(("next", _address(asked.path, [*pairs, (PAGE, following)])))
    entries = [entry(one, asked.base) for one in found] + [entry(one, asked.base, "include") for one in along]
    seen = [(one.type, "", one.patient) for one in (*found, *along)]
    return Reply(bundle("searchset", entries, links), seen=seen or [(asked.type, asked.id, patient)])


def _links(body: bytes) -> Iterable[tuple[str, str]]:
    for type_, id_ in _REFERENCE.findall(body):
        yield type_.decode(), id_.decode()


def _address(path: str, pairs: Sequence[tuple[str, str]]) -> str:
    return f"{path}?{urlencode(pairs)}" if pairs else path


def _types(asked: Asked) -> list[str]:
    """The types that are asked for and within the asker's scopes. Raises BadRequest for one that there is not."""
    named = [t for value in asked.many("_type") for t in value.split(",")]
    for type_ in named:
        if type_ not in r4.RESOURCES:
            message = f"there is no resource type {type_[:80]!r}"
            raise BadRequest(message, "_type")
    return [t for t in named or r4.RESOURCES if asked.asker.may_some("r", t)]


def _count(asked: Asked) -> int:
    count = int(asked.one("_count", COUNT))
    if count < 1:
        message = "a page has one resource at least"
        raise BadRequest(message, "_count")
    return min(count, MOST)


def _position(asked: Asked) -> int:
    text = asked.one(PAGE, "0")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        message = "the page token is not of this operation"
        raise BadRequest(message, PAGE)
    return int(text)


def _within(body: bytes | None, asked: Asked) -> bool:
    """Whether the care lies between `start` and `end`, in the node's time; what has no date is part of every time."""
    start, end = (date_range(text) if (text := asked.one(name)) else None for name in ("start", "end"))
    if not start and not end:
        return True
    resource: dict[str, Any] = msgspec.json.decode(body or b"{}")
    value = next((resource[name] for name in CARE_DATES if name in resource), None)
    given = (value.get("start"), value.get("end")) if isinstance(value, dict) else (value, value)
    low, high = (date_range(text) if isinstance(text, str) else None for text in given)
    return not (start and high and instant(high[1]) <= instant(start[0])) and not (
        end and low and instant(low[0]) >= instant(end[1])
    )


_PARAMS = (
    Param("_since", "instant"),
    Param("_type", "string", max=None),
    Param("_count", "integer"),
    Param(PAGE, "string"),
)
_CARE = (Param("start", "date"), Param("end", "date"))
_DEFINITION = "http://hl7.org/fhir/OperationDefinition/{}-everything"
_OUT = (Out("return", "Bundle", 1),)
_PLACES: tuple[tuple[str, Level, Callable[[Asked], Step[Reply]], tuple[Param, ...]], ...] = (
    ("Patient", "instance", of_patient, _CARE + _PARAMS),
    ("Patient", "type", of_all, _CARE + _PARAMS),
    ("Group", "instance", of_group, _CARE + _PARAMS),
    ("Encounter", "instance", of_encounter, _PARAMS),
)
OPERATIONS = tuple(
    Operation(
        "everything",
        _DEFINITION.format(type_),
        (level,),
        step,
        types=frozenset({type_}),
        params=params,
        out=_OUT,
    )
    for type_, level, step, params in _PLACES
)
