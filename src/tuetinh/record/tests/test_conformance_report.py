"""The conformance command counts what passes and names what does not."""

from __future__ import annotations

import json
import tarfile
from io import StringIO
from pathlib import Path

import pytest

from tuetinh.record import conformance


def test_each_failing_case_is_named_and_the_count_is_last(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text('{"resourceType": "Patient", "id": "a"}')
    (tmp_path / "odd.json").write_text('{"resourceType": "Patient", "hat": true}')
    (tmp_path / "other.json").write_text('{"no": "resource"}')
    out = StringIO()
    assert conformance.report("examples", tmp_path, out) == 1
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("odd.json: ")
    assert lines[-1] == "1/2"


def test_resources_are_found_in_every_form_and_depth(tmp_path: Path) -> None:
    xml = '<Patient xmlns="http://hl7.org/fhir"><active value="{}"/></Patient>'
    inner = tmp_path / "deep" / "deeper"
    inner.mkdir(parents=True)
    (inner / "marked.json").write_bytes(b'\xef\xbb\xbf{"resourceType": "Patient", "multipleBirthInteger": 2}')
    (inner / "lines.ndjson").write_text('{"resourceType": "Patient"}\n{"resourceType": "Patient", "active": 1}\n')
    (inner / "good.xml").write_text(xml.format("true"))
    (inner / "bad.xml").write_text(xml.format("yes"))
    (inner / "other.xml").write_text("<manifest/>")
    out = StringIO()
    assert conformance.report("examples", tmp_path, out) == 1
    lines = out.getvalue().splitlines()
    assert [line.partition(": ")[0] for line in lines[:-1]] == ["deep/deeper/lines.ndjson:2", "deep/deeper/bad.xml"]
    assert lines[-1] == "3/5"


@pytest.mark.parametrize("suite", conformance.SUITES)
def test_files_of_other_forms_are_passed_over(suite: str, tmp_path: Path) -> None:
    inner = tmp_path / "deep"
    inner.mkdir()
    (inner / "broken.json").write_text("{")
    (inner / "list.json").write_text('[1, {"doc": 1}]')
    (inner / "words.json").write_text('"words"')
    (inner / "manifest.json").write_text('{"of": "something else"}')
    (inner / "test-cases.json").write_text("{}")
    (inner / "other.xml").write_text("<tests><case name='x'/></tests>")
    (inner / "notes.txt").write_bytes(b"\xff\x00")
    with tarfile.open(inner / "packed.tar.gz", "w:gz") as archive:
        archive.add(inner / "words.json", "a/words.json")
    out = StringIO()
    conformance.report(suite, tmp_path, out)
    broken = ["deep/broken.json"] if suite == "examples" else []
    lines = out.getvalue().splitlines()
    assert [line.partition(":")[0] for line in lines[:-1]] == broken
    assert lines[-1] == f"0/{len(broken)}"


def test_suites_are_found_in_folders_below(shared: Path, tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    (deep / "input").mkdir(parents=True)
    suite = shared / "data/fhir/fhirpath"
    (deep / "tests-fhir-r4.xml").write_bytes((suite / "tests-fhir-r4.xml").read_bytes())
    (deep / "input" / "patient-example.xml").write_bytes((suite / "input/patient-example.xml").read_bytes())
    found = list(conformance.run("fhirpath", tmp_path))
    assert (len(found), sum(case.passed for case in found)) == (874, 873)


def test_an_empty_folder_passes_nothing(tmp_path: Path) -> None:
    out = StringIO()
    assert conformance.report("examples", tmp_path, out) == 1
    assert out.getvalue() == "0/0\n"


def test_official_examples_keep_every_value(shared: Path) -> None:
    failed = [case for case in conformance.run("examples", shared / "data/fhir/examples") if not case.passed]
    assert failed == []


@pytest.mark.parametrize(("suite", "said"), [("nothing", "unknown suite"), ("examples", "not a folder")])
def test_wrong_words_are_refused(suite: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        list(conformance.run(suite, tmp_path / "absent"))


BROKEN = {
    "sql-on-fhir": ("a.json", {"fhirVersion": ["4.0.1"], "resources": [], "tests": [{"title": "t"}, 7]}, 2),
    "patch": ("a.json", [{"comment": "c", "doc": {"a": 1}, "patch": [{"op": "test", "path": 5}]}], 1),
    "validator": ("manifest.json", {"test-cases": [{"name": "n", "version": "4.0", "java": {"errorCount": 1}}]}, 1),
}


@pytest.mark.parametrize("suite", BROKEN)
def test_a_case_that_is_broken_itself_fails_and_ends_no_run(suite: str, tmp_path: Path) -> None:
    name, content, cases = BROKEN[suite]
    (tmp_path / name).write_text(json.dumps(content))
    out = StringIO()
    assert conformance.report(suite, tmp_path, out) == 1
    assert out.getvalue().splitlines()[-1] == f"0/{cases}"


def test_a_test_without_expression_fails_and_ends_no_run(tmp_path: Path) -> None:
    good = "<test name='a'><expression>1</expression><output type='integer'>1</output></test>"
    (tmp_path / "tests.xml").write_text(f"<tests><group>{good}<test name='b'/></group></tests>")
    out = StringIO()
    assert conformance.report("fhirpath", tmp_path, out) == 1
    assert out.getvalue().splitlines() == ["b: the test has no expression", "1/2"]


def test_decimals_of_patches_are_compared_as_they_are(tmp_path: Path) -> None:
    case = (
        '[{"comment": "c", "doc": {"a": 1.10}, "patch": [{"op": "add", "path": "/b", "value": 0.1}], "expected": %s}]'
    )
    (tmp_path / "good.json").write_text(case % '{"a": 1.10, "b": 0.1}')
    (tmp_path / "other.json").write_text(case % '{"a": 1.11, "b": 0.1}')
    assert [one.passed for one in conformance.run("patch", tmp_path)] == [True, False]


def test_errors_that_are_only_counted_are_expected(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"resourceType": "Patient", "gender": "x"}')
    cases = [{"name": "n", "file": "a.json", "version": "4.0", "java": {"errorCount": count}} for count in (2, 0)]
    (tmp_path / "manifest.json").write_text(json.dumps({"test-cases": cases}))
    assert [one.passed for one in conformance.run("validator", tmp_path)] == [True, False]
