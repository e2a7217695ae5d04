"""A Provenance belongs to the patient whose things it is about, and is labelled as these."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import pytest
from django.db import connection

from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import Forbidden, NotFound
from tuetinh.record.merging import api as merging
from tuetinh.record.sight import Sight
from tuetinh.record.steps import enter, run

pytestmark = pytest.mark.django_db
HERE, THERE = (replace(SYSTEM, facility=name) for name in ("here", "there"))
DOCTOR = Asker("1", "doctor", "here", "TREAT", frozenset({"user/*.cruds"}), sight=Sight("*"))
CITIZEN = Asker("3", "citizen", "", "PATRQT", frozenset({"patient/*.rs"}), "pang", sight=SYSTEM.sight)
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def to(name: str) -> r4.Reference:
    return r4.Reference(reference=name)


def observation(id_: str, patient: str = "pang", label: str = "") -> r4.Observation:
    meta = r4.Meta(security=[r4.Coding(system=ACT_CODE, code=label)]) if label else None
    code = r4.CodeableConcept(text="x")
    return r4.Observation(id=id_, status="final", code=code, subject=to(f"Patient/{patient}"), meta=meta)


def provenance(*targets: str, id_: str = "p") -> r4.Provenance:
    agent = r4.ProvenanceAgent(who=r4.Reference(display="x"))
    return r4.Provenance(id=id_, target=[to(one) for one in targets], recorded="2026-01-01T00:00:00Z", agent=[agent])


def put(*resources: r4.Resource, asker: Asker = THERE) -> None:
    api.put_many(asker, resources)


def stored(table: str = '"Provenance"') -> list[tuple[str | None, int]]:
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT patient, labels FROM record.{table} WHERE type = 'Provenance' AND id = 'p'")
        return cursor.fetchall()


def is_there(asker: Asker) -> bool:
    try:
        api.read(asker, "Provenance", "p")
    except NotFound:
        return False
    return True


def forbid(patient: str = "pang") -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO record.denial VALUES (%s, 'here', '', 'Consent/x')", [patient])


@pytest.mark.parametrize(
    "target", ["Observation/o", "Observation/o/_history/1", "DocumentReference/d"], ids=["plain", "version", "other"]
)
@pytest.mark.parametrize("order", ["after", "before", "together", "together, turned"])
def test_it_is_of_the_patient_of_its_target(target: str, order: str) -> None:
    content = r4.DocumentReferenceContent(attachment=r4.Attachment(title="x"))
    document = r4.DocumentReference(id="d", status="current", subject=to("Patient/pang"), content=[content])
    facts, one = [observation("o"), document], provenance(target)
    for group in {
        "after": [facts, [one]],
        "before": [[one], facts],
        "together": [[*facts, one]],
        "together, turned": [[one, *facts]],
    }[order]:
        put(*group)
    assert stored() == [("pang", 0)]
    assert stored("feed") == [("pang", 0)]
    assert is_there(CITIZEN)
    assert is_there(DOCTOR)
    forbid()
    assert not is_there(DOCTOR)


def test_until_its_target_has_come_it_is_for_who_answers_for_it() -> None:
    put(provenance("Observation/never"))
    assert stored() == [(None, 0)]
    assert [is_there(one) for one in (DOCTOR, CITIZEN, replace(DOCTOR, facility="there"))] == [False, False, True]


def test_about_things_of_several_people_it_is_for_who_answers_for_it() -> None:
    put(observation("o"), observation("q", "tam"), provenance("Observation/o", "Observation/q"))
    assert stored() == [(None, 0)]
    assert [is_there(one) for one in (DOCTOR, CITIZEN, replace(DOCTOR, facility="there"))] == [False, False, True]


def test_who_names_the_patient_is_believed() -> None:
    put(observation("q", "tam"), provenance("Patient/pang", "Observation/q"))
    assert stored() == [("pang", 0)]


def test_it_follows_what_is_given_to_somebody_else() -> None:
    put(observation("o"), provenance("Observation/o"))
    put(provenance("Observation/o"))
    put(observation("o", "tam"))
    assert (stored(), stored('"Provenance_history"')) == ([("tam", 0)], [("tam", 0)])
    assert stored("feed") == [("tam", 0)] * 2
    assert not is_there(CITIZEN)


def test_it_follows_a_merge_and_goes_back() -> None:
    for id_ in ("pang", "tam"):
        put(r4.Patient(id=id_, name=[r4.HumanName(text=id_)]))
    put(observation("o"), provenance("Observation/o"))
    run(SYSTEM, merging.merge(SYSTEM, "pang", "tam", reason="the same"))
    assert stored() == [("tam", 0)]
    run(SYSTEM, merging.unmerge(SYSTEM, "pang", target="tam", reason="not the same"))
    assert stored() == [("pang", 0)]


@pytest.mark.parametrize("later", [False, True])
def test_a_label_of_its_target_hides_it(later: bool) -> None:
    put(observation("o", label="" if later else "HIV"))
    put(provenance("Observation/o"))
    if later:
        assert is_there(DOCTOR)
        put(observation("o", label="HIV"))
    assert stored() == [("pang", 1)]
    assert not is_there(DOCTOR)
    assert is_there(CITIZEN)


def test_nobody_writes_about_what_is_hidden_by_a_label() -> None:
    put(observation("o", label="HIV"))
    with pytest.raises(Forbidden):
        api.create(DOCTOR, provenance("Observation/o"))
    assert stored() == []


def test_what_was_stored_before_is_given_and_labelled() -> None:
    put(observation("o", label="HIV"), provenance("Observation/o"))
    with connection.cursor() as cursor:
        for table in ('"Provenance"', "feed"):
            cursor.execute(
                f"UPDATE record.{table} SET patient = NULL, labels = 0 WHERE type = 'Provenance' AND id = 'p'"
            )
    import_module("tuetinh.record.migrations.0040_post_targets").fill(None, None)
    import_module("tuetinh.commons.access.migrations.0023_post_targets").relabel(None, None)
    assert (stored(), stored("feed")) == ([("pang", 1)], [("pang", 1)])
