"""What the tests themselves start ends with them, however they end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tuetinh.node.tests.conftest import clean_environment

TESTS = """
import os, time
from tuetinh.node import testing
testing.pytest_load_initial_conftests()
print(os.environ["TUETINH_TEST_DATA"], flush=True)
time.sleep(60)
"""


def test_the_database_of_killed_tests_is_stopped_and_removed() -> None:
    own = clean_environment() | {"PYTEST_XDIST_WORKER": "gw0"}  # the first worker of tests, whichever this one is
    tests = subprocess.Popen([sys.executable, "-c", TESTS], stdout=subprocess.PIPE, env=own, text=True, umask=0o077)
    assert tests.stdout is not None
    root = Path(tests.stdout.readline().strip())
    server = psutil.Process(int((root / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0]))
    tests.send_signal(signal.SIGKILL)
    tests.communicate()
    server.wait(10)
    limit = time.monotonic() + 10
    while root.exists() and time.monotonic() < limit:
        time.sleep(0.05)
    assert not root.exists()
