"""`$viewdefinition-export` (SQL on FHIR 2.1, operations): views in the background, as files to fetch.

The draft is followed as far as R4 lets it: views are given as they are, or are Binaries as for `$viewdefinition-run`.
Whose rows these are is decided as there. Jobs, their files and their end are those of bulk data.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tuetinh.record import r4
from tuetinh.record.bulk import asking
from tuetinh.record.errors import BadRequest
from tuetinh.record.operations.bulk import accepted
from tuetinh.record.operations.declare import Asked, Operation, Out, Param, Reply, of_some_type
from tuetinh.record.operations.views import DEFINITION, form_of, held, read_view, stored
from tuetinh.record.steps import Step
from tuetinh.record.views import source

MOST_VIEWS = 100
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def viewdefinition_export(asked: Asked) -> Step[Reply]:
    """Begin an export of views; every one is read, and its type allowed, before anything is promised."""
    if "respond-async" not in asked.prefer:
        raise BadRequest("an export is asynchronous: send Prefer: respond-async")
    form = form_of(asked)
    given = asked.many("view")
    if len(given) > MOST_VIEWS:
        raise BadRequest(f"more than {MOST_VIEWS} views", "view")
    views: dict[str, dict[str, Any]] = {}
    for number, one in enumerate(given, 1):
        definition = yield from _definition(asked, one)
        view = read_view(definition)
        source.allow(asked.asker, view)
        plain = msgspec.json.decode(definition)
        name = one.get("name", [plain.get("name") or f"view-{number}"])[0]
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise BadRequest("a view, and so its files, has a name of 1 to 64 letters, digits, - and _", "view.name")
        if name in views:
            raise BadRequest(f"two views have the name {name}", "view.name")
        views[name] = {"name": name, "view": plain}
    patients = yield from asking.within(asked.asker, asked.many("patient"), asked.many("group"))
    tracking = asked.one("clientTrackingId", "")
    wanted = {
        "views": list(views.values()),
        "form": form,
        "header": asked.one("header") is not False,
        "since": asked.one("_since", ""),
        "tracking": tracking,
    }
    job, address = yield from accepted(asked, asked.name, wanted, patients)
    return Reply(told(job.id, address, tracking, "accepted"), 202, headers={"content-location": address})


def told(id_: str, address: str, tracking: str, status: str, *more: r4.ParametersParameter) -> r4.Parameters:
    """What the client is told of its export, at each step. status: of the draft's Export Status Codes."""
    parameters = [r4.ParametersParameter(name="exportId", valueString=id_)]
    if tracking:
        parameters.append(r4.ParametersParameter(name="clientTrackingId", valueString=tracking))
    parameters += [
        r4.ParametersParameter(name="status", valueCode=status),
        r4.ParametersParameter(name="location", valueUri=address),
    ]
    return r4.Parameters(parameter=[*parameters, *more])


def _definition(asked: Asked, one: dict[str, list[Any]]) -> Step[bytes]:
    """The JSON of one of the views."""
    if ("viewResource" in one) == ("viewReference" in one):
        raise BadRequest("one of viewResource and viewReference is required", "view")
    if "viewResource" in one:
        return held(one["viewResource"][0])
    return (yield from stored(asked, one["viewReference"][0].reference or ""))


OPERATIONS = (
    Operation(
        "viewdefinition-export",
        DEFINITION + "viewdefinition-export",
        ("system",),
        viewdefinition_export,
        affects=True,
        letter="",
        who=of_some_type("r"),
        params=(
            Param(
                "view",
                min=1,
                max=None,
                parts=(
                    Param("name", "string"),
                    Param("viewReference", "Reference"),
                    Param("viewResource", "Resource", raw=True),
                ),
            ),
            Param("clientTrackingId", "string"),
            Param("_format", "code"),
            Param("header", "boolean"),
            Param("patient", "Reference", max=None),
            Param("group", "Reference", max=None),
            Param("_since", "instant"),
        ),
        out=(
            Out("exportId", "string", 1),
            Out("clientTrackingId", "string"),
            Out("status", "code", 1),
            Out("location", "uri", 1),
        ),
    ),
)
