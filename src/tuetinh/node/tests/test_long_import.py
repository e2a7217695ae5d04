"""A long import is stored by several processes, and comes out as if one had stored it line by line."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tuetinh.node.tests.conftest import clean_environment, command_line, copied, run
from tuetinh.node.tests.test_export import exported
from tuetinh.record.import_processes import how_many

SINGLE = 9_000
OFTEN = range(0, SINGLE, 1_500)  # lines that are versions of one resource

pytestmark = [
    pytest.mark.skipif(how_many() < 2, reason="this machine has one core, so one process imports"),
    pytest.mark.long,
]


def basic(id_: str, text: str) -> dict[str, Any]:
    """A small resource."""
    return {"resourceType": "Basic", "id": id_, "code": {"text": text}}


def lines() -> list[dict[str, Any]]:
    """Many resources: one with several versions, a Bundle with another one of these between, two that are refused."""
    made = [basic("often" if n in OFTEN else f"b-{n}", f"line {n}") for n in range(SINGLE)]
    made[5_000] = {"resourceType": "Basic", "id": "no-code"}
    made[8_000] = {"resourceType": "Basic", "id": "bad id", "code": {"text": "x"}}
    entry = {"fullUrl": "http://x/Basic/often", "resource": basic("often", "in a Bundle")}
    made.insert(5_500, {"resourceType": "Bundle", "type": "collection", "entry": [entry]})
    return made


@pytest.fixture
def many(folder: Path) -> Path:
    """A file of them."""
    path = folder / "many.ndjson"
    path.write_text("".join(json.dumps(one) + "\n" for one in lines()))
    return path


def is_helper(process: psutil.Process) -> bool:
    """Whether it stores for another process."""
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def counts(output: str) -> list[int]:
    """Created, changed, same and refused, of the last line of a report."""
    return [int(number) for number in output.strip().splitlines()[-2].split()]


def test_versions_keep_their_order_and_refusals_their_lines(bare: Path, folder: Path, many: Path) -> None:
    imported = run(copied(bare, folder / "node"), "import", str(many))
    assert imported.returncode == 0, imported.stderr
    assert counts(imported.stdout) == [SINGLE - len(OFTEN) - 2 + 1, len(OFTEN), 0, 2]
    assert f"refused {many}:5001 Basic" in imported.stderr
    assert f"refused {many}:8002 Basic" in imported.stderr
    assert len([line for line in imported.stderr.splitlines() if line.startswith("refused ")]) == 2
    assert run(folder / "node", "export", str(folder / "out")).returncode == 0
    found = exported(folder / "out")
    assert found["Basic/often"]["code"]["text"] == f"line {OFTEN[-1]}"
    assert len([name for name in found if name.startswith("Basic/")]) == SINGLE - len(OFTEN) - 2 + 1
    again = run(folder / "node", "import", str(many))
    assert counts(again.stdout) == [0, 0, SINGLE - 2 + 1, 2]


def test_a_process_that_is_killed_ends_the_import_and_another_one_stores_the_rest(
    bare: Path, folder: Path, many: Path
) -> None:
    command = command_line(copied(bare, folder / "node"), "import", str(many))
    process = subprocess.Popen(command, env=clean_environment(), stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        helpers = [one for one in psutil.Process(process.pid).children() if is_helper(one)]
        if helpers:
            break
        time.sleep(0.05)
    helpers[0].send_signal(signal.SIGKILL)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert error.splitlines()[-1] == "tuetinh: a process of the import was ended"
    assert all(not one.is_running() for one in helpers)
    rest = run(folder / "node", "import", str(many))
    created, changed, same, refused = counts(rest.stdout)
    assert refused == 2
    assert created + changed + same == SINGLE - 2 + 1
    assert run(folder / "node", "export", str(folder / "out")).returncode == 0
    assert len([n for n in exported(folder / "out") if n.startswith("Basic/")]) == SINGLE - len(OFTEN) - 2 + 1
