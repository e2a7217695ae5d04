"""A view over the record is written to a file in every format, for those who may see it; the access log tells of it."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from django.db import connection

from tuetinh.record import api, r4
from tuetinh.record.errors import Forbidden, Unprocessable
from tuetinh.record.tests.conftest import CAST
from tuetinh.record.views import output, source

pytestmark = pytest.mark.django_db

VIEW: dict[str, Any] = {
    "resource": "Observation",
    "select": [
        {
            "column": [
                {"name": "patient", "path": "subject.getReferenceKey(Patient)", "type": "string"},
                {"name": "value", "path": "value.ofType(Quantity).value", "type": "decimal"},
                {"name": "codes", "path": "code.coding.code", "type": "code", "collection": True},
                {"name": "on", "path": "effective.ofType(dateTime)", "type": "dateTime"},
            ]
        }
    ],
}


@pytest.fixture
def patient() -> r4.Patient:
    return api.create(api.SYSTEM, r4.Patient(gender="female"))


@pytest.fixture
def glucose(patient: r4.Patient) -> r4.Observation:
    observation = r4.Observation(
        status="final",
        code=r4.CodeableConcept(coding=[r4.Coding(code="2339-0"), r4.Coding(code="GLU")]),
        subject=api.ref(patient),
        effectiveDateTime="2026-01",
        valueQuantity=r4.Quantity(value=Decimal("5.10")),
    )
    return api.create(api.SYSTEM, observation)


def written(form: str, asker: Any = api.SYSTEM, definition: Any = None) -> bytes:
    out = io.BytesIO()
    api.export_view(asker, definition or VIEW, form, out)
    return out.getvalue()


def wanted(patient: r4.Patient, value: Any) -> dict[str, Any]:
    return {"patient": f"Patient/{patient.id}", "value": value, "codes": ["2339-0", "GLU"], "on": "2026-01"}


def test_ndjson_and_json_keep_every_digit(patient: r4.Patient, glucose: r4.Observation) -> None:
    data = written("ndjson")
    assert b'"value":5.10' in data
    rows = [json.loads(line) for line in data.splitlines()]
    assert wanted(patient, 5.1) in rows
    assert json.loads(written("json")) == rows


def test_csv_writes_collections_as_json(patient: r4.Patient, glucose: r4.Observation) -> None:
    rows = list(csv.reader(io.StringIO(written("csv").decode())))
    assert rows[0] == ["patient", "value", "codes", "on"]
    assert [f"Patient/{patient.id}", "5.10", '["2339-0","GLU"]', "2026-01"] in rows


def test_parquet_is_read_by_duckdb(patient: r4.Patient, glucose: r4.Observation, tmp_path: Path) -> None:
    file = tmp_path / "observations.parquet"
    file.write_bytes(written("parquet"))
    query = 'SELECT value, codes, "on" FROM read_parquet($file) WHERE patient = $patient'
    with duckdb.connect() as duck:
        found = duck.execute(query, {"file": str(file), "patient": f"Patient/{patient.id}"}).fetchall()
    assert found == [(Decimal("5.10"), ["2339-0", "GLU"], "2026-01")]


def test_every_format_has_an_empty_form() -> None:
    view = VIEW | {"where": [{"path": "status = 'unknown'"}]}
    for form in output.MEDIA:
        assert isinstance(written(form, definition=view), bytes)
    assert written("csv", definition=view) == b"patient,value,codes,on\r\n"
    assert json.loads(written("json", definition=view)) == []


def test_only_what_changed_since(glucose: r4.Observation) -> None:
    out = io.BytesIO()
    api.export_view(api.SYSTEM, VIEW, "ndjson", out, since="2999-01-01T00:00:00Z")
    assert out.getvalue() == b""


def test_pages_are_smaller_where_resources_give_many_rows(patient: r4.Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [r4.HumanName(family=str(place)) for place in range(10)]
    for _ in range(30):
        api.create(api.SYSTEM, r4.Patient(name=names))
    view = {"resource": "Patient", "select": [{"forEach": "name", "column": [{"name": "f", "path": "family"}]}]}
    whole = sorted(written("csv", definition=view).splitlines())
    assert len(whole) > 300
    for path in ("family", "family.substring(0)"):
        view["select"] = [{"forEach": "name", "column": [{"name": "f", "path": path}]}]
        monkeypatch.setattr(source, "_MOST_ROWS", 210)
        assert sorted(written("csv", definition=view).splitlines()) == whole
        monkeypatch.setattr(source, "_MOST_ROWS", 5)
        with pytest.raises(Unprocessable):
            written("csv", definition=view)


def test_an_outsider_writes_nothing(glucose: r4.Observation) -> None:
    out = io.BytesIO()
    with pytest.raises(Forbidden):
        api.export_view(CAST["outsider"], VIEW, "ndjson", out)
    assert out.getvalue() == b""


def test_a_view_that_is_none_is_refused() -> None:
    with pytest.raises(Unprocessable):
        written("ndjson", definition={"resource": "Observation", "select": []})


def test_the_access_log_names_each_patient_once(patient: r4.Patient, glucose: r4.Observation) -> None:
    written("ndjson", CAST["doctor"])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM record.audit WHERE account = 'doctor' AND action = 'export' AND patient = %s",
            [patient.id],
        )
        assert cursor.fetchone() == (1,)
