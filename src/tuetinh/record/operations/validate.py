"""`$validate` (resource-operation-validate.html): would this be taken, and is it what a profile asks for?"""

from __future__ import annotations

import msgspec

from tuetinh.record import built_in, contents, permits
from tuetinh.record.errors import BadRequest, Forbidden, Issue, RecordError, issues_of, outcome
from tuetinh.record.operations.declare import Asked, Operation, Out, Param, Reply
from tuetinh.record.profiles import Validation, stored
from tuetinh.record.steps import Step, computed

MODES = {"create": "c", "update": "u", "delete": "d", "profile": ""}


class _Name(msgspec.Struct):
    resourceType: str = ""
    id: str | None = None


def validate(asked: Asked) -> Step[Reply]:
    """An OperationOutcome with every problem, or one that says that there is none.

    Without a resource it is the stored one that is looked at; `mode` says what would be done with it.
    """
    mode = asked.one("mode")
    if mode is not None and mode not in MODES:
        message = f"mode is one of {', '.join(MODES)}"
        raise BadRequest(message, "mode")
    body: bytes | None = asked.one("resource")
    seen: list[tuple[str, str, str | None]] = []
    issues: list[Issue] = []
    if asked.id and (body is None or mode in ("update", "delete", "profile")):
        current = yield from built_in.read(asked.asker, asked.type, asked.id)
        seen.append((current.type, current.id, current.patient))
        body = (yield from contents.given(current.body)) if body is None else body
    if body is None and mode != "delete":
        message = "there is no resource to validate: send one, or name a stored one"
        raise BadRequest(message, "resource")
    if mode:
        issues += _may(asked, mode, body or b"")
    if mode != "delete":
        library = yield from stored.library()
        profiles = asked.many("profile")
        problems = yield from computed(lambda: Validation(library).problems(body or b"", profiles))
        issues += issues_of(problems)
    if not any(i.severity in ("error", "fatal") for i in issues):
        issues.append(Issue("information", "informational", "the resource is valid"))
    return Reply(outcome(issues), seen=seen)


def _may(asked: Asked, mode: str, body: bytes) -> list[Issue]:
    """What stands against doing it: the scopes, the address, the id."""
    issues: list[Issue] = []
    try:
        if MODES[mode]:
            permits.allow(asked.asker, MODES[mode], asked.type)
    except Forbidden as error:
        issues += error.issues
    try:
        name = msgspec.json.decode(body, type=_Name)
    except (msgspec.DecodeError, RecordError):
        return issues
    if asked.type and name.resourceType != asked.type:
        issues.append(Issue("error", "invalid", f"a {name.resourceType[:80]} cannot be stored at {asked.type}"))
    if mode == "update" and name.id != asked.id:
        text = f"the id in the body must be the id in the address, {asked.id}"
        issues.append(Issue("error", "invalid", text, f"{asked.type}.id"))
    return issues


OPERATIONS = (
    Operation(
        "validate",
        "http://hl7.org/fhir/OperationDefinition/Resource-validate",
        ("system", "type", "instance"),
        validate,
        letter="",
        params=(
            Param("resource", "Resource", raw=True),
            Param("mode", "code"),
            Param("profile", "uri", max=None),
        ),
        out=(Out("return", "OperationOutcome", 1),),
    ),
)
