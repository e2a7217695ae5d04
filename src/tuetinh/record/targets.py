"""Provenance.target (FHIR R4 provenance.html): a Provenance belongs to the patient whose things it is about.

HL7's compartment knows only those that name the Patient. Of others, the patient of what they name is taken over when
the Provenance is written, and follows when that comes later or is given to somebody else. What is about things of
several people is nobody's: it is for the facility that answers for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tuetinh.record import inherited, r4
from tuetinh.record.hashes import token_hash
from tuetinh.record.search import index
from tuetinh.record.statements import array, token_array
from tuetinh.record.steps import Query, Step

TYPE: Final = "Provenance"
_PATIENTS: Final = "SELECT name, patient FROM record.patients_of(%s::text[])"
_FOUND: Final = "SELECT id, patient, body FROM record.provenances(%s::bigint[])"
_GIVE: Final = "SELECT record.give(%s::text[], %s::text[], %s::text[])"


def patients(resources: Sequence[r4.Resource]) -> Step[dict[str, str | None]]:
    """By id, of whom those Provenances among the resources are that do not name a Patient themselves."""
    about = {str(one.id): _names(one) for one in resources if isinstance(one, r4.Provenance)}
    if not (wanted := {name for names in about.values() for name in names}):
        return {}
    known = yield from _patients_of(wanted)
    for one in resources:
        if (name := f"{one.resourceType}/{one.id}") in wanted:
            known[name] = index.shard_of(one)[1] or known.get(name)
    return {id_: _only(names, known) for id_, names in about.items() if names}


def follow(type_: str, ids: Sequence[str]) -> Step[None]:
    """Let the Provenances that are about these resources belong to whom their things are of now."""
    yield from follow_all((type_, id_) for id_ in ids)


def follow_all(names: Iterable[tuple[str, str]]) -> Step[None]:
    """The same for things of any type, by type and id."""
    hashes = [token_hash("target", f"{type_}/{id_}") for type_, id_ in names if type_ not in (TYPE, "Patient")]
    if not hashes:
        return
    rows = yield Query(_FOUND, (token_array(hashes),))
    if rows:
        yield from give(rows)


def give(rows: Iterable[Sequence[Any]]) -> Step[None]:
    """Let stored Provenances (id, patient, body) belong to whom the things are of that they are about."""
    about = {id_: (before, _names(r4.decode(bytes(body)))) for id_, before, body in rows}
    known = yield from _patients_of({name for _, names in about.values() for name in names})
    changed = [
        (id_, after, before)
        for id_, (before, names) in sorted(about.items())
        if names and (after := _only(names, known)) != before
    ]
    if changed:
        yield Query(_GIVE, tuple(array(column) for column in zip(*changed, strict=True)))


def _names(provenance: r4.Resource) -> list[str]:
    """What it is about, as `Type/id`; nothing where it names a Patient, who is known without asking."""
    return [] if index.shard_of(provenance)[1] else inherited.named(provenance)


def _patients_of(names: Iterable[str]) -> Step[dict[str, str | None]]:
    rows = yield Query(_PATIENTS, (array(sorted(names)),))
    return dict(rows)


def _only(names: Iterable[str], known: Mapping[str, str | None]) -> str | None:
    found = {known.get(name) for name in names} - {None}
    return found.pop() if len(found) == 1 else None
