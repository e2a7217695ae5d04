"""An import and an export of a running node, which is killed with its database in the middle of both."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tuetinh.node.tests.conftest import Province, token

pytestmark = pytest.mark.long

Start = Callable[..., Any]
COUNT = 4_000
SECONDS = 120.0


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def source(tmp_path: Path) -> Iterator[str]:
    """The address of a file of many resources on another server."""
    with (tmp_path / "substances.ndjson").open("w") as file:
        for n in range(COUNT):
            body = {"resourceType": "Substance", "id": f"b{n}", "code": {"text": "x" * 8000}}
            file.write(json.dumps(body) + "\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/substances.ndjson"
    server.shutdown()
    server.server_close()


def kill(node: Province) -> None:
    """End the node and its database at the same moment, with no chance to tidy up."""
    database = int((node.data / "postgres" / "postmaster.pid").read_text().split()[0])
    for pid in (database, node.process.pid):
        os.kill(pid, signal.SIGKILL)
    node.process.wait(10)


def kick_off(node: Province, method: str, path: str, **more: Any) -> str:
    """Begin a job; where it is asked for, below the address of the node."""
    headers = token(node) | {"prefer": "respond-async"}
    answer = httpx.request(method, f"{node.url}/fhir{path}", headers=headers, timeout=20, **more)
    assert answer.status_code == 202, answer.text
    return answer.headers["content-location"].removeprefix(node.url)


def until(found: Callable[[], Any]) -> Any:
    """What is found as soon as there is something."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if result := found():
            return result
        time.sleep(0.005)
    raise AssertionError("it never came")


def ended(node: Province, place: str) -> dict[str, Any]:
    """The manifest of a job when it is done."""
    headers = token(node)

    def ask() -> Any:
        answer = httpx.get(f"{node.url}{place}", headers=headers, timeout=20)
        assert answer.status_code in (200, 202), answer.text
        return answer.json() if answer.status_code == 200 else time.sleep(0.2)

    return until(ask)


def test_jobs_are_taken_up_where_they_were_killed(start: Start, built: Path, source: str) -> None:
    env = {"TUETINH_IMPORT_FROM": source.rpartition("/")[0]}
    node = start(built, env=env)
    place = kick_off(node, "POST", "/$import", json={"input": [{"type": "Substance", "url": source}]})
    asked = partial(httpx.get, f"{node.url}{place}", headers=token(node), timeout=20)
    until(lambda: re.search(r"; [1-9]\d* kept", asked().headers.get("x-progress", "")))  # some are stored
    kill(node)
    node = start(built, env=env)
    assert ended(node, place)["output"] == [{"type": "Substance", "inputUrl": source, "count": COUNT}]
    headers = token(node)
    found = httpx.get(f"{node.url}/fhir/Substance?_summary=count", headers=headers, timeout=20).json()
    assert found["total"] == COUNT

    place = kick_off(node, "GET", "/$export?_type=Substance")
    room = built / "bulk" / place.rpartition("/")[2]
    until(lambda: room.exists() and sum(path.stat().st_size for path in room.iterdir()))  # some are written
    kill(node)
    half = [path.name for path in room.iterdir()]
    assert half == ["Substance-1.ndjson.part"]
    node = start(built, env=env)
    headers = token(node)
    early = httpx.get(f"{node.url}{place}/Substance-1.ndjson", headers=headers, timeout=20).status_code
    done = httpx.get(f"{node.url}{place}", headers=headers, timeout=20).status_code == 200
    assert early == 404 or (early == 200 and done)  # there is no file to be had of a job that goes on
    [file] = ended(node, place)["output"]
    assert file["count"] == COUNT
    body = httpx.get(f"{node.url}{place}/Substance-1.ndjson", headers=headers, timeout=20).text
    ids = [json.loads(line)["id"] for line in body.splitlines()]
    assert ids == [f"b{n}" for n in range(COUNT)]
    versions = {json.loads(line)["meta"]["versionId"] for line in body.splitlines()}
    assert versions == {"1"}
