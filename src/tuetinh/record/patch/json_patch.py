"""JSON Patch (RFC 6902), without losing a digit of decimals."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import jsonpatch
import jsonpointer
import msgspec

from tuetinh.record.errors import BadRequest, TooLarge, Unprocessable
from tuetinh.record.patch import limits

MAX_COPIED = 16 * 1024 * 1024
_encoder = msgspec.json.Encoder(decimal_format="number")


def apply(body: bytes, patch: bytes) -> bytes:
    """The patched JSON. Raises BadRequest for no JSON Patch, Unprocessable for one that does not fit."""
    operations = _operations(patch)
    limits.check(len(operations), limits.JSON)
    try:
        return _encoder.encode(_applied(operations, json.loads(body, parse_float=Decimal)))
    except jsonpatch.JsonPatchTestFailed as error:
        message = "a test of the patch fails"
        raise Unprocessable(message) from error
    except (jsonpatch.InvalidJsonPatch, jsonpointer.JsonPointerException, jsonpatch.JsonPatchConflict) as error:
        text = f"the patch does not fit the resource: {str(error)[:200]}"
        raise (BadRequest if isinstance(error, jsonpatch.InvalidJsonPatch) else Unprocessable)(text) from error
    except RecursionError as error:
        message = "the patch is nested too deeply"
        raise BadRequest(message) from error
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        message = "the patch does not fit the resource"
        raise Unprocessable(message) from error


def _applied(operations: list[dict[str, Any]], document: Any) -> Any:
    """The document after all operations. Copies of copies double it each time, so what they add is counted."""
    copied = 0
    for operation in operations:
        if operation["op"] == "copy":
            copied += len(_encoder.encode(jsonpointer.resolve_pointer(document, operation["from"])))
            if copied > MAX_COPIED:
                message = f"the patch copies more than {MAX_COPIED} bytes"
                raise TooLarge(message)
        document = jsonpatch.JsonPatch([operation]).apply(document, in_place=True)
    return document


def _operations(patch: bytes) -> list[dict[str, Any]]:
    try:
        operations = json.loads(patch, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        message = f"the patch is not JSON: {error}"
        raise BadRequest(message) from error
    if not isinstance(operations, list) or not all(isinstance(o, dict) for o in operations):
        message = "a JSON Patch is an array of operations"
        raise BadRequest(message)
    for number, operation in enumerate(operations):
        name = operation.get("op")
        if name not in ("add", "remove", "replace", "move", "copy", "test"):
            message = f"operation {number} has no known `op`"
            raise BadRequest(message)
        if not isinstance(operation.get("path"), str) or (
            name in ("move", "copy") and not isinstance(operation.get("from"), str)
        ):
            message = f"operation {number} lacks a path"
            raise BadRequest(message)
        if name in ("add", "replace", "test") and "value" not in operation:
            message = f"operation {number} lacks a value"
            raise BadRequest(message)
    return operations
