"""`$export` from kick-off to the end of its files: what Bulk Data Access 2.0 demands of every step."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tuetinh.record import jobs
from tuetinh.record.bulk import files, running
from tuetinh.record.tests.bulk_world import ASYNC, Made, aside, ended, export, path_of, work

pytestmark = pytest.mark.django_db
BASE = "http://record.test/fhir"


@pytest.fixture(scope="module")
def there(fhir: Any) -> Any:
    """Two patients, an observation of one of them, and an organization that belongs to nobody."""
    for id_ in ("one", "two"):
        fhir.put(f"/Patient/{id_}", {"resourceType": "Patient", "id": id_, "name": [{"text": "Nguyễn Thị Hoa"}]})
    fhir.put("/Organization/o", {"resourceType": "Organization", "id": "o", "name": "Trạm"})
    about = {"subject": {"reference": "Patient/one"}, "code": {"text": "x"}, "status": "final"}
    fhir.put("/Observation/x", {"resourceType": "Observation", "id": "x"} | about)
    return fhir


def folder_of(made: Made) -> Path:
    return files.folder(made.path.rpartition("/")[2])


def test_a_kick_off_is_accepted_with_the_place_to_ask(there: Any) -> None:
    answer = there.get("/$export", headers=ASYNC)
    assert answer.status_code == 202
    assert answer.json()["resourceType"] == "OperationOutcome"
    path = path_of(answer)
    waiting = there.get(path)
    assert waiting.status_code == 202
    assert waiting.headers["x-progress"] == "waiting for its turn"
    assert waiting.headers["retry-after"] == "1"
    assert waiting.content == b""
    made = ended(there, path)
    assert made.ids() == ["Observation/x", "Organization/o", "Patient/one", "Patient/two"]


def test_the_manifest_has_every_field(there: Any) -> None:
    before = datetime.now(UTC)
    made = export(there, "/Patient/$export?_type=Patient,Observation&_outputFormat=application/fhir%2Bndjson")
    answer = there.get(made.path, headers={"accept": "application/json"})
    assert answer.headers["content-type"] == "application/json"
    assert 23 < (parsedate_to_datetime(answer.headers["expires"]) - before).total_seconds() / 3600 <= 24.1
    manifest = answer.json()
    moment = datetime.fromisoformat(manifest.pop("transactionTime"))
    assert before.replace(microsecond=0) <= moment <= datetime.now(UTC)
    place = f"{BASE}{made.path}"
    assert manifest == {
        "request": f"{BASE}/Patient/$export?_type=Patient%2CObservation&_outputFormat=application%2Ffhir%2Bndjson",
        "requiresAccessToken": True,
        "output": [
            {"type": "Patient", "url": f"{place}/Patient-1.ndjson", "count": 2},
            {"type": "Observation", "url": f"{place}/Observation-1.ndjson", "count": 1},
        ],
        "deleted": [],
        "error": [],
    }


def test_a_file_is_ndjson_plain_or_packed(there: Any) -> None:
    made = export(there, "/$export?_type=Patient")
    path = made.manifest["output"][0]["url"].removeprefix(BASE)
    for accept in ("application/fhir+ndjson", "*/*"):
        plain = there.get(path, headers={"accept-encoding": "identity", "accept": accept})
        assert plain.headers["content-type"] == "application/fhir+ndjson"
        assert int(plain.headers["content-length"]) == len(plain.content)
        assert "content-encoding" not in plain.headers
    stored = [there.get(f"/Patient/{id_}").content for id_ in ("one", "two")]
    assert plain.content == b"".join(body + b"\n" for body in stored)
    packed = there.get(path, headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content  # unpacked by the client
    head = there.send("HEAD", path, headers={"accept-encoding": "identity"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == plain.headers["content-length"]


def test_files_are_ordinary_and_only_the_nodes(there: Any) -> None:
    made = export(there, "/$export?_type=Patient")
    place = folder_of(made)
    assert place.parent == Path(settings.DATA) / "bulk"
    assert [path.name for path in place.iterdir()] == ["Patient-1.ndjson"]
    assert place.stat().st_mode & 0o777 == 0o700
    assert (place / "Patient-1.ndjson").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("form", ["application/fhir+ndjson", "application/ndjson", "ndjson"])
def test_every_name_of_the_format_is_taken(there: Any, form: str) -> None:
    answer = there.get("/$export", headers=ASYNC, params={"_outputFormat": form})
    assert there.send("DELETE", path_of(answer)).status_code == 202


def test_parameters_come_in_a_body_as_well(there: Any) -> None:
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "_outputFormat", "valueString": "ndjson"},
            {"name": "_type", "valueString": "Patient"},
            {"name": "_type", "valueString": "Observation"},
            {"name": "patient", "valueReference": {"reference": "Patient/one"}},
        ],
    }
    made = export(there, "/Patient/$export", body=body)
    assert made.ids() == ["Observation/x", "Patient/one"]
    assert made.manifest["request"] == f"{BASE}/Patient/$export"


def test_what_is_deleted_is_gone(there: Any) -> None:
    made = export(there, "/$export?_type=Patient")
    url = made.manifest["output"][0]["url"].removeprefix(BASE)
    answer = there.send("DELETE", made.path)
    assert answer.status_code == 202
    assert answer.json()["resourceType"] == "OperationOutcome"
    for method, path in (("GET", made.path), ("GET", url), ("DELETE", made.path)):
        refused = there.send(method, path)
        assert refused.status_code == 404
        assert refused.json()["issue"][0]["code"] == "not-found"
    assert not folder_of(made).exists()


def test_a_cancelled_job_is_not_done(there: Any) -> None:
    path = path_of(there.get("/$export", headers=ASYNC))
    assert there.send("DELETE", path).status_code == 202
    work()
    assert there.get(path).status_code == 404
    assert not files.folder(path.rpartition("/")[2]).exists()


def test_files_are_taken_away_when_their_time_is_over(there: Any, ask: Any) -> None:
    made, kept = export(there, "/$export?_type=Patient"), export(there, "/$export?_type=Patient")
    id_ = made.path.rpartition("/")[2]
    ask("UPDATE record.bulk_job SET expires = now() WHERE id = %s RETURNING id", id_)
    assert there.get(made.path).status_code == 404
    assert there.get(made.manifest["output"][0]["url"].removeprefix(BASE)).status_code == 404
    aside(lambda: jobs.tidy_bulk(0))
    assert not folder_of(made).exists()
    assert ask("SELECT count(*) FROM record.bulk_job WHERE id = %s", id_) == [(0,)]
    assert kept.ids() == ["Patient/one", "Patient/two"]


def test_files_of_no_job_are_taken_away(there: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = export(there, "/$export?_type=Patient")
    files.opened("of-no-job", "Patient-1.ndjson", 0).close()
    aside(running.tidy)
    assert files.folder("of-no-job").exists()  # it may be a job that is just beginning
    monkeypatch.setattr(files, "forgotten", lambda: ["of-no-job", folder_of(kept).name])
    aside(running.tidy)
    assert not files.folder("of-no-job").exists()
    assert kept.ids() == ["Patient/one", "Patient/two"]


def test_the_access_log_tells_whose_records_went_out(there: Any, ask: Any) -> None:
    ask("DELETE FROM record.audit RETURNING position")
    export(there, "/$export", who="reader")
    wanted = "SELECT account, role, purpose, type, patient FROM record.audit WHERE action = '$export' ORDER BY patient"
    assert ask(wanted) == [
        ("reader", "official", "HOPERAT", "Observation,Patient", "one"),
        ("reader", "official", "HOPERAT", "Patient", "two"),
        ("reader", "official", "HOPERAT", "Organization", None),
    ]
    assert ask("SELECT count(*) FROM record.bulk_seen") == [(0,)]


def test_the_statement_lists_the_operations(there: Any) -> None:
    statement = there.get("/metadata").json()
    assert "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data" in statement["instantiates"]
    guide = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"
    rest = statement["rest"][0]
    assert {"name": "export", "definition": f"{guide}export"} in rest["operation"]
    assert {"name": "import", "definition": "https://tuetinh.vn/fhir/OperationDefinition/import"} in rest["operation"]
    of_type = {each["type"]: each.get("operation", []) for each in rest["resource"]}
    assert {"name": "export", "definition": f"{guide}patient-export"} in of_type["Patient"]
    assert {"name": "export", "definition": f"{guide}group-export"} in of_type["Group"]
    assert not [each for each in of_type["Observation"] if each["name"] == "export"]


def test_a_packed_file_is_one_gzip(there: Any) -> None:
    """Some clients stop at the end of the first member of a gzip."""
    made = export(there, "/$export?_type=Patient")

    async def raw() -> bytes:
        headers = {"authorization": "Bearer system", "accept-encoding": "gzip"}
        async with there.http.stream("GET", made.manifest["output"][0]["url"], headers=headers) as answer:
            return b"".join([chunk async for chunk in answer.aiter_raw()])

    unpacked = gzip.decompress(there.run(raw()))
    assert [json.loads(line)["id"] for line in unpacked.splitlines()] == ["one", "two"]
