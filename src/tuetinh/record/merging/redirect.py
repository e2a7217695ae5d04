"""The write path's side: what names a person who was merged is stored with the survivor, and the ledger knows of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tuetinh.record import r4
from tuetinh.record.merging import ledger, references
from tuetinh.record.statements import array
from tuetinh.record.steps import Query, Step

ATTEMPTS = 5


def passes(people: Iterable[str]) -> Step[bool]:
    """Pass the gates of these people until the transaction ends; whether none of them was merged into another."""
    rows = yield Query("SELECT record.pass(%s)", (array(people),))
    return bool(rows[0][0])


def named(resource: r4.Resource, body: bytes) -> list[str]:
    """Ids of the people whom a version concerns: the one that it is, or those that it refers to.

    The links of a Patient do not say whose something is but who replaces whom: they stay as they are written.
    """
    return [str(resource.id)] if isinstance(resource, r4.Patient) else references.people(body)


def redirect(resources: Sequence[r4.Resource]) -> Step[None]:
    """Let these resources name survivors instead of merged people, in place, and note to whom they belong."""
    bodies = [r4.encode(resource) for resource in resources]
    chains = yield from ledger.chains(
        sorted({p for r, body in zip(resources, bodies, strict=True) for p in named(r, body)})
    )
    notes: dict[str, dict[tuple[str, str], list[str]]] = {}
    for resource, before in zip(resources, bodies, strict=True):
        body = before
        if isinstance(resource, r4.Patient):
            if own := chains.get(str(resource.id)):
                stay_merged(resource, own[0].target)
            continue
        for person in references.people(body):
            for merge in chains.get(person, ()):
                spots = references.spots(body, merge.source, merge.target)
                body = references.turned(body, merge.source, merge.target)
                key = (resource.resourceType, str(resource.id))
                notes.setdefault(merge.id, {}).setdefault(key, []).extend(spots)
        if body is not before:
            _become(resource, r4.decode(body))
    for merge_id, moved in notes.items():
        yield from ledger.note(merge_id, ((*key, spots) for key, spots in moved.items()))


def settle(resource: r4.Resource) -> Step[None]:
    """Redirect one resource and pass the gates of those whom it names now; they may be merged meanwhile."""
    for _ in range(ATTEMPTS):
        yield from redirect([resource])
        if isinstance(resource, r4.Patient) or (yield from passes(references.people(r4.encode(resource)))):
            break


def stay_merged(patient: r4.Patient, target: str) -> None:
    """Keep a merged Patient inactive and leading to the survivor, whatever a client wrote into it."""
    patient.active = False
    links = patient.link or []
    if not any(_leads(link, target) for link in links):
        reference = r4.Reference(reference=f"Patient/{target}")
        patient.link = [*links, r4.PatientLink(other=reference, type="replaced-by")]


def _leads(link: r4.PatientLink, target: str) -> bool:
    return link.type == "replaced-by" and link.other is not None and link.other.reference == f"Patient/{target}"


def _become(resource: r4.Resource, other: r4.Resource) -> None:
    for name in other.__struct_fields__:
        setattr(resource, name, getattr(other, name))
