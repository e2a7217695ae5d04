"""Tries to open pictures soon after they came: decoders fail, or do not end, over what machines write."""

from __future__ import annotations

import time
from typing import Any, Final

import tuetinh.care.imaging.library  # noqa: F401

from pydicom.uid import UID

from tuetinh.care.imaging.archive.keeping import ask
from tuetinh.care.imaging.archive.models import Unreadable
from tuetinh.care.imaging.archive.queries import is_drawn
from tuetinh.care.imaging.archive.sizes import TooLarge
from tuetinh.care.imaging.archive.syntaxes import CannotConvert
from tuetinh.care.imaging.dicomweb import frames
from tuetinh.record.contents import files, sealing
from tuetinh.record.steps import Row

SECONDS: Final = 5.0  # for the frames of one object; of those that take longer the first ones are tried
AGAIN: Final = 100  # that are tried again at once
Fault = Unreadable.Fault
_KEPT: Final = (FileNotFoundError, sealing.Spoilt)  # that is another job's business


def candidates() -> tuple[str, tuple[Any, ...]]:
    """The statement for the next objects to try, and its parameters after the cursor."""
    return _NEXT, ()


_NEXT: Final = """
SELECT id, digest, size, sop_class_uid, transfer_syntax_uid FROM imaging_instance
WHERE id > %s AND received_at < now() - interval '1 minute' ORDER BY id LIMIT %s"""  # by then their ids are in order
_TOLD: Final = """
INSERT INTO imaging_unreadable (instance_id, digest, fault, detail, frame, found_at)
SELECT id, digest, %s, %s, %s, now() FROM imaging_instance WHERE id = %s AND digest = %s
ON CONFLICT (instance_id) DO UPDATE SET digest = excluded.digest, fault = excluded.fault, detail = excluded.detail,
  frame = excluded.frame, found_at = excluded.found_at, asked_at = NULL, left_at = NULL
  WHERE imaging_unreadable.digest <> excluded.digest"""


def look(row: Row) -> int | None:
    """Try to open an object that came; its bytes where it cannot be opened, else None. Raises files.Away."""
    instance, digest, size, sop_class, syntax = row[0], bytes(row[1]), row[2], row[3], row[4]
    wrong = fault(digest, sop_class, syntax)
    if wrong is None:
        ask("DELETE FROM imaging_unreadable WHERE instance_id = %s", instance)
        return None
    kind, detail, frame = wrong
    ask(_TOLD, kind, detail, frame, instance, digest)
    return int(size)


def look_again() -> None:
    """Try those whose file is another one by now. Raises files.Away."""
    for row in ask(_CHANGED, AGAIN):
        try:
            look(row)
        except _KEPT:
            continue


_CHANGED: Final = """
SELECT i.id, i.digest, i.size, i.sop_class_uid, i.transfer_syntax_uid FROM imaging_unreadable u
  JOIN imaging_instance i ON i.id = u.instance_id WHERE u.digest <> i.digest ORDER BY u.id LIMIT %s"""


def fault(digest: bytes, sop_class: str, syntax: str) -> tuple[str, str, int] | None:
    """Why the pixels of an object cannot be decoded, and of which frame; None where they can, or there are none.

    Raises files.Away, FileNotFoundError, sealing.Spoilt.
    """
    if not is_drawn(sop_class, syntax):
        return None
    number, until = 1, time.monotonic() + SECONDS
    try:
        where = frames.pixels(digest)
        if frames.lying(digest)[1]:
            return None
        while number <= where.count and time.monotonic() < until:
            frames.decoded(digest, [number])
            number += 1
    except (files.Away, *_KEPT):
        raise
    except frames.NoFrame:
        return None
    except Exception as error:  # headers without rows, too
        return _kind(error, syntax), str(error)[:300], number
    return None


def _kind(error: Exception, syntax: str) -> str:
    if isinstance(error.__cause__ or error, TooLarge):
        return Fault.LARGE
    uid = UID(syntax)
    if not uid.is_transfer_syntax or (uid.is_encapsulated and uid not in frames.MEDIA):
        return Fault.SYNTAX
    told = str(error)
    return Fault.CUT if isinstance(error, CannotConvert) and ("short" in told or "cut off" in told) else Fault.BROKEN
