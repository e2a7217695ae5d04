"""The database itself decides which rows exist, whatever a statement forgets to ask."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.db import ProgrammingError, connection, transaction

from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import NotFound
from tuetinh.record.postgresql import owner
from tuetinh.record.search import index
from tuetinh.record.sight import Sight
from tuetinh.record.steps import enter

pytestmark = pytest.mark.django_db
ALL = frozenset({"user/*.cruds"})
OPEN = "Patient Organization"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
DOCTOR = Asker(
    "1", "doctor", "here", "TREAT", ALL, sight=Sight(OPEN, "*", ("Organization/here", "Account/1"), labels=1)
)
KINDS = ("", "_history", "_date", "_number", "_string")


def seen(sql: str, asker: Asker | None) -> list[Any]:
    """What a statement finds that asks for everything."""
    if asker is not None:
        enter(asker)
    with connection.cursor() as cursor:
        if asker is None:
            cursor.execute("RESET ALL")
        cursor.execute(sql)
        return sorted(row[0] for row in cursor.fetchall())


def observation(id_: str, patient: str, **more: Any) -> r4.Observation:
    return r4.Observation(
        id=id_,
        status="final",
        code=r4.CodeableConcept(text="Hb"),
        subject=r4.Reference(reference=f"Patient/{patient}"),
        effectiveDateTime="2026-01-01",
        valueQuantity=r4.Quantity(value=1, unit="g"),
        **more,
    )


def to(name: str) -> r4.Reference:
    return r4.Reference(reference=name)


def secret(*labels: str) -> r4.Meta | None:
    return r4.Meta(security=[r4.Coding(system=ACT_CODE, code=label) for label in labels]) if labels else None


@pytest.fixture(autouse=True)
def alone(db: None) -> None:
    """Without what other tests have left, for here everything is asked for."""
    enter(SYSTEM)
    with connection.cursor() as cursor:
        for table in ("date_index", "number_index", "string_index", "resource", "history", "feed", "audit"):
            cursor.execute(f"DELETE FROM record.{table}")


@pytest.fixture
def people() -> None:
    """Two patients with an Observation each, written by two facilities; the second version of each."""
    for patient, facility in (("pang", "here"), ("tam", "there")):
        api.create(SYSTEM, r4.Patient(id=patient, name=[r4.HumanName(text=patient)]))
        at = replace(SYSTEM, facility=facility)
        api.create(at, observation(f"of-{patient}", patient))
        api.update(at, observation(f"of-{patient}", patient, note=[r4.Annotation(text="x")]))


def relate(patient: str, holder: str, until: str = "infinity") -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO record.relation VALUES (%s, %s, 'treating', 'Encounter/x', %s)", [patient, holder, until]
        )


@pytest.mark.parametrize("table", [f'"Observation{kind}"' for kind in KINDS] + ["resource", "history", "feed", "audit"])
@pytest.mark.usefixtures("people")
def test_nothing_exists_for_who_is_not_told(table: str) -> None:
    assert seen(f"SELECT 1 FROM record.{table}", SYSTEM) != []
    assert seen(f"SELECT 1 FROM record.{table}", None) == []
    assert seen(f"SELECT 1 FROM record.{table}", Asker("2", "outsider", scopes=ALL)) == []


@pytest.mark.parametrize("kind", ["", "_history"])
@pytest.mark.usefixtures("people")
def test_a_relation_opens_the_record_for_its_time(kind: str) -> None:
    sql = f'SELECT id FROM record."Observation{kind}"'
    assert seen(sql, DOCTOR) == ["of-pang"]
    relate("tam", "Organization/elsewhere")
    relate("tam", "Organization/here", "2020-01-01")
    assert seen(sql, DOCTOR) == ["of-pang"]
    relate("tam", "Account/1")
    assert seen(sql, DOCTOR) == ["of-pang", "of-tam"]


@pytest.mark.parametrize("kind", ["date", "number", "string"])
@pytest.mark.usefixtures("people")
def test_index_rows_exist_with_their_resource(kind: str) -> None:
    sql = f'SELECT DISTINCT shard FROM record."Observation_{kind}"'
    assert seen(sql, SYSTEM) == ["pang", "tam"]
    assert seen(sql, DOCTOR) == ["pang"]
    assert seen(f"SELECT DISTINCT shard FROM record.{kind}_index WHERE type = 'Observation'", DOCTOR) == ["pang"]


@pytest.mark.usefixtures("people")
def test_the_feed_and_whole_types() -> None:
    sql = "SELECT DISTINCT type || '/' || id FROM record.{}"
    expected = ["Observation/of-pang", "Patient/pang", "Patient/tam"]
    assert seen(sql.format("feed"), DOCTOR) == expected
    assert seen(sql.format("resource"), DOCTOR) == expected


@pytest.mark.usefixtures("people")
def test_a_compartment_is_one_patient_in_every_table() -> None:
    citizen = Asker("3", "citizen", "", "PATRQT", frozenset({"patient/*.rs"}), "tam", sight=SYSTEM.sight)
    for table in ('"Observation"', '"Observation_history"', "resource", "feed", "audit"):
        assert seen(f"SELECT DISTINCT patient FROM record.{table}", citizen) == ["tam"], table
    for kind in ("date", "number", "string"):
        assert seen(f'SELECT DISTINCT shard FROM record."Observation_{kind}"', citizen) == ["tam"]


@pytest.mark.usefixtures("people")
def test_what_a_patient_forbids_ends_a_relation_but_not_the_own_file() -> None:
    relate("tam", "Organization/here")
    sql = 'SELECT id FROM record."Observation"'
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO record.denial VALUES ('tam', 'there', '', 'c1'), ('tam', '', 'HRESCH', 'c2')")
        assert seen(sql, DOCTOR) == ["of-pang", "of-tam"]
        cursor.execute("INSERT INTO record.denial VALUES ('tam', 'here', 'TREAT', 'c3'), ('pang', 'here', '', 'c4')")
    assert seen(sql, DOCTOR) == ["of-pang"]
    assert seen(sql, replace(DOCTOR, purpose="ETREAT")) == ["of-pang", "of-tam"]
    assert seen(sql, replace(DOCTOR, purpose="HRESCH")) == ["of-pang"]


OF_TAM: dict[str, r4.Resource] = {
    "BiologicallyDerivedProduct": r4.BiologicallyDerivedProduct(
        collection=r4.BiologicallyDerivedProductCollection(source=r4.Reference(reference="Patient/tam"))
    ),
    "Contract": r4.Contract(subject=[r4.Reference(reference="Patient/tam")]),
    "Device": r4.Device(patient=r4.Reference(reference="Patient/tam")),
    "GuidanceResponse": r4.GuidanceResponse(
        moduleUri="urn:x", status="success", subject=r4.Reference(reference="Patient/tam")
    ),
}


@pytest.mark.parametrize("type_", sorted(index.BESIDE))
def test_what_hl7_leaves_out_of_the_compartment_is_of_its_patient_all_the_same(type_: str) -> None:
    api.create(replace(SYSTEM, facility="there"), OF_TAM[type_])
    doctor = replace(DOCTOR, sight=Sight("*"))
    citizen = Asker("3", "citizen", "", "PATRQT", frozenset({"patient/*.rs"}), "tam", sight=SYSTEM.sight)
    sqls = [f"SELECT patient FROM record.{table}" for table in (f'"{type_}"', "feed")]
    assert [seen(sql, who) for sql in sqls for who in (doctor, citizen)] == [["tam"]] * 4
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO record.denial VALUES ('tam', 'here', '', 'c1')")
    assert [seen(sql, doctor) for sql in sqls] == [[], []]
    assert [seen(sql, citizen) for sql in sqls] == [["tam"], ["tam"]]


def test_a_label_hides_from_whom_it_is_not_for() -> None:
    here = replace(SYSTEM, facility="here")
    for id_, labels in (("plain", ()), ("hiv", ("HIV",)), ("psy", ("PSY",)), ("both", ("HIV", "PSY"))):
        api.create(here, observation(id_, "pang", meta=secret(*labels)))
    sql = 'SELECT id FROM record."Observation"'
    assert seen(sql, DOCTOR) == ["hiv", "plain"]
    assert seen(sql, replace(DOCTOR, sight=Sight("*", labels=3))) == ["both", "hiv", "plain", "psy"]
    assert seen(sql, replace(DOCTOR, sight=Sight("*"))) == ["plain"]
    assert seen('SELECT DISTINCT key FROM record."Observation_date"', replace(DOCTOR, sight=Sight("*"))) == seen(
        "SELECT key FROM record.\"Observation\" WHERE id = 'plain'", SYSTEM
    )


def test_a_label_stays_on_the_versions_that_had_it() -> None:
    here = replace(SYSTEM, facility="here")
    api.create(here, observation("o", "pang", meta=secret("HIV")))
    api.update(here, observation("o", "pang"))
    nobody = replace(DOCTOR, sight=Sight("*"))
    assert [one.meta.versionId for one in api.history(nobody, "Observation", "o") if one.meta] == ["2"]
    assert [one.meta.versionId for one in api.history(SYSTEM, "Observation", "o") if one.meta] == ["2", "1"]


@pytest.mark.usefixtures("people")
def test_what_does_not_exist_is_neither_read_nor_changed_nor_free() -> None:
    with pytest.raises(NotFound):
        api.read(DOCTOR, "Observation", "of-tam")
    with pytest.raises(NotFound):
        api.update(DOCTOR, observation("of-tam", "pang"))
    with pytest.raises(NotFound):
        api.delete(DOCTOR, "Observation", "of-tam")
    assert [one.id for one in api.search(DOCTOR, "Observation", "").resources] == ["of-pang"]
    assert api.search(DOCTOR, "Patient", "_has:Observation:patient:status=final").resources[0].id == "pang"
    found = api.read(SYSTEM, "Observation", "of-tam")
    assert found.meta is not None
    assert found.meta.versionId == "2"


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE record.\"Observation\" SET body = 'x'",
        'DELETE FROM record."Observation"',
        'DELETE FROM record."Observation_history"',
        'DELETE FROM record."Observation_date"',
        "UPDATE record.resource SET deleted = true",
        "DELETE FROM record.feed",
        "UPDATE record.audit SET account = 'x'",
        "DELETE FROM record.audit",
    ],
)
@pytest.mark.usefixtures("people")
def test_statements_without_conditions_reach_only_what_exists(sql: str) -> None:
    other = replace(DOCTOR, facility="nowhere", sight=Sight("", "*", ("Organization/nowhere",)))
    enter(other)
    with connection.cursor() as cursor:
        cursor.execute(sql)
        assert cursor.rowcount == 0


@pytest.mark.usefixtures("people")
def test_nobody_changes_the_access_log_and_nobody_writes_for_others() -> None:
    enter(replace(SYSTEM, account="other"))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE record.audit SET account = 'x'")
        assert cursor.rowcount == 0
    enter(DOCTOR)
    stolen = """INSERT INTO record."Observation" (type, id, shard, version, updated, patient, custodian, tokens, body)
        VALUES ('Observation', 'x', 'tam', 1, now(), 'tam', 'there', '{}', '{}')"""
    with pytest.raises(Exception, match="row-level security"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(stolen)


NURSE = replace(DOCTOR, sight=Sight("*", elsewhere="Patient Task", closed="Organization"))
"""Sees every Observation, also those of `there`, and changes those of `here`."""
CHANGES = [
    *(f'UPDATE record."Observation" SET {change} WHERE id = %s' for change in ("deleted = true", "custodian = 'here'")),
    'DELETE FROM record."Observation" WHERE id = %s',
    "UPDATE record.resource SET body = 'x' WHERE type = 'Observation' AND id = %s",
    "UPDATE record.\"Observation_history\" SET body = 'x' WHERE id = %s",
    "DELETE FROM record.history WHERE type = 'Observation' AND id = %s",
]


@pytest.mark.parametrize("sql", CHANGES)
@pytest.mark.usefixtures("people")
def test_what_another_facility_answers_for_no_statement_changes(sql: str) -> None:
    rows = """SELECT row(id, version, custodian, deleted, body)::text FROM record."Observation" UNION ALL
        SELECT row(id, version, custodian, deleted, body)::text FROM record."Observation_history\""""
    before = seen(rows, SYSTEM)
    enter(NURSE)
    with connection.cursor() as cursor:
        cursor.execute('SELECT id FROM record."Observation" FOR UPDATE')
        assert sorted(cursor.fetchall()) == [("of-pang",), ("of-tam",)]
        with pytest.raises(ProgrammingError, match="Observation"), transaction.atomic():
            cursor.execute(sql, ["of-tam"])
        assert seen(rows, SYSTEM) == before
        enter(NURSE)
        cursor.execute(sql, ["of-pang"])
        assert cursor.rowcount == 1


@pytest.mark.parametrize("change", ["DELETE FROM record.feed", "UPDATE record.feed SET change = 'x'"])
@pytest.mark.usefixtures("people")
def test_nobody_rewrites_the_feed(change: str) -> None:
    enter(NURSE)
    with pytest.raises(ProgrammingError, match="feed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)
    assert len(seen("SELECT position FROM record.feed", SYSTEM)) == 6


def test_types_that_go_between_facilities_and_those_that_a_desk_does_not_write() -> None:
    there = replace(SYSTEM, facility="there")
    api.create(there, r4.Patient(id="tam"))
    api.create(there, r4.Organization(id="there", name="x"))
    enter(NURSE)
    copied = "type, id || 'x', shard, 1, now(), patient, custodian, tokens, body"
    insert = f"""INSERT INTO record.resource (type, id, shard, version, updated, patient, custodian, tokens, body)
        SELECT {copied} FROM record.resource WHERE type = %s"""
    with connection.cursor() as cursor:
        cursor.execute('UPDATE record."Patient" SET version = 2')
        assert cursor.rowcount == 1
        cursor.execute(insert, ["Patient"])
        for sql in ("UPDATE record.resource SET version = 2 WHERE type = %s", insert):
            with pytest.raises(ProgrammingError, match="Organization"), transaction.atomic():
                cursor.execute(sql, ["Organization"])
    assert seen('SELECT id || version FROM record."Organization"', SYSTEM) == ["there1"]


def test_a_binary_follows_the_document_of_another_facility() -> None:
    scan = r4.Binary(id="scan", contentType="text/plain", securityContext=to("DocumentReference/d"))
    api.create(replace(SYSTEM, facility="there"), scan)
    nurse = replace(NURSE, sight=Sight("*", elsewhere=""))
    attached = [r4.DocumentReferenceContent(attachment=r4.Attachment(title="x"))]
    document = r4.DocumentReference(id="d", status="current", subject=to("Patient/pang"), content=attached)
    api.put_many(nurse, [document])
    owners = 'SELECT patient || custodian FROM record."Binary"'
    assert seen(owners, SYSTEM) == ["panghere"]
    with connection.cursor() as cursor:
        enter(nurse)
        cursor.execute("SELECT record.follow('{}', '{}', '{}', '{}'), current_setting('tuetinh.elsewhere')")
        assert cursor.fetchone() == ("", "  ")


@pytest.mark.usefixtures("people")
def test_a_rollback_makes_nobody_somebody_else() -> None:
    outsider = Asker("2", "outsider", scopes=ALL)
    enter(outsider)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        assert len(api.search(SYSTEM, "Observation", "").resources) == 2
        raise ZeroDivisionError
    assert api.search(outsider, "Observation", "").resources == []
    assert len(api.search(SYSTEM, "Observation", "").resources) == 2


def test_every_table_of_the_record_is_closed() -> None:
    """A new table is closed too, or stands in `owner.OF_NOBODY` because it says nothing of a person."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT relname FROM pg_class WHERE relnamespace = 'record'::regnamespace AND relkind IN ('r', 'p')
            AND NOT (relrowsecurity AND relforcerowsecurity)"""
        )
        assert {name for (name,) in cursor.fetchall()} == owner.OF_NOBODY
    assert owner.examine() == (True, "forced on every table that says something of a person")


OPEN_TO_THE_NODE = {
    "Django's own, and the queue of jobs, whose arguments are ids": "auth_ axes_ django_ procrastinate_",
    "accounts, rules and sessions, which are read before anybody is known": "access_",
    "lists, prices and words that are the same for everybody": "catalogues_ documents_ forms_ messages_ decision_",
    "words that names are made of, and pairs under review by the records office alone": "identity_",
    "of facilities: money, stocks, machines, statistics and what hangs on a closed bill, tube or claim":
        "billing_ insurance_ lab_ imaging_ reception_ clinic_ pharmacy_ ward_ sync_",
    "openings and wrong tries of a closed share": "portal_",
    "duties of data protection, read by their officers": "privacy_",
}  # fmt: skip
"""Tables of the modules that have no row policy yet, by why."""


def test_every_other_table_is_closed_or_stands_here() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT relname, relrowsecurity AND relforcerowsecurity FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"""
        )
        tables = dict(cursor.fetchall())
    assert {name for name, closed in tables.items() if closed} == set(owner.CLOSED)
    begins = tuple(" ".join(OPEN_TO_THE_NODE.values()).split())
    assert [name for name, closed in tables.items() if not closed and not name.startswith(begins)] == []


@pytest.mark.parametrize("table", ["relation", "denial"])
def test_relations_and_what_is_forbidden_are_for_who_is_told(table: str) -> None:
    relate("pang", "Organization/here")
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO record.denial VALUES ('tam', 'there', '', 'c1')")
    assert seen(f"SELECT patient FROM record.{table}", SYSTEM) != []
    assert seen(f"SELECT patient FROM record.{table}", None) == []


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("word", ["Yes", "true", "", "no", "1"])
def test_everything_is_for_the_exact_word(word: str) -> None:
    enter(Asker("2", "outsider", scopes=ALL))
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('tuetinh.everything', %s, true)", [word])
        for table in ("resource", "history", "feed", '"Observation"', '"Observation_date"', "audit"):
            cursor.execute(f"SELECT count(*) FROM record.{table}")
            assert cursor.fetchone() == (0,), table


def test_a_table_that_was_opened_is_told() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE identity_number NO FORCE ROW LEVEL SECURITY")
        assert owner.examine() == (False, "off at identity_number")
        cursor.execute("ALTER TABLE identity_number FORCE ROW LEVEL SECURITY")
        cursor.execute('ALTER TABLE record."Observation" DISABLE TRIGGER answers')
        assert owner.examine() == (False, 'off at record."Observation"')
        cursor.execute('ALTER TABLE record."Observation" ENABLE TRIGGER answers')
        cursor.execute("DROP POLICY door ON record.feed")
        cursor.execute("CREATE POLICY door ON record.feed USING (current_setting('tuetinh.everything', true) <> 'no')")
        assert owner.examine() == (False, "off at record.feed")
        transaction.set_rollback(True)


def test_a_login_that_passes_by_policies_is_bound() -> None:
    """Sessions of a superuser act as the role that owns the tables, from their first statement."""
    with psycopg.connect(**connection.get_connection_params()) as conn:
        assert conn.execute("SELECT current_user").fetchone() == ("tuetinh_node",)
        assert conn.execute("SELECT count(*) FROM record.resource").fetchone() == (0,)
