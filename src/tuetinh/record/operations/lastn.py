"""`Observation/$lastn` (observation-operation-lastn.html): the newest observations of each kind."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec
from django.conf import settings

from tuetinh.record.bundling import bundle, entry
from tuetinh.record.errors import BadRequest, issues_of
from tuetinh.record.operations.declare import Asked, Operation, Out, Param, Reply
from tuetinh.record.search import run as searching
from tuetinh.record.steps import Step
from tuetinh.record.versioning import Stored

PAGES, COUNT = 10, 1000  # the newest ten thousand observations are looked at
WHOSE = frozenset({"patient", "subject"})
FIXED = frozenset({"_sort", "_include", "_revinclude"})


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
    if not any(_names_someone(name) for name, _ in asked.others):
        message = "$lastn needs the parameter patient or subject"
        raise BadRequest(message, "patient")
    if others := [name for name, _ in asked.others if name.partition(":")[0] in FIXED]:
        message = f"$lastn returns the newest observations alone; {others[0][:80]} has no meaning here"
        raise BadRequest(message, others[0][:80])
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
            if groups.takes(hit.body, hit.patient or ""):
                found.append(Stored(hit.type, hit.id, hit.version, hit.updated, hit.patient, hit.body))
        page = hits.next
        if page is None:
            break
    seen = [(one.type, "", one.patient) for one in found] or [("Observation", "", None)]
    link = f"{asked.path}?{urlencode(asked.pairs)}" if asked.pairs else asked.path
    body = bundle("searchset", [entry(one, asked.base) for one in found], [("self", link)], len(found))
    return Reply(body, seen=seen)


def _names_someone(name: str) -> bool:
    """Whether a parameter says whose observations are meant, itself or by a chain."""
    code, _, modifier = name.partition(".")[0].partition(":")
    return code in WHOSE and modifier != "missing"


class Groups:
    """Counts observations of the same kind of one patient: those that share a coding, or else the same text."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.counts: list[int] = []
        self.known: dict[tuple[str, str, str], int] = {}

    def takes(self, body: bytes, patient: str) -> bool:
        """Whether the observation is among the first `most` of its kind."""
        concept = msgspec.json.decode(body, type=_Coded).code
        names = [(patient, c.system, c.code) for c in concept.coding if c.code] or [(patient, "", concept.text)]
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
