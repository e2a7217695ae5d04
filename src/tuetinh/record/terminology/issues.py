"""What can be wrong with a code, worded as the terminology ecosystem words it, so that clients understand it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

TX_ISSUE_TYPE = "http://hl7.org/fhir/tools/CodeSystem/tx-issue-type"
_MESSAGE_ID = "http://hl7.org/fhir/StructureDefinition/operationoutcome-message-id"


@dataclass(frozen=True)
class Issue:
    """One finding. `kind` is a code of tx-issue-type; `told` says whether it belongs to the summarising message."""

    severity: str
    code: str
    kind: str
    text: str
    expression: str = ""
    message_id: str = ""
    told: bool = True

    def json(self) -> dict[str, Any]:
        """As an issue of an OperationOutcome."""
        issue: dict[str, Any] = {}
        if self.message_id:
            issue["extension"] = [{"url": _MESSAGE_ID, "valueString": self.message_id}]
        issue |= {"severity": self.severity, "code": self.code}
        details: dict[str, Any] = {}
        if self.kind:
            details["coding"] = [{"system": TX_ISSUE_TYPE, "code": self.kind}]
        issue["details"] = details | {"text": self.text.replace("\0", "\ufffd")}  # it quotes what was asked
        if self.expression:
            issue |= {"location": [self.expression], "expression": [self.expression]}
        return issue


class TerminologyError(Exception):
    """The request cannot be answered; `issue` says why and `status` is the HTTP status."""

    def __init__(self, issue: Issue, status: int = 422) -> None:
        super().__init__(issue.text)
        self.issue = issue
        self.status = status


def outcome(issues: Iterable[Issue]) -> dict[str, Any]:
    """An OperationOutcome of the issues."""
    return {"resourceType": "OperationOutcome", "issue": [issue.json() for issue in issues]}


def refused(code: str, kind: str, text: str, message_id: str = "", *, expression: str = "", status: int = 422) -> Any:
    """A TerminologyError to raise."""
    return TerminologyError(Issue("error", code, kind, text, expression, message_id), status)


def missing(what: str) -> TerminologyError:
    """A parameter is missing or wrong."""
    return TerminologyError(Issue("error", "invalid", "", what), 400)


def unknown_value_set(canonical: str) -> TerminologyError:
    """A value set is not known."""
    text = f"A definition for the value Set '{canonical}' could not be found"
    return TerminologyError(Issue("error", "not-found", "not-found", text, "", "Unable_to_resolve_value_Set_"), 404)


def unknown_code_system(url: str, version: str, known: Iterable[str], purpose: str, expression: str = "") -> Issue:
    """A code system, or the wanted version of it, is not known. `purpose` is what cannot be done."""
    suffix = "_EXP" if "expanded" in purpose else ""
    if not version:
        text = f"A definition for CodeSystem '{url}' could not be found, so {purpose}"
        return Issue("error", "not-found", "not-found", text, expression, f"UNKNOWN_CODESYSTEM{suffix}")
    versions = sorted(own for own in known if own)
    text = f"A definition for CodeSystem '{url}' version '{version}' could not be found, so {purpose}. "
    if versions:
        listed = ", ".join(versions[:-1]) + " or " + versions[-1] if len(versions) > 1 else versions[0]
        text += f"Valid versions: {listed}"
        return Issue("error", "not-found", "not-found", text, expression, f"UNKNOWN_CODESYSTEM_VERSION{suffix}")
    text += "No versions of this code system are known"
    return Issue("error", "not-found", "not-found", text, expression, "UNKNOWN_CODESYSTEM_VERSION_NONE")


def parameters(values: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A Parameters resource."""
    return {"resourceType": "Parameters", "parameter": list(values)}
