"""$diff says what changed; applied to the older version it gives the newer one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tuetinh.record import formats
from tuetinh.record.patch import FHIRPATH_PATCH, Patch, apply
from tuetinh.record.patch.difference import difference
from tuetinh.record.validate import check

TEXT = st.sampled_from(["a", "b", "c", "d"])
NAME = st.fixed_dictionaries({}, optional={"family": TEXT, "given": st.lists(TEXT, min_size=1, max_size=4)})
PATIENT = st.fixed_dictionaries(
    {"resourceType": st.just("Patient")},
    optional={
        "gender": TEXT,
        "_gender": st.just({"extension": [{"url": "http://x.test", "valueCode": "a"}]}),
        "name": st.lists(NAME.filter(bool), min_size=1, max_size=4),
        "contact": st.lists(st.fixed_dictionaries({"name": NAME.filter(bool)}), min_size=1, max_size=3),
        "deceasedBoolean": st.booleans(),
        "maritalStatus": st.fixed_dictionaries({"text": TEXT}),
    },
)


def check_diff(one: dict[str, Any], other: dict[str, Any]) -> None:
    patch = difference(json.dumps(one).encode(), json.dumps(other).encode())
    assert check(patch)[0] is not None, patch
    assert json.loads(apply(json.dumps(one).encode(), Patch(FHIRPATH_PATCH, patch))) == other, patch


@given(PATIENT, PATIENT)
@settings(max_examples=400, deadline=None)
def test_the_difference_leads_from_one_to_the_other(one: dict[str, Any], other: dict[str, Any]) -> None:
    check_diff(one, other)


def test_the_cases_of_the_patch_suite_backwards(shared: Path) -> None:
    tests = etree.parse(shared / "data/fhir/graphql_patch_misc/patch/fhir-patch-tests.xml").getroot()
    count = 0
    for case in tests.iterfind("case"):
        if case.find("output") is not None:
            one, other = (json.loads(formats.read(etree.tostring(case.find(n)[0]))) for n in ("input", "output"))
            check_diff(one, other)
            count += 1
    assert count == 32


@pytest.mark.django_db
def test_versions_are_compared_for_those_who_may_read(fhir: Any) -> None:
    body = {"resourceType": "Patient", "gender": "male", "name": [{"family": "A"}]}
    id_ = fhir.post("/Patient", body).json()["id"]
    fhir.put(f"/Patient/{id_}", body | {"id": id_, "gender": "female"})
    fhir.put(f"/Patient/{id_}", {"resourceType": "Patient", "id": id_, "gender": "female"})
    place = f"/Patient/{id_}/$diff"

    def said(query: str = "") -> list[tuple[str, str]]:
        answer = fhir.get(place + query)
        assert answer.status_code == 200, answer.text
        parts = [{p["name"]: p for p in o["part"]} for o in answer.json().get("parameter", [])]
        return [(p["type"]["valueCode"], p["path"]["valueString"]) for p in parts]

    assert said() == [("delete", "Patient.name[0]")]
    assert said("?fromVersion=1") == [("delete", "Patient.name[0]"), ("replace", "Patient.gender")]
    assert said("?fromVersion=1&toVersion=2") == [("replace", "Patient.gender")]
    assert fhir.get(f"{place}?fromVersion=9").status_code == 404
    assert fhir.get(f"{place}?toVersion=1").status_code == 400
    assert fhir.get(f"{place}?toVersion=x").json()["issue"][0]["expression"] == ["toVersion"]
    assert fhir.get(place, "outsider").status_code == 403
    assert fhir.get(place, "citizen").status_code == 404
