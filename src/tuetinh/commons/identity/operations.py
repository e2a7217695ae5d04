"""`Patient/$match` (R4 patient-operation-match.html): who may be the person of a Patient, with score and grade."""

from __future__ import annotations

import msgspec

from tuetinh.commons.identity import matching
from tuetinh.commons.identity.linkage import scoring
from tuetinh.record import permits, r4, reads
from tuetinh.record.bundling import bundle
from tuetinh.record.errors import BadRequest
from tuetinh.record.operations import Asked, Operation, Out, Param, Reply
from tuetinh.record.steps import Step

MOST, DEFAULT = 100, 20
GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
ORDER = (scoring.CERTAIN, scoring.PROBABLE, scoring.POSSIBLE)


def match(asked: Asked) -> Step[Reply]:
    """A searchset, best first. onlyCertainMatches: the one whom a number names, and nobody when there are several."""
    given = asked.one("resource")
    if not isinstance(given, r4.Patient):
        message = "resource must be a Patient"
        raise BadRequest(message, "resource")
    permits.allow(asked.asker, "s", "Patient")
    found = yield from matching.matches(matching.of_patient(given))
    found = [one for one in found if asked.asker.patient in (None, one.row[0])]
    found.sort(key=lambda one: (ORDER.index(one.score.grade), -one.score.weight, one.row[0]))
    if asked.one("onlyCertainMatches"):
        found = [one for one in found if one.score.grade == scoring.CERTAIN]
        found = found if len(found) == 1 else []
    found = found[: max(0, min(int(asked.one("count", DEFAULT)), MOST))]
    bodies = {s.id: s for s in (yield from reads.read_many(asked.asker, "Patient", [one.row[0] for one in found]))}
    entries = [_entry(one, bodies[one.row[0]].body or b"", asked.base) for one in found if one.row[0] in bodies]
    seen: list[tuple[str, str, str | None]] = [("Patient", one.row[0], one.row[0]) for one in found]
    body = bundle("searchset", entries, [("self", asked.path)], len(entries))
    return Reply(body, seen=seen or [("Patient", "", None)])


def _entry(one: matching.Match, body: bytes, base: str) -> bytes:
    search = {
        "extension": [{"url": GRADE, "valueCode": one.score.grade}],
        "mode": "match",
        "score": round(1.0 if one.score.grade == scoring.CERTAIN else one.score.probability, 4),
    }
    address = msgspec.json.encode(f"{base}/Patient/{one.row[0]}")
    return b'{"fullUrl":%b,"resource":%b,"search":%b}' % (address, body, msgspec.json.encode(search))


OPERATIONS = (
    Operation(
        "match",
        "http://hl7.org/fhir/OperationDefinition/Patient-match",
        ("type",),
        match,
        types=frozenset({"Patient"}),
        letter="s",
        params=(
            Param("resource", "Patient", min=1),
            Param("onlyCertainMatches", "boolean"),
            Param("count", "integer"),
        ),
        out=(Out("return", "Bundle", 1),),
    ),
)
