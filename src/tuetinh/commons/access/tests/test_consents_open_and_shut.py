"""Consents count for their time and for whom they name; their person writes them, not who gains by them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.sight import forbidding, rules
from tuetinh.commons.access.sight.relations import RELATED_PATIENT
from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import Forbidden, NotFound

if TYPE_CHECKING:
    from tuetinh.commons.access.models import Account

pytestmark = pytest.mark.django_db
ALL = frozenset({"user/*.cruds"})
EVERY = frozenset({"system/*.cruds"})
NAMED = frozenset({"system/Consent.cruds", "system/RelatedPerson.cruds"})
VERIFIED = [r4.ConsentVerification(verified=True, verificationDate="2026-11-01")]


def to(name: str) -> r4.Reference:
    return r4.Reference(reference=name)


def actor(name: str) -> list[r4.ConsentProvisionActor]:
    return [r4.ConsentProvisionActor(role=r4.CodeableConcept(text="x"), reference=to(name))]


def consent(status: str = "active", scope: str = "patient-privacy", verified: bool = False, **says: Any) -> r4.Consent:
    return r4.Consent(
        id="c",
        status=status,
        scope=r4.CodeableConcept(coding=[r4.Coding(code=scope)]),
        category=[r4.CodeableConcept(text="x")],
        patient=to("Patient/cast-citizen"),
        policyRule=r4.CodeableConcept(text="x"),
        verification=VERIFIED if verified else None,
        provision=r4.ConsentProvision(**{"type": "deny"} | says),
    )


def tie() -> r4.RelatedPerson:
    code = r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-RoleCode", code="GUARD")
    return r4.RelatedPerson(
        id="t",
        patient=to("Patient/cast-citizen"),
        extension=[r4.Extension(url=RELATED_PATIENT, valueReference=to("Patient/somebody"))],
        relationship=[r4.CodeableConcept(coding=[code])],
    )


def days(count: int) -> str:
    return (datetime.now(UTC) + timedelta(days=count)).date().isoformat()


def app(account: Account, scopes: frozenset[str] = ALL) -> Asker:
    return replace(asker_of(account), client="app", scopes=scopes)


def system(facility: str = "12104", scopes: frozenset[str] = EVERY) -> Asker:
    return Asker("client:x", "system", facility, "HOPERAT", scopes, client="x", sight=rules.of_system(facility))


def observe(facility: str) -> None:
    code = r4.CodeableConcept(text="x")
    one = r4.Observation(id="o", status="final", code=code, subject=to("Patient/cast-citizen"))
    api.create(replace(SYSTEM, facility=facility), one)


def is_seen(who: Asker) -> bool:
    try:
        api.read(who, "Observation", "o")
    except NotFound:
        return False
    return True


# -- what they say ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "opened"), [(-1, True), (2, False)])
def test_what_is_allowed_opens_when_its_time_begins(start: int, opened: bool) -> None:
    observe("12001")
    allowed = {"type": "permit", "actor": actor("Organization/12104"), "period": r4.Period(start=days(start))}
    api.create(SYSTEM, consent(**allowed))
    assert is_seen(system()) is opened


@pytest.mark.usefixtures("seeing_everybody")
@pytest.mark.parametrize(("start", "shut"), [(-1, True), (2, False)])
def test_what_is_forbidden_shuts_when_its_time_begins(cast: dict[str, Account], start: int, shut: bool) -> None:
    observe("12001")
    api.create(SYSTEM, consent(period=r4.Period(start=days(start))))
    assert is_seen(asker_of(cast["doctor"])) is not shut


@pytest.mark.usefixtures("seeing_everybody")
@pytest.mark.parametrize(
    ("named", "seen"),
    [
        (actor("Organization/12104"), False),
        (actor("Organization/12001"), True),
        (actor("Organization/12104/_history/3"), False),
        (actor("PractitionerRole/r"), False),
        ([r4.ConsentProvisionActor(reference=r4.Reference(identifier=r4.Identifier(value="12104")))], False),
        ([*actor("Organization/12001"), *actor("CareTeam/t")], False),
        (actor("Patient/somebody"), True),
        (actor("RelatedPerson/r"), True),
    ],
    ids=lambda one: str(one[0].reference.reference or "by identifier") if isinstance(one, list) else None,
)
def test_who_is_not_known_here_is_anybody(
    cast: dict[str, Account], named: list[r4.ConsentProvisionActor], seen: bool
) -> None:
    observe("12001")
    for one in named:
        one.role = r4.CodeableConcept(text="x")
    api.create(SYSTEM, consent(actor=named))
    assert is_seen(asker_of(cast["doctor"])) is seen


@pytest.mark.usefixtures("seeing_everybody")
@pytest.mark.parametrize("written_at", ["12001", "12104"])
def test_who_is_forbidden_by_name_sees_nothing_where_they_work_either(
    cast: dict[str, Account], written_at: str
) -> None:
    observe(written_at)
    api.create(SYSTEM, consent(actor=actor("Practitioner/cast-doctor")))
    assert [is_seen(asker_of(cast[one])) for one in ("doctor", "nurse")] == [False, True]
    assert api.read(asker_of(cast["doctor"]), "Patient", "cast-citizen").id == "cast-citizen"


# -- who writes them --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["doctor", "nurse", "reception", "station", "archivist"])
def test_no_desk_opens_or_shuts_a_record_through_an_app(cast: dict[str, Account], role: str) -> None:
    who = app(cast[role])
    for one in (consent(), consent(type="permit", actor=actor("Organization/12104")), tie()):
        with pytest.raises(Forbidden):
            api.create(who, one)
        with pytest.raises(NotFound):
            api.read(SYSTEM, one.resourceType, str(one.id))
    observe("12001")
    api.create(replace(SYSTEM, facility="12104"), consent())
    for change in (consent("inactive"), consent(scope="treatment")):
        with pytest.raises((Forbidden, NotFound)):
            api.update(who, change)
    with pytest.raises((Forbidden, NotFound)):
        api.delete(who, "Consent", "c")
    assert not is_seen(asker_of(cast["doctor"]))


def test_what_opens_nothing_is_written_as_before(cast: dict[str, Account]) -> None:
    who = app(cast["doctor"])
    assert api.create(who, consent(scope="treatment")).id == "c"
    plain = tie()
    plain.extension = None
    assert api.create(who, plain).id == "t"


def test_the_records_office_writes_what_was_verified_and_lets_itself_in_nowhere(cast: dict[str, Account]) -> None:
    who = app(cast["archivist"])
    with pytest.raises(Forbidden):
        api.create(who, consent(type="permit", actor=actor("Organization/12104"), verified=True))
    assert api.create(who, consent(verified=True)).id == "c"
    assert api.update(who, consent("inactive", verified=True)).status == "inactive"


def test_a_person_forbids_and_takes_back(cast: dict[str, Account]) -> None:
    me = asker_of(cast["citizen"])
    made = forbidding.forbid(me, "cast-citizen", "12104", "")
    assert forbidding.take_back(me, made).status == "inactive"


@pytest.mark.parametrize("resource", [consent(), tie()])
def test_a_system_needs_a_scope_that_names_it(resource: r4.Resource) -> None:
    with pytest.raises(Forbidden):
        api.create(system(""), resource)
    assert api.create(system("", NAMED), resource).id == resource.id


def test_a_system_lets_itself_in_nowhere() -> None:
    with pytest.raises(Forbidden):
        api.create(system("12104", NAMED), consent(type="permit", actor=actor("Organization/12104")))
    assert api.create(system("12104", NAMED), consent(type="permit", actor=actor("Organization/12001"))).id == "c"


def test_a_planned_visit_opens_nothing() -> None:
    observe("12001")
    visit = r4.Encounter(
        id="v",
        status="planned",
        class_=r4.Coding(code="AMB"),
        subject=to("Patient/cast-citizen"),
        serviceProvider=to("Organization/12104"),
    )
    api.create(system(), visit)
    assert not is_seen(system())
    visit.status = "arrived"
    api.update(system(), visit)
    assert is_seen(system())
