"""Requests that schemathesis makes from `/fhir/openapi.json`: each answer is as described there, none a fault of ours.

The short run asks a few types, the same each time; `make fuzz` asks everything.
"""

from __future__ import annotations

import re
from typing import Any

import httpx
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tuetinh.record.door import openapi
from tuetinh.record.tests import fuzz

# schemathesis names its requests by chance
pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:Do not use the `random` module")]
CHECKS: Any = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
LONG = settings.get_current_profile_name() == "long"
TYPED = re.compile(r"/fhir/([A-Z][A-Za-z]+)(/|$)")


def described() -> list[Any]:
    """The operations of FHIR; of the types that have paths of their own, a few in the short run."""
    schema = schemathesis.openapi.from_dict(msgspec.json.decode(openapi.document()))
    found = [result.ok() for result in schema.get_all_operations()]
    here = [one for one in found if one.path.startswith("/fhir")]
    return [one for one in here if LONG or not (m := TYPED.match(one.path)) or m[1] in fuzz.KINDS[:2]]


OPERATIONS = described()


def send(fhir: Any, case: Case) -> httpx.Response:
    asked = case.as_transport_kwargs(base_url="http://record.test")
    asked["headers"] = {**asked["headers"], "authorization": "Bearer system"}
    if isinstance(asked.get("data"), bytes):
        asked["content"] = asked.pop("data")
    del asked["cookies"]
    answer: httpx.Response = fhir.send(asked.pop("method"), asked.pop("url").partition("/fhir")[2], **asked)
    return answer


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method.upper()} {one.path}")
def test_answers_are_as_described(fhir: Any, operation: Any) -> None:
    @given(case=operation.as_strategy())
    @settings(
        max_examples=100 if LONG else 4, derandomize=not LONG, deadline=None, suppress_health_check=list(HealthCheck)
    )
    def ask(case: Case) -> None:
        case.validate_response(send(fhir, case), checks=CHECKS)

    ask()


def test_it_is_open_to_everyone(fhir: Any) -> None:
    answer = fhir.get("/openapi.json", "nobody")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == openapi.document()
    assert fhir.send("POST", "/openapi.json", "nobody").status_code == 405


@pytest.mark.parametrize(
    ("method", "path", "named"),
    [
        ("put", "/fhir/{type}/{id}", {"If-Match", "If-None-Match", "Prefer"}),
        ("put", "/fhir/Patient", {"If-Match", "If-None-Match", "Prefer", "other"}),
        ("patch", "/fhir/{type}/{id}", {"If-Match", "Prefer"}),
        ("get", "/fhir/_history", {"_at", "_count", "_elements", "_since", "_summary"}),
        ("get", "/fhir/{type}/{id}/_history/{version}",
         {"_elements", "_summary", "If-None-Match", "If-Modified-Since"}),
        ("get", "/fhir/AuditEvent/{id}", {"_elements", "_summary", "If-None-Match", "If-Modified-Since"}),
    ],
)  # fmt: skip
def test_what_an_interaction_takes_beside_its_place_is_described(method: str, path: str, named: set[str]) -> None:
    described = msgspec.json.decode(openapi.document())["paths"][path][method]
    names = {one["$ref"].rpartition("/")[2] for one in described["parameters"]}
    assert names - {"type", "id", "version"} == named
