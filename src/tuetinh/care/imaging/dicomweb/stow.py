"""STOW-RS (PS3.18, 10.5): objects come in, and each is told what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, suppress
from typing import Any, Final

from tuetinh.care.imaging.archive.keeping import Kept, Settle, Source, keep
from tuetinh.care.imaging.archive.queries import STRUCTURED
from tuetinh.care.imaging.archive.reading import Head
from tuetinh.care.imaging.archive.recording import are_told, record_new, record_studies
from tuetinh.care.imaging.dicomweb import native
from tuetinh.care.imaging.dicomweb.asked import Call, Refused
from tuetinh.care.imaging.dicomweb.multipart import NotMultipart, parameters, parts
from tuetinh.record import audit
from tuetinh.record.asker import Asker
from tuetinh.record.contents import Arriving, NoSpace
from tuetinh.record.steps import Query, Row, Step, run

DICOM: Final = "application/dicom"
SMALL: Final = 2**20  # bytes that are kept in memory while an object comes
# Failure Reason (PS3.18, 10.5.3.3; PS3.4 B.2.3): the same as C-STORE tells.
_FAILURES: Final = {"broken": 0xC000, "missing": 0xA900}
_CHANGED: Final = 0x0111  # duplicate SOP instance, with other content: kept, until a person decides
_PROCESSING: Final = 0x0110
_OUT_OF_RESOURCES: Final = 0xA700
_NOT_ALLOWED: Final = 0x0124
_NOT_UNDERSTOOD: Final = 0xC000


Work = Callable[..., Awaitable[Any]]


async def store(call: Call, asker: Asker, study: str, work: Work, settle: Settle) -> None:
    """Keep what a request brings; `work` does it on a thread that has the database, `settle` as that of `keeping`."""
    told = parameters(call.headers.get("content-type", ""))
    source = Source(asker.facility, f"STOW {asker.account}")
    person = None if asker.role == "system" else asker
    # A person, or their app, stores as at the viewer: measurements only, beside pictures that they see.
    allowed = (lambda head: _is_measured(person, head)) if person else None
    outcomes: list[tuple[Kept, int]] = []

    async def kept(came: bytearray | Arriving) -> Kept:
        done: Kept = await work(lambda: keep(source, came, study=study, allowed=allowed, settle=settle))
        return done

    if told[""] == DICOM:
        outcomes.append(await _one(call.chunks(), kept))
    elif told[""] == "multipart/related" and told.get("boundary"):
        try:
            async for headers, body in parts(call.chunks(), told["boundary"]):
                if parameters(headers.get("content-type", DICOM))[""] == DICOM:
                    outcomes.append(await _one(body, kept))
                else:  # of those before it something has become, which the client is told
                    outcomes.append((Kept("held", "not-dicom"), _NOT_UNDERSTOOD))
        except NotMultipart as error:
            if not outcomes:
                raise Refused(400, str(error)) from error
            outcomes.append((Kept("held", "broken", str(error)), _PROCESSING))
    else:
        raise Refused(415, "multipart/related or application/dicom is expected")
    if not outcomes:
        raise Refused(400, "the request brings nothing")
    if all(one.reason == "not-dicom" for one, _ in outcomes):
        raise Refused(415, "no part is application/dicom")
    came = {one.study for one, _ in outcomes if one.state == "stored"}
    if person:
        await work(record_studies, came)  # what a person keeps is in the record when they look
    elif not are_told(came):
        await work(record_new, came)
    await _answer(call, study, outcomes)


async def _one(
    chunks: AsyncIterator[bytes], kept: Callable[[bytearray | Arriving], Awaitable[Kept]]
) -> tuple[Kept, int]:
    """Keep one; returns what became of it and the reason of its failure, 0 for none."""
    try:
        with ExitStack() as stack:
            what = await kept(await _arrived(chunks, stack))
    except NoSpace:
        return Kept("held"), _OUT_OF_RESOURCES
    if what.state != "held":
        return what, 0
    return what, _FAILURES.get(what.reason, _CHANGED if what.reason == "changed" else _NOT_ALLOWED)


async def _arrived(chunks: AsyncIterator[bytes], stack: ExitStack) -> bytearray | Arriving:
    """An object: what is small in memory, else as a file that grows while it comes."""
    held, arriving = bytearray(), None
    async for chunk in chunks:
        held += chunk
        if len(held) >= SMALL:
            arriving = arriving or stack.enter_context(await asyncio.to_thread(Arriving))
            await asyncio.to_thread(arriving.write, held)
            held = bytearray()
    if arriving is None:
        return held
    await asyncio.to_thread(arriving.write, held)
    return arriving


def _is_measured(person: Asker, head: Head) -> bool:
    """Whether an object is of measurements, in a study that this person sees."""
    return head.sop_class.startswith(STRUCTURED) and _is_beside(person, head.study)


def _is_beside(person: Asker, study: str) -> bool:
    """Whether a study is in the archive for this person and of their facility; it is told as one of theirs."""

    def step() -> Step[list[Row]]:
        sql = "SELECT resource, patient FROM imaging_study WHERE study_instance_uid = %s AND custodian = %s"
        return (yield Query(sql, (study, person.facility)))

    rows = run(person, step())
    for resource, patient in rows:
        audit.note(person, "update", "ImagingStudy", resource, patient)
    return bool(rows)


async def _answer(call: Call, study: str, outcomes: list[tuple[Kept, int]]) -> None:
    stored = [_item(call, kept) for kept, failure in outcomes if not failure]
    failed = [_item(call, kept) | _element("00081197", "US", failure) for kept, failure in outcomes if failure]
    uid = study or next((kept.study for kept, failure in outcomes if not failure), "")
    answer: dict[str, Any] = _element("00081190", "UR", f"{call.base}/studies/{uid}") if uid and stored else {}
    if failed:
        answer["00081198"] = {"vr": "SQ", "Value": failed}
    if stored:
        answer["00081199"] = {"vr": "SQ", "Value": stored}
    status = 200 if not failed else 202 if stored else 409
    with suppress(Refused):  # whoever takes neither is told in JSON: the objects are stored
        if call.wants_xml(parts=False):
            await call.answer(status, native.MEDIA, native.as_xml(answer))
            return
    await call.answer_json(answer, status)


def _item(call: Call, kept: Kept) -> dict[str, Any]:
    item = _element("00081150", "UI", kept.sop_class) if kept.sop_class else {}
    item |= _element("00081155", "UI", kept.sop_instance) if kept.sop_instance else {}
    if kept.state in ("stored", "duplicate"):
        item |= _element("00081190", "UR", f"{call.base}/studies/{kept.study}")
    return item


def _element(tag: str, vr: str, value: Any) -> dict[str, Any]:
    return {tag: {"vr": vr, "Value": [value]}}
