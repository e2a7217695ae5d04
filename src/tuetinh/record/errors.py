"""What the record refuses, each with its HTTP status and FHIR issue code, and as an OperationOutcome."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import msgspec
import psycopg


def is_away(error: BaseException | None) -> bool:
    """Whether the error, or what caused it, is that the database does not answer (SQLSTATE 08, 57P)."""
    while error is not None:
        if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
            return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
        error = error.__cause__
    return False


class Issue(NamedTuple):
    """One issue of an OperationOutcome. `expression` is the FHIRPath-like place, or "" for the request as a whole."""

    severity: str
    code: str
    text: str
    expression: str = ""


class ProblemLike(Protocol):
    """What validation and the search parser say about a place."""

    @property
    def severity(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def message(self) -> str: ...


def outcome(issues: Iterable[Issue]) -> bytes:
    """An OperationOutcome as JSON. What a request is quoted with may hold a NUL, which a FHIR string may not."""
    entries: list[dict[str, object]] = []
    for issue in issues:
        text = issue.text.replace("\0", "\ufffd")
        entry: dict[str, object] = {"severity": issue.severity, "code": issue.code, "diagnostics": text}
        if issue.expression:
            entry["expression"] = [issue.expression.replace("\0", "\ufffd")]
        entries.append(entry)
    return msgspec.json.encode({"resourceType": "OperationOutcome", "issue": entries})


def issues_of(problems: Iterable[ProblemLike]) -> list[Issue]:
    """Problems of validation or search as issues."""
    return [Issue(p.severity, p.code, p.message, p.path) for p in problems]


class RecordError(Exception):
    """A refusal. `status` is the HTTP status, `code` the FHIR issue type, `issues` what was wrong where."""

    status = 400
    code = "processing"

    def __init__(self, text: str = "", expression: str = "", *, issues: list[Issue] | None = None) -> None:
        self.issues = issues or [Issue("error", self.code, text, expression)]
        super().__init__("; ".join(f"{i.expression}: {i.text}" if i.expression else i.text for i in self.issues[:5]))

    def outcome(self) -> bytes:
        """The OperationOutcome that says it."""
        return outcome(self.issues)

    def inside(self, place: str) -> RecordError:
        """The same refusal with every expression moved below `place`, such as `Bundle.entry[3]`."""
        moved = [i._replace(expression=_moved(place, i.expression)) for i in self.issues]
        error = type(self).__new__(type(self))
        RecordError.__init__(error, issues=moved)
        vars(error).update({**vars(self), **vars(error)})  # what its kind tells besides
        return error


def _moved(place: str, expression: str) -> str:
    """`Patient.name[0]` below `Bundle.entry[3]` is `Bundle.entry[3].resource.name[0]`."""
    if not expression or not expression[0].isupper():
        return place
    _, dot, rest = expression.partition(".")
    return f"{place}.resource{dot}{rest}"


class BadRequest(RecordError):
    """The request itself is malformed."""

    code = "invalid"


class Invalid(RecordError):
    """The resource is not what FHIR R4 allows; `issues` name every place."""

    status = 422
    code = "invalid"

    def __init__(self, problems: Iterable[ProblemLike]) -> None:
        issues = issues_of(problems)
        super().__init__(issues=issues)
        if any(i.code in ("structure", "required", "value") for i in issues if i.severity in ("error", "fatal")):
            self.status = 400


class Unauthorized(RecordError):
    """Nobody is known to ask."""

    status = 401
    code = "login"


class Forbidden(RecordError):
    """The asker's scopes do not name this."""

    status = 403
    code = "forbidden"


class NotFound(RecordError):
    """There is no such thing, or it does not exist for this asker."""

    status = 404
    code = "not-found"


class NotAllowed(RecordError):
    """The address does not take this method. `allow` lists what it takes."""

    status = 405
    code = "not-supported"

    def __init__(self, text: str, allow: str) -> None:
        super().__init__(text)
        self.allow = allow


class NotAcceptable(RecordError):
    """None of the formats that the client takes can be given."""

    status = 406
    code = "not-supported"


class TooSlow(RecordError):
    """The body did not arrive in time."""

    status = 408
    code = "timeout"


class Conflict(RecordError):
    """Someone else changed the same thing at the same time."""

    status = 409
    code = "conflict"


class Gone(RecordError):
    """It was deleted. `version` is the tombstone's."""

    status = 410
    code = "deleted"
    version = 0


class PreconditionFailed(RecordError):
    """The version is not the one that If-Match names."""

    status = 412
    code = "conflict"


class MultipleMatches(RecordError):
    """A conditional interaction found more than one resource."""

    status = 412
    code = "multiple-matches"


class TooLarge(RecordError):
    """The body is larger than the node takes."""

    status = 413
    code = "too-long"


class UnsupportedMedia(RecordError):
    """The body is in a format that is not understood."""

    status = 415
    code = "not-supported"


class TooMany(RecordError):
    """The account asks for more at once than it may. seconds: after which to ask again."""

    status = 429
    code = "throttled"

    def __init__(self, text: str, *, seconds: int = 2) -> None:
        super().__init__(text)
        self.seconds = seconds


class Unprocessable(RecordError):
    """Well formed, but against a rule of the record."""

    status = 422
    code = "business-rule"


class Unavailable(RecordError):
    """The database does not answer now."""

    status = 503
    code = "transient"


class StorageFull(RecordError):
    """There is no room for what is to be stored."""

    status = 507
    code = "no-store"
