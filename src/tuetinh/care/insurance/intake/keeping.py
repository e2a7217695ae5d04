"""Stores a batch of claims of one hospital in one transaction: those that are new, and those that have changed.

What a claim had that its new version has not is marked as entered in error; what is as it was gets no new version. A
claim is known again by MA_CSKCB and MA_LK, which are held until the transaction ends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Final, cast
from urllib.parse import quote

import msgspec
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext

from tuetinh.care.insurance import facts as cards
from tuetinh.care.insurance.checks import Problem
from tuetinh.care.insurance.filling.summary import MA_LK
from tuetinh.care.insurance.intake import facts, person
from tuetinh.care.insurance.intake.directory import Directory, token
from tuetinh.care.insurance.intake.rest import keep_rest
from tuetinh.care.insurance.intake.rows import Told
from tuetinh.care.insurance.intake.stay import Stay, visit_id
from tuetinh.care.insurance.models import ClaimImport, ImportedClaim, ImportOutcome
from tuetinh.commons.identity.api import admit_many, is_another
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

MAPPING: Final = 3  # raised when the same claim becomes other facts, so that files may be taken in again
STORED, UNCHANGED, UPDATED, REFUSED = "stored", "unchanged", "updated", "refused"
SEEN: Final = 20  # versions of a claim that are known again


@dataclass
class Outcome:
    """What became of a claim. resources: how many facts were written."""

    told: Told
    state: str
    visit: str = ""
    patient: str = ""
    resources: int = 0
    findings: list[Problem] = field(default_factory=list)


@dataclass
class _Claim:
    """A claim of the batch on its way."""

    told: Told
    key: str
    row: ImportedClaim | None = None
    known: bool = False  # the visit is in the record
    patient: str = ""
    stay: Stay | None = None
    made: list[r4.Resource] = field(default_factory=list)
    written: list[r4.Resource] = field(default_factory=list)


def keep(run: ClaimImport, directory: Directory, claims: Sequence[Told]) -> list[Outcome]:
    """Store these claims of one hospital, none of them twice, and what became of them; all or none.

    Raises what the record raises for a fact that it refuses.
    """
    organization = directory.organizations[claims[0].facility]
    asker = replace(SYSTEM, account=run.account or SYSTEM.account, facility=organization, purpose="HPAYMT")
    with transaction.atomic():
        outcomes, wanted = _sorted(run, asker, organization, claims)
        needed: dict[tuple[str, str], r4.Resource] = {}
        if wanted:
            _admit(asker, organization, wanted)
            first, held = _coverages(asker, wanted)
            people = record.read_many(asker, "Patient", sorted({one.patient for one in wanted}))
            here = record.read_many(asker, "Organization", [organization]).get(organization)
            for one in wanted:
                one.stay = Stay(one.told, organization, one.patient, _source(run), directory.licences)
                one.made = facts.build(one.stay, first[one.told.ma_lk])
                keep_rest(
                    one.stay, cast("r4.Patient", people[one.patient]), held[one.patient],
                    cast("r4.Organization | None", here), directory.practitioners,
                )  # fmt: skip
                needed |= one.stay.needed
            there = directory.store(asker, needed)
            _write(run, asker, wanted)
            outcomes += [_outcome(one) for one in wanted]
            _remember(run, wanted)
        _report(run, outcomes)
    if wanted:
        directory.stored |= there
    return outcomes


def _source(run: ClaimImport) -> str:
    return f"urn:tuetinh:claims:{run.sha256[:16]}:{quote(run.name, safe='')}"


def key_of(told: Told) -> str:
    """By which the same content of a claim is known again."""
    content = msgspec.json.encode((MAPPING, told.made, told.decision, sorted(told.tables.items())))
    return blake2b(content, digest_size=16).hexdigest()


# Which claims are to be stored --------------------------------------------------------------------------------------


def _sorted(
    run: ClaimImport, asker: Asker, organization: str, claims: Sequence[Told]
) -> tuple[list[Outcome], list[_Claim]]:
    """What need not be stored, and why; and what must."""
    facility = claims[0].facility
    with connection.cursor() as cursor:
        names = sorted(f"insurance.intake {facility}|{told.ma_lk}" for told in claims)
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(n, 0)) FROM unnest(%s::text[]) n", [names])
    rows = {
        row.ma_lk: row
        for row in ImportedClaim.objects.filter(facility=facility, ma_lk__in=[told.ma_lk for told in claims])
    }
    ours, own = _visits(asker, organization, facility, [told.ma_lk for told in claims if told.ma_lk not in rows])
    outcomes, wanted = [], []
    for told in claims:
        one = _Claim(told, key_of(told), rows.get(told.ma_lk), told.ma_lk in rows or told.ma_lk in ours)
        if told.ma_lk in own:
            outcomes.append(
                _left(told, own[told.ma_lk], "own", gettext("Lượt khám này do hệ thống lập, không nhập đè."))
            )
        elif one.row and one.key in one.row.seen:
            outcomes.append(Outcome(told, UNCHANGED, one.row.visit, one.row.patient, findings=told.findings))
        elif one.row and _stamp(told, run) < (one.row.made, one.row.run, one.row.place):
            why = gettext("Bản mới hơn của hồ sơ này đã được nhập.")
            outcomes.append(_left(told, one.row.visit, "older", why))
        else:
            wanted.append(one)
    return outcomes, wanted


def _stamp(told: Told, run: ClaimImport) -> tuple[str, int, int]:
    """Of two versions of a claim the later made one counts, then the later brought one, then the later in the file."""
    return told.made, int(run.pk), told.place


def _left(told: Told, visit: str, rule: str, why: str) -> Outcome:
    problem = Problem("XML1", 1, "MA_LK", rule, why, "", severity="hint")
    return Outcome(told, UNCHANGED, visit, findings=[*told.findings, problem])


def _visits(asker: Asker, organization: str, facility: str, keys: list[str]) -> tuple[set[str], dict[str, str]]:
    """Of claims never brought before: those whose visit is here from elsewhere, and visits that this house has made."""
    if not keys:
        return set(), {}
    ids = {visit_id(facility, ma_lk): ma_lk for ma_lk in keys}
    found = list(record.read_many(asker, "Encounter", ids).values())
    named = ",".join(token(MA_LK, ma_lk) for ma_lk in keys)
    found += record.search(asker, "Encounter", f"identifier={named}&_count=500").resources
    ours, own = set(), {}
    for one in cast("list[r4.Encounter]", found):
        if str(one.id) in ids:
            ours.add(ids[str(one.id)])
        elif _id_of(one.serviceProvider) == organization:
            told = next((i.value for i in one.identifier or [] if i.system == MA_LK and i.value in keys), None)
            if told:
                own[told] = str(one.id)
    return ours, own


# Whose they are -----------------------------------------------------------------------------------------------------


def _admit(asker: Asker, organization: str, wanted: list[_Claim]) -> None:
    """Find out who these people are. A visit that is known stays its person's unless the claim now tells of another."""
    people = [person.patient(one.told.summary, organization) for one in wanted]
    visits = record.lock_many(
        asker, "Encounter", [visit_id(one.told.facility, one.told.ma_lk) for one in wanted if one.known]
    )
    subjects = {id_: _id_of(cast("r4.Encounter", visit).subject) for id_, visit in visits.items()}
    patients = record.read_many(asker, "Patient", set(subjects.values())) if subjects else {}
    new = []
    for one, told in zip(wanted, people, strict=True):
        id_ = subjects.get(visit_id(one.told.facility, one.told.ma_lk), "")
        known = cast("r4.Patient | None", patients.get(id_))
        if known is not None and not is_another(told, known):
            one.patient = id_
        else:
            new.append((one, told))
    for (one, _), id_ in zip(new, admit_many(asker, [told for _, told in new]), strict=True):
        one.patient = id_


def _coverages(asker: Asker, wanted: list[_Claim]) -> tuple[dict[str, str], dict[str, list[r4.Coverage]]]:
    """Store the cards that are not known; the id of the first card of each claim, or "", and the cards of each one."""
    told = {one.told.ma_lk: person.coverages(one.told.summary, one.patient) for one in wanted}
    known: dict[tuple[str, str], list[r4.Coverage]] = defaultdict(list)
    people = sorted({one.patient for one in wanted})
    query, page = "beneficiary=" + ",".join(f"Patient/{id_}" for id_ in people) + "&_count=500", None
    while True:
        found = record.search(asker, "Coverage", query, page)
        for one in cast("list[r4.Coverage]", found.resources):
            known[_id_of(one.beneficiary), cards.card(one).number].append(one)
        page = found.next
        if page is None:
            break
    first, new = {}, {}
    for ma_lk, covers in told.items():
        ids = []
        for cover in covers:
            here = known[_id_of(cover.beneficiary), cards.card(cover).number]
            same = next((one for one in here if one.id == cover.id or _same_days(one, cover)), None)
            if same is None or (same.id == cover.id and not facts.is_same(cover, same)):
                new[str(cover.id)] = cover
            ids.append(str((same or cover).id))
        first[ma_lk] = ids[0] if ids else ""
    record.put_many(asker, list(new.values()))
    held: dict[str, dict[str, r4.Coverage]] = defaultdict(dict)
    for one in [*(one for ones in known.values() for one in ones), *new.values()]:
        held[_id_of(one.beneficiary)][str(one.id)] = one
    return first, defaultdict(list, {person: list(ones.values()) for person, ones in held.items()})


def _same_days(one: r4.Coverage, other: r4.Coverage) -> bool:
    ours, theirs = cards.card(one), cards.card(other)
    return ours.valid_from == theirs.valid_from and ours.valid_to == theirs.valid_to


# Writing ------------------------------------------------------------------------------------------------------------


def _write(run: ClaimImport, asker: Asker, wanted: list[_Claim]) -> None:
    for one in wanted:
        if not one.known:
            one.written = list(one.made)
    known = [one for one in wanted if one.known]
    _compare(asker, _source(run), known)
    now = timezone.localtime()
    trails = [
        facts.provenance(
            cast("Stay", one.stay), one.written, key=one.key, file=run.name, account=asker.account, at=now,
            known=one.known,
        )
        for one in wanted if one.written
    ]  # fmt: skip
    new = [resource for one in wanted if not one.known for resource in one.written]
    record.create_many(asker, [*new, *trails])
    record.put_many(asker, [resource for one in known for resource in one.written])


def _compare(asker: Asker, source: str, known: list[_Claim]) -> None:
    """What of known claims is new, has changed, or has vanished."""
    ids: dict[str, set[str]] = defaultdict(set)
    for one in known:
        for name in [*_names(one.made), *(one.row.facts if one.row else [])]:
            type_, _, id_ = name.partition("/")
            ids[type_].add(id_)
    here: dict[str, r4.Resource] = {}
    for type_, wanted in sorted(ids.items()):
        here |= {f"{type_}/{id_}": found for id_, found in record.lock_many(asker, type_, wanted).items()}
    for one in known:
        names = _names(one.made)
        one.written = [
            made for name, made in zip(names, one.made, strict=True) if not facts.is_same(made, here.get(name))
        ]
        for name in sorted(set(one.row.facts if one.row else []) - set(names)):
            gone = facts.erroneous(here[name], source) if name in here else None
            if gone is not None:
                one.written.append(gone)


def _names(made: Iterable[r4.Resource]) -> list[str]:
    return [f"{one.resourceType}/{one.id}" for one in made]


def _id_of(reference: r4.Reference | None) -> str:
    return (reference.reference or "").rpartition("/")[2] if reference else ""


# Remembering --------------------------------------------------------------------------------------------------------


def _outcome(one: _Claim) -> Outcome:
    state = (UPDATED if one.written else UNCHANGED) if one.known else STORED
    visit = visit_id(one.told.facility, one.told.ma_lk)
    return Outcome(one.told, state, visit, one.patient, len(one.written), one.told.findings)


def _remember(run: ClaimImport, wanted: list[_Claim]) -> None:
    """Keep by what each claim is known again, and which facts it has."""
    rows = [
        ImportedClaim(
            facility=one.told.facility, ma_lk=one.told.ma_lk, visit=visit_id(one.told.facility, one.told.ma_lk),
            patient=one.patient, made=one.told.made, run=run.pk, place=one.told.place,
            seen=[*(one.row.seen if one.row else []), one.key][-SEEN:], facts=_names(one.made),
        )
        for one in wanted
    ]  # fmt: skip
    ImportedClaim.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["facility", "ma_lk"],
        update_fields=["visit", "patient", "made", "run", "place", "seen", "facts"],
    )


def _report(run: ClaimImport, outcomes: Iterable[Outcome]) -> None:
    """Write down what became of claims."""
    ImportOutcome.objects.bulk_create(
        ImportOutcome(
            run=run, place=one.told.place, ma_lk=one.told.ma_lk[:100], facility=one.told.facility[:20],
            state=one.state, visit=one.visit, patient=one.patient, resources=one.resources,
            findings=[finding(problem) for problem in one.findings],
        )
        for one in outcomes
    )  # fmt: skip


def refuse(run: ClaimImport, refused: Iterable[Told]) -> list[Outcome]:
    """Write down that these claims are not stored, with their findings."""
    outcomes = [Outcome(told, REFUSED, findings=told.findings) for told in refused]
    _report(run, outcomes)
    return outcomes


def finding(problem: Problem) -> dict[str, Any]:
    """What was found in a claim, as `claims check` tells it."""
    return {
        "table": problem.table, "row": problem.row, "field": problem.field, "rule": problem.code,
        "severity": problem.severity, "message": problem.reason,
    }  # fmt: skip
