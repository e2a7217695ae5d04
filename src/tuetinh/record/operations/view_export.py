"""`$viewdefinition-export` (SQL on FHIR 2.1, operations): views in the background, as files to fetch.

The draft is followed as far as R4 lets it: views are given as they are, or are Binaries as for `$viewdefinition-run`.
Whose rows these are is decided as there. Jobs, their files and their end are those of bulk data.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
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

MOST = 100
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def viewdefinition_export(asked: Asked) -> Step[Reply]:
    """Begin an export of views; every one is read, and its type allowed, before anything is promised."""
    if "respond-async" not in asked.prefer:
        raise BadRequest("an export is asynchronous: send Prefer: respond-async")
    form = form_of(asked)
    views: dict[str, dict[str, Any]] = {}
    for number, one in enumerate(few(asked, "view"), 1):
        definition = yield from definition_of(asked, one)
        view = read_view(definition)
        source.allow(asked.asker, view)
        plain = msgspec.json.decode(definition)
        name = named(one, "view", plain.get("name"), number, views)
        views[name] = {"name": name, "view": plain}
    return (yield from begin(asked, {"views": list(views.values()), "form": form}))


def few(asked: Asked, name: str) -> list[dict[str, list[Any]]]:
    """What is given for a parameter that may come many times, but not any number of times. Raises BadRequest."""
    given = asked.many(name)
    if len(given) > MOST:
        raise BadRequest(f"{name} is given more than {MOST} times", name)
    return given


def named(one: Mapping[str, list[Any]], kind: str, own: object, number: int, taken: Container[str]) -> str:
    """The name of a view or query, and so of its files: the given one, its own, or one by its number.

    Raises BadRequest for one that is no name or is taken.
    """
    name = one["name"][0] if "name" in one else own if isinstance(own, str) and _NAME.fullmatch(own) else ""
    name = name or f"{kind}-{number}"
    if not _NAME.fullmatch(name):
        raise BadRequest(f"a {kind}, and so its files, has a name of 1 to 64 letters, digits, - and _", f"{kind}.name")
    if name in taken:
        raise BadRequest(f"two of them have the name {name}", f"{kind}.name")
    return name


def begin(asked: Asked, wanted: dict[str, Any]) -> Step[Reply]:
    """Have the work done, of the people and since the time that are asked for."""
    patients = yield from asking.within(asked.asker, asked.many("patient"), asked.many("group"))
    tracking = asked.one("clientTrackingId", "")
    wanted |= {
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


def definition_of(asked: Asked, one: dict[str, list[Any]]) -> Step[bytes]:
    """The JSON of one of the views."""
    if ("viewResource" in one) == ("viewReference" in one):
        raise BadRequest("one of viewResource and viewReference is required", "view")
    if "viewResource" in one:
        return held(one["viewResource"][0])
    return (yield from stored(asked, one["viewReference"][0].reference or ""))


VIEWS = Param(
    "view",
    min=1,
    max=None,
    parts=(
        Param("name", "string"),
        Param("viewReference", "Reference"),
        Param("viewResource", "Resource", raw=True),
    ),
)
COMMON = (
    Param("clientTrackingId", "string"),
    Param("_format", "code"),
    Param("header", "boolean"),
    Param("patient", "Reference", max=None),
    Param("group", "Reference", max=None),
    Param("_since", "instant"),
)
OUT = (
    Out("exportId", "string", 1),
    Out("clientTrackingId", "string"),
    Out("status", "code", 1),
    Out("location", "uri", 1),
)
OPERATIONS = (
    Operation(
        "viewdefinition-export",
        DEFINITION + "viewdefinition-export",
        ("system",),
        viewdefinition_export,
        affects=True,
        letter="",
        who=of_some_type("r"),
        params=(VIEWS, *COMMON),
        out=OUT,
    ),
)
