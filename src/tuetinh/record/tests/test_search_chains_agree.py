"""Chains, reverse chains and composites find what walking over the resources in Python finds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.search import resolve

pytestmark = pytest.mark.django_db
CODES = ("a", "b", "c")
chance = random.Random(7)


def ref(type_: str, n: int) -> r4.Reference:
    return r4.Reference(reference=f"{type_}/agreed-{n}")


def concept(code: str) -> r4.CodeableConcept:
    return r4.CodeableConcept(coding=[r4.Coding(system="urn:s", code=code)])


def part() -> r4.ObservationComponent:
    value = r4.Quantity(value=Decimal(chance.randrange(4)))
    return r4.ObservationComponent(code=concept(chance.choice(CODES)), valueQuantity=value)


ORGANIZATIONS = [r4.Organization(id=f"agreed-{n}", name=chance.choice(CODES)) for n in range(4)]
PATIENTS = [
    r4.Patient(
        id=f"agreed-{n}",
        gender=chance.choice(["male", "female"]),
        managingOrganization=ref("Organization", chance.randrange(4)) if n % 3 else None,
    )
    for n in range(10)
]
OBSERVATIONS = [
    r4.Observation(
        id=f"agreed-{n}",
        status=chance.choice(["final", "amended"]),
        code=concept(chance.choice(CODES)),
        subject=ref(chance.choice(["Patient", "Patient", "Group"]), chance.randrange(10)) if n % 7 else None,
        performer=[ref("Patient", chance.randrange(10))] if n % 2 else None,
        component=[part() for _ in range(chance.randrange(3))] or None,
    )
    for n in range(60)
]


@pytest.fixture(scope="module", autouse=True)
def rows(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    resources: list[r4.Resource] = [*ORGANIZATIONS, *PATIENTS, *OBSERVATIONS]
    with django_db_blocker.unblock():
        with transaction.atomic():
            api.create_many(SYSTEM, resources)
        yield
        with transaction.atomic():
            for resource in resources:
                api.delete(SYSTEM, resource.resourceType, str(resource.id))


def follow(link: r4.Reference | None, among: list[Any]) -> list[Any]:
    return [x for x in among if link is not None and link.reference == f"{x.resourceType}/{x.id}"]


def coded(observation: r4.Observation, code: str) -> bool:
    return any(coding.code == code for coding in observation.code.coding or ())


@pytest.fixture(params=[1000, 2, 0], ids=["named", "some", "row by row"])
def most(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "MOST", request.param)


def found(type_: str, query: str) -> set[str]:
    return {str(r.id) for r in api.search(SYSTEM, type_, f"{query}&_count=1000").resources}


@pytest.mark.usefixtures("most")
@pytest.mark.parametrize("gender", ["male", "female"])
@pytest.mark.parametrize("name", CODES)
def test_chains_agree(gender: str, name: str) -> None:
    def lives(patient: r4.Patient) -> bool:
        return any(o.name == name for o in follow(patient.managingOrganization, ORGANIZATIONS))

    of = [(o, follow(o.subject, PATIENTS)) for o in OBSERVATIONS]
    assert found("Observation", f"patient.gender={gender}") == {o.id for o, p in of if p and p[0].gender == gender}
    assert found("Observation", f"subject.organization.name={name}") == {o.id for o, p in of if p and lives(p[0])}
    by = {o.id for o in OBSERVATIONS for x in o.performer or () for p in follow(x, PATIENTS) if p.gender == gender}
    assert found("Observation", f"performer:Patient.gender={gender}") == by


@pytest.mark.usefixtures("most")
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("status", ["final", "amended"])
def test_reverse_chains_agree(code: str, status: str) -> None:
    about = {p.id for p in PATIENTS for o in OBSERVATIONS if coded(o, code) and follow(o.subject, [p])}
    assert found("Patient", f"_has:Observation:patient:code={code}") == about
    also = {p.id for p in PATIENTS for o in OBSERVATIONS if o.status == status and follow(o.subject, [p])}
    query = f"_has:Observation:subject:code={code}&_has:Observation:subject:status={status}"
    assert found("Patient", query) == about & also
    homes = {o.id for o in ORGANIZATIONS for p in PATIENTS if p.id in about and follow(p.managingOrganization, [o])}
    assert found("Organization", f"_has:Patient:organization:_has:Observation:patient:code={code}") == homes


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(("prefix", "number"), [("", 1), ("gt", 1), ("le", 2), ("lt", 0)])
def test_composites_agree(code: str, prefix: str, number: int) -> None:
    def holds(x: r4.ObservationComponent) -> bool:
        value = x.valueQuantity.value if x.valueQuantity else None
        test = {"": value == number, "gt": value and value > number, "le": value is not None and value <= number}
        return bool(x.code.coding and x.code.coding[0].code == code and test.get(prefix, False))

    expected = {o.id for o in OBSERVATIONS if any(holds(x) for x in o.component or ())}
    for form in (code, f"urn:s|{code}"):
        assert found("Observation", f"component-code-value-quantity={form}${prefix}{number}") == expected
