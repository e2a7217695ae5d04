"""A read that was answered is in the access log, though the process that answered is killed at that moment."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tuetinh.node.tests.conftest import run, token

pytestmark = pytest.mark.long
WANTED = {f"looked-for-{number}" for number in range(40)}


def test_every_answered_read_is_logged_after_the_kill(start: Callable[..., Any], built: Path) -> None:
    node = start(built)
    with httpx.Client(base_url=f"{node.url}/fhir", headers=token(node), timeout=30) as fhir:
        for id_ in WANTED:
            assert fhir.get(f"/Patient/{id_}").status_code == 404  # logged as others are: by the writer, a moment later
        os.kill(node.process.pid, signal.SIGKILL)
    node.process.wait(10)
    told = run(node.data, "audit", "--limit", "0", "--json")
    assert told.returncode == 0, told.stderr
    found = [entry["id"] for line in told.stdout.splitlines() if (entry := json.loads(line))["id"] in WANTED]
    assert (len(found), set(found)) == (len(WANTED), WANTED)
