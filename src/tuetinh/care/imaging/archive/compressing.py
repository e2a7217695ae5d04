"""Objects that came without compression are kept without loss as JPEG-LS (PS3.5, 8.2.3) or JPEG 2000 (8.2.4).

The new file is decoded and set beside the old one before it takes its place. Signed objects, what is compressed already
and what cannot be compared are left as they came.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Final

import tuetinh.care.imaging.library  # noqa: F401

from django.db import transaction
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID, JPEG2000Lossless, JPEGLSLossless

from tuetinh.care.imaging.archive.elsewhere import days
from tuetinh.care.imaging.archive.keeping import ask
from tuetinh.care.imaging.archive.lenient import dcmread
from tuetinh.care.imaging.archive.reading import dataset_digest
from tuetinh.care.imaging.archive.syntaxes import PLAIN, is_of_same_pixels
from tuetinh.record.contents import Arriving, files

SMALLEST, LARGEST = 16 * 1024, 512 * 2**20  # bytes of an object that is compressed
_SIGNED: Final = {0xFFFAFFFA, 0x4FFE0001}  # Digital Signatures Sequence, MAC Parameters Sequence
_PIXELS: Final = 0x7FE00010
USUAL: Final = "jpeg-ls"
SYNTAXES: Final = {USUAL: (JPEGLSLossless, "pyjpegls"), "jpeg2000": (JPEG2000Lossless, "pylibjpeg")}
"""The transfer syntaxes of `TUETINH_IMAGING_COMPRESS`, and what writes each."""


class NoSuchSyntax(Exception):
    """The setting names no transfer syntax."""


def syntax() -> tuple[UID, str]:
    """The transfer syntax that objects are compressed to, and what writes it. Raises NoSuchSyntax."""
    told = os.environ.get("TUETINH_IMAGING_COMPRESS", "").strip().lower() or USUAL
    if told not in SYNTAXES:
        raise NoSuchSyntax(f"TUETINH_IMAGING_COMPRESS is one of {', '.join(SYNTAXES)}")
    return SYNTAXES[told]


def cutoff() -> datetime:
    """What came before this is compressed."""
    return datetime.now(UTC) - days("TUETINH_IMAGING_COMPRESS_DAYS", 7)


def compress(instance: int, digest: bytes, size: int) -> int | None:
    """Put a compressed file in the place of an object's; how many bytes that saves, None where it is left as it is.

    Raises NoSuchSyntax, and as `files.opened`.
    """
    to, plugin = syntax()
    made = _compressed(digest, to, plugin) if SMALLEST <= size <= LARGEST else None
    if made is None or len(made) >= size:
        ask("UPDATE imaging_instance SET compression = 'left' WHERE id = %s AND digest = %s", instance, digest)
        return None
    with files.opened(digest) as file:
        original = dataset_digest(file)
    with Arriving() as arriving:
        arriving.write(made)
        content = arriving.place()
    with transaction.atomic():
        rows = ask(
            _REPLACE,
            *(content.digest, content.size, str(to), original, instance, digest),
            *(content.digest, content.size, digest, digest),
        )
    return size - len(made) if rows else None


_REPLACE: Final = """
WITH changed AS (
  UPDATE imaging_instance SET digest = %s, size = %s, original_syntax = transfer_syntax_uid, transfer_syntax_uid = %s,
    original = %s, compression = 'done'
  WHERE id = %s AND digest = %s RETURNING id, study_id
), used AS (
  INSERT INTO record.content (digest, size, type, id, shard, patient, custodian)
  SELECT %s, %s, 'ImagingStudy', s.resource, coalesce(s.patient, s.resource), s.patient, s.custodian
  FROM changed JOIN imaging_study s ON s.id = changed.study_id ON CONFLICT DO NOTHING
), unused AS (
  DELETE FROM record.content c USING changed JOIN imaging_study s ON s.id = changed.study_id
  WHERE c.digest = %s AND c.type = 'ImagingStudy' AND c.id = s.resource AND NOT EXISTS (
    SELECT FROM imaging_instance o WHERE o.study_id = changed.study_id AND o.digest = %s AND o.id <> changed.id)
)
SELECT id FROM changed"""


def _compressed(digest: bytes, to: UID, plugin: str) -> bytes | None:
    """The Part 10 file of an object, compressed; None where that cannot be, or would not be the same."""
    try:
        with files.opened(digest) as file:
            was = dcmread(file)
        if str(was.file_meta.TransferSyntaxUID) not in PLAIN or not _may_be(was):
            return None
        made = dcmread(BytesIO(_written(was)))  # its values as they are read, not as they lie in memory
        made.compress(to, encoding_plugin=plugin, generate_instance_uid=False)
        data = _written(made)
        return data if _is_same(was, dcmread(BytesIO(data))) else None
    except (files.Away, OSError):
        raise
    except Exception:  # whatever an encoder, or bytes that are no DICOM, lead to: it stays as it came
        return None


def _written(dataset: FileDataset) -> bytes:
    out = BytesIO()
    dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def _may_be(dataset: Dataset) -> bool:
    return (
        "PixelData" in dataset
        and dataset.BitsAllocated in (8, 16)
        and dataset.SamplesPerPixel in (1, 3)
        and dataset.get("PlanarConfiguration", 0) == 0
        and dataset.PhotometricInterpretation != "YBR_FULL_422"
        and not any(int(one.tag) in _SIGNED for one in dataset.iterall())
    )


def _is_same(was: FileDataset, made: FileDataset) -> bool:
    """Whether both tell the same, and the new one decodes to the bytes of the old one."""
    told, tells = ({int(one.tag): one.value for one in data if int(one.tag) != _PIXELS} for data in (was, made))
    return told == tells and is_of_same_pixels(was.PixelData, made)


def candidates() -> tuple[str, tuple[Any, ...]]:
    """The statement for the next objects to compress, and its parameters after the cursor."""
    return _NEXT, (list(PLAIN), cutoff())


_NEXT: Final = """
SELECT id, digest, size FROM imaging_instance
WHERE id > %s AND compression = '' AND transfer_syntax_uid = ANY(%s) AND received_at < %s ORDER BY id LIMIT %s"""
