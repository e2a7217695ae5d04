"""What one account does to one patient's record in one transaction is one entry of the access log."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction

from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.audit import chain, reading
from tuetinh.record.audit.event import audit_event
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.steps import run

pytestmark = pytest.mark.django_db(transaction=True)
DOCTOR = Asker("7", "doctor", "12104", "TREAT", frozenset({"user/*.cruds"}), sight=EVERYTHING)
NURSE = Asker("8", "nurse", "12104", "TREAT", frozenset({"user/*.cruds"}), sight=EVERYTHING)


def about(patient: str | None, type_: str = "Observation") -> Any:
    subject = r4.Reference(reference=f"Patient/{patient}") if patient else None
    text = r4.CodeableConcept(text="x")
    if type_ == "Condition":
        return r4.Condition(code=text, subject=subject or r4.Reference(reference="Patient/p"))
    return r4.Observation(status="final", code=text, subject=subject)


def entries(since: int) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT account, action, type, id, what, patient FROM record.audit WHERE position > %s ORDER BY position",
            [since],
        )
        return cursor.fetchall()


@pytest.fixture
def start() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(position), 0) FROM record.audit")
        return int(cursor.fetchone()[0])


def test_statements_of_a_transaction_add_to_one_entry_a_patient(start: int) -> None:
    with transaction.atomic():
        a, b = api.create(DOCTOR, about("p")), api.create(DOCTOR, about("q"))
        c = api.create(DOCTOR, about("p", "Condition"))
        d = api.create(DOCTOR, about("p"))
    whats = [f"Observation/{a.id}", f"Condition/{c.id}", f"Observation/{d.id}"]
    assert entries(start) == [
        ("7", "create", "Observation,Condition", "", whats, "p"),
        ("7", "create", "Observation", b.id, None, "q"),
    ]


def test_a_statement_of_many_is_one_entry_a_patient(start: int) -> None:
    made = [about(patient) for patient in ("q", "p", None, "p", None)]
    with transaction.atomic():
        stored = api.create_many(DOCTOR, made)
    of = [f"Observation/{one.id}" for one in stored]
    assert sorted(entries(start), key=lambda one: str(one[5])) == [
        ("7", "create", "Observation", "", sorted([of[2], of[4]]), None),
        ("7", "create", "Observation", "", sorted([of[1], of[3]]), "p"),
        ("7", "create", "Observation", stored[0].id, None, "q"),
    ]


def test_who_and_what_is_done_stay_apart(start: int) -> None:
    with transaction.atomic():
        one = api.create(DOCTOR, about("p"))
        api.update(DOCTOR, one)
        api.update(DOCTOR, one)
        other = api.create(NURSE, about("p"))
        api.delete(DOCTOR, "Observation", str(one.id))
    twice = [f"Observation/{one.id}"] * 2
    assert entries(start) == [
        ("7", "create", "Observation", one.id, None, "p"),
        ("7", "update", "Observation", one.id, twice, "p"),
        ("8", "create", "Observation", other.id, None, "p"),
        ("7", "delete", "Observation", one.id, None, "p"),
    ]


def test_what_a_savepoint_takes_back_is_not_told(start: int) -> None:
    with transaction.atomic():
        one = api.create(DOCTOR, about("p"))
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            api.create(DOCTOR, about("p"))
            raise ZeroDivisionError
    assert entries(start) == [("7", "create", "Observation", one.id, None, "p")]


def test_another_transaction_has_an_entry_of_its_own_and_cannot_change_the_first(start: int) -> None:
    first, second = api.create(DOCTOR, about("p")), api.create(DOCTOR, about("p"))
    told = [("7", "create", "Observation", one.id, None, "p") for one in (first, second)]
    assert entries(start) == told
    with connection.cursor() as cursor:
        cursor.execute("UPDATE record.audit SET what = ARRAY['Basic/x'] WHERE position > %s", [start])
        assert cursor.rowcount == 0
    assert entries(start) == told


def test_an_event_names_each_resource_and_is_found_by_it(start: int) -> None:
    with transaction.atomic():
        one, other = api.create(DOCTOR, about("p")), api.create(DOCTOR, about("p", "Condition"))
    wanted = reading.Wanted()
    wanted.where.add("position > %s", start)
    found, _ = run(SYSTEM, reading.page(SYSTEM, wanted))
    event = audit_event(found[0], SYSTEM)
    told = [entity.what.reference for entity in event.entity or [] if entity.what]
    assert told == ["Patient/p", f"Condition/{other.id}", f"Observation/{one.id}"]
    for value in (f"Observation/{one.id}", f"Condition/{other.id}", str(other.id)):
        wanted = reading.read(SYSTEM, [("entity", value)])
        assert [entry.position for entry in run(SYSTEM, reading.page(SYSTEM, wanted))[0]] == [found[0].position]
    for value in (f"Condition/{one.id}", "Observation/other"):
        wanted = reading.read(SYSTEM, [("entity", value)])
        assert run(SYSTEM, reading.page(SYSTEM, wanted))[0] == []


def test_an_entry_of_several_is_sealed() -> None:
    with transaction.atomic():
        api.create(DOCTOR, about("p"))
        api.create(DOCTOR, about("p"))
    sealer = chain.Sealer()
    sealer.seal()
    sealer.seal()
    assert list(chain.verify()) == []
