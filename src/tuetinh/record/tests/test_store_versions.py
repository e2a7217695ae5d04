from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from django.db import connection, transaction

from tuetinh.record import api, projections, r4, reads, store, versioning
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import Conflict, Forbidden, Gone, Invalid, NotFound, PreconditionFailed
from tuetinh.record.projections import Written
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.steps import Many, Pause, Query, Step, run

pytestmark = pytest.mark.django_db
CITIZEN = Asker("c", "citizen", "", "PATRQT", frozenset({"patient/*.cruds"}), "own", sight=EVERYTHING)


def person(**more: object) -> r4.Patient:
    return r4.Patient(name=[r4.HumanName(family="Lò", given=["Thị", "Pâng"])], **more)


def observation(patient: str) -> r4.Observation:
    return r4.Observation(
        status="final",
        code=r4.CodeableConcept(text="cao"),
        subject=r4.Reference(reference=f"Patient/{patient}"),
        valueQuantity=r4.Quantity(value=Decimal("72.50"), unit="cm"),
    )


def count(table: str, where: str, *params: object) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM record.{table} WHERE {where}", params)
        return int(cursor.fetchone()[0])


def statements(step: Step[object]) -> list[Query | Many | Pause]:
    """Every request of a step, answered with the rows of one new resource."""
    made, answer = [], None
    try:
        while True:
            request = step.send(answer) if made else next(step)
            made.append(request)
            answer = [("one", 1)]
    except StopIteration:
        return made


def test_a_create_is_one_statement() -> None:
    resource = observation("somebody")
    resource.id = "one"
    assert len(statements(store.create(SYSTEM, [resource]))) == 1


def test_what_is_read_is_what_was_stored() -> None:
    made = api.create(SYSTEM, observation("p"))
    read = api.read(SYSTEM, "Observation", str(made.id))
    assert read == made
    assert isinstance(read, r4.Observation)
    assert str(read.valueQuantity.value) == "72.50"  # type: ignore[union-attr]


def test_the_callers_resource_is_left_alone() -> None:
    draft = person()
    made = api.create(SYSTEM, draft)
    assert (draft.id, draft.meta) == (None, None)
    assert made.meta is not None
    assert made.meta.versionId == "1"


def test_each_write_leaves_feed_access_log_and_history() -> None:
    made = api.create(SYSTEM, person())
    api.update(SYSTEM, made)
    api.delete(SYSTEM, "Patient", str(made.id))
    with connection.cursor() as cursor:
        cursor.execute("SELECT version, change FROM record.feed WHERE id = %s ORDER BY position", [made.id])
        assert cursor.fetchall() == [(1, "create"), (2, "update"), (3, "delete")]
        cursor.execute("SELECT action FROM record.audit WHERE id = %s ORDER BY position", [made.id])
        assert [row[0] for row in cursor.fetchall()] == ["create", "update", "delete"]
    assert count("history", "id = %s", made.id) == 2
    assert [r.meta.versionId for r in api.history(SYSTEM, "Patient", str(made.id))] == ["2", "1"]  # type: ignore[union-attr]


def test_index_rows_follow_the_version_and_go_with_it() -> None:
    made = api.create(SYSTEM, person())
    key = "key = (SELECT key FROM record.resource WHERE id = %s)"
    before = count("string_index", key, made.id)
    assert before > 0
    made.name = [r4.HumanName(family="Vàng")]
    api.update(SYSTEM, made)
    assert 0 < count("string_index", key, made.id) < before
    assert count("string_index", f"{key} AND exact = 'Lò'", made.id) == 0
    api.delete(SYSTEM, "Patient", str(made.id))
    assert count("string_index", key, made.id) == 0
    assert count("resource", "id = %s AND body IS NULL AND tokens = '{}'", made.id) == 1


def test_an_id_can_be_given_once() -> None:
    api.create(SYSTEM, person(id="given"))
    with pytest.raises(Conflict):
        api.create(SYSTEM, person(id="given"))
    assert count("feed", "id = 'given'") == 1


def test_an_id_is_taken_whoever_the_patient_is() -> None:
    api.create(SYSTEM, observation("a"))
    first = observation("a")
    first.id = "shared-id"
    second = observation("b")
    second.id = "shared-id"
    api.create(SYSTEM, first)
    with pytest.raises(Conflict):
        api.create(SYSTEM, second)
    assert api.update(SYSTEM, second).meta.versionId == "2"  # type: ignore[union-attr]
    assert count("resource", "id = 'shared-id' AND shard = 'b' AND patient = 'b'") == 1


def test_many_are_stored_in_order_or_not_at_all() -> None:
    made = api.create_many(SYSTEM, [person(multipleBirthInteger=n) for n in range(1, 451)])
    assert [p.multipleBirthInteger for p in made] == list(range(1, 451))
    assert len(api.read_many(SYSTEM, "Patient", [str(p.id) for p in made])) == 450
    before = count("feed", "true")
    with pytest.raises(Invalid) as refused:
        api.create_many(SYSTEM, [person(), person(gender="x")])
    assert refused.value.issues[0].expression == "Patient.gender"
    assert count("feed", "true") == before


def test_of_many_those_are_stored_whose_ids_nobody_has_taken() -> None:
    api.create_many(SYSTEM, [person(id="here", gender="male"), person(id="deleted")])
    api.delete(SYSTEM, "Patient", "deleted")
    wanted = [person(id=id_, gender="female") for id_ in ("deleted", "fresh", "here", "fresh")]
    made = api.create_missing(SYSTEM, [*wanted, r4.Basic(id="here", code=r4.CodeableConcept(text="x"))])
    assert [(one.resourceType, one.id, one.meta.versionId) for one in made] == [
        ("Patient", "fresh", "1"), ("Basic", "here", "1"),
    ]  # fmt: skip
    found = api.read_many(SYSTEM, "Patient", ["deleted", "fresh", "here"])
    assert {id_: one.gender for id_, one in found.items()} == {"fresh": "female", "here": "male"}
    before = count("feed", "true")
    with pytest.raises(Invalid):
        api.create_missing(SYSTEM, [person(id="fine"), person(id="wrong", gender="x")])
    assert api.create_missing(SYSTEM, []) == []
    assert count("feed", "true") == before


def test_a_version_that_is_not_the_current_one_is_refused() -> None:
    made = api.create(SYSTEM, person())
    api.update(SYSTEM, made, 1)
    with pytest.raises(PreconditionFailed):
        api.update(SYSTEM, made, 1)
    assert count("feed", "id = %s", made.id) == 2


def test_what_is_deleted_is_gone_and_what_never_was_is_unknown() -> None:
    made = api.create(SYSTEM, person())
    api.delete(SYSTEM, "Patient", str(made.id))
    with pytest.raises(Gone):
        api.read(SYSTEM, "Patient", str(made.id))
    with pytest.raises(NotFound):
        api.read(SYSTEM, "Patient", "never")


def test_nothing_is_allowed_that_no_scope_names() -> None:
    nobody = Asker("n", "outsider", scopes=frozenset({"user/Observation.rs"}), sight=EVERYTHING)
    made = api.create(SYSTEM, person())
    for attempt in (
        lambda: api.read(nobody, "Patient", str(made.id)),
        lambda: api.create(nobody, person()),
        lambda: api.update(nobody, made),
        lambda: api.delete(nobody, "Patient", str(made.id)),
        lambda: api.search(nobody, "Patient", ""),
        lambda: api.history(nobody, "Patient", str(made.id)),
        lambda: api.create(nobody, observation("p")),
    ):
        with pytest.raises(Forbidden):
            attempt()
    assert count("feed", "id = %s", made.id) == 1


def test_a_citizen_has_the_own_compartment_only() -> None:
    api.create(SYSTEM, person(id="own"))
    mine, other = api.create(SYSTEM, observation("own")), api.create(SYSTEM, observation("other"))
    assert api.read(CITIZEN, "Observation", str(mine.id)) == mine
    with pytest.raises(NotFound):
        api.read(CITIZEN, "Observation", str(other.id))
    assert set(api.read_many(CITIZEN, "Observation", [str(mine.id), str(other.id)])) == {mine.id}
    assert [r.id for r in api.search(CITIZEN, "Observation", "status=final").resources] == [mine.id]
    stolen = observation("own")
    stolen.id = other.id
    with pytest.raises(NotFound):
        api.update(CITIZEN, stolen)
    moved = api.read(SYSTEM, "Observation", str(mine.id))
    assert isinstance(moved, r4.Observation)
    moved.subject = r4.Reference(reference="Patient/other")
    with pytest.raises(Forbidden):
        api.update(CITIZEN, moved)
    assert count("feed", "id IN (%s, %s)", mine.id, other.id) == 2


def test_reading_a_list_leaves_one_entry_a_patient() -> None:
    made = [api.create(SYSTEM, observation(f"p{n % 2}")) for n in range(6)]
    before = count("audit", "action = 'read'")
    api.read_many(SYSTEM, "Observation", [str(one.id) for one in made])
    assert count("audit", "action = 'read'") - before == 2


@pytest.fixture
def seen() -> Iterator[list[Written]]:
    """What a projection of Basic receives."""
    received: list[Written] = []

    def project(written: Sequence[Written]) -> Step[None]:
        yield Query("CREATE TEMPORARY TABLE IF NOT EXISTS projected (id text) ON COMMIT DROP")
        received.extend(written)

    projections.register("Basic", project)
    yield received
    projections._projections.pop("Basic")


def test_a_projection_sees_every_version_of_its_type(seen: list[Written]) -> None:
    made = api.create_many(SYSTEM, [r4.Basic(code=r4.CodeableConcept(text=t)) for t in "ab"])
    api.create(SYSTEM, person())
    api.update(SYSTEM, made[0])
    api.delete(SYSTEM, "Basic", str(made[0].id))
    assert [(w.id, w.version, w.resource is None) for w in seen] == [
        (made[0].id, 1, False),
        (made[1].id, 1, False),
        (made[0].id, 2, False),
        (made[0].id, 3, True),
    ]


def test_the_callers_rollback_takes_the_write_with_it() -> None:
    made: list[r4.Patient] = []
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        made.append(api.create(SYSTEM, person()))
        raise ZeroDivisionError
    with pytest.raises(NotFound):
        api.read(SYSTEM, "Patient", str(made[0].id))
    assert count("feed", "id = %s", made[0].id) == 0


def test_new_ids_are_fhir_ids_in_the_order_of_time() -> None:
    ids = [versioning.new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(versioning.is_id(id_) and len(id_) == 36 for id_ in ids)
    assert [i[:13] for i in ids] == sorted(i[:13] for i in ids)


def test_versions_stay_in_order_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    made = api.create(SYSTEM, person(id="late"))
    before = versioning.now() - timedelta(days=3)
    monkeypatch.setattr(versioning, "now", lambda: before)
    api.update(SYSTEM, person(id="late", gender="female"))
    api.delete(SYSTEM, "Patient", "late")
    told = [(one.version, one.updated) for one in run(SYSTEM, reads.versions(SYSTEM, "Patient", "late"))][::-1]
    assert [version for version, _ in told] == [1, 2, 3]
    assert made.meta is not None
    assert versioning.instant(told[0][1]) == made.meta.lastUpdated
    assert [later - earlier for (_, earlier), (_, later) in pairwise(told)] == [timedelta(milliseconds=1)] * 2


def test_what_reads_many_is_planned_once_however_long_the_list_is(db: None) -> None:
    made = [api.create(SYSTEM, r4.Patient()).id or "" for _ in range(3)]
    with connection.cursor() as cursor:
        cursor.execute(  # so many that the database does not rather read them all
            """INSERT INTO record."Patient" (type, id, shard, version, updated, tokens, body)
            SELECT 'Patient', 'p' || n, 'p' || n, 1, now(), '{}', repeat('x', 900)::bytea
            FROM generate_series(1, 9000) n"""
        )
        cursor.execute('ANALYZE record."Patient"')
        for count in (1, 2, 3) * 4:
            assert len(api.read_many(SYSTEM, "Patient", made[:count])) == count
        cursor.execute(
            "SELECT generic_plans > 0, custom_plans <= 5 FROM pg_prepared_statements WHERE statement LIKE %s",
            ['SELECT id, version%record."Patient" %'],
        )
        assert cursor.fetchall() == [(True, True)]
