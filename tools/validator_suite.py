"""Compare `tuetinh.record.validate` with the outcomes that HL7's Java validator gives in its own test suite.

    python tools/validator_suite.py VALIDATOR_TAR_GZ [--list]

Only cases of plain R4 JSON without profile or package are compared: valid or not valid, as the suite's outcome says.
"""

from __future__ import annotations

import json
import re
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuetinh.record.validate import check

# Modules and errors of the suite that concern what has its own place: terminology, profiles, extension definitions,
# questionnaires with their answers, snapshots, links between texts.
ELSEWHERE = {"tx", "tx-advanced", "profile", "shc", "cda", "logical", "questionnaire", "sd", "measure"}
OTHER_ERRORS = re.compile(
    "Wrong Display Name|could not be found so is not allowed|Unknown code|Example URLs|Hyperlink|Slic|slicing|"
    "snapshot|Snapshot|is unknown, and not allowed|FHIRPath expression|[eE]mbedded HTML|not allowed to be used at this"
)
NEEDS_MORE = {"supporting", "profiles", "packages", "allow-comments", "logical"}


def cases(archive: Path) -> Iterator[tuple[str, str, bool, bool, list[str]]]:
    """Name, module, whether the suite finds no error, whether we find none, our messages."""
    with tarfile.open(archive) as tar:
        files = {m.name: handle.read() for m in tar if (handle := tar.extractfile(m))}

    def read(name: str) -> bytes | None:
        return files.get(f"validator/{name}")

    for case in json.loads(files["validator/manifest.json"])["test-cases"]:
        body, expected = read(case["file"]), outcome(case, read)
        if body is None or expected is None or not case["file"].endswith(".json"):
            continue
        if case.get("module") in ELSEWHERE or NEEDS_MORE & case.keys():
            continue
        resource, problems = check(body)
        ours = [f"{p.path}: {p.message}" for p in problems if p.severity == "error"]
        yield case["name"], case.get("module", ""), expected, resource is not None, ours


def outcome(case: dict[str, Any], read: Any) -> bool | None:
    """Whether the suite's OperationOutcome has no error; None where it has none for us."""
    java = case.get("java")
    if isinstance(java, str):
        text = read(f"outcomes/{java}")
        java = json.loads(text) if text else None
    if not isinstance(java, dict):
        return None
    issues = java.get("outcome", java).get("issue", [])
    texts = [issue["details"]["text"] for issue in issues if issue["severity"] in ("error", "fatal")]
    return not any(OTHER_ERRORS.search(text) is None for text in texts)


def main() -> None:
    found = list(cases(Path(sys.argv[1])))
    agreed = [case for case in found if case[2] == case[3]]
    invalid = [case for case in found if not case[2]]
    refused = [case for case in invalid if not case[3]]
    print(
        f"{len(agreed)} of {len(found)} cases agree; {len(refused)} of {len(invalid)} invalid resources refused, "
        f"{sum(1 for c in found if c[2] and not c[3])} of {len(found) - len(invalid)} valid ones refused too"
    )
    if "--list" in sys.argv:
        for name, module, expected, _, ours in found:
            if expected != (not ours):
                print(f"{'valid' if expected else 'INVALID'} there: {name} [{module}] {ours[:3]}")


if __name__ == "__main__":
    main()
