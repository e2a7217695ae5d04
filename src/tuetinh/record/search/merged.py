"""A search for a person who was merged into another is answered with what the survivor has.

Nothing names the merged one any more (`record.merging`), so that only a search that finds nothing needs to ask.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from tuetinh.record.merging import ledger
from tuetinh.record.search.params import params
from tuetinh.record.search.parse import Search, in_compartment, parse
from tuetinh.record.steps import Step

_COMPARTMENT = re.compile(r"Patient/(.+)")
_PATIENT = re.compile(r"(Patient/)?([A-Za-z0-9\-.]{1,64})")


def survivors(search: Search) -> Step[Search]:
    """The search with survivors in the place of merged people; the same one when it names nobody who was merged."""
    ids = sorted(set(_named(search)))
    chains = (yield from ledger.chains(ids)) if ids else {}
    if not chains:
        return search
    target = {person: chain[-1].target for person, chain in chains.items()}
    pairs = [(name, _turned(search, name, value, target)) for name, value in search.pairs]
    type_ = search.types[0] if len(search.types) == 1 else None
    wanted, _ = parse(type_, pairs)
    if match := _COMPARTMENT.fullmatch(search.place[1]):
        wanted = in_compartment(wanted, "Patient", target.get(match[1], match[1]))
    return replace(wanted, types=search.types)


def _named(search: Search) -> Iterator[str]:
    if match := _COMPARTMENT.fullmatch(search.place[1]):
        yield match[1]
    for name, value in search.pairs:
        for part in value.split(","):
            match = _PATIENT.fullmatch(part)
            if match and (match[1] or _leads_to_people(search, name)):
                yield match[2]


def _turned(search: Search, name: str, value: str, target: dict[str, str]) -> str:
    if not _leads_to_people(search, name):
        return value
    parts = []
    for part in value.split(","):
        match = _PATIENT.fullmatch(part)
        parts.append(f"{match[1] or ''}{target[match[2]]}" if match and match[2] in target else part)
    return ",".join(dict.fromkeys(parts))


def _leads_to_people(search: Search, name: str) -> bool:
    code, _, modifier = name.partition(":")
    if modifier not in ("", "Patient"):
        return False
    known = (params(type_).get(code) for type_ in search.types)
    return any(p is not None and p.type == "reference" and "Patient" in p.targets for p in known)
