"""`Observation/$lastn` (observation-operation-lastn.html): the newest observations of each kind."""

from __future__ import annotations

import msgspec
from django.conf import settings

from tuetinh.record.bundling import bundle, entry
from tuetinh.record.errors import BadRequest, issues_of
from tuetinh.record.operations.declare import Asked, Operation, Out, Param, Reply
from tuetinh.record.search import run as searching
from tuetinh.record.steps import Step
from tuetinh.record.store import Stored

PAGES, COUNT = 10, 1000  # the newest ten thousand observations are looked at
WHOSE = frozenset({"patient", "subject"})


class _Coding(msgspec.Struct):
    system: str = ""
    code: str = ""


class _Concept(msgspec.Struct):
    coding: list[_Coding] = []
    text: str = ""


class _Coded(msgspec.Struct):
    code: _Concept


def lastn(asked: Asked) -> Step[Reply]:
    """A searchset, newest first, with `max` observations of each code. Needs `patient` or `subject`."""
    if not WHOSE & {name.partition(":")[0].partition(".")[0] for name, _ in asked.others}:
        message = "$lastn needs the parameter patient or subject"
        raise BadRequest(message, "patient")
    pairs = [*asked.others, ("_sort", "-date"), ("_count", str(COUNT))]
    wanted, problems = yield from searching.read("Observation", pairs)
    if any(p.severity == "error" for p in problems):
        raise BadRequest(issues=issues_of(problems))
    groups = Groups(asked.one("max", 1))
    found: list[Stored] = []
    page = None
    for _ in range(PAGES):
        hits = yield from searching.search(asked.asker, wanted, secret=settings.SECRET_KEY.encode(), page=page)
        for hit in hits.hits:
            if hit.mode == "match" and groups.takes(hit.body):
                found.append(Stored(hit.type, hit.id, hit.version, hit.updated, hit.patient, hit.body))
        page = hits.next
        if page is None:
            break
    seen = [(one.type, "", one.patient) for one in found] or [("Observation", "", None)]
    body = bundle("searchset", [entry(one, asked.base) for one in found], [("self", asked.path)], len(found))
    return Reply(body, seen=seen)


class Groups:
    """Counts observations of the same kind: those that share a coding, or else the same text."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.counts: list[int] = []
        self.known: dict[tuple[str, str], int] = {}

    def takes(self, body: bytes) -> bool:
        """Whether the observation is among the first `most` of its kind."""
        concept = msgspec.json.decode(body, type=_Coded).code
        names = [(c.system, c.code) for c in concept.coding if c.code] or [("", concept.text)]
        group = next((self.known[name] for name in names if name in self.known), len(self.counts))
        if group == len(self.counts):
            self.counts.append(0)
        for name in names:
            self.known.setdefault(name, group)
        self.counts[group] += 1
        return self.counts[group] <= self.most


OPERATIONS = (
    Operation(
        "lastn",
        "http://hl7.org/fhir/OperationDefinition/Observation-lastn",
        ("type",),
        lastn,
        types=frozenset({"Observation"}),
        letter="s",
        open=True,
        params=(Param("max", "positiveInt"),),
        out=(Out("return", "Bundle", 1),),
    ),
)
