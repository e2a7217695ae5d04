from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tuetinh.record import api, imports
from tuetinh.record.asker import SYSTEM
from tuetinh.record.errors import Issue, NotFound

pytestmark = pytest.mark.django_db
PERSON = "0b1f6f5e-3c4a-4c55-9d3e-52d7e7f0a001"


class Notes:
    """Remembers what the import says."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, list[str]]] = []

    def advanced(self, report: imports.Report, place: str) -> None:
        pass

    def refused(self, place: str, name: str, issues: Sequence[Issue]) -> None:
        self.said.append((place, name, [issue.expression for issue in issues]))


def bring(*paths: Path | str) -> tuple[imports.Report, Notes]:
    notes = Notes()
    return imports.import_paths([str(p) for p in paths], SYSTEM, notes), notes


def patient(id_: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id_, **more}


def transaction() -> dict[str, Any]:
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    observation["subject"] = {"reference": f"urn:uuid:{PERSON}"}
    entries = [
        {"fullUrl": f"urn:uuid:{PERSON}", "resource": {"resourceType": "Patient", "gender": "female"}},
        {"fullUrl": "urn:uuid:0b1f6f5e-3c4a-4c55-9d3e-52d7e7f0a002", "resource": observation},
    ]
    for entry in entries:
        entry["request"] = {"method": "POST", "url": entry["resource"]["resourceType"]}
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def test_lines_keep_their_ids_and_bad_ones_are_named(tmp_path: Path) -> None:
    file = tmp_path / "people.ndjson"
    lines = [patient("imp-1"), patient("imp-2", gender="x", birthDate=7), patient("imp-3")]
    file.write_text("\n".join(json.dumps(line) for line in lines) + "\nno json\n\n")
    report, notes = bring(file)
    assert report.created == {"Patient": 2}
    assert [place for place, _, _ in notes.said] == [f"{file}:2", f"{file}:4"]
    assert notes.said[0][1] == "Patient"
    assert {"Patient.gender", "Patient.birthDate"} <= set(notes.said[0][2])
    assert set(api.read_many(SYSTEM, "Patient", ["imp-1", "imp-2", "imp-3"])) == {"imp-1", "imp-3"}


def test_importing_twice_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text(json.dumps(transaction()))
    first, _ = bring(tmp_path)
    again, _ = bring(tmp_path)
    assert (first.created, first.same) == ({"Patient": 1, "Observation": 1}, {})
    assert (again.created, again.changed, again.same) == ({}, {}, {"Patient": 1, "Observation": 1})
    assert api.read(SYSTEM, "Patient", PERSON).meta.versionId == "1"


def test_references_inside_a_bundle_follow_the_ids(tmp_path: Path) -> None:
    (tmp_path / "bundle.json.gz").write_bytes(gzip.compress(json.dumps(transaction()).encode()))
    bring(tmp_path)
    observation: Any = api.read(SYSTEM, "Observation", "0b1f6f5e-3c4a-4c55-9d3e-52d7e7f0a002")
    assert observation.subject.reference == f"Patient/{PERSON}"


def test_a_changed_resource_is_the_next_version_and_an_old_export_does_not_bring_it_back(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(patient("imp-4", gender="male")))
    new.write_text(json.dumps(patient("imp-4", gender="female")))
    assert bring(old)[0].created == {"Patient": 1}
    assert bring(new)[0].changed == {"Patient": 1}
    assert bring(old)[0].same == {"Patient": 1}
    person: Any = api.read(SYSTEM, "Patient", "imp-4")
    assert (person.gender, person.meta.versionId) == ("female", "2")


def test_a_bad_entry_does_not_keep_the_others_out(tmp_path: Path) -> None:
    bundle = transaction()
    bundle["entry"][1]["resource"]["status"] = "nonsense"
    (tmp_path / "bundle.json").write_text(json.dumps(bundle))
    report, notes = bring(tmp_path)
    assert report.created == {"Patient": 1}
    assert notes.said == [(f"{tmp_path / 'bundle.json'} Bundle.entry[1]", "Observation", ["Observation.status"])]
    with pytest.raises(NotFound):
        api.read(SYSTEM, "Observation", "0b1f6f5e-3c4a-4c55-9d3e-52d7e7f0a002")


def test_archives_and_folders_are_walked(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "one.json").write_text(json.dumps(patient("imp-5")))
    (inner / "readme.txt").write_text("not for us")
    with tarfile.open(tmp_path / "more.tar.gz", "w:gz") as archive:
        data = json.dumps(patient("imp-6")).encode()
        info = tarfile.TarInfo("package/two.json")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    report, notes = bring(tmp_path)
    assert (report.created, notes.said) == ({"Patient": 2}, [])


def test_standard_input_takes_lines_or_one_document(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (
        f"{json.dumps(patient('imp-7'))}\n{json.dumps(patient('imp-8'))}\n",
        json.dumps(patient("imp-9"), indent=1),
    ):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert bring("-")[1].said == []
    assert set(api.read_many(SYSTEM, "Patient", ["imp-7", "imp-8", "imp-9"])) == {"imp-7", "imp-8", "imp-9"}


def test_the_command_fails_when_nothing_could_be_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.json").write_text('{"resourceType":"Patient"')
    assert imports.main([str(tmp_path / "nowhere"), str(tmp_path / "broken.json")]) == 1
    assert "there is no such file or folder" in capsys.readouterr().err


def test_public_data_comes_in_but_for_what_is_really_wrong(shared: Path) -> None:
    data = shared / "data" / "fhir"
    report, notes = bring(data / "bulk_ndjson", data / "synthea_r4" / "hospitalInformation1559319163815.json.gz")
    assert report.stored > 1000
    wrong = [place for place, _, _ in notes.said if "log.ndjson" not in place]
    assert wrong == []


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    (tmp_path / "one.json").write_bytes(mark + json.dumps(patient("marked-1")).encode())
    (tmp_path / "two.ndjson").write_bytes(mark + json.dumps(patient("marked-2")).encode() + b"\n")
    report, notes = bring(tmp_path)
    assert report.created == {"Patient": 2}
    assert notes.said == []


def test_a_synthea_bundle_that_comes_twice_creates_nothing_new(shared: Path) -> None:
    folder = shared / "data/fhir/synthea_r4"
    people = min((p for p in folder.glob("*.json.gz") if "Information" not in p.name), key=lambda p: p.stat().st_size)
    files = [*sorted(folder.glob("*Information*.json.gz")), people]
    first, _ = bring(*files)
    again, notes = bring(*files)
    assert first.created["Patient"] == 1
    assert notes.said == []
    assert again.created == {}
    assert again.changed == {}
    assert sum(again.same.values()) == first.stored
