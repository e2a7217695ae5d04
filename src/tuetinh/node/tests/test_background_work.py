"""The background work of the modules is found by every process that does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tuetinh.node.serve import QUEUES

FIND = """
import django, json
django.setup()
from procrastinate.contrib.django import app
print(json.dumps({name: task.queue for name, task in app.tasks.items()}))
"""


def test_a_process_that_has_just_started_knows_every_task() -> None:
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "tuetinh.node.settings"}
    command = [sys.executable, "-c", FIND]
    found = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60)
    tasks = json.loads(found.stdout)
    assert tasks["insurance.ask_again"] == "default"
    assert tasks["record.bulk"] == "bulk"
    assert set(tasks.values()) - {"builtin"} == set(QUEUES)  # whoever adds a queue gives it a worker
