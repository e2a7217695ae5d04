"""What a machine was told is kept is still there after the whole node, its database too, is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage  # type: ignore[attr-defined]

from tuetinh.care.imaging.tests.conftest import part10
from tuetinh.node.tests.conftest import token

pytestmark = [pytest.mark.filterwarnings("ignore::UserWarning:pydicom"), pytest.mark.long]
Start = Callable[..., Any]


def send_until_the_end(node: Any, kill_at: int) -> list[str]:
    """Store one image after the other and kill the node in the midst; the UIDs that were acknowledged."""
    ae = AE("CT1")
    ae.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    ae.dimse_timeout = 5
    association = ae.associate("127.0.0.1", node.demo["ports"]["dicom"], ae_title=node.demo["ae_title"])
    assert association.is_established
    kept: list[str] = []
    for number in range(1, 500):
        uid = f"1.2.3.4.1.{number}"
        dataset = dcmread(BytesIO(part10(SOPInstanceUID=uid, InstanceNumber=number)))
        if number == kill_at:
            [pid_file] = node.data.rglob("postmaster.pid")
            for pid in (int(pid_file.read_text().split()[0]), node.process.pid):
                os.kill(pid, signal.SIGKILL)
        try:
            status = association.send_c_store(dataset)
        except RuntimeError:  # the association is gone
            break
        if not status or status.Status != 0:
            break
        kept.append(uid)
    node.process.wait(10)
    association.abort()
    return kept


def test_every_acknowledged_picture_outlives_the_kill(start: Start, built: Path) -> None:
    kept = send_until_the_end(start(built, command="demo"), kill_at=40)
    assert 39 <= len(kept) < 499
    node = start(built, command="demo")
    with httpx.Client(base_url=node.url, headers=token(node), timeout=20) as client:
        answer = client.get("/dicom-web/studies/1.2.3.4/instances", params={"limit": "1000"})
        found = answer.json() if answer.content else []
        assert {one["00080018"]["Value"][0] for one in found} >= set(kept)
        for uid in kept:
            answer = client.get(
                f"/dicom-web/studies/1.2.3.4/series/1.2.3.4.1/instances/{uid}/frames/1",
                headers={"accept": "application/octet-stream"},
            )
            assert (answer.status_code, answer.content) == (200, bytes(range(32)))
