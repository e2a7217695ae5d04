"""`$export` (Bulk Data Access 2.0) and `$import` (the bulk import draft): the requests that begin a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from django.db import connection, transaction

from tuetinh.record import permits, r4, versioning
from tuetinh.record.bulk import asking, fetching, ledger
from tuetinh.record.bulk.ledger import Job
from tuetinh.record.errors import BadRequest, Forbidden, Issue, outcome
from tuetinh.record.operations import given
from tuetinh.record.operations.declare import Asked, Level, Operation, Out, Param, Reply, of_some_type
from tuetinh.record.steps import Step, computed

PLACE = "_bulk"  # below the base: where jobs and their files are asked for
PLAIN = "application/json"
MOST_INPUTS = 10_000
MODES = ("InitialLoad", "IncrementalLoad")


def export(asked: Asked) -> Step[Reply]:
    """Begin an export of everything, of all patients, or of the members of a Group."""
    if "respond-async" not in asked.prefer:
        raise BadRequest("an export is asynchronous: send Prefer: respond-async")
    wanted = yield from asking.export(asked)
    return (yield from _accepted(asked, "export", wanted.asked, wanted.patients))


def import_(asked: Asked) -> Step[Reply]:
    """Begin an import of files that other servers hold."""
    values = _values(asked)
    form = values.one("inputFormat", asking.NDJSON)
    if form not in asking.FORMATS:
        raise BadRequest(f"inputFormat {form[:80]!r} is not taken; {asking.NDJSON} is", "inputFormat")
    if values.one("mode", MODES[0]) not in MODES:
        raise BadRequest(f"mode is one of {', '.join(MODES)}", "mode")
    storage = values.one("storageDetail", {})
    if storage and storage.get("type", ["https"])[0] not in ("http", "https"):
        raise BadRequest("files are fetched by https or http alone", "storageDetail.type")
    manifest = values.one("exportUrl", "")
    inputs = [{"url": one["url"][0], "type": one.get("type", [""])[0]} for one in values.many("input")]
    if bool(manifest) == bool(inputs):
        raise BadRequest("either input or exportUrl is required", "input")
    if manifest and values.one("exportType", "dynamic") != "static":
        raise BadRequest("only a manifest that is there already is fetched: exportType is static", "exportType")
    if len(inputs) > MOST_INPUTS:
        raise BadRequest(f"more than {MOST_INPUTS} files", "input")
    _check_sources([manifest] if manifest else [one["url"] for one in inputs])
    _check_types(asked, [one["type"] for one in inputs])
    return (yield from _accepted(asked, "import", {"inputs": inputs, "manifest": manifest}, None))


def _check_sources(urls: Sequence[str]) -> None:
    """Raise Forbidden for addresses that are not within TUETINH_IMPORT_FROM, whether there is something or not."""
    wrong = [url for url in urls if not fetching.is_allowed(url)]
    if wrong:
        text = f"this server does not fetch from there ({fetching.SETTING} names where it does)"
        raise Forbidden(issues=[Issue("error", "forbidden", f"{url[:200]}: {text}", "input.url") for url in wrong[:20]])


def _check_types(asked: Asked, types: Sequence[str]) -> None:
    for type_ in dict.fromkeys(types):
        if type_ and type_ not in r4.RESOURCES:
            raise BadRequest(f"there is no resource type {type_[:80]!r}", "input.type")
        if type_:
            permits.allow(asked.asker, "u", type_)


def _values(asked: Asked) -> Asked:
    """The call with its values, also where its body is plain JSON instead of Parameters."""
    if not asked.body:
        return asked
    lenient = asked.prefer.get("handling") == "lenient"
    try:
        plain = msgspec.json.decode(asked.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error
    body = asked.body
    if isinstance(plain, dict) and "resourceType" not in plain:
        body = msgspec.json.encode({"resourceType": "Parameters", "parameter": list(_parameters(plain))})
    values, _ = given.from_body(IMPORT, body, lenient=lenient)
    given.complete(IMPORT, values)
    return Asked(asked.asker, asked.name, asked.base, asked.path, values=values, prefer=asked.prefer)


def _parameters(plain: dict[str, Any]) -> list[dict[str, Any]]:
    """The members of a JSON object as parameters; a list is a parameter that comes several times."""
    found = []
    for name, value in plain.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                found.append({"name": name, "part": _parameters(one)})
            elif isinstance(one, str):
                found.append({"name": name, "valueString": one})
            else:
                raise BadRequest(f"{name[:80]} must be a text or an object", name[:80])
    return found


def accepted(asked: Asked, kind: str, wanted: dict[str, Any], patients: list[str] | None) -> Step[tuple[Job, str]]:
    """Keep the job and have it done: both or, when this process dies, neither. Returns where it is asked for, too."""
    request = f"{asked.path}?{urlencode(asked.pairs)}" if asked.pairs else asked.path
    job = Job(versioning.new_id(), kind, asked.asker, request, wanted)
    yield from computed(lambda: _keep(job, patients))
    return job, f"{asked.base}/{PLACE}/{job.id}"


def _accepted(asked: Asked, kind: str, wanted: dict[str, Any], patients: list[str] | None) -> Step[Reply]:
    _, address = yield from accepted(asked, kind, wanted, patients)
    told = outcome([Issue("information", "informational", f"the {kind} is under way; ask {address} how far it is")])
    return Reply(told, 202, headers={"content-location": address})


def _keep(job: Job, patients: list[str] | None) -> None:
    from tuetinh.record import jobs

    mine = not connection.in_atomic_block
    try:
        with transaction.atomic():
            ledger.add(job, patients)
            jobs.bulk.defer(job=job.id)
    finally:
        if mine:
            connection.close()


_GUIDE = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/{}export"
_DRAFT = "https://tuetinh.vn/fhir/OperationDefinition/import"
_PARAMS = (
    Param("_outputFormat", "string"),
    Param("_since", "instant"),
    Param("_until", "instant"),
    Param("_type", "string", max=None),
    Param("_elements", "string", max=None),
    Param("_typeFilter", "string", max=None),
    Param("includeAssociatedData", "string", max=None),
    Param("organizeOutputBy", "string"),
    Param("patient", "Reference", max=None),
)
_PLACES: tuple[tuple[str, Level, frozenset[str] | None], ...] = (
    ("", "system", None),
    ("patient-", "type", frozenset({"Patient"})),
    ("group-", "instance", frozenset({"Group"})),
)
_NOTHING: tuple[Out, ...] = ()
IMPORT = Operation(
    "import",
    _DRAFT,
    ("system",),
    import_,
    letter="",
    who=of_some_type("u"),
    affects=True,
    params=(
        Param("inputFormat", "string"),
        Param("inputSource", "uri"),
        Param("mode", "string"),
        Param("storageDetail", parts=(Param("type", "string"),)),
        Param("input", max=None, parts=(Param("type", "string"), Param("url", "uri", 1))),
        Param("exportUrl", "uri"),
        Param("exportType", "string"),
    ),
    out=_NOTHING,
    takes=frozenset({PLAIN}),
)
OPERATIONS = (
    *(
        Operation(
            "export",
            _GUIDE.format(name),
            (level,),
            export,
            types=types,
            letter="",
            who=of_some_type("r"),
            params=_PARAMS,
            out=_NOTHING,
        )
        for name, level, types in _PLACES
    ),
    IMPORT,
)
