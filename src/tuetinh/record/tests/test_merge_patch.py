"""JSON Merge Patch at the door."""

from __future__ import annotations

from typing import Any

import pytest

from tuetinh.record.errors import BadRequest
from tuetinh.record.patch import merge_patch


@pytest.mark.parametrize(
    ("body", "patch", "after"),
    [
        (b'{"a":"b"}', b'{"a":"c"}', b'{"a":"c"}'),
        (b'{"a":"b"}', b'{"a":null}', b"{}"),
        (b'{"a":["b"]}', b'{"a":"c"}', b'{"a":"c"}'),
        (b'{"a":{"b":"c","d":72.50}}', b'{"a":{"b":null}}', b'{"a":{"d":72.50}}'),
        (b'{"a":[1]}', b'{"a":{"b":{"c":null}}}', b'{"a":{"b":{}}}'),
    ],
)
def test_merges_as_the_standard_says(body: bytes, patch: bytes, after: bytes) -> None:
    assert merge_patch.apply(body, patch) == after


@pytest.mark.parametrize("patch", [b"[]", b'"x"', b"{", b"null", b"[" * 100_000])
def test_other_bodies_are_refused(patch: bytes) -> None:
    with pytest.raises(BadRequest):
        merge_patch.apply(b"{}", patch)


def test_plain_json_is_the_patch_that_it_looks_like(fhir: Any) -> None:
    one = fhir.post("/Patient", {"resourceType": "Patient", "gender": "male"}).json()["id"]
    part = [{"name": name, "valueString": value} for name, value in (("path", "Patient.gender"),)]
    part += [{"name": "type", "valueCode": "replace"}, {"name": "value", "valueCode": "other"}]
    by_path = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}
    for body, gender in (
        ([{"op": "replace", "path": "/gender", "value": "female"}], "female"),
        (by_path, "other"),
        ({"gender": "unknown"}, "unknown"),
    ):
        answer = fhir.send("PATCH", f"/Patient/{one}", json=body, headers={"content-type": "application/json"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["gender"] == gender


@pytest.mark.parametrize("media", ["application/merge-patch+json", "application/json"])
def test_the_door_takes_it(fhir: Any, media: str) -> None:
    id_ = fhir.post("/Patient", {"resourceType": "Patient", "gender": "male", "active": True}).json()["id"]
    headers = {"content-type": media}
    answer = fhir.send("PATCH", f"/Patient/{id_}", json={"gender": "female", "active": None}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["gender"] == "female"
    assert "active" not in answer.json()
    refused = fhir.send("PATCH", f"/Patient/{id_}", json={"gender": "x"}, headers=headers)
    assert refused.status_code == 422
    other = fhir.send("PATCH", f"/Patient/{id_}", json={"id": "other"}, headers=headers)
    assert other.status_code == 422
    assert fhir.get(f"/Patient/{id_}").json()["meta"]["versionId"] == "2"
