"""A view gives the same rows inside PostgreSQL as in memory."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.db import connection

from tuetinh.record import views
from tuetinh.record.conformance.sql_on_fhir import _canonical
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
            except views.ViewError:
                assert test.get("expectError"), test["title"]
                continue
            wanted = list(views.rows(view, suite["resources"]))
            compiled += 1
            assert sorted(_canonical(list(row)) for row in found) == sorted(_canonical(list(row)) for row in wanted), (
                f"{path.stem}: {test['title']}"
            )
    assert compiled > 55
    assert passed_over <= NOT_COMPILED
