"""Whatever is killed while a model looks: nothing is half kept, and the next one keeps the result, once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from django.db import connection
from numpy.typing import NDArray

from tuetinh.care.imaging.ai import work
from tuetinh.care.imaging.ai.tests.conftest import written_on
from tuetinh.care.imaging.ai.tests.test_look_at_studies import due, result, send
from tuetinh.care.imaging.models import Instance
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore::UserWarning")]
NODE = """
import sys, django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
django.setup()
from tuetinh.care.imaging.ai import work
work.look_at_due()
"""


def running(parent: int) -> int:
    """The process of a model of a parent, as soon as the runtime is at work in it."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for child in _children(parent):
            if b"worker.py" in _read(child, "cmdline") and b"onnxruntime" in _read(child, "maps"):
                return child
        time.sleep(0.002)
    raise TimeoutError


def _children(parent: int) -> list[int]:
    return [int(one) for task in Path(f"/proc/{parent}/task").glob("*/children") for one in task.read_text().split()]


def _read(process: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{process}/{name}").read_bytes()
    except OSError:  # it has ended
        return b""


def check_nothing_is_kept() -> None:
    enter(SYSTEM)
    row = result()
    assert (row.state, row.tries, row.score, row.looked) == ("waiting", 1, None, 0)
    assert Instance.objects.filter(source="AI").count() == 0
    assert record.read_many(SYSTEM, "Observation", [row.observation]) == {}


def check_the_next_one_keeps_it_once() -> None:
    due()
    assert work.look_at_due() == 1
    due()
    assert work.look_at_due() == 0
    row = result()
    assert (row.state, row.fault, row.looked, row.found) == ("done", "", 1, True)
    assert sorted(Instance.objects.filter(source="AI").values_list("series__modality", flat=True)) == ["SEG", "SR"]
    told = record.read(SYSTEM, "Observation", row.observation)
    assert told.meta and told.meta.versionId == "1"


def test_the_process_of_the_model_is_killed(person: r4.Patient, switched_on: None, clean: NDArray[np.uint8]) -> None:
    send(written_on(clean))
    due()
    killer = threading.Thread(target=lambda: os.kill(running(os.getpid()), signal.SIGKILL))
    killer.start()
    assert work.look_at_due() == 1
    killer.join(10)
    assert result().fault == "crash"
    check_nothing_is_kept()
    check_the_next_one_keeps_it_once()


def test_the_process_of_the_node_is_killed(person: r4.Patient, switched_on: None, clean: NDArray[np.uint8]) -> None:
    send(written_on(clean))
    due()
    database = str(connection.settings_dict["NAME"])
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "tuetinh.node.settings"}
    node = subprocess.Popen([sys.executable, "-W", "ignore", "-c", NODE, database], env=env)
    model = running(node.pid)
    node.kill()
    assert node.wait(10) == -signal.SIGKILL
    check_nothing_is_kept()
    due()
    end = time.monotonic() + 60
    while _read(model, "cmdline") and time.monotonic() < end:  # whom nobody hears any more ends by itself
        time.sleep(0.01)
    assert _read(model, "cmdline") == b""
    check_the_next_one_keeps_it_once()
