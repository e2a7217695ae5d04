"""An entry of the access log as an AuditEvent, after IHE's Basic Audit Log Patterns (BALP 1.1).

Who is told is the account, and the practitioner whose it is. To the person whom an entry is about, others than
themselves are told by their desk and facility alone: these answer for their people (see `accesses`).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from tuetinh.record import r4, versioning
from tuetinh.record.asker import Asker

ACCOUNT: Final = "https://tuetinh.vn/fhir/sid/account"
CLIENT: Final = "https://tuetinh.vn/fhir/sid/client"
DESK: Final = "https://tuetinh.vn/fhir/CodeSystem/desk"
ACCESS: Final = "https://tuetinh.vn/fhir/CodeSystem/access"
_TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem/"
TYPE: Final = f"{_TERMINOLOGY}audit-event-type"
INTERACTION: Final = "http://hl7.org/fhir/restful-interaction"
REASON: Final = f"{_TERMINOLOGY}v3-ActReason"
_PARTICIPATION: Final = f"{_TERMINOLOGY}v3-ParticipationType"
DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_SOURCE, _DESTINATION = ("110153", "Source Role ID"), ("110152", "Destination Role ID")
_ENTITY: Final = f"{_TERMINOLOGY}audit-entity-type"
_ROLE: Final = f"{_TERMINOLOGY}object-role"

ACTIONS: Final = {
    "create": "C", "read": "R", "history": "R", "page": "R", "print": "R", "export": "R", "update": "U", "delete": "D",
    "destroy": "D",
}  # fmt: skip
"""AuditEvent.action by what the log says; all else was executed (`E`)."""
WRITES: Final = [action for action, code in ACTIONS.items() if code in "CUD"]
"""What changes a record."""
AUTHENTICATED: Final = "110114"
AUTHENTICATION: Final = {"login": "110122", "logout": "110123"}
"""AuditEvent.subtype (DCM) of who comes and goes; their type is `AUTHENTICATED`."""
INTERACTIONS: Final = {
    **{name: name for name in ("create", "read", "update", "delete")},
    "search": "search-type",
    "history": "history-instance",
}
"""AuditEvent.subtype by what the log says; an operation is one, and named beside."""


class Entry(NamedTuple):
    """A row of the access log, in the order of `chain.COLUMNS` and `chain.ADDED`."""

    position: int
    at: datetime
    account: str
    role: str
    facility: str
    purpose: str
    client: str
    action: str
    type: str
    id: str
    patient: str | None
    practitioner: str | None
    address: str | None
    query: str | None
    outcome: str | None
    agent: str | None
    reason: str | None
    what: list[str] | None  # Type/id of each resource, where there are several
    event: str | None  # an AuditEvent as another system sent it


def audit_event(entry: Entry, asker: Asker) -> r4.AuditEvent:
    """The entry as it is told to the asker."""
    if entry.event is not None:
        return _sent(entry, entry.event, hides=asker.patient is not None)
    recorded = versioning.instant(entry.at.astimezone(UTC))
    return r4.AuditEvent(
        id=str(entry.position),
        meta=r4.Meta(versionId="1", lastUpdated=recorded),
        type=_type(entry.action),
        subtype=_subtype(entry.action),
        action=ACTIONS.get(entry.action, "E"),
        recorded=recorded,
        outcome=entry.outcome or "0",
        outcomeDesc=entry.reason,
        agent=list(_agents(entry, hides=asker.patient is not None and asker.account != entry.account)),
        source=r4.AuditEventSource(
            site=entry.facility or None,
            observer=r4.Reference(display="Tuệ Tĩnh"),
            type=[r4.Coding(system=f"{_TERMINOLOGY}security-source-type", code="4", display="Application Server")],
        ),
        entity=list(_entities(entry)) or None,
    )


def _sent(entry: Entry, event: str, *, hides: bool) -> r4.AuditEvent:
    """What another system told, with who sent it: in `meta.source`, which is the node's own to say, and as an agent."""
    told = r4.decode(event.encode())
    if not isinstance(told, r4.AuditEvent):
        raise AssertionError  # it was taken as one
    told.id = str(entry.position)
    sender = entry.client or entry.account
    lastly = versioning.instant(entry.at.astimezone(UTC))
    told.meta = r4.Meta(versionId="1", lastUpdated=lastly, source=f"{CLIENT}/{sender}")
    if hides:
        told.agent = [_unnamed(agent) for agent in told.agent or ()]
        told.text = told.contained = told.extension = told.outcomeDesc = None
        for entity in told.entity or ():
            entity.detail = entity.description = None
    device = r4.Reference(type="Device", identifier=r4.Identifier(system=CLIENT, value=sender))
    network = r4.AuditEventAgentNetwork(address=entry.address, type="2") if entry.address and not hides else None
    told.agent = [
        *(told.agent or ()),
        r4.AuditEventAgent(type=_concept(DCM, *_SOURCE), who=device, requestor=False, network=network),
    ]
    return told


def _unnamed(agent: r4.AuditEventAgent) -> r4.AuditEventAgent:
    """An agent as the person is told of it: by its role and facility."""
    known = agent.who is not None and (agent.who.reference or "").startswith("Organization/")
    return r4.AuditEventAgent(
        type=agent.type,
        role=agent.role,
        who=agent.who if known else None,
        requestor=agent.requestor,
        purposeOfUse=agent.purposeOfUse,
    )


def _type(action: str) -> r4.Coding:
    if action in AUTHENTICATION:
        return r4.Coding(system=DCM, code=AUTHENTICATED, display="User Authentication")
    return r4.Coding(system=TYPE, code="rest", display="RESTful Operation")


def _subtype(action: str) -> list[r4.Coding]:
    if action in AUTHENTICATION:
        return [r4.Coding(system=DCM, code=AUTHENTICATION[action], display=action.title())]
    found = [r4.Coding(system=ACCESS, code=action.removeprefix("$"))]
    name = "operation" if action.startswith("$") else INTERACTIONS.get(action)
    return [r4.Coding(system=INTERACTION, code=name), *found] if name else found


def _agents(entry: Entry, *, hides: bool) -> Iterator[r4.AuditEventAgent]:
    """Who asked, for which facility, by which app, and the node that answered."""
    writes = entry.action in ("create", "update", "delete")
    network = r4.AuditEventAgentNetwork(address=entry.address, type="2") if entry.address else None
    code, display = ("AUT", "author (originator)") if writes else ("IRCP", "information recipient")
    yield r4.AuditEventAgent(
        type=_concept(_PARTICIPATION, code, display),
        role=[_concept(DESK, entry.role)],
        who=_facility(entry) if hides else _account(entry),
        altId=None if hides else entry.account,
        requestor=True,
        network=None if hides else network,
        purposeOfUse=[_concept(REASON, entry.purpose)] if entry.purpose else None,
    )
    if entry.facility:
        yield r4.AuditEventAgent(
            type=_concept(_PARTICIPATION, "RESP", "responsible party"), who=_facility(entry), requestor=False
        )
    asks, answers = (_SOURCE, _DESTINATION) if writes or entry.action == "search" else (_DESTINATION, _SOURCE)
    agent = None if hides else entry.agent
    if entry.client or agent:
        known = r4.Identifier(system=CLIENT, value=entry.client) if entry.client else None
        device = r4.Reference(type="Device", identifier=known, display=None if known else agent)
        yield r4.AuditEventAgent(type=_concept(DCM, *asks), who=device, name=agent, requestor=False)
    yield r4.AuditEventAgent(type=_concept(DCM, *answers), who=r4.Reference(display="Tuệ Tĩnh"), requestor=False)


def _account(entry: Entry) -> r4.Reference:
    known = f"Practitioner/{entry.practitioner}" if entry.practitioner else None
    return r4.Reference(reference=known, identifier=r4.Identifier(system=ACCOUNT, value=entry.account))


def _facility(entry: Entry) -> r4.Reference | None:
    return r4.Reference(reference=f"Organization/{entry.facility}") if entry.facility else None


def _entities(entry: Entry) -> Iterator[r4.AuditEventEntity]:
    """Whose record, which resources or types of them, and the question."""
    if entry.patient:
        yield _entity(r4.Reference(reference=f"Patient/{entry.patient}"), ("1", "Person"), ("1", "Patient"))
    named = [f"{entry.type}/{entry.id}"] if entry.id else sorted(set(entry.what or ()))
    for type_, _, id_ in (name.partition("/") for name in named or filter(None, entry.type.split(","))):
        if (type_, id_) != ("Patient", entry.patient):
            reference = r4.Reference(reference=f"{type_}/{id_}" if id_ else None, type=type_)
            yield _entity(reference, ("2", "System Object"), ("4", "Domain Resource"))
    if entry.query:
        asked = _entity(None, ("2", "System Object"), ("24", "Query"))
        asked.query = b64encode(entry.query.encode()).decode()
        yield asked


def _entity(what: r4.Reference | None, type_: tuple[str, str], role: tuple[str, str]) -> r4.AuditEventEntity:
    return r4.AuditEventEntity(
        what=what,
        type=r4.Coding(system=_ENTITY, code=type_[0], display=type_[1]),
        role=r4.Coding(system=_ROLE, code=role[0], display=role[1]),
    )


def _concept(system: str, code: str, display: str | None = None) -> r4.CodeableConcept:
    return r4.CodeableConcept(coding=[r4.Coding(system=system, code=code, display=display)])
