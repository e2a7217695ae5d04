"""The terminology ecosystem's suites (HL7 fhir-tx-ecosystem-ig): requests and the answers that they must get.

A folder holds the published `tests/` tree, loose or in a `.tar.gz`, with `test-cases.json`. Answers are templates:
a string may stand for any value of a kind (`$uuid$`), for one of several or for fragments that it must contain; a row
may be marked optional; the order of rows does not matter, nor does `OperationOutcome.issue.location`, which is
deprecated, repeats `expression`, and is there in some templates and not in others of the same kind.
Suites for SNOMED CT and OMOP, cases whose files are not there, and cases whose answer is drawn from a code system that
is neither in the folder nor defined by the standard (LOINC, CPT, …) are passed over.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuetinh.record import capability
from tuetinh.record.conformance import Case
from tuetinh.record.terminology import capabilities
from tuetinh.record.terminology.library import Library
from tuetinh.record.terminology.operate import answer
from tuetinh.record.terminology.standard import standard_library

FHIR_VERSION = "4.0.1"
_PASSED_OVER = frozenset({"snomed", "omop"})
_OPERATIONS = {
    "expand": ("ValueSet", "expand"),
    "validate-code": ("ValueSet", "validate-code"),
    "cs-validate-code": ("CodeSystem", "validate-code"),
    "lookup": ("CodeSystem", "lookup"),
    "translate": ("ConceptMap", "translate"),
    "batch-validate": ("ValueSet", "batch-validate-code"),
    "compare": ("ValueSet", "related"),
}
_KINDS = {
    "$$": r".*",
    "$id$": r"[A-Za-z0-9\-.]{1,64}",
    "$uuid$": r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "$instant$": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "$date$": r"\d{4}(-\d\d(-\d\d)?)?(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?)?",
    "$url$": r"[a-z]+:\S+",
    "$token$": r"[A-Za-z0-9][\w\-.]*",
    "$string$": r"\S(.*\S)?",
    "$semver$": r"\d+\.\d+(\.\d+)?(-[\w.\-]+)?",
}


def cases(folder: Path) -> Iterator[Case]:
    """Every usable case of the suites in the folder."""
    files = _files(folder)
    for index in sorted(name for name in files if name.rpartition("/")[2] == "test-cases.json"):
        tree = _Tree(files, index.rpartition("/")[0])
        for suite in tree.read("test-cases.json").get("suites", ()):
            if suite.get("mode") not in _PASSED_OVER:
                yield from _suite(tree, suite)


class _Tree:
    """The files of the suites by their path within the tree."""

    def __init__(self, files: Mapping[str, bytes], root: str) -> None:
        self.files, self.root = files, root

    def has(self, name: str | None) -> bool:
        return name is None or f"{self.root}/{name}".lstrip("/") in self.files

    def read(self, name: str) -> Any:
        return json.loads(self.files[f"{self.root}/{name}".lstrip("/")].decode("utf-8-sig"))


def _files(folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        if path.name.endswith((".tar.gz", ".tgz")):
            with tarfile.open(path) as archive:
                for member in archive:
                    if member.name.endswith(".json") and (file := archive.extractfile(member)):
                        found[member.name.removeprefix("./")] = file.read()
        elif path.suffix == ".json":
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def _suite(tree: _Tree, suite: Mapping[str, Any]) -> Iterator[Case]:
    library = Library(standard_library())
    for name in suite.get("setup", ()):
        if tree.has(name):
            library.add(tree.read(name))
    for test in suite["tests"]:
        usable = tree.has(test.get("request")) and tree.has(test["response"])
        usable = usable and test.get("mode") not in _PASSED_OVER and FHIR_VERSION.startswith(test.get("version", ""))
        if usable and not _absent(tree, library, test):
            reason = _run(tree, library, test)
            yield Case(f"{suite['name']}/{test['name']}", passed=not reason, reason=reason)


def _absent(tree: _Tree, library: Library, test: Mapping[str, Any]) -> str:
    """The code system or value set that the answer is drawn from and that nobody has; empty when there is none.

    Where the answer says itself that something is not known, nothing is absent.
    """
    response = tree.read(test["response"])
    text = json.dumps(response)
    if "request" not in test or "unknown-system" in text or '"not-found"' in text:
        return ""
    rows = response.get("parameter", ())
    if any(row.get("name") == "performed-expansion" and row.get("valueBoolean") is False for row in rows):
        return ""
    layer = library.over(_resources(tree.read(test["request"])))
    for url in _asked(tree.read(test["request"]), cs=test["operation"] in ("cs-validate-code", "lookup")):
        value_set = layer.value_set(url)
        systems = [url] if value_set is None else list(_systems(value_set))
        for system in systems:
            known = layer.system(system)
            if (known is None or known.content == "not-present") and layer.supplement(system) is None:
                return system
    return ""


def _resources(request: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for row in request.get("parameter", ()):
        if "resource" in row:
            yield row["resource"]


def _asked(request: Mapping[str, Any], *, cs: bool) -> Iterator[str]:
    """The code systems and value sets that a request is about."""
    for row in request.get("parameter", ()):
        name = row.get("name")
        if name in ("url", "system") and (name == "url" or cs):
            yield str(row.get("valueUri", row.get("valueUrl", ""))).partition("|")[0]
    for resource in _resources(request):
        if resource.get("resourceType") == "ValueSet":
            yield from _systems(resource)


def _systems(value_set: Mapping[str, Any]) -> Iterator[str]:
    for include in value_set.get("compose", {}).get("include", ()):
        if "system" in include:
            yield str(include["system"])


def _run(tree: _Tree, library: Library, test: Mapping[str, Any]) -> str:
    """Empty when the answer fits, else the first difference."""
    request: dict[str, Any] = tree.read(test["request"]) if "request" in test else {"resourceType": "Parameters"}
    if "profile" in test:
        rows = [*request.get("parameter", ()), *tree.read(test["profile"]).get("parameter", ())]
        request = {**request, "parameter": rows}
    language = test.get("Accept-Language", "") or _header(test)
    try:
        if test["operation"] not in _OPERATIONS:
            return _statement(tree, library, test)
        status, answered = answer(library, *_OPERATIONS[test["operation"]], request, language)
    except Exception as error:  # an answer that breaks must not end the run
        return f"{type(error).__name__}: {error}"
    wanted = test.get("http-code", "2xx")
    if not re.fullmatch(str(wanted).replace("x", "."), str(status)):
        return f"HTTP status {status} instead of {wanted}: {_short(answered)}"
    reasons = [difference(tree.read(test[key]), answered) for key in ("response", "response2") if key in test]
    return "" if "" in reasons else reasons[0]


def _statement(tree: _Tree, library: Library, test: Mapping[str, Any]) -> str:
    """What a statement says of the server must be there; it may say more."""
    base = "http://localhost/fhir"
    of_server = test["operation"] == "metadata"
    said = json.loads(capability.statement(base)) if of_server else capabilities.statement(library, base)
    return _lacks(tree.read(test["response"]), said, "")


def _lacks(expected: Any, actual: Any, path: str) -> str:
    """The first thing of the template that is not there; empty when all is."""
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for name, value in expected.items():
            if name not in actual:
                return f"{path}.{name} is missing"
            if found := _lacks(value, actual[name], f"{path}.{name}"):
                return found
        return ""
    if isinstance(expected, list) and isinstance(actual, list):
        for wanted in expected:
            if not any(not _lacks(wanted, row, path) for row in actual):
                return f"{path} has no row like {_short(wanted)}"
        return ""
    return difference(expected, actual, path)


def _header(test: Mapping[str, Any]) -> str:
    header = test.get("header", {})
    return str(header.get("value", "")) if header.get("name") == "Accept-Language" else ""


def difference(expected: Any, actual: Any, path: str = "") -> str:
    """How an answer differs from its template; empty when it fits."""
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return _objects(expected, actual, path)
    if isinstance(expected, list) and isinstance(actual, list):
        return _arrays(expected, actual, path)
    if isinstance(expected, str) and isinstance(actual, str):
        return "" if _fits(expected, actual) else f"{path}: {actual!r} instead of {expected!r}"
    same = type(expected) is type(actual) or {type(expected), type(actual)} == {int, float}
    return "" if same and expected == actual else f"{path}: {_short(actual)} instead of {_short(expected)}"


def _objects(expected: Mapping[str, Any], actual: Mapping[str, Any], path: str) -> str:
    if "expression" in actual:
        expected, actual = _without_location(expected), _without_location(actual)
    optional = expected.get("$optional-properties$", ())
    counted = expected.get("$count-arrays$", ())
    for name, value in expected.items():
        if name.startswith("$"):
            continue
        if name not in actual:
            if name in optional or "*" in optional or _all_optional(value):
                continue
            return f"{path}.{name} is missing"
        if name in counted:
            if len(value) != len(actual[name]):
                return f"{path}.{name} has {len(actual[name])} rows instead of {len(value)}"
        elif found := difference(value, actual[name], f"{path}.{name}"):
            return found
    extra = next((name for name in actual if name not in expected), None)
    return f"{path}.{extra} is too much: {_short(actual[extra])}" if extra else ""


def _without_location(issue: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in issue.items() if name != "location"}


def _arrays(expected: list[Any], actual: list[Any], path: str) -> str:
    """Each row of the answer fits one of the template, each that is not optional is there, in any order."""
    left = list(range(len(actual)))
    reason = ""
    for place, wanted in sorted(enumerate(expected), key=lambda row: _is_optional(row[1])):
        tried = sorted(left, key=lambda index: abs(index - place))
        found = next((index for index in tried if not difference(wanted, actual[index], path)), None)
        if found is not None:
            left.remove(found)
        elif not _is_optional(wanted) and not reason:
            nearest = _nearest(wanted, [actual[index] for index in tried])
            close = difference(wanted, nearest, path) if nearest is not None else "no row left"
            reason = f"{path} has no row like {_short(wanted)} ({close})"
    if reason:
        return reason
    return f"{path} has a row too much: {_short(actual[left[0]])}" if left else ""


def _nearest(wanted: Any, rows: list[Any]) -> Any:
    """The row that the template most likely means, for the reason that is told."""
    if not isinstance(wanted, Mapping):
        return rows[0] if rows else None
    marks = ("name", "code", "url", "severity", "system")
    return max(
        (row for row in rows if isinstance(row, Mapping)),
        key=lambda row: [row.get(mark) == wanted.get(mark) for mark in marks],
        default=None,
    )


def _all_optional(value: Any) -> bool:
    """An array of which no row is needed is itself not needed."""
    return isinstance(value, list) and all(isinstance(row, Mapping) and "$optional$" in row for row in value)


def _is_optional(row: Any) -> bool:
    """`$optional$` is a boolean, a mode that we are not in, or a version that we speak."""
    said = row.get("$optional$") if isinstance(row, Mapping) else None
    if not isinstance(said, str):
        return bool(said)
    if said.startswith("version:"):
        return FHIR_VERSION.startswith(said.removeprefix("version:"))
    return said.startswith("warning:") or said.startswith("!")


def _fits(expected: str, actual: str) -> bool:
    expected = expected.replace("$version$", FHIR_VERSION)
    if expected in _KINDS:
        return re.fullmatch(_KINDS[expected], actual, re.DOTALL) is not None
    command, _, rest = expected.strip("$").partition(":")
    if not (expected.startswith("$") and expected.endswith("$")):
        return expected == actual
    if command == "choice":
        return actual in rest.split("|")
    if command == "external":
        # The reference runner cuts at every colon, so that of a URL only its scheme is looked for.
        rest = [*rest.split(":"), "", ""][1]
    return all(fragment.lower() in actual.lower() for fragment in rest.split("|"))


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 200 else f"{text[:200]}…"
