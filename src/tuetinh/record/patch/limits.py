"""How many operations a patch may have: each looks through the resource, and the row is locked meanwhile."""

from __future__ import annotations

import os

import msgspec

from tuetinh.record.errors import TooLarge

SETTING = "TUETINH_PATCH_LIMIT"
JSON, FHIRPATH, XML = 10_000, 1000, 500
"""Where the setting is not given: as many as a large resource takes in about a second."""


class _Counted(msgspec.Struct):
    parameter: list[msgspec.Raw] = []


def check(count: int, default: int) -> None:
    """Raise TooLarge for more operations than the node takes. default: of JSON, FHIRPATH, XML."""
    most = int(os.environ.get(SETTING, default))
    if count > most:
        raise TooLarge(f"the patch has {count} operations; {most} at most are taken here ({SETTING})")


def check_parameters(raw: bytes) -> None:
    """Raise TooLarge for Parameters with too many operations, before they are looked at any closer."""
    try:
        count = len(msgspec.json.decode(raw, type=_Counted).parameter)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return  # whoever reads it says what is wrong
    check(count, FHIRPATH)
