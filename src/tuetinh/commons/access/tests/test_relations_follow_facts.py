"""Relations to patients come and go with the facts that they come from, however these are written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tuetinh.commons.access.jobs import end_left_open
from tuetinh.commons.access.models import Policy
from tuetinh.commons.access.proof.policy import forget
from tuetinh.commons.access.sight.relations import INVITATION, RELATED_PATIENT
from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import NotFound
from tuetinh.record.imports import import_paths
from tuetinh.record.sight import Sight

pytestmark = pytest.mark.django_db
AMBULATORY = r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code="AMB")
TYPE = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ROLE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
HERE = Asker(
    "1", "doctor", "here", "TREAT", frozenset({"user/*.rs"}), sight=Sight("", "*", ("Organization/here",), after=30)
)


class Silent:
    """Hears of an import."""

    def advanced(self, report: object, place: str) -> None: ...

    def refused(self, place: str, name: str, issues: object) -> None:
        raise AssertionError(f"{name}: {issues}")


def to(name: str) -> r4.Reference:
    return r4.Reference(reference=name)


def visit(status: str = "in-progress", end: str | None = None, **more: Any) -> r4.Encounter:
    period = r4.Period(start="2026-03-01", end=end)
    about: dict[str, Any] = {"subject": to("Patient/pang"), "serviceProvider": to("Organization/here")}
    return r4.Encounter(id="v", status=status, class_=AMBULATORY, period=period, **about | more)


def kept(patient: str = "pang") -> list[tuple[str, ...]]:
    """Holder, kind, source and end of what is kept of a patient."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT holder, kind, source,
              CASE WHEN until = 'infinity' THEN '' ELSE (until AT TIME ZONE 'UTC')::text END
            FROM record.relation WHERE patient = %s ORDER BY 1, 2, 3""",
            [patient],
        )
        return cursor.fetchall()


@pytest.mark.parametrize("status", ["arrived", "triaged", "in-progress", "onleave"])
def test_an_open_visit_is_a_relation_without_end(status: str) -> None:
    api.create(SYSTEM, visit(status))
    assert kept() == [("Organization/here", "treating", "Encounter/v", "")]
    api.update(SYSTEM, visit("planned"))
    assert kept() == []


def test_a_visit_that_nobody_closed_ends_with_its_period() -> None:
    left_open = visit("arrived")
    left_open.period = r4.Period(start="2019-03-01", end="2019-03-01")
    api.create(SYSTEM, left_open)
    (one,) = kept()
    assert one[3] == "2019-03-01 17:00:00"


def test_a_visit_ends_and_its_participants_with_it() -> None:
    consultant = r4.EncounterParticipant(
        type=[r4.CodeableConcept(coding=[r4.Coding(system=TYPE, code="CON")])], individual=to("Practitioner/con")
    )
    early = r4.EncounterParticipant(individual=to("Practitioner/early"), period=r4.Period(end="2026-03-02T00:00:00Z"))
    other = r4.EncounterParticipant(individual=to("RelatedPerson?identifier=1"))
    api.create(SYSTEM, visit(participant=[consultant, early, other]))
    assert [one[:2] + one[3:] for one in kept()] == [
        ("Organization/here", "treating", ""),
        ("Practitioner/con", "consultation", ""),
        ("Practitioner/early", "treating", "2026-03-02 00:00:01"),
    ]
    api.update(SYSTEM, visit("finished", "2026-03-03T10:00:00Z", participant=[consultant]))
    assert [one[:2] + one[3:] for one in kept()] == [
        ("Organization/here", "treating", "2026-03-03 10:00:01"),
        ("Practitioner/con", "consultation", "2026-03-03 10:00:01"),
    ]


def test_a_visit_that_moves_to_another_patient_takes_its_relation_along() -> None:
    api.create(SYSTEM, visit())
    api.update(SYSTEM, visit(subject=to("Patient/tam"), serviceProvider=to("Organization/there")))
    assert (kept(), kept("tam")) == ([], [("Organization/there", "treating", "Encounter/v", "")])


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
def test_what_never_came_about_is_no_relation(status: str) -> None:
    api.create(SYSTEM, visit())
    api.update(SYSTEM, visit(status))
    assert kept() == []


def test_a_deletion_ends_it_and_a_return_begins_it_again() -> None:
    api.create(SYSTEM, visit())
    api.delete(SYSTEM, "Encounter", "v")
    assert kept() == []
    api.update(SYSTEM, visit())
    assert len(kept()) == 1


def test_the_other_facts() -> None:
    at = {"system": ROLE}
    api.create_many(
        SYSTEM,
        [
            r4.Patient(
                id="pang",
                managingOrganization=to("Organization/station"),
                generalPractitioner=[to("Practitioner/gp"), to("Organization/station"), to("PractitionerRole/x")],
            ),
            r4.EpisodeOfCare(
                id="e", status="active", patient=to("Patient/pang"), managingOrganization=to("Organization/ncd")
            ),
            r4.ServiceRequest(
                id="s", status="active", intent="order", subject=to("Patient/pang"), performer=[to("Organization/lab")]
            ),
            r4.Appointment(
                id="a",
                status="booked",
                start="2026-03-01T01:00:00Z",
                end="2026-03-01T02:00:00Z",
                participant=[
                    r4.AppointmentParticipant(actor=to("Patient/pang"), status="accepted"),
                    r4.AppointmentParticipant(actor=to("Practitioner/yes"), status="tentative"),
                    r4.AppointmentParticipant(actor=to("Practitioner/no"), status="declined"),
                ],
            ),
            r4.RelatedPerson(
                id="mother",
                patient=to("Patient/pang"),
                extension=[r4.Extension(url=RELATED_PATIENT, valueReference=to("Patient/mai"))],
                relationship=[r4.CodeableConcept(coding=[r4.Coding(code="MTH", **at)])],
            ),
            r4.RelatedPerson(
                id="friend",
                patient=to("Patient/pang"),
                extension=[r4.Extension(url=RELATED_PATIENT, valueReference=to("Patient/ban"))],
                relationship=[r4.CodeableConcept(coding=[r4.Coding(code="FRND", **at)])],
            ),
        ],
    )
    assert kept() == [
        ("Organization/lab", "referral", "ServiceRequest/s", ""),
        ("Organization/ncd", "episode", "EpisodeOfCare/e", ""),
        ("Organization/station", "registered", "Patient/pang", ""),
        ("Patient/mai", "guardian", "RelatedPerson/mother", ""),
        ("Practitioner/gp", "registered", "Patient/pang", ""),
        ("Practitioner/yes", "appointment", "Appointment/a", "2026-03-01 02:00:01"),
    ]


def referral(end: str, status: str = "active", **more: Any) -> r4.ServiceRequest:
    period = r4.Period(start="2026-03-01", end=end)
    about: dict[str, Any] = {"subject": to("Patient/pang"), "performer": [to("Organization/lab")]}
    return r4.ServiceRequest(id="s", status=status, intent="order", occurrencePeriod=period, **about | more)


def test_a_referral_that_nobody_used_ends_with_its_paper() -> None:
    api.create(SYSTEM, referral("2026-03-12"))
    assert kept() == [("Organization/lab", "referral", "ServiceRequest/s", "2026-03-12 17:00:00")]


def test_an_invitation_counts_until_it_is_closed() -> None:
    asked = r4.CodeableConcept(coding=[r4.Coding(system=INVITATION, code="x")])
    api.create(SYSTEM, referral("2026-03-12", category=[asked]))
    assert kept() == [("Organization/lab", "invitation", "ServiceRequest/s", "")]


def test_what_was_kept_of_referrals_without_end_is_ended() -> None:
    api.create(replace(SYSTEM, account="7"), referral("2026-03-12"))
    api.create(SYSTEM, msgspec.structs.replace(referral("2026-03-12"), id="t", occurrencePeriod=None))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE record.relation SET until = 'infinity'")
    import_module("tuetinh.commons.access.migrations.0025_post_referrals_end").shorten(None, None)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT source, until = 'infinity', made_by FROM record.relation"
            " WHERE source IN ('ServiceRequest/s', 'ServiceRequest/t') ORDER BY 1"
        )
        assert cursor.fetchall() == [("ServiceRequest/s", False, "7"), ("ServiceRequest/t", True, "")]


def test_bulk_loads_and_imports_keep_them_too(tmp_path: Path) -> None:
    list(api.load(SYSTEM, (visit(subject=to(f"Patient/p{n}")) for n in range(1))))
    assert kept("p0") == [("Organization/here", "treating", "Encounter/v", "")]
    many = [visit("arrived", subject=to(f"Patient/q{n}")) for n in range(3)]
    for n, one in enumerate(many):
        one.id = f"q{n}"
    (tmp_path / "e.ndjson").write_bytes(b"\n".join(r4.encode(one) for one in many))
    import_paths([str(tmp_path)], SYSTEM, Silent())
    assert [kept(f"q{n}") for n in range(3)] == [
        [("Organization/here", "treating", f"Encounter/q{n}", "")] for n in range(3)
    ]


def test_what_is_stored_already_is_filled_in_once() -> None:
    api.create(SYSTEM, visit("finished", "2026-03-03T10:00:00Z"))
    before = kept()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM record.relation")
    fill = import_module("tuetinh.commons.access.migrations.0004_post_relations").fill
    fill(None, None)
    assert kept() == before != []
    fill(None, None)
    assert kept() == before


def test_care_holds_for_some_days_after_its_end() -> None:
    def ended(days: int) -> str:
        return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")

    api.create(
        replace(SYSTEM, facility="there"),
        r4.Observation(id="o", status="final", code=r4.CodeableConcept(text="Hb"), subject=to("Patient/pang")),
    )
    with pytest.raises(NotFound):
        api.read(HERE, "Observation", "o")
    api.create(SYSTEM, visit("finished", ended(29)))
    assert api.read(HERE, "Observation", "o").id == "o"
    api.update(SYSTEM, visit("finished", ended(31)))
    with pytest.raises(NotFound):
        api.read(HERE, "Observation", "o")


def test_a_plain_observation_costs_no_statement_more() -> None:
    plain = r4.Observation(status="final", code=r4.CodeableConcept(text="Hb"), subject=to("Patient/pang"))
    with CaptureQueriesContext(connection) as asked:
        api.create(SYSTEM, plain)
    assert [q["sql"].split('"')[1] for q in asked if q["sql"].startswith("WITH")] == ["Observation"]
    assert not [q for q in asked if "INTO record.relation" in q["sql"]]


def aged(days: int) -> None:
    """Let everything have been written so many days ago."""
    with connection.cursor() as cursor:
        for type_ in ("Encounter", "ServiceRequest"):
            cursor.execute(f'UPDATE record."{type_}" SET updated = now() - make_interval(days => %s)', [days])


def test_what_nobody_ends_opens_no_record_after_a_while() -> None:
    stay = msgspec.structs.replace(visit(), id="w", class_=r4.Coding(code="IMP"))
    given = [visit(), stay, msgspec.structs.replace(referral("2026-03-12"), occurrencePeriod=None)]
    api.create_many(SYSTEM, given)
    open_ = {source: end for _, _, source, end in kept()}
    assert open_ == {"Encounter/v": "", "Encounter/w": "", "ServiceRequest/s": ""}
    aged(89)
    end_left_open(0)
    assert {source: end for _, _, source, end in kept()} == open_
    aged(91)
    end_left_open(0)
    ended = {source for _, _, source, end in kept() if end}
    assert ended == {"Encounter/v", "ServiceRequest/s"}
    api.update(SYSTEM, visit("onleave"))
    assert {source for _, _, source, end in kept() if end} == {"ServiceRequest/s"}


def test_administrators_say_when_or_that_nothing_ends_by_itself() -> None:
    api.create(SYSTEM, visit())
    aged(31)
    for days, ends in ((0, False), (30, True)):
        Policy(pk=1, open_days=days).save()
        forget()
        end_left_open(0)
        assert bool(kept()[0][3]) is ends
