"""A view gives the same rows inside PostgreSQL as in memory."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuetinh.record import views
from tuetinh.record.conformance.sql_on_fhir import _canonical
from tuetinh.record.errors import Unprocessable
from tuetinh.record.views import source, sql

decode = msgspec.json.Decoder(float_hook=Decimal).decode
encode = msgspec.json.Encoder(decimal_format="number").encode

# What has no exact form in SQL: several names compared with one, dates and times, sums, keys that are compared.
NOT_COMPILED = 11


def in_postgresql(view: views.View, resources: list[Any]) -> list[tuple[Any, ...]]:
    """The rows of a view over resources that stand in the statement itself."""
    fitting = [each for each in resources if each["resourceType"] == view.resource]
    made = "SELECT o AS key, '' AS id, NULL AS patient, d AS doc FROM unnest(%s::jsonb[]) WITH ORDINALITY AS u(d, o)"
    with connection.cursor() as cursor:
        cursor.execute(sql.statement(view, made), [[encode(each).decode() for each in fitting]])
        return [source._row(view, row) for _, _, _, row in cursor.fetchall() if row is not None]


@pytest.mark.django_db
def test_the_suite_gives_the_same_rows_both_ways(shared: Path) -> None:
    compiled = passed_over = 0
    for path in sorted((shared / "data/fhir/sql_on_fhir").glob("*.json")):
        suite = decode(path.read_bytes())
        for test in suite.get("tests", []):
            try:
                view = views.read(test["view"])
            except views.ViewError:
                continue
            try:
                found = in_postgresql(view, suite["resources"])
            except sql.Uncompiled:
                passed_over += 1
                continue
            except Unprocessable:
                assert test.get("expectError"), test["title"]
                continue
            wanted = list(views.rows(view, suite["resources"]))
            compiled += 1
            assert sorted(_canonical(list(row)) for row in found) == sorted(_canonical(list(row)) for row in wanted), (
                f"{path.stem}: {test['title']}"
            )
    assert compiled > 55
    assert passed_over <= NOT_COMPILED


@pytest.mark.django_db
def test_a_row_of_nothing_has_the_index_zero_both_ways() -> None:
    column = [{"name": "place", "path": "%rowIndex"}, {"name": "family", "path": "family"}]
    below = [{"column": [{"name": "again", "path": "%rowIndex"}]}, {"forEachOrNull": "given", "column": [
        {"name": "below", "path": "%rowIndex"}]}]  # fmt: skip
    select = [
        {"column": [{"name": "id", "path": "id"}]},
        {"forEachOrNull": "name", "column": column, "select": below},
    ]
    view = views.read({"resource": "Patient", "select": select})
    people = [
        {"resourceType": "Patient", "id": "a", "name": [{"family": "An"}, {"given": ["Ba", "Hoa"]}]},
        {"resourceType": "Patient", "id": "b"},
    ]
    wanted = [("a", 0, "An", 0, 0), ("a", 1, None, 1, 0), ("a", 1, None, 1, 1), ("b", 0, None, 0, None)]
    assert list(views.rows(view, people)) == wanted
    assert in_postgresql(view, people) == wanted


NAMES = st.fixed_dictionaries(
    {},
    optional={
        "use": st.sampled_from(["official", "usual"]),
        "family": st.sampled_from(["Nguyễn", "Trần", "%s", "a'b\\"]),
        "given": st.lists(st.sampled_from(["An", "Ba", "Hoa"]), min_size=1, max_size=3),
        "period": st.just({"start": "2020-01-01"}),
    },
).filter(bool)
PEOPLE = st.fixed_dictionaries(
    {"resourceType": st.just("Patient"), "id": st.sampled_from(["p1", "p2"])},
    optional={
        "active": st.booleans(),
        "gender": st.sampled_from(["male", "female"]),
        "birthDate": st.just("1990-01-02"),
        "_birthDate": st.just({"extension": [{"url": "http://x.test/e", "valueCode": "c"}]}),
        "name": st.lists(NAMES, min_size=1, max_size=3),
        "contact": st.lists(st.fixed_dictionaries({"name": NAMES}), min_size=1, max_size=2),
        "multipleBirthInteger": st.integers(1, 3),
        "extension": st.just([{"url": "http://x.test/e", "valueString": "s"}, {"url": "http://x.test/f"}]),
        "generalPractitioner": st.just([{"reference": "Practitioner/d1"}]),
        "managingOrganization": st.sampled_from([{"reference": "Organization/o1"}, {"display": "o"}]),
    },
)
CONDITIONS = st.recursive(
    st.sampled_from(
        [
            *("active", "active = true", "gender = 'male'", "gender != 'male'", "name.exists()", "birthDate.empty()"),
            *(
                "name.exists(use = 'official')",
                "name.where(family = 'a\\'b\\\\').empty()",
                "multipleBirth.as(integer) > 1",
            ),
            *("name[0].use = 'usual'", "contact.name.given.exists()", "name.given.first().exists()", "%c = gender"),
            *("extension('http://x.test/e').value.ofType(string).exists()", "nothing.exists()", "name.family = 'Trần'"),
        ]
    ),
    lambda parts: st.one_of(
        parts.map(lambda part: f"({part}).not()"),
        st.builds("({} {} {})".format, parts, st.sampled_from(["and", "or", "implies"]), parts),
    ),
    max_leaves=4,
)
PATHS = st.one_of(
    CONDITIONS,
    st.sampled_from(
        [
            *("id", "gender", "birthDate", "active", "'it\\'s'", "1.50", "%rowIndex", "%c", "getResourceKey()", "name"),
            *("name.family", "name.given", "name[0].given", "name[1].family", "name.first().given.first()", "given"),
            *(
                "name.where(use = 'official').family",
                "name.where(use = 'usual').first().given",
                "contact.name.given.first()",
            ),
            *("name.given.join(', ')", "contact[0].name.family", "multipleBirth.ofType(integer)", "nothing.here"),
            *(
                "managingOrganization.getReferenceKey()",
                "managingOrganization.getReferenceKey(Patient)",
                "family",
                "use",
            ),
            *("extension('http://x.test/e').value.ofType(string)", "period.start", "$this.gender", "Patient.gender"),
        ]
    ),
)
EACH = st.sampled_from(
    ["name", "name.given", "contact.name", "name.where(use = 'official')", "name.first()", "nothing"]
)


def selections(names: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Selections whose columns take their names from the iterator."""
    column = st.builds(
        lambda path, collection: {"name": f"c{next(names)}", "path": path, "collection": collection},
        PATHS,
        st.booleans(),
    )
    own = st.fixed_dictionaries(
        {"column": st.lists(column, min_size=1, max_size=2)}, optional={"forEach": EACH}
    ) | st.fixed_dictionaries({"column": st.lists(column, min_size=1, max_size=2), "forEachOrNull": EACH})
    return st.builds(lambda outer, inner: outer | ({"select": inner} if inner else {}), own, st.lists(own, max_size=2))


VIEWS = st.deferred(
    lambda: st.builds(
        lambda select, where: {
            "resource": "Patient",
            "constant": [{"name": "c", "valueCode": "male"}],
            "select": select,
            "where": [{"path": path} for path in where],
        },
        st.lists(selections(count()), min_size=1, max_size=2),
        st.lists(CONDITIONS, max_size=1),
    )
)


def outcome(make: Any) -> list[str] | str:
    """The rows, in no order; or that the view cannot be run over this data."""
    try:
        return sorted(_canonical(list(row)) for row in make())
    except (views.ViewError, Unprocessable):
        return "refused"


@pytest.mark.django_db
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(VIEWS, st.lists(PEOPLE, max_size=3))
def test_any_view_gives_the_same_rows_both_ways(definition: dict[str, Any], people: list[dict[str, Any]]) -> None:
    view = views.read(definition)
    try:
        sql.statement(view, "SELECT 1")
    except sql.Uncompiled:
        return
    assert outcome(lambda: in_postgresql(view, people)) == outcome(lambda: views.rows(view, people))
