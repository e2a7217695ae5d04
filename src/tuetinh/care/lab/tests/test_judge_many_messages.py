"""Many messages of machines are judged in few statements, each by the rules of its own person."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tuetinh.care.lab import actions, facts
from tuetinh.care.lab.catalogue import analytes
from tuetinh.care.lab.machines import inbox
from tuetinh.care.lab.machines.reading import Arrival
from tuetinh.care.lab.models import Analyser, Message, Tube
from tuetinh.care.lab.results import entry, previous, validation
from tuetinh.care.lab.results.work import work_on
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import Query, Step, run

pytestmark = pytest.mark.django_db
OWN = ("INSERT INTO record.audit (", "SELECT pg_notify")
CREA = "23.0051.1494"


@pytest.fixture
def women(world) -> list[Any]:
    """Visits of five women of another age each, whose creatinine was measured and released before."""
    Analyser.objects.create(sender="BS240|LAB", facility="12104", name="BS-240")
    made = []
    for year in range(1990, 1995):
        patient = record.create(SYSTEM, r4.Patient(gender="female", birthDate=f"{year}-03-01"))
        visit = replace_visit(world.encounter, record.ref(patient))
        made.append(replace(world, encounter=record.create(SYSTEM, visit)))
        released(made[-1], "60")
    return made


def released(world: Any, value: str) -> Tube:
    actions.order_tests(world.doctor, world.encounter, [CREA])
    tube = Tube.objects.latest("id")
    entry.enter_results(world.lab, tube.number, {facts.observation_id(tube.orders[0], "CREA"): value})
    return validation.release(world.lab, tube.number)


def replace_visit(like: r4.Encounter, patient: r4.Reference) -> r4.Encounter:
    return r4.Encounter(status=like.status, class_=like.class_, subject=patient, serviceProvider=like.serviceProvider)


def results(tube: Tube) -> dict[str, r4.Observation]:
    return {facts.key_of(r): r for r in work_on(SYSTEM, tube).results.values()}


def messages(oru: Any, group: list[Any], value: str) -> list[Arrival]:
    made = []
    for one in group:
        actions.order_tests(one.doctor, one.encounter, [CREA])
        number = Tube.objects.latest("id").number
        made.append(Arrival(oru(number, {"CREA": value}, control=number, unit="umol/L")))
    return made


def statements(messages: list[Arrival]) -> list[str]:
    """What messages ask of the database, but for what is each one's: an entry of the access log, the visit's page."""
    with CaptureQueriesContext(connection) as asked:
        inbox.take_many(messages)
    return [q["sql"].split("(")[0] for q in asked.captured_queries if not q["sql"].strip().startswith(OWN)]


def test_many_messages_take_as_few_statements_as_one(women, oru) -> None:
    inbox.take_many(messages(oru, women[:1], "61"))  # what is kept in memory is read
    one, many = messages(oru, women[:1], "150"), messages(oru, women[1:], "150")
    alone = statements(one)
    assert len(statements(many)) == len(alone) < 30
    tubes = list(Tube.objects.order_by("-id")[:5])
    assert [tube.stage for tube in tubes] == ["resulted"] * 5
    assert [tube.holds for tube in tubes] == [[["HOLD-DELTA", "CREA"], ["HOLD-DELTA", "EGFR"]]] * 5
    found = [results(tube) for tube in tubes]
    assert [{key: facts.delta_of(result) for key, result in one.items()} for one in found] == [
        {"CREA": "U", "EGFR": "D"}
    ] * 5
    assert len({facts.value_of(one["EGFR"]) for one in found}) > 1  # by the age of each


def test_a_result_that_came_along_is_the_last_one_of_another_tube(women, oru) -> None:
    tube = released(women[0], "90")
    repeated = Arrival(oru(tube.number, {"CREA": "90"}, control="again", unit="umol/L"))
    [later] = messages(oru, women[:1], "92")
    inbox.take_many([repeated, later])
    assert facts.delta_of(results(Tube.objects.latest("id"))["CREA"]) == ""  # from 90, not from 60


def test_whether_a_message_came_before_is_not_asked_of_all_that_ever_came(women, oru) -> None:
    kept = (
        Message(received_at=timezone.now(), sender="BS240|LAB", control_id=str(n), digest=n.to_bytes(32), state="noted")
        for n in range(3000)
    )
    Message.objects.bulk_create(kept)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE lab_message")

    def plan() -> Step[list[Any]]:
        key = (["BS240|LAB"], ["7"], [(7).to_bytes(32)])
        return (yield Query(f"EXPLAIN (ANALYZE, COSTS OFF) {inbox.BEFORE}", key))

    told = "\n".join(row[0] for row in run(SYSTEM, plan()))
    assert "lab_message_once" in told and "Seq Scan on lab_message" not in told


def test_the_last_results_of_people_are_found_by_a_plan_that_is_kept(women) -> None:
    people = {facts.id_of(one.encounter.subject) for one in women}

    def found() -> dict[str, Any]:
        return previous.newest(SYSTEM, people, {analytes()["CREA"].loinc})

    assert found().keys() == found().keys() == people
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%\"Observation\" r %%'")
        assert cursor.fetchone() == (1,)


def test_what_was_measured_years_ago_is_no_last_result(women) -> None:
    loinc, who = analytes()["CREA"].loinc, facts.id_of(women[0].encounter.subject)
    [[last]] = previous.newest(SYSTEM, {who}, {loinc})[who].values()
    last.effectiveDateTime = "2022-11-29T08:00:00+07:00"
    record.update(SYSTEM, last)
    assert previous.newest(SYSTEM, {who}, {loinc}) == {}
    assert previous.history(SYSTEM, who, [loinc]) == {}
