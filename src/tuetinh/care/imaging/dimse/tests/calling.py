"""How tests call the archive over DIMSE."""

from __future__ import annotations

import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
)


def call(port: int, *classes: str, title: str = "CT1", **options: Any) -> Association:
    """An association with the archive."""
    ae = AE(title)
    for one in classes:
        ae.add_requested_context(one, [ExplicitVRLittleEndian] if one == CTImageStorage else None)
    return ae.associate("127.0.0.1", port, ae_title="TUETINH", **options)


def send(port: int, *files: bytes) -> list[int]:
    """Store files; the statuses."""
    association = call(port, CTImageStorage)
    assert association.is_established
    statuses = [association.send_c_store(dcmread(BytesIO(data))).Status for data in files]
    association.release()
    return statuses


def find(port: int, model: str = StudyRootQueryRetrieveInformationModelFind, **keys: Any) -> list[Dataset]:
    """The answers to a query."""
    asked = Dataset()
    for keyword, value in keys.items():
        setattr(asked, keyword, value)
    association = call(port, model)
    found = [answer for status, answer in association.send_c_find(asked, model) if status.Status == 0xFF00]
    association.release()
    return [one for one in found if one is not None]


def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    limit = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.02)
