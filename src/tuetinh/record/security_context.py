"""Binary.securityContext (FHIR R4 binary.html): a Binary belongs to the patient of the resource that it names.

A Patient says it itself; of another resource, the `patient` and `custodian` of its row are taken over when the Binary
is written, and follow when that resource comes later or is given to somebody else. A Binary that names nothing belongs
in the same way to the first document that shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tuetinh.record import r4
from tuetinh.record.hashes import token_hash
from tuetinh.record.search import index
from tuetinh.record.statements import array, read_owners
from tuetinh.record.steps import Query, Step

DOCUMENTS = frozenset({"DocumentReference", "DocumentManifest", "DiagnosticReport", "Media", "Composition"})
"""Types that may come after the Binaries that name them; the patient of any type is followed when it changes."""

_FOLLOW = "SELECT record.follow(%s::bigint[], %s::text[], %s::text[], %s::text[])"
_SHOWN_BY = "SELECT id, patient, custodian FROM record.shown_by(%s::text[])"
_SHOW = "SELECT record.show(%s::text[], %s::text[], %s::text[], %s::text[])"


class Owner(NamedTuple):
    """Whose a resource is, and which facility answers for it."""

    patient: str | None
    custodian: str | None


def owners(resources: Sequence[r4.Resource]) -> Step[dict[str, Owner]]:
    """By id, the owners of those Binaries among the resources whose context is no Patient but is here or among them.

    Of those without a context, the owners of the documents here that show them.
    """
    wanted: dict[str, dict[str, list[str]]] = {}
    bare: list[str] = []
    for binary in resources:
        if not isinstance(binary, r4.Binary):
            continue
        if context := index.context_of(binary):
            type_, _, id_ = context.partition("/")
            if type_ in r4.RESOURCES and type_ != "Patient":
                wanted.setdefault(type_, {}).setdefault(id_, []).append(str(binary.id))
        else:
            bare.append(str(binary.id))
    shown = (yield Query(_SHOWN_BY, (array(bare),))) if bare else []
    found = {id_: Owner(patient, custodian) for id_, patient, custodian in shown}
    for type_, ids in wanted.items():
        rows = yield Query(read_owners(type_), (array(ids),))
        fresh = [r for r in resources if r.resourceType == type_ and r.id in ids]
        rows += [(r.id, index.shard_of(r)[1], index.custodian_of(r)) for r in fresh]
        for id_, patient, custodian in rows:
            found |= dict.fromkeys(ids[id_], Owner(patient, custodian))
    return found


def follow(type_: str, written: Sequence[tuple[str, Owner]]) -> Step[None]:
    """Let the Binaries that name these resources as their context belong to the same owners."""
    names = [f"{type_}/{id_}" for id_, _ in written]
    tokens = array(str(token_hash("securityContext", name)) for name in names)
    columns = (array(owner.patient for _, owner in written), array(owner.custodian for _, owner in written))
    yield Query(_FOLLOW, (tokens, array(names), *columns))


class Shown(NamedTuple):
    """A document that is written, its owner now, and whose it was before."""

    document: r4.Resource
    owner: Owner
    before: str | None = None


def show(written: Sequence[Shown]) -> Step[None]:
    """Let the Binaries without a context that these documents show belong to the owners of the documents."""
    rows = [
        (name.partition("/")[2], one.owner.patient, one.owner.custodian, one.before)
        for one in written
        if one.owner.patient
        for name in index.shown(one.document)
    ]
    if rows:
        yield Query(_SHOW, tuple(array(column) for column in zip(*rows, strict=True)))
