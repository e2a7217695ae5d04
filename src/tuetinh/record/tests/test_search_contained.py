"""A chain is evaluated inside contained resources as well (FHIR R4, Search, 3.1.1.5.2)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module

import pytest
from django.db import connection

from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import Forbidden
from tuetinh.record.search import contained, index, parse, resolve
from tuetinh.record.search import run as searching
from tuetinh.record.search.entries import Index
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.steps import run
from tuetinh.record.subscriptions import wanted
from tuetinh.record.subscriptions.match import Interest, Interests, Moment, Version

pytestmark = pytest.mark.django_db
SECRET = b"secret of the test"
DRUGS = "http://example.org/medications"


def to(link: str) -> r4.Reference:
    return r4.Reference(reference=link)


def drug(code: str) -> r4.CodeableConcept:
    return r4.CodeableConcept(coding=[r4.Coding(system=DRUGS, code=code)])


def mixture(code: str, *, maker: str | None = None) -> r4.Medication:
    part = r4.MedicationIngredient(itemCodeableConcept=drug(code))
    return r4.Medication(id="mix", status="active", ingredient=[part], manufacturer=to(maker) if maker else None)


def asked_for(id_: str, link: str, *inside: r4.Resource, patient: str = "mai") -> r4.MedicationRequest:
    return r4.MedicationRequest(
        id=id_, status="active", intent="order", subject=to(f"Patient/{patient}"), medicationReference=to(link),
        contained=list(inside) or None,
    )  # fmt: skip


WORLD = [
    r4.Organization(id="traphaco", name="Traphaco"),
    r4.Patient(id="mai", name=[r4.HumanName(family="Lò")], birthDate="1990-05-01"),
    r4.Patient(id="son", name=[r4.HumanName(family="Đặng")]),
    r4.Medication(id="stored", code=drug("xyz"), status="inactive", manufacturer=to("Organization/traphaco")),
    asked_for("outside", "Medication/stored"),
    asked_for("inside", "#mix", mixture("abc")),
    asked_for("made-here", "#mix", mixture("def", maker="Organization/traphaco"), patient="son"),
    asked_for("made-there", "#mix", mixture("ghi", maker="#o"), r4.Organization(id="o", name="Nhà thuốc Đức")),
    r4.Observation(
        id="seen", status="final", code=drug("q"), subject=to("#p"),
        contained=[r4.Patient(id="p", name=[r4.HumanName(family="Vàng")], birthDate="2001-02-03", gender="male")],
    ),
    r4.Encounter(
        id="visit", status="finished", class_=r4.Coding(code="AMB"),
        reasonReference=[to("#o1"), to("Observation/seen")],
        contained=[r4.Observation(
            id="o1", status="final", code=drug("w"), valueQuantity=r4.Quantity(value=Decimal(72), unit="kg"))],
    ),
]  # fmt: skip


@pytest.fixture(autouse=True)
def world(db: None) -> None:
    api.create_many(SYSTEM, WORLD)


def find(type_: str, query: str, asker: Asker = SYSTEM) -> set[str]:
    asked, problems = parse.parse(type_, query)
    assert problems == []
    return {hit.id for hit in run(asker, searching.search(asker, asked, secret=SECRET)).hits}


CHAINS = [
    (f"medication.ingredient-code={DRUGS}|abc", {"inside"}),
    ("medication.ingredient-code=abc,ghi", {"inside", "made-there"}),
    ("medication:Medication.status=active", {"inside", "made-here", "made-there"}),
    ("medication.status=active,inactive", {"outside", "inside", "made-here", "made-there"}),
    ("medication.status:not=active", {"outside"}),
    ("medication.status:not=inactive", {"inside", "made-here", "made-there"}),
    ("medication.code:missing=true", {"inside", "made-here", "made-there"}),
    ("medication.code:missing=false", {"outside"}),
    ("medication.manufacturer=Organization/traphaco", {"outside", "made-here"}),
    ("medication.manufacturer.name=traph", {"outside", "made-here"}),
    ("medication.manufacturer.name=nha thuoc", {"made-there"}),
    ("medication.manufacturer.name:exact=Nhà thuốc Đức", {"made-there"}),
    ("medication._id=mix", set()),
    ("medication.ingredient-code=abc&patient.name=lo", {"inside"}),
    ("medication.ingredient-code=abc&patient.name=dang", set()),
]


@pytest.mark.parametrize("most", [1000, 0])
@pytest.mark.parametrize(("query", "expected"), CHAINS)
def test_a_chain_leads_to_stored_and_contained(
    query: str, expected: set[str], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve, "MOST", most)
    assert find("MedicationRequest", query) == expected


@pytest.mark.parametrize(
    ("type_", "query", "expected"),
    [
        ("Observation", "subject:Patient.name=vang", {"seen"}),
        ("Observation", "patient.name=vang", {"seen"}),
        ("Observation", "patient.birthdate=2001-02", {"seen"}),
        ("Observation", "patient.birthdate=gt2001-02-03", set()),
        ("Observation", "patient.birthdate:missing=false", {"seen"}),
        ("Observation", "subject:Group.identifier=vang", set()),
        ("Encounter", "reason-reference:Observation.value-quantity=gt70", {"visit"}),
        ("Encounter", "reason-reference:Observation.code-value-quantity=w$gt70", {"visit"}),
        ("Encounter", "reason-reference:Observation.code-value-quantity=q$gt70", set()),
        ("Encounter", "reason-reference:Observation.patient.name=vang", {"visit"}),
        ("Observation", "name=vang", None),
    ],
)
def test_each_kind_of_value(type_: str, query: str, expected: set[str] | None) -> None:
    if expected is None:
        assert parse.parse(type_, query)[1]
    else:
        assert find(type_, query) == expected


def test_contained_resources_are_not_found_by_themselves() -> None:
    assert find("Patient", "name=vang") == set()
    assert find("Medication", "ingredient-code=abc") == set()
    assert find("Patient", "_has:Observation:patient:code=q") == set()


def test_an_include_leaves_what_is_contained_where_it_is() -> None:
    query = "_include=MedicationRequest:medication&_include:iterate=Medication:manufacturer"
    assert find("MedicationRequest", f"_id=inside,outside&{query}") == {
        "inside", "outside", "stored", "traphaco",
    }  # fmt: skip


def test_a_chain_into_contained_needs_the_scope_of_their_type() -> None:
    narrow = Asker("client:x", "system", "", "HOPERAT", frozenset({"system/MedicationRequest.rs"}), sight=EVERYTHING)
    with pytest.raises(Forbidden):
        find("MedicationRequest", "medication.ingredient-code=abc", narrow)
    own = Asker("citizen", "citizen", "", "PATRQT", frozenset({"patient/*.rs"}), patient="son", sight=EVERYTHING)
    assert find("MedicationRequest", "medication.ingredient-code=abc", own) == set()
    assert find("MedicationRequest", "medication.ingredient-code=def", own) == {"made-here"}


def test_a_change_and_a_deletion_take_the_entries_along() -> None:
    api.update(SYSTEM, asked_for("inside", "#mix", mixture("new")))
    assert find("MedicationRequest", "medication.ingredient-code=abc") == set()
    assert find("MedicationRequest", "medication.ingredient-code=new") == {"inside"}
    api.delete(SYSTEM, "MedicationRequest", "inside")
    assert find("MedicationRequest", "medication.ingredient-code=new") == set()


def test_resources_that_refer_to_each_other_end() -> None:
    ring = [r4.Organization(id=f"o{n}", name=f"Vòng {n}", partOf=to(f"#o{(n + 1) % 40}")) for n in range(40)]
    api.create(SYSTEM, r4.Location(id="ring", managingOrganization=to("#o0"), contained=list(ring)))
    assert find("Location", "organization.name=vong 0") == {"ring"}
    assert find("Location", "organization.partof.name=vong 1") == {"ring"}
    assert find("Location", "organization.partof.partof.name=vong 2") == set()


def test_each_contained_resource_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    by_itself = index._by_itself

    def counted(resource: r4.Resource, found: Index) -> None:
        looked.append(str(resource.id))
        by_itself(resource, found)

    entries = [r4.ListEntry(item=to(f"#l{n}")) for n in range(100)]
    lists = [r4.List(id=f"l{n}", status="current", mode="working", title=f"Tờ {n}", entry=entries) for n in range(100)]
    found = Index()
    contained.add(found, r4.List(id="all", contained=list(lists), entry=entries), counted)
    assert looked == [f"l{n}" for n in range(100)]
    assert len(found.strings) == 200  # each title over one reference and over two


@pytest.mark.parametrize(("code", "expected"), [("abc", True), ("xyz", False)])
def test_a_subscription_is_told_of_what_is_contained(code: str, *, expected: bool) -> None:
    criteria = f"MedicationRequest?medication.ingredient-code={code}"
    channel = r4.SubscriptionChannel(type="rest-hook", endpoint="https://receiver.example.org/")
    subscription = r4.Subscription(status="requested", reason="r", criteria=criteria, channel=channel)
    interests = Interests({})
    interests.add(Interest("s", SYSTEM, wanted.read(subscription, {})))
    body = r4.encode(asked_for("inside", "#mix", mixture("abc")))
    version = Version.of("MedicationRequest", "inside", datetime.now(UTC), body)
    told = run(SYSTEM, interests.of(Moment("MedicationRequest", "create", version, None)))
    assert [one.id for one in told] == (["s"] if expected else [])


def test_what_was_stored_before_is_found_after_the_migration() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE record.resource SET tokens = '{}' WHERE type = 'MedicationRequest'")
    assert find("MedicationRequest", "medication.ingredient-code=abc") == set()
    import_module("tuetinh.record.migrations.0018_post_contained").remake(None, None)
    assert find("MedicationRequest", "medication.ingredient-code=abc") == {"inside"}
    assert find("MedicationRequest", "status=active") == {"inside", "made-here", "made-there"}  # others keep theirs
