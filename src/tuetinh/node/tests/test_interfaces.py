"""What `/fhir/openapi.json` describes is what there is, and a change of it shows in `docs/api.md`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.test import Client
from django.urls import resolve

from tuetinh.node import interfaces
from tuetinh.record import operations
from tuetinh.record.door import openapi
from tuetinh.record.door.routes import ROUTES
from tuetinh.record.r4 import RESOURCES
from tuetinh.record.search import params

LIST = Path(__file__).resolve().parents[4] / "docs" / "api.md"
METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(autouse=True)
def _as_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(params, "_added", [params.Added()])


@pytest.fixture
def document() -> dict[str, Any]:
    interfaces.describe()
    made: dict[str, Any] = msgspec.json.decode(openapi.document())
    return made


def test_the_list_in_the_documentation_is_of_today() -> None:
    assert interfaces.listed() == LIST.read_text(encoding="utf-8"), "`make interfaces` renews it"


def test_every_interaction_and_operation_is_described(document: dict[str, Any]) -> None:
    paths = document["paths"]
    for route in ROUTES:
        for type_ in RESOURCES.keys() - {"AuditEvent"} if route.shape == "/{type}" else [""]:  # which is not written
            path = "/fhir" + route.shape.replace("{type}", type_ or "{type}").rstrip("/")
            assert route.method.lower() in paths[path], path
    called = {path.rpartition("$")[2] for path in paths if "$" in path}
    assert called == {one.name for one in operations.known()}


def test_references_lead_somewhere_and_names_are_unique(document: dict[str, Any]) -> None:
    def walk(here: Any) -> None:
        for key, value in here.items() if isinstance(here, dict) else enumerate(here):
            if key == "$ref":
                _, *steps = value.split("/")
                found = document
                for step in steps:
                    found = found[step]
            elif isinstance(value, (dict, list)):
                walk(value)

    walk(document)
    names = [one["operationId"] for item in document["paths"].values() for m, one in item.items() if m in METHODS]
    assert len(names) == len(set(names))


@pytest.mark.django_db
def test_interfaces_beside_fhir_are_where_they_are_described() -> None:
    for path, item in interfaces.PATHS.items():
        if path != "/healthz":
            resolve(path.replace("{id}", "patient-view"))
            for method in METHODS:
                refused = Client().generic(method.upper(), path.replace("{id}", "none")).status_code == 405
                assert refused == (method not in item), f"{method} {path}"
