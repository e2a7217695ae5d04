"""What a facility answers for is changed there; who and where is its administrators', words are the province's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.sight import rules
from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import Forbidden, NotFound

if TYPE_CHECKING:
    from tuetinh.commons.access.models import Account

pytestmark = pytest.mark.django_db
HERE, THERE = "12104", "12001"


def to(name: str) -> r4.Reference:
    return r4.Reference(reference=name)


def observation(status: str = "final") -> r4.Observation:
    code = r4.CodeableConcept(text="x")
    return r4.Observation(id="o", status=status, code=code, subject=to("Patient/cast-citizen"))


def task(status: str) -> r4.Task:
    return r4.Task(id="t", status=status, intent="order", **{"for_": to("Patient/cast-citizen")})


def system(facility: str) -> Asker:
    scopes = frozenset({"system/*.cruds"})
    return Asker("client:x", "system", facility, "HOPERAT", scopes, client="x", sight=rules.of_system(facility))


def version(type_: str, id_: str) -> str | None:
    meta = api.read(SYSTEM, type_, id_).meta
    return meta.versionId if meta else None


@pytest.mark.usefixtures("seeing_everybody")
def test_a_result_is_changed_where_it_is_answered_for(cast: dict[str, Account]) -> None:
    api.create(replace(SYSTEM, facility=THERE), observation("preliminary"))
    doctor = asker_of(cast["doctor"])
    with pytest.raises(Forbidden, match="12001"):
        api.update(doctor, observation())
    with pytest.raises(Forbidden, match="12001"):
        api.delete(doctor, "Observation", "o")
    with pytest.raises(Forbidden, match="12001"):
        api.put_many(doctor, [observation()])
    assert version("Observation", "o") == "1"
    cast["doctor"].facility = THERE
    api.update(asker_of(cast["doctor"]), observation())
    assert version("Observation", "o") == "2"


@pytest.mark.usefixtures("seeing_everybody")
def test_what_goes_between_facilities_is_changed_by_both(cast: dict[str, Account]) -> None:
    api.create(replace(SYSTEM, facility=THERE), task("requested"))
    api.update(asker_of(cast["doctor"]), task("accepted"))
    assert version("Task", "t") == "2"


@pytest.mark.parametrize("status", ["final", "amended", "corrected"])
def test_a_released_result_is_marked_as_wrong_before_it_goes(cast: dict[str, Account], status: str) -> None:
    doctor = asker_of(cast["doctor"])
    api.create(doctor, observation(status))
    with pytest.raises(Forbidden, match="entered-in-error"):
        api.delete(doctor, "Observation", "o")
    assert version("Observation", "o") == "1"
    api.update(doctor, observation("entered-in-error"))
    api.delete(doctor, "Observation", "o")


def test_facilities_are_written_by_their_administrators(cast: dict[str, Account]) -> None:
    def named(id_: str) -> r4.Organization:
        return r4.Organization(id=id_, name="khác")

    for who in (asker_of(cast["doctor"]), replace(asker_of(cast["doctor"]), client="app")):
        with pytest.raises(Forbidden):
            api.update(who, named(HERE))
    admin = asker_of(cast["admin"])
    with pytest.raises(Forbidden):
        api.update(admin, named(THERE))
    with pytest.raises(Forbidden):
        api.create(admin, named("12999"))
    with pytest.raises(Forbidden):
        api.create(admin, r4.Location(id="x", name="x", managingOrganization=to(f"Organization/{THERE}")))
    api.update(admin, named(HERE))
    api.create(admin, r4.Location(id="x", name="x", managingOrganization=to(f"Organization/{HERE}")))
    assert (version("Organization", HERE), version("Organization", THERE)) == ("2", "1")
    api.create(asker_of(cast["province"]), named("12999"))


@pytest.mark.parametrize("type_", [r4.ValueSet, r4.CodeSystem])
def test_words_are_written_by_the_province(cast: dict[str, Account], type_: type[r4.ValueSet | r4.CodeSystem]) -> None:
    resource = type_(id="w", status="active", url="http://hl7.org/fhir/x", name="W")
    if isinstance(resource, r4.CodeSystem):
        resource.content = "complete"
    for who in (asker_of(cast["doctor"]), asker_of(cast["admin"]), system(HERE)):
        with pytest.raises(Forbidden):
            api.create(who, resource)
    with pytest.raises(NotFound):
        api.read(SYSTEM, type_.__name__, "w")
    api.create(asker_of(cast["province"]), resource)
