"""Jobs of bulk data at the door: how far one is, what came out, its files, its end (Bulk Data Access 2.0, export)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from tuetinh.record import audit, r4, versioning
from tuetinh.record.bulk import files, ledger, tables
from tuetinh.record.bulk.asking import NDJSON
from tuetinh.record.bulk.ledger import File, Job
from tuetinh.record.door.call import Call, Response, http_date
from tuetinh.record.errors import Forbidden, Issue, NotFound, outcome
from tuetinh.record.operations.bulk import PLACE
from tuetinh.record.operations.view_export import told
from tuetinh.record.operations.views import media_of

if TYPE_CHECKING:
    from tuetinh.record.door.app import Door

AGAIN_SECONDS = (1, 30)  # how soon to ask again: of a job that is new, and of one that takes long
JSON = "application/json"
TABLES = frozenset({"viewdefinition-export", "sqlquery-export"})
RESULT = "result"  # in the place of a file's name, which has a dot


async def bulk_status(door: Door, call: Call) -> Response:
    """GET /_bulk/job: 202 with how far it is, 200 with the manifest, 500 with why it failed.

    An export of views or queries leads (303) to its result instead, as its draft has it.
    """
    job = await door.run(call.asker, ledger.find(call.asker, call.id))
    if job.state in ("accepted", "running"):
        response = Response(202, _under_way(job, call), x_progress=job.progress or "waiting for its turn")
        response.headers["retry-after"] = str(_again(job))
        return response
    if job.kind in TABLES:
        return Response(303, location=f"{call.base}/{PLACE}/{job.id}/{RESULT}")
    return _ended(job, call)


def _ended(job: Job, call: Call) -> Response:
    """What has come out: the manifest, or why nothing has."""
    if job.state == "failed":
        response = Response(500, outcome([Issue("fatal", "exception", f"the {job.kind} failed: {job.problem}")]))
    elif job.kind in TABLES:
        response = Response(200, _views(job, call))
    else:
        response = Response(200, msgspec.json.encode(_manifest(job, call)), content_type=JSON)
    if job.expires:
        response.headers["expires"] = http_date(job.expires)
    return response


async def bulk_delete(door: Door, call: Call) -> Response:
    """DELETE /_bulk/job: it ends and its files are taken away; what works on it meanwhile notices by either."""
    job = await door.run(call.asker, ledger.find(call.asker, call.id))
    await door.run(call.asker, ledger.remove(job.id))
    await asyncio.to_thread(files.remove, job.id)
    return Response(202, outcome([Issue("information", "informational", f"the {job.kind} is deleted")]))


async def bulk_file(door: Door, call: Call) -> Response:
    """GET /_bulk/job/file, as a gzip where the client takes it."""
    job = await door.run(call.asker, ledger.find(call.asker, call.id))
    if job.kind in TABLES and call.version == RESULT and job.state in ("done", "failed"):
        return _ended(job, call)
    file = next((f for f in job.files if f.name == call.version and f.whole and job.state == "done"), None)
    if file is None:
        message = f"the {job.kind} has no file {call.version[:80]!r}"
        raise NotFound(message)
    if file.kind != "error" and not all(ledger.covers(call.asker, job.asker, t) for t in _types(job, file)):
        message = "the scopes with which this is fetched are narrower than those with which it was asked for"
        raise Forbidden(message)
    try:
        opened = await asyncio.to_thread(files.whole, job.id, file.name)
    except FileNotFoundError as error:
        message = "the file is gone from the server"
        raise NotFound(message) from error
    audit.note(call.asker, "download", file.type, "", None)
    zipped = "gzip" in call.headers.get("accept-encoding", "").lower()
    media = media_of(job.asked["form"]) if job.kind in TABLES and file.kind == "output" else NDJSON
    response = Response(200, content_type=media, vary="accept-encoding", cache_control="no-store")
    if zipped:
        response.headers["content-encoding"] = "gzip"
    else:
        response.headers["content-length"] = str(file.bytes)
    if job.expires:
        response.headers["expires"] = http_date(job.expires)
    response.chunks = files.chunks(opened, zipped=zipped)
    return response


def _under_way(job: Job, call: Call) -> bytes:
    """What is told while a job is not done."""
    if job.kind not in TABLES:
        return b""
    status = "accepted" if job.state == "accepted" else "in-progress"
    return r4.encode(told(job.id, f"{call.base}/{PLACE}/{job.id}", job.asked["tracking"], status))


def _views(job: Job, call: Call) -> bytes:
    """What an export of views or queries has made: the address of each file, by name."""
    place = f"{call.base}/{PLACE}/{job.id}"
    parts: dict[str, list[r4.ParametersParameter]] = {}
    for file in job.files:
        name = tables.part_of(file)
        parts.setdefault(name, [r4.ParametersParameter(name="name", valueString=name)]).append(
            r4.ParametersParameter(name="location", valueUri=f"{place}/{file.name}")
        )
    more = [
        r4.ParametersParameter(name="_format", valueCode=job.asked["form"]),
        r4.ParametersParameter(
            name="exportStartTime", valueInstant=versioning.instant(job.moment or datetime.now(UTC))
        ),
        *(r4.ParametersParameter(name="output", part=each) for each in parts.values()),
    ]
    return r4.encode(told(job.id, place, job.asked["tracking"], "completed", *more))


def _again(job: Job) -> int:
    """A tenth of the time that the job has taken so far, within AGAIN_SECONDS."""
    age = (datetime.now(UTC) - job.created).total_seconds() if job.created else 0.0
    least, most = AGAIN_SECONDS
    return max(least, min(most, int(age / 10)))


def _types(job: Job, file: File) -> list[str]:
    """Of which types a file tells: deletions, and what is organized by patient, are of all types of the export."""
    return job.asked["types"] if file.kind == "deleted" or not file.type else [file.type]


def _manifest(job: Job, call: Call) -> dict[str, Any]:
    def listed(kind: str) -> list[dict[str, Any]]:
        return [_listed(file, f"{call.base}/{PLACE}/{job.id}") for file in job.files if file.kind == kind]

    found: dict[str, Any] = {
        "transactionTime": versioning.instant(job.moment or datetime.now(UTC)),
        "request": job.request,
        "requiresAccessToken": True,
        "output": listed("output"),
    }
    if job.kind == "export":
        found["deleted"] = listed("deleted")
    if job.asked.get("organized"):
        found["outputOrganizedBy"] = "Patient"
    return found | {"error": listed("error")}


def _listed(file: File, place: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": file.type} if file.type else {}
    if file.name:
        entry["url"] = f"{place}/{file.name}"
    if file.source:
        entry["inputUrl"] = file.source
    return entry | {"count": file.count}
