"""HL7's validator suite (fhir-test-cases, `validator/`): do we find an error where the Java validator finds one?

Each R4 case is one run as it stands, and one more for each profile that it names.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tuetinh.record import formats
from tuetinh.record.conformance import Case, attempt
from tuetinh.record.errors import Invalid, RecordError
from tuetinh.record.profiles import Library, Validation
from tuetinh.record.validate.problem import Problem

Json = dict[str, Any]
# JSON with comments, which some cases of the suite allow; what stands in strings is left alone.
_COMMENT = re.compile(rb'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
Read = Callable[[str], bytes | None]


def cases(folder: Path) -> Iterator[Case]:
    """Every R4 case of the manifests in the folder, loose or in a `.tar.gz`."""
    for read in _sources(folder):
        for case in json.loads(read("manifest.json") or b"{}").get("test-cases", []):
            if str(case.get("version", "5.0")).startswith("4.0"):
                yield from _cases(case, read)


def _sources(folder: Path) -> Iterator[Read]:
    """What reads the files that a manifest names, for every manifest."""
    for archive in sorted([*folder.rglob("*.tar.gz"), *folder.rglob("*.tgz")]):
        with tarfile.open(archive) as tar:
            files = {m.name.removeprefix("./"): handle.read() for m in tar if (handle := tar.extractfile(m))}
        for name in sorted(files):
            home, slash, last = name.rpartition("/")
            if last == "manifest.json":
                yield partial(_packed, files, home + slash)
    for manifest in sorted(folder.rglob("manifest.json")):
        yield partial(_loose, manifest.parent)


def _packed(files: Mapping[str, bytes], home: str, name: str) -> bytes | None:
    return files.get(home + name)


def _loose(home: Path, name: str) -> bytes | None:
    path = home / name
    return path.read_bytes() if path.is_file() else None


def _cases(case: Json, read: Read) -> Iterator[Case]:
    """The runs of a case: as it stands, and by the profile that it names; none where its file is not there."""
    name, file = str(case.get("name")), case.get("file")
    if file is not None and read(file) is None:
        return
    profile = case.get("profile")
    asked: Json = profile if isinstance(profile, dict) else {}
    if _outcome(case.get("java"), read) is not None:
        yield attempt(name, lambda: _fault(case, {}, read))
    if "source" in asked and _outcome(asked.get("java"), read) is not None:
        yield attempt(f"{name} by profile", lambda: _fault(case, asked, read))


def _fault(case: Json, asked: Json, read: Read) -> str:
    """How we disagree about a case, by a profile where it is asked for one."""
    body, url = read(case["file"]) or b"", ""
    if case.get("allow-comments"):
        body = _COMMENT.sub(rb"\1", body)
    library = Library()
    for name in _beside(case):
        _add(library, name, read)
    for name in (*asked.get("supporting", []), *([asked["source"]] if asked else [])):
        url = _add(library, name, read)
    return _compare(_outcome((asked or case).get("java"), read) or [], _problems(case, body, library, url))


def _beside(case: Json) -> list[str]:
    """The files that a case names beside its own."""
    return [name for key in ("profiles", "supporting", "supporting5") for name in case.get(key, [])]


def _add(library: Library, name: str, read: Read) -> str:
    """Give a supporting file to the library; returns its canonical URL."""
    data = read(name)
    if data is None:
        return ""
    try:
        resource = json.loads(formats.read(data) if name.endswith(".xml") else data)
    except (ValueError, RecordError):
        return ""
    library.add(resource)
    return str(resource.get("url", ""))


def _problems(case: Json, body: bytes, library: Library, profile: str = "") -> list[Problem]:
    """What we find, with the settings of the case."""
    try:
        data = formats.read(body, ordered=True) if body.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") else body
    except Invalid as error:
        return [Problem("error", i.code, i.expression, i.text) for i in error.issues]
    except RecordError as error:
        return [Problem("error", "structure", "", str(error))]
    data = data.removeprefix(b"\xef\xbb\xbf")
    security = bool(case.get("security-checks") or case.get("noHtmlInMarkdown"))
    validation = Validation(library, strict=True, security=security, examples=case.get("examples", True))
    found = validation.problems(data, [profile] if profile else [], _within(case, data))
    ignored = ".contained[" if case.get("validateContains") == "IGNORE" else None
    return [p for p in found if ignored is None or ignored not in p.path]


def _within(case: Json, data: bytes) -> dict[str, list[str]]:
    """The profiles that a case asks of entries: `Patient:0` is the first Patient, `0` the first entry."""
    asked = case.get("bundle-param")
    if asked is None:
        return {}
    type_, _, number = str(asked["rule"]).rpartition(":")
    entries = [str(e.get("resource", {}).get("resourceType")) for e in json.loads(data).get("entry", [])]
    places = [place for place, name in enumerate(entries) if type_ in ("", name)]
    return {f"Bundle.entry[{places[int(number)]}].resource": [asked["profile"]]}


def _outcome(java: Any, read: Read) -> list[str] | None:
    """The errors that the Java validator gives; None where the suite does not say."""
    if isinstance(java, str):
        data = read(f"outcomes/{java}") or read(java)
        java = json.loads(data) if data else None
    if not isinstance(java, dict):
        return None
    if "errorCount" in java:
        return (
            [str(line) for line in java.get("output") or [f"{java['errorCount']} errors"]] if java["errorCount"] else []
        )
    issues = java.get("outcome", java).get("issue", [])
    return [i.get("details", {}).get("text", "") for i in issues if i.get("severity") in ("error", "fatal")]


def _compare(expected: list[str], found: list[Problem]) -> str:
    errors = [f"{p.path}: {p.message}" for p in found if p.severity in ("error", "fatal")]
    if bool(errors) == bool(expected):
        return ""
    return f"finds {errors[:2]}" if errors else f"does not find {expected[:2]}"
