"""The background work of the modules is found by every process that does it, and is not lost with one."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

import pytest
from django.db import connection
from procrastinate.contrib.django import app

from tuetinh.node.serve import QUEUES, _inherit

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


@pytest.mark.django_db(transaction=True)
def test_what_a_killed_worker_left_is_taken_up_unless_its_twin_waits() -> None:
    made: list[int] = []
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour') RETURNING id"
        )
        (dead,) = cursor.fetchone()
        for task, lock, status, worker in (
            ("insurance.send", "a-twin", "doing", dead),
            ("insurance.send", "a-twin", "todo", None),
            ("record.bulk", None, "doing", dead),
        ):
            cursor.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args, status, worker_id)"
                " VALUES ('default', %s, %s, %s, '{}', %s, %s) RETURNING id",
                [task, lock, lock, status, worker],
            )
            made.append(cursor.fetchone()[0])

    async def scene() -> None:
        stop = asyncio.Event()
        jobs = app.with_connector(app.connector.get_worker_connector())
        async with jobs.open_async():
            taking_up = asyncio.create_task(_inherit(jobs, stop))
            while await jobs.job_manager.get_stalled_jobs(seconds_since_heartbeat=60):
                await asyncio.sleep(0.05)
            stop.set()
            await taking_up

    asyncio.run(scene())
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_name, status::text FROM procrastinate_jobs WHERE id = ANY(%s) ORDER BY id", [made])
        assert cursor.fetchall() == [("insurance.send", "failed"), ("insurance.send", "todo"), ("record.bulk", "todo")]
        cursor.execute("DELETE FROM procrastinate_jobs WHERE id = ANY(%s)", [made])
        cursor.execute("DELETE FROM procrastinate_workers WHERE id = %s", [dead])
