"""What is exported is whole, is what was asked for, and makes the same record elsewhere."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from tuetinh.node.tests.conftest import Writers, copied, run, start_node, token

pytestmark = pytest.mark.long


def exported(folder: Path) -> dict[str, dict[str, Any]]:
    """The resources of an export by type and id, without the version and time that a server gives."""
    found = {}
    for path in folder.glob("*.ndjson*"):
        lines = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for line in lines.splitlines():
            resource = json.loads(line)
            for key in ("versionId", "lastUpdated"):
                resource["meta"].pop(key)
            found[f"{resource['resourceType']}/{resource['id']}"] = resource
    return found


def test_an_export_imported_elsewhere_is_the_same_record(built: Path, bare: Path, folder: Path) -> None:
    made = run(built, "export", str(folder / "one"), "--gzip")
    assert made.returncode == 0, made.stderr
    counts = json.loads((folder / "one" / "manifest.json").read_text())["counts"]
    imported = run(copied(bare, folder / "other"), "import", str(folder / "one"))
    assert imported.returncode == 0, imported.stderr
    assert set(re.findall(r"(\d+) refused", imported.stderr)) <= {"0"}
    again = run(folder / "other", "export", str(folder / "two"))
    assert again.returncode == 0, again.stderr
    assert json.loads((folder / "two" / "manifest.json").read_text())["counts"] == counts
    one = exported(folder / "one")
    assert one == exported(folder / "two")
    assert len(one) == sum(counts.values())
    assert not list(folder.rglob("*.part"))


def test_only_what_was_asked_for_is_written_while_a_node_runs(built: Path, folder: Path) -> None:
    node = start_node(built, command="serve")
    writers = Writers(node)
    try:
        headers = token(node)
        made = httpx.post(f"{node.url}/fhir/Patient", json={"resourceType": "Patient"}, headers=headers).json()
        about = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
        about["subject"] = {"reference": f"Patient/{made['id']}"}
        seen = httpx.post(f"{node.url}/fhir/Observation", json=about, headers=headers).json()
        one = run(built, "export", str(folder / "one"), "--patient", f"Patient/{made['id']}")
        assert one.returncode == 0, one.stderr
        assert set(exported(folder / "one")) == {f"Patient/{made['id']}", f"Observation/{seen['id']}"}
        late = ("--since", seen["meta"]["lastUpdated"], "--types", "Observation,Organization")
        assert run(built, "export", str(folder / "late"), *late).returncode == 0
        assert set(exported(folder / "late")) == {f"Observation/{seen['id']}"}
    finally:
        writers.end()
        node.process.terminate()
        node.process.wait(20)
    assert writers.kept
    assert writers.refused == []


def test_the_rows_of_a_view_are_exported_and_asked_by_sql(built: Path, folder: Path) -> None:
    columns = [{"name": "id", "path": "getResourceKey()"}, {"name": "gender", "path": "gender"}]
    view = {"resourceType": "ViewDefinition", "name": "people", "resource": "Patient", "select": [{"column": columns}]}
    folder.mkdir(exist_ok=True)
    (folder / "view.json").write_text(json.dumps(view))
    made = run(built, "export", str(folder / "rows"), "--view", str(folder / "view.json"))
    assert made.returncode == 0, made.stderr
    name, count = made.stdout.split()
    assert name == "people.parquet"
    assert int(count) > 0
    file = folder / "rows" / name
    [(people, genders)] = duckdb.sql(f"SELECT count(DISTINCT id), count(gender) FROM '{file}'").fetchall()
    assert people == int(count) >= genders >= 20  # of the demo; other tests have written some without
    (folder / "view.json").write_text(json.dumps(view | {"select": []}))
    refused = run(built, "export", str(folder / "none"), "--view", str(folder / "view.json"), "--format", "csv")
    assert refused.returncode == 1
    assert "selects something" in refused.stderr
    assert list((folder / "none").iterdir()) == []


def test_an_export_that_cannot_be_meant_is_refused(built: Path, folder: Path) -> None:
    for asked, told in (
        (("--patient", "nobody"), "there is no Patient/nobody"),
        (("--since", "yesterday"), "'yesterday' is no date"),
    ):
        refused = run(built, "export", str(folder / "none"), *asked)
        assert refused.returncode == 1
        assert told in refused.stderr
        assert not (folder / "none").exists()
