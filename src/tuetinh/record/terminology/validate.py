"""CodeSystem/$validate-code, ValueSet/$validate-code and $batch-validate-code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuetinh.record.terminology import displays, versions
from tuetinh.record.terminology.coded import Coded, codings
from tuetinh.record.terminology.compose import Composer
from tuetinh.record.terminology.expand import caution
from tuetinh.record.terminology.inquiry import Inquiry, parameter
from tuetinh.record.terminology.issues import Issue, TerminologyError, missing, outcome, parameters
from tuetinh.record.terminology.library import Library
from tuetinh.record.terminology.membership import PURPOSE, Findings, Hit, Membership
from tuetinh.record.terminology.model import STANDARDS_STATUS, CodeSystem, Concept, Resource, extension


def validate_in_value_set(library: Library, asked: Resource, accept_language: str = "") -> dict[str, Any]:
    """Whether a value set contains a code (R4 valueset-operation-validate-code.html). TerminologyError when refused."""
    inquiry = Inquiry(library, asked, accept_language)
    value_set = inquiry.value_set()
    if value_set is None:
        raise missing("One of the parameters url and valueSet is needed")
    inquiry.complement(value_set)
    return _Validation(inquiry, value_set).result()


def validate_in_code_system(library: Library, asked: Resource, accept_language: str = "") -> dict[str, Any]:
    """Whether a code system has a code (R4 codesystem-operation-validate-code.html). TerminologyError when refused."""
    inquiry = Inquiry(library, asked, accept_language)
    given = inquiry.resource("codeSystem", "CodeSystem")
    if given is not None:
        inquiry.library = inquiry.library.over([given])
    return _Validation(inquiry, None, system=(given or {}).get("url", "") or inquiry.text("url")).result()


def validate_batch(library: Library, asked: Resource, accept_language: str = "") -> dict[str, Any]:
    """Many validations in one request; what is outside of them counts for each."""
    rows = asked.get("parameter", ())
    common = [row for row in rows if row.get("name") != "validation"]
    answers = []
    for row in rows:
        if row.get("name") != "validation":
            continue
        own = row.get("resource", {}).get("parameter", ())
        names = {row.get("name") for row in own}
        joined = [*own, *(row for row in common if row.get("name") not in names or row.get("name") == "tx-resource")]
        has_set = any(row.get("name") in ("url", "valueSet") for row in joined)
        validate = validate_in_value_set if has_set else validate_in_code_system
        try:
            answer = validate(library, {"resourceType": "Parameters", "parameter": joined}, accept_language)
        except TerminologyError as error:
            answer = outcome([error.issue])
        answers.append({"name": "validation", "resource": answer})
    return parameters(answers)


@dataclass
class _Judged:
    """What was found for one coding."""

    coded: Coded
    findings: Findings
    hit: Hit | None = None
    system: CodeSystem | None = None
    concept: Concept | None = None
    allowed: bool = False
    issues: list[Issue] = field(default_factory=list)
    foreign: str = ""


class _Validation:
    def __init__(self, inquiry: Inquiry, value_set: Resource | None, system: str = "") -> None:
        self.inquiry, self.value_set = inquiry, value_set
        self.languages = inquiry.languages(value_set)
        self.composer = Composer(inquiry, value_set, PURPOSE)
        self.membership = Membership(self.composer)
        self.lenient = bool(inquiry.flag("lenient-display-validation"))
        self.codings, self.concept = codings(inquiry, system=system)
        name = versions.join((value_set or {}).get("url", ""), (value_set or {}).get("version", ""))
        self.name = name or "(unidentified)"
        self.failure: Issue | None = None

    def result(self) -> dict[str, Any]:
        if self.value_set is not None:
            self._refuse_circles(self.value_set, (), set())
        judged = []
        for coded in self.codings:
            if not coded.system and self.value_set is not None and self.inquiry.flag("inferSystem"):
                judged.append(self._inferred(coded, self.value_set))
            else:
                judged.append(self._judge(coded))
        return self._parameters(judged)

    def _refuse_circles(self, value_set: Resource, path: tuple[str, ...], seen: set[str]) -> None:
        """A value set that imports itself is wrong whatever the code (VALUESET_CIRCULAR_REFERENCE)."""
        path = self.composer.step(value_set, path)
        compose = value_set.get("compose", {})
        for row in (*compose.get("include", ()), *compose.get("exclude", ())):
            for canonical in row.get("valueSet", ()):
                imported = None
                if canonical not in seen:
                    imported = self.composer.library.value_set(*versions.split(canonical))
                if imported is not None:
                    self._refuse_circles(imported, path, seen)
                seen.add(canonical)

    # One coding -------------------------------------------------------------------------------------------------

    def _inferred(self, coded: Coded, value_set: Resource) -> _Judged:
        """The system is the one in which the value set has the code (inferSystem)."""
        found = sorted(
            {
                entry.system.url
                for entry in self.composer.entries(value_set)
                if entry.system.find(coded.code) is entry.concept
            }
        )
        if len(found) == 1:
            return self._judge(Coded(found[0], coded.code, coded.version, coded.display, coded.path))
        judged = _Judged(coded, Findings())
        text = f"The System URI could not be determined for the code '{coded.code}' in the ValueSet '{self.name}'"
        message_id = "UNABLE_TO_INFER_CODESYSTEM"
        if found:
            text += f": value set expansion has multiple matches: [{', '.join(found)}]"
            message_id = "Unable_to_resolve_system__value_set_has_multiple_matches"
        judged.issues.append(Issue("error", "not-found", "cannot-infer", text, coded.at("code"), message_id))
        self._not_in(judged)
        return judged

    def _judge(self, coded: Coded) -> _Judged:
        judged = _Judged(coded, Findings())
        if self.value_set is None:
            self._in_code_system(judged)
        else:
            self._in_value_set(judged, self.value_set)
        if judged.allowed and judged.system and judged.concept:
            self._look_closer(judged, judged.system, judged.concept)
        return judged

    def _in_value_set(self, judged: _Judged, value_set: Resource) -> None:
        coded, findings = judged.coded, judged.findings
        try:
            hits = self.membership.hits(value_set, coded, findings) if coded.system else []
        except TerminologyError as error:
            if error.issue.code != "not-found":
                raise
            self.failure = error.issue
            return
        judged.issues.extend(findings.issues)
        if hits:
            judged.hit = self._best(hits, coded)
            judged.system, judged.concept, judged.allowed = judged.hit.system, judged.hit.concept, True
            return
        self._known(judged)
        if self._passes_as_fragment(judged):
            judged.allowed = True
        elif not findings.stuck:
            self._not_in(judged)
            if judged.system and judged.concept:
                self._check_display(judged, judged.system, judged.concept)

    def _in_code_system(self, judged: _Judged) -> None:
        self._known(judged)
        judged.allowed = judged.concept is not None or self._passes_as_fragment(judged)

    def _best(self, hits: Sequence[Hit], coded: Coded) -> Hit:
        """Of several versions the one in which the display is right, else the first."""
        for hit in hits if coded.display else ():
            issue = displays.check(coded, hit.system, hit.concept, hit.listed, self.languages, lenient=False)
            if issue is None or issue.severity != "error":
                return hit
        return hits[0]

    def _passes_as_fragment(self, judged: _Judged) -> bool:
        """A fragment does not say which codes there are not."""
        system = judged.system
        if system is None or system.content != "fragment" or judged.concept is not None:
            return False
        if self.value_set is None:
            return True
        return any(own.get("system") == system.url for own in self.value_set.get("compose", {}).get("include", ()))

    def _known(self, judged: _Judged) -> None:
        """Whether there is such a code at all, apart from the value set."""
        coded, library = judged.coded, self.composer.library
        if self.inquiry.flag("valueset-membership-only"):
            return
        if not coded.system:
            text = (
                "Coding has no system. A code with no system has no defined meaning, and it cannot be validated. "
                "A system should be provided"
            )
            message_id = "Coding_has_no_system__cannot_validate"
            judged.issues.append(Issue("warning", "invalid", "invalid-data", text, coded.whole, message_id))
            return
        if judged.findings.stuck:
            return
        wanted = coded.version or self.composer.wanted_version(coded.system, "")
        system = judged.findings.tried or library.system(coded.system, wanted)
        if system is None:
            self._unknown_system(judged, wanted)
            return
        judged.system = self.composer.supplemented(system)
        judged.findings.systems.setdefault(system.canonical, judged.system)
        judged.concept = judged.system.find(coded.code)
        if judged.concept is None:
            judged.issues.append(_unknown_code(coded, system))
            reason = system.reason(coded.code)
            if reason:
                where = coded.at("code")
                judged.issues.append(Issue("information", "code-invalid", "invalid-code", reason, where, told=False))

    def _unknown_system(self, judged: _Judged, wanted: str) -> None:
        coded, library = judged.coded, self.composer.library
        supplement = library.supplement(coded.system)
        if supplement is not None:
            text = f"CodeSystem {supplement.canonical} is a supplement, so can't be used as a value in Coding.system"
            judged.issues.append(
                Issue("error", "invalid", "invalid-data", text, coded.at("system"), "CODESYSTEM_CS_NO_SUPPLEMENT")
            )
            return
        if library.value_set(coded.system) is not None:
            text = f"The Coding references a value set, not a code system ('{coded.system}')"
            judged.issues.append(
                Issue("error", "invalid", "invalid-data", text, coded.at("system"), "Terminology_TX_System_ValueSet2")
            )
            return
        if ":" not in coded.system:
            text = "Coding.system must be an absolute reference, not a local reference"
            judged.issues.append(
                Issue("error", "invalid", "invalid-data", text, coded.at("system"), "Terminology_TX_System_Relative")
            )
        before = len(judged.findings.issues)
        self.membership.not_known(coded, coded.system, wanted, judged.findings)
        judged.issues.extend(judged.findings.issues[before:])
        if self.value_set is not None and not library.system_versions(coded.system):
            judged.findings.unknown.clear()
            judged.foreign = coded.system

    def _not_in(self, judged: _Judged) -> None:
        """The value set does not have it. Of many codings this is only a note."""
        judged.allowed = False
        text = f"The provided code '{judged.coded.text}' was not found in the value set '{self.name}'"
        message_id = "None_of_the_provided_codes_are_in_the_value_set_one"
        one = self.concept is None
        judged.issues.append(
            Issue(
                "error" if one else "information",
                "code-invalid",
                "not-in-vs" if one else "this-code-not-in-vs",
                text,
                judged.coded.at("code"),
                message_id,
                told=one,
            )
        )

    def _check_display(self, judged: _Judged, system: CodeSystem, concept: Concept) -> None:
        listed = judged.hit.listed if judged.hit else None
        wrong = displays.check(judged.coded, system, concept, listed, self.languages, lenient=self.lenient)
        if wrong:
            judged.issues.append(wrong)

    def _look_closer(self, judged: _Judged, system: CodeSystem, concept: Concept) -> None:
        """Display, case, status and use of a concept that is there."""
        coded, hit = judged.coded, judged.hit
        listed = hit.listed if hit else None
        if concept.code != coded.code and system.enumerable:
            judged.issues.append(_case_differs(coded, system, concept))
        self._check_display(judged, system, concept)
        if self.inquiry.flag("abstract") is False and system.is_abstract(concept):
            text = f"Code '{coded.system}#{coded.code}' is abstract, and not allowed in this context"
            judged.issues.append(
                Issue("error", "business-rule", "code-rule", text, coded.at("code"), "ABSTRACT_CODE_NOT_ALLOWED")
            )
            self._not_in(judged)
        if system.is_inactive(concept):
            judged.issues.append(_inactive(coded, system.status_of(concept)))
            if (hit and hit.active_only) or self.inquiry.flag("activeOnly"):
                text = f"The concept '{concept.code}' is valid but is not active"
                judged.issues.append(
                    Issue("error", "business-rule", "code-rule", text, coded.at("code"), "STATUS_CODE_WARNING_CODE")
                )
                self._not_in(judged)
        elif system.status_of(concept) == "deprecated":
            text = f"The concept '{concept.code}' is deprecated and its use should be reviewed"
            judged.issues.append(
                Issue("warning", "business-rule", "code-comment", text, coded.whole, "DEPRECATED_CONCEPT_FOUND")
            )
        deprecated = _deprecated_in(listed)
        if deprecated:
            judged.issues.append(_deprecated_use(coded, self.name, deprecated))

    # The answer -------------------------------------------------------------------------------------------------

    def _parameters(self, judged: Sequence[_Judged]) -> dict[str, Any]:
        issues = [issue for one in judged for issue in one.issues]
        if self.failure:
            issues = [self.failure]
        elif self.concept is not None and not any(one.allowed or one.findings.stuck for one in judged):
            text = f"No valid coding was found for the value set '{self.name}'"
            if self.value_set is not None:
                issues.insert(0, Issue("error", "code-invalid", "not-in-vs", text, "", "TX_GENERAL_CC_ERROR_MESSAGE"))
        issues = list(dict.fromkeys(issues)) + self._status_notes(judged)
        result = not any(issue.severity == "error" for issue in issues)
        if not judged or (self.value_set is None and not any(one.allowed for one in judged)):
            result = False
        told = sorted({issue.text for issue in issues if issue.told})
        rows = self._about(judged)
        if self.concept is not None:
            rows.append({"name": "codeableConcept", "valueCodeableConcept": self.concept})
        if issues:
            rows.append({"name": "issues", "resource": outcome(issues)})
        if told:
            rows.append(parameter("message", "; ".join(told)))
        rows.append({"name": "result", "valueBoolean": result})
        rows.extend(_unknown_rows(judged))
        return parameters(rows)

    def _about(self, judged: Sequence[_Judged]) -> list[dict[str, Any]]:
        """Code, system, version and display of the coding that the answer is about."""
        if self.concept is not None:
            one = next((own for own in judged if own.allowed), None)
            if one is None:
                return []
        else:
            one = judged[0]
        rows = [parameter("code", one.coded.code, "valueCode")]
        if one.coded.system:
            rows.append(parameter("system", one.coded.system, "valueUri"))
        if one.system is None:
            return rows
        if one.system.version:
            rows.append(parameter("version", one.system.version))
        if one.concept is None:
            return rows
        listed = one.hit.listed if one.hit else None
        shown = displays.shown(one.system, one.concept, listed, self.languages)
        if shown:
            rows.append(parameter("display", shown))
        if one.concept.code != one.coded.code and one.system.enumerable:
            rows.append(parameter("normalized-code", one.concept.code, "valueCode"))
        status = one.system.status_of(one.concept)
        inactive = one.system.is_inactive(one.concept)
        if inactive:
            rows.append({"name": "inactive", "valueBoolean": True})
        if status == "deprecated" or (inactive and status not in ("", "inactive")):
            rows.append(parameter("status", status, "valueCode"))
        return rows

    def _status_notes(self, judged: Sequence[_Judged]) -> list[Issue]:
        """That a definition in use is withdrawn, deprecated, experimental or a draft."""
        if not any(one.allowed for one in judged):
            return []
        found: list[Issue] = []
        for one in judged:
            for system in one.findings.systems.values():
                kind = caution(system.status, system.standards_status, experimental=system.experimental)
                found.extend(_status_note(kind, "CodeSystem", system.canonical))
            sets = dict(one.findings.value_sets)
            if self.value_set is not None:
                sets[self.name] = self.value_set
            for name, value_set in sets.items():
                status = extension(value_set.get("extension", ()), STANDARDS_STATUS) or ""
                found.extend(_status_note(caution("", status, experimental=False), "ValueSet", name))
        return list(dict.fromkeys(found))


def _status_note(kind: str, what: str, canonical: str) -> list[Issue]:
    if not kind:
        return []
    text = f"Reference to {kind} {what} {canonical}"
    return [Issue("information", "business-rule", "status-check", text, "", f"MSG_{kind.upper()}", told=False)]


def _unknown_code(coded: Coded, system: CodeSystem) -> Issue:
    version = f" version '{system.version}'" if system.version else ""
    if system.content == "fragment":
        text = (
            f"Unknown Code '{coded.code}' in the CodeSystem '{system.url}'{version} - note that the code system is "
            "labeled as a fragment, so the code may be valid in some other fragment"
        )
        message_id = "UNKNOWN_CODE_IN_FRAGMENT"
        return Issue("warning", "code-invalid", "invalid-code", text, coded.at("code"), message_id, told=False)
    text = f"Unknown code '{coded.code}' in the CodeSystem '{system.url}'{version}"
    message_id = "Unknown_Code_in_Version" if version else "Unknown_Code_in"
    return Issue("error", "code-invalid", "invalid-code", text, coded.at("code"), message_id)


def _case_differs(coded: Coded, system: CodeSystem, concept: Concept) -> Issue:
    text = (
        f"The code '{coded.code}' differs from the correct code '{concept.code}' by case. Although the code system "
        f"'{system.canonical}' is case insensitive, implementers are strongly encouraged to use the correct case anyway"
    )
    message_id = "CODE_CASE_DIFFERENCE"
    return Issue("information", "business-rule", "code-rule", text, coded.at("code"), message_id, told=False)


def _inactive(coded: Coded, status: str) -> Issue:
    kind = f"{status} and inactive" if status not in ("", "inactive") else "inactive"
    text = f"The concept '{coded.code}' has a status of {kind} and its use should be reviewed"
    return Issue("warning", "business-rule", "code-comment", text, coded.whole, "INACTIVE_CONCEPT_FOUND")


def _deprecated_in(listed: Mapping[str, Any] | None) -> str:
    """The status of a concept's presence in a value set, when its include marks it."""
    rows = (listed or {}).get("extension", ())
    if extension(rows, "http://hl7.org/fhir/StructureDefinition/valueset-deprecated") in (True, "true"):
        return "deprecated"
    status = extension(rows, STANDARDS_STATUS)
    return str(status) if status in ("deprecated", "withdrawn") else ""


def _deprecated_use(coded: Coded, name: str, status: str) -> Issue:
    text = (
        f"The presence of the concept '{coded.code}' in the system '{coded.system}' in the value set {name} "
        f"is marked with a status of {status} and its use should be reviewed"
    )
    message_id = "CONCEPT_DEPRECATED_IN_VALUESET"
    return Issue("warning", "business-rule", "code-comment", text, coded.at("code"), message_id, told=False)


def _unknown_rows(judged: Sequence[_Judged]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for one in judged:
        rows.extend(parameter("x-caused-by-unknown-system", own, "valueCanonical") for own in one.findings.unknown)
        if one.foreign:
            rows.append(parameter("x-unknown-system", one.foreign, "valueCanonical"))
    return [row for place, row in enumerate(rows) if row not in rows[:place]]
