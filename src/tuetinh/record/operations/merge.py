"""`Patient/$merge` (R5 patient-operation-merge.html, in R4 as HAPI and others have it) and its reverse, `$unmerge`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import urlencode

from tuetinh.record import r4
from tuetinh.record.asker import Asker
from tuetinh.record.errors import BadRequest, Unprocessable, issues_of
from tuetinh.record.merging.merge import Outcome, allow, check_result, merge, preview
from tuetinh.record.merging.unmerge import unmerge
from tuetinh.record.operations.declare import Asked, Operation, Out, Param, Reply
from tuetinh.record.search import parse
from tuetinh.record.search import run as searching
from tuetinh.record.steps import Step
from tuetinh.record.validate import check

DEFINITIONS = "http://hl7.org/fhir/OperationDefinition/Patient-merge", "https://tuetinh.vn/fhir/OperationDefinition/"


def merge_patients(asked: Asked) -> Step[Reply]:
    """Merge source-patient into target-patient; with `preview`, say what would move."""
    source = yield from _who(asked, "source-patient")
    target = yield from _who(asked, "target-patient")
    result: r4.Patient | None = asked.one("result-patient")
    if result is not None:
        check_result(result, source, target)
        _keeps(result, asked.many("target-patient-identifier"))
    if asked.one("preview"):
        outcome = yield from preview(asked.asker, source, target)
        return _reply(asked, replace(outcome, patient=result or outcome.patient), "would move")
    outcome = yield from merge(asked.asker, source, target, result=result)
    return _reply(asked, outcome, "moved")


def unmerge_patients(asked: Asked) -> Step[Reply]:
    """Undo the merge of source-patient."""
    source = yield from _who(asked, "source-patient")
    named = asked.one("target-patient") or asked.many("target-patient-identifier")
    target = (yield from _who(asked, "target-patient")) if named else ""
    looks = asked.one("preview")
    outcome = yield from unmerge(asked.asker, source, target=target, preview=bool(looks))
    return _reply(asked, outcome, "would go back" if looks else "went back")


def _who(asked: Asked, name: str) -> Step[str]:
    """The id of the Patient that a reference or identifiers name. Raises BadRequest, Unprocessable."""
    reference: r4.Reference | None = asked.one(name)
    identifiers: list[r4.Identifier] = [*asked.many(f"{name}-identifier")]
    if reference is not None and reference.identifier is not None and not reference.reference:
        identifiers.append(reference.identifier)
        reference = None
    if reference is None and not identifiers:
        message = f"{name} or {name}-identifier is required"
        raise BadRequest(message, name)
    ids = [_local(reference, name)] if reference is not None else []
    if identifiers:
        ids += yield from _having(asked.asker, identifiers, name)
    if len(set(ids)) != 1:
        message = f"{name} and {name}-identifier name different Patients"
        raise Unprocessable(message, name)
    return ids[0]


def _local(reference: r4.Reference, name: str) -> str:
    type_, _, id_ = (reference.reference or "").partition("/")
    if type_ != "Patient" or not id_ or "/" in id_:
        message = f"{name} must be a reference such as Patient/123"
        raise BadRequest(message, name)
    return id_


def _having(asker: Asker, identifiers: Iterable[r4.Identifier], name: str) -> Step[list[str]]:
    """The one Patient with all of these identifiers."""
    pairs = [("identifier", f"{i.system or ''}|{i.value}" if i.system else i.value or "") for i in identifiers]
    if any(not i.value for i in identifiers):
        message = f"{name}-identifier needs a value"
        raise BadRequest(message, f"{name}-identifier")
    wanted, problems = parse.parse("Patient", urlencode(pairs))
    if problems:
        raise BadRequest(issues=issues_of(problems))
    found = yield from searching.matching(asker, wanted, 2)
    if len(found) != 1:
        message = f"{name}-identifier fits {'no Patient' if not found else 'more than one Patient'}"
        raise Unprocessable(message, f"{name}-identifier")
    return [found[0][1]]


def _keeps(result: r4.Patient, identifiers: Iterable[r4.Identifier]) -> None:
    """Raise Unprocessable when result-patient lacks an identifier that named the target, or is not valid."""
    has = {(i.system, i.value) for i in result.identifier or []}
    if any((i.system, i.value) not in has for i in identifiers):
        message = "result-patient must have every identifier of target-patient-identifier"
        raise Unprocessable(message, "result-patient")
    _, problems = check(r4.encode(result))
    if wrong := [p for p in problems if p.severity in ("error", "fatal")]:
        raise Unprocessable(issues=issues_of(wrong))


def _reply(asked: Asked, outcome: Outcome, verb: str) -> Reply:
    told = ", ".join(f"{type_} {count}" for type_, count in outcome.counts.items())
    text = f"{outcome.total} resources {verb}" + (f": {told}" if told else "")
    issues = [r4.OperationOutcomeIssue(severity="information", code="informational", diagnostics=text)]
    issues += [
        r4.OperationOutcomeIssue(
            severity="warning",
            code="informational",
            diagnostics=f"{type_}/{id_} lies within things of both people and stays with Patient/{outcome.target}",
        )
        for type_, id_ in outcome.kept
    ]
    given = [
        r4.ParametersParameter(name=name, resource=v) if isinstance(v, r4.Resource) else _value(name, v)
        for name, values in asked.values.items()
        for v in values
    ]
    parameters = [
        r4.ParametersParameter(name="input", resource=r4.Parameters(parameter=given or None)),
        r4.ParametersParameter(name="outcome", resource=r4.OperationOutcome(issue=issues)),
    ]
    if outcome.patient is not None:
        parameters.append(r4.ParametersParameter(name="result", resource=outcome.patient))
    seen: list[tuple[str, str, str | None]] = [("Patient", id_, id_) for id_ in (outcome.source, outcome.target)]
    return Reply(r4.Parameters(parameter=parameters), seen=seen)


def _value(name: str, value: object) -> r4.ParametersParameter:
    if isinstance(value, bool):
        return r4.ParametersParameter(name=name, valueBoolean=value)
    if isinstance(value, r4.Reference):
        return r4.ParametersParameter(name=name, valueReference=value)
    assert isinstance(value, r4.Identifier)  # noqa: S101
    return r4.ParametersParameter(name=name, valueIdentifier=value)


_WHO = tuple(
    param
    for name in ("source-patient", "target-patient")
    for param in (Param(name, "Reference"), Param(f"{name}-identifier", "Identifier", max=None))
)
_OUT = (Out("input", "Parameters", 1), Out("outcome", "OperationOutcome", 1), Out("result", "Patient"))
OPERATIONS = tuple(
    Operation(
        name,
        definition,
        ("type",),
        step,
        types=frozenset({"Patient"}),
        affects=True,
        letter="u",
        who=allow,
        params=(*_WHO, *more, Param("preview", "boolean")),
        out=_OUT,
    )
    for name, definition, step, more in (
        ("merge", DEFINITIONS[0], merge_patients, (Param("result-patient", "Patient"),)),
        ("unmerge", f"{DEFINITIONS[1]}Patient-unmerge", unmerge_patients, ()),
    )
)
