"""Hot searches are answered by their indexes, over some thousand resources that the planner has counted."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.db import connection, transaction

from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.search import parse
from tuetinh.record.search import run as searching
from tuetinh.record.search.compile import count_statement, page_statements
from tuetinh.record.search.conditions import FollowedBy, Follows, Has, Linked
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.steps import run

pytestmark = pytest.mark.django_db
TYPES = ("Patient", "Encounter", "Observation")
UCUM = "http://unitsofmeasure.org"
ASKED = ("denial", "relation")
"""What the row policies ask; a table may be so small that it is read whole."""
CITIZEN = Asker("c", "citizen", scopes=frozenset({"patient/*.rs"}), patient="p", sight=EVERYTHING)


@pytest.fixture(scope="module", autouse=True)
def province(emptied: None) -> None:
    """Tables large enough for an index to be worth it."""
    for _ in api.load(SYSTEM, resources()):
        pass
    api.analyze(TYPES)


def resources() -> Iterator[r4.Resource]:
    for n in range(3000):
        day = f"{1940 + n % 80}-{n % 12 + 1:02}-{n % 28 + 1:02}"
        subject, when = r4.Reference(reference=f"Patient/plan-{n}"), f"20{n % 20 + 10}-{n % 12 + 1:02}-{n % 28 + 1:02}"
        name = r4.HumanName(family=f"Ho{n % 97}", given=[f"Ten{n % 211}"])
        yield r4.Patient(id=f"plan-{n}", name=[name], birthDate=day, gender=("male", "female")[n % 2])
        yield r4.Encounter(
            id=f"plan-{n}",
            status="finished",
            class_=r4.Coding(code="AMB"),
            subject=subject,
            period=r4.Period(start=when, end=when),
        )
        yield r4.Observation(
            id=f"plan-{n}",
            status="final",
            code=r4.CodeableConcept(coding=[r4.Coding(system="http://loinc.org", code=f"{n % 300}-1")]),
            subject=subject,
            encounter=r4.Reference(reference=f"Encounter/plan-{n}"),
            effectiveDateTime=when,
            valueQuantity=r4.Quantity(value=Decimal(n) / 10, unit="mg", system=UCUM, code="mg"),
        )


def plan(asker: Asker, type_: str, query: str) -> tuple[set[str], set[str]]:
    """Return the index names and the node types of the plan of a first page."""
    search, problems = parse.parse(type_, query)
    assert problems == []
    sql, params = page_statements(asker, search, None)[0]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_sort = off" if "_sort" in query else "SET LOCAL enable_mergejoin = off")
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", [*params, 51])
        (found,) = cursor.fetchone()
    nodes = [found[0]["Plan"] if isinstance(found, list) else json.loads(found)[0]["Plan"]]
    indexes, kinds = set(), set()
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", ())
        if node.get("Relation Name") not in ASKED:
            kinds.add(node["Node Type"])
        if "Index Name" in node:
            indexes.add(node["Index Name"])
    return indexes, kinds


@pytest.mark.parametrize(
    ("asker", "type_", "query", "index"),
    [
        (SYSTEM, "Observation", "patient=p&code=http://loinc.org|718-7", "Observation_tokens_idx"),
        (SYSTEM, "Observation", "patient=p&_sort=-date", "Observation_tokens_idx"),
        (SYSTEM, "Patient", "identifier=urn:x|1", "Patient_tokens_idx"),
        (SYSTEM, "Patient", "name=lo", "Patient_string_param_norm_key_idx"),
        (SYSTEM, "Patient", "birthdate=1980-05-13", "Patient_date_param_"),
        (SYSTEM, "Encounter", "date=gt2029-12-20", "Encounter_date_param_high_key_idx"),
        (SYSTEM, "Observation", "value-quantity=5.4", "Observation_number_param_low_key_idx"),
        (SYSTEM, "Observation", "_sort=-date", "Observation_date_param_low_key_idx"),
        (SYSTEM, "Observation", "_sort=-_lastUpdated", "Observation_updated_key_idx"),
        (SYSTEM, "Observation", "_id=x", "Observation_pkey"),
        (CITIZEN, "Observation", "", "Observation_patient_key_idx"),
        (SYSTEM, "Observation", "patient=p&_sort=code", "Observation_tokens_idx"),
        (SYSTEM, "Observation", "component-code-value-quantity=l|8480-6$gt140", "Observation_number_param_low_key_idx"),
        (SYSTEM, "Observation", f"value-quantity=5|{UCUM}|mg", "Observation_number_"),
        (SYSTEM, "Observation", f"value-quantity=gt299|{UCUM}|mg", "Observation_number_param_base_base_high_key_idx"),
    ],
)
def test_hot_searches_use_their_index(asker: Asker, type_: str, query: str, index: str) -> None:
    indexes, kinds = plan(asker, type_, query)
    assert any(name.startswith(index) for name in indexes), indexes
    assert "Seq Scan" not in kinds


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("patient=plan-{}&code=http://loinc.org|{}-1", [True]),
        ("patient=plan-{}&_sort=-date", [True]),
        ("patient=plan-{},Patient/none&status=final", [True]),
        ("code=http://loinc.org|{}-1", []),
        ("patient=plan-{}&date=ge2000", []),
    ],
)
def test_what_few_are_sure_to_have_is_found_by_a_plan_that_is_kept(query: str, kept: list[bool]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
        for n in range(8):
            search, problems = parse.parse("Observation", query.replace("{}", str(n)))
            assert problems == []
            found = run(SYSTEM, searching.search(SYSTEM, search, secret=b"x"))
            assert f"plan-{n}" in [hit.id for hit in found.hits]
        cursor.execute("SELECT generic_plans > 0 FROM pg_prepared_statements WHERE statement LIKE 'SELECT r.type%'")
        assert [row[0] for row in cursor.fetchall()] == kept


def test_one_containment_for_all_tokens_and_one_range_for_one_date() -> None:
    search, _ = parse.parse("Observation", "patient=p&code=a&category=b&date=ge2024&date=lt2025")
    sql, params = count_statement(SYSTEM, search)
    assert sql.count("@>") == 1
    assert sql.count("EXISTS") == 1
    assert params[0].count(",") == 2


def test_a_code_within_a_time_is_read_from_the_end_of_that_time() -> None:
    """Until the page is full, with what lasts long merged in: not all of the time, and nothing from before it."""
    search, _ = parse.parse("Observation", "code=7-1&date=ge2012-02-01&date=lt2029")
    (sql, params), *others = page_statements(SYSTEM, search, None)
    assert not others
    with transaction.atomic(), connection.cursor() as cursor:
        for way in ("sort", "bitmapscan", "hashjoin", "mergejoin"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(f"EXPLAIN {sql}", [*params, 51])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    lines = plan.splitlines()
    assert "Merge Append" in plan
    scan, *_ = [n for n, line in enumerate(lines) if 'Backward using "Observation_date_param_low_key_idx"' in line]
    assert "low > " in lines[scan + 1], plan
    assert "low < " in lines[scan + 1], plan


def test_nothing_of_the_client_is_in_the_statement() -> None:
    mark = "zzz"
    query = f"code={mark}|{mark}&value-string={mark}&subject=Patient/{mark}&_id={mark}&value-quantity=1||{mark}"
    search, problems = parse.parse("Observation", query)
    assert problems == []
    assert all(mark not in sql for sql, _ in page_statements(SYSTEM, search, None))


@pytest.mark.parametrize(
    ("type_", "query", "index"),
    [
        ("Observation", "patient.gender=female", "Patient_pkey"),
        ("Observation", "encounter.class=AMB", "Encounter_pkey"),
        ("Patient", "_has:Observation:patient:code=718-7", "Observation_tokens_idx"),
        ("Encounter", "_has:Observation:encounter:status=final", "Observation_tokens_idx"),
    ],
)
def test_chains_over_many_are_looked_up_for_each_row(type_: str, query: str, index: str) -> None:
    search, problems = parse.parse(type_, query)
    assert problems == []
    (condition,) = search.conditions
    if isinstance(condition, Linked):
        ((target, inner),) = condition.targets
        many: Follows | FollowedBy = Follows(condition.param, target, inner)
    else:
        assert isinstance(condition, Has)
        many = FollowedBy(condition.source, condition.param, condition.condition)
    sql, params = page_statements(SYSTEM, dataclasses.replace(search, conditions=(many,)), None)[0]
    with transaction.atomic(), connection.cursor() as cursor:
        unwanted = ("seqscan", "hashjoin", "mergejoin", *(("bitmapscan", "material") if "pkey" in index else ()))
        for way in unwanted:
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(f"EXPLAIN {sql}", [*params, 51])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert index in plan
    assert "Seq Scan" not in plan
