"""`Type/id/$diff`: what changed from one version to another, as Parameters of a FHIRPath Patch."""

from __future__ import annotations

from tuetinh.record import reads
from tuetinh.record.errors import BadRequest
from tuetinh.record.operations.declare import Asked, Operation, Out, Param, Reply
from tuetinh.record.patch.difference import difference
from tuetinh.record.steps import Step, computed


def diff(asked: Asked) -> Step[Reply]:
    """From `fromVersion` (else the one before) to `toVersion` (else the current one)."""
    if (to := asked.one("toVersion")) is None:
        after = yield from reads.read(asked.asker, asked.type, asked.id)
    else:
        after = yield from reads.read_version(asked.asker, asked.type, asked.id, to)
    from_ = asked.one("fromVersion", after.version - 1)
    if from_ < 1:
        message = f"{asked.type}/{asked.id} has no version before {after.version}"
        raise BadRequest(message, "fromVersion")
    before = yield from reads.read_version(asked.asker, asked.type, asked.id, from_)
    meta = bool(asked.one("includeMeta"))
    body = yield from computed(lambda: difference(before.body or b"", after.body or b"", meta=meta))
    return Reply(body, seen=[(asked.type, asked.id, after.patient), (asked.type, asked.id, before.patient)])


OPERATIONS = (
    Operation(
        "diff",
        "https://tuetinh.vn/fhir/OperationDefinition/Resource-diff",
        ("instance",),
        diff,
        params=(
            Param("fromVersion", "positiveInt"),
            Param("toVersion", "positiveInt"),
            Param("includeMeta", "boolean"),
        ),
        out=(Out("return", "Parameters", 1),),
    ),
)
