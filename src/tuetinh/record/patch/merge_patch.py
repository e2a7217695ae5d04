"""JSON Merge Patch (RFC 7396), as Aidbox and its clients send it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec

from tuetinh.record.errors import BadRequest

_encoder = msgspec.json.Encoder(decimal_format="number")


def apply(body: bytes, patch: bytes) -> bytes:
    """The patched JSON: objects are merged, null takes an element away. Raises BadRequest for what is no object."""
    try:
        changes = json.loads(patch, parse_float=Decimal)
        if not isinstance(changes, dict):
            message = "a merge patch is an object"
            raise BadRequest(message)
        return _encoder.encode(_merged(json.loads(body, parse_float=Decimal), changes))
    except (ValueError, RecursionError) as error:
        message = f"the patch is not JSON: {str(error)[:100]}"
        raise BadRequest(message) from error


def _merged(value: Any, changes: Any) -> Any:
    if not isinstance(changes, dict):
        return changes
    merged = dict(value) if isinstance(value, dict) else {}
    for name, change in changes.items():
        if change is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), change)
    return merged
