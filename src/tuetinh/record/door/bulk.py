"""Jobs of bulk data at the door: how far one is, what came out, its files, its end (Bulk Data Access 2.0, export)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from tuetinh.record import audit, store
from tuetinh.record.bulk import files, ledger
from tuetinh.record.bulk.asking import NDJSON
from tuetinh.record.bulk.ledger import File, Job
from tuetinh.record.door.call import Call, Response, http_date
from tuetinh.record.errors import Forbidden, Issue, NotFound, outcome
from tuetinh.record.operations.bulk import PLACE

if TYPE_CHECKING:
    from tuetinh.record.door.app import Door

AGAIN_SECONDS = (1, 30)  # how soon to ask again: of a job that is new, and of one that takes long
JSON = "application/json"


async def bulk_status(door: Door, call: Call) -> Response:
    """GET /_bulk/job: 202 with how far it is, 200 with the manifest, 500 with why it failed."""
    job = await door.run(call.asker, ledger.find(call.asker, call.id))
    if job.state in ("accepted", "running"):
        response = Response(202, x_progress=job.progress or "waiting for its turn")
        response.headers["retry-after"] = str(_again(job))
        return response
    if job.state == "failed":
        response = Response(500, outcome([Issue("fatal", "exception", f"the {job.kind} failed: {job.problem}")]))
    else:
        response = Response(200, msgspec.json.encode(_manifest(job, call)), content_type=JSON)
    if job.expires:
        response.headers["expires"] = http_date(job.expires)
    return response


async def bulk_delete(door: Door, call: Call) -> Response:
    """DELETE /_bulk/job: it is stopped, or its files are taken away."""
    job = await door.run(call.asker, ledger.find(call.asker, call.id))
    await door.run(call.asker, ledger.remove(job.id))
    if job.state in ("done", "failed"):
        await asyncio.to_thread(files.remove, job.id)
    return Response(202, outcome([Issue("information", "informational", f"the {job.kind} is deleted")]))


async def bulk_file(door: Door, call: Call) -> Response:
    """GET /_bulk/job/file, as a gzip where the client takes it."""
    job = await door.run(call.asker, ledger.find(call.asker, call.id))
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
    response = Response(200, content_type=NDJSON, vary="accept-encoding", cache_control="no-store")
    if zipped:
        response.headers["content-encoding"] = "gzip"
    else:
        response.headers["content-length"] = str(file.bytes)
    if job.expires:
        response.headers["expires"] = http_date(job.expires)
    response.chunks = files.chunks(opened, zipped=zipped)
    return response


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
        "transactionTime": store.instant(job.moment or datetime.now(UTC)),
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
