"""An archive in an S3 bucket; when it does not answer, the node goes on, says so, and the archive catches up."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from tuetinh.node.tests.conftest import copied, free_port, missing, run
from tuetinh.node.tests.test_archive import archive_env, create, told, until

pytestmark = pytest.mark.long

SECRETS = {"AWS_ACCESS_KEY_ID": "node", "AWS_SECRET_ACCESS_KEY": "not-to-be-seen", "AWS_REGION": "ap-southeast-1"}


@pytest.fixture
def bucket() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a bucket's server, and its process."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    until(lambda: _answers(url))
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name=SECRETS["AWS_REGION"],
        aws_access_key_id=SECRETS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=SECRETS["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket="backups", CreateBucketConfiguration={"LocationConstraint": SECRETS["AWS_REGION"]})
    yield url, server
    server.kill()
    server.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code < 500
    except httpx.HTTPError:
        return False


def test_a_bucket_that_does_not_answer_stops_nothing_and_catches_up(
    bucket: tuple[str, subprocess.Popen[bytes]], newborn: Path, start: Callable[..., Any], folder: Path
) -> None:
    url, server = bucket
    copied(newborn, folder / "var")
    env = archive_env("s3://backups/node", folder, TUETINH_BACKUP_WAIT="1", AWS_ENDPOINT_URL=url, **SECRETS)
    node = start(folder / "var", "--roles", "web,worker", env=env)
    until(lambda: told(node.data, "base").get("ended"))
    until(lambda: told(node.data, "log").get("waiting"))
    before = create(node, "male")
    archived = told(node.data, "log")["archived"]
    server.send_signal(signal.SIGSTOP)
    meanwhile = [create(node, "female") for _ in range(5)]  # the first waits a second
    until(lambda: not told(node.data, "log")["waiting"])
    server.send_signal(signal.SIGCONT)
    until(lambda: told(node.data, "log")["waiting"])
    assert told(node.data, "log")["archived"] > archived
    after = create(node, "other")
    node.process.terminate()
    node.process.wait(20)

    listed = run(node.data, "backup", "list", env=env)
    assert listed.returncode == 0, listed.stderr
    assert [line.split("/")[0] for line in listed.stdout.splitlines()] == ["base"]
    restored = run(folder / "new", "restore", "--latest", "--key", str(folder / "key"), env=env, timeout=600)
    assert restored.returncode == 0, restored.stderr
    again = start(folder / "new", "--roles", "web")
    assert missing(again, [before, *meanwhile, after]) == []
    shown = listed.stdout + restored.stdout + "".join(path.read_text() for path in node.data.glob("backup/*.json"))
    assert SECRETS["AWS_SECRET_ACCESS_KEY"] not in shown


def test_a_bucket_that_is_not_there_is_named_in_time(folder: Path) -> None:
    env = archive_env("s3://backups/node", folder, AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}", **SECRETS)
    began = time.monotonic()
    refused = run(folder / "new", "restore", "--latest", "--key", str(folder / "key"), env=env)
    assert refused.returncode == 1
    assert refused.stderr.startswith("tuetinh: s3://backups/node/base/: ")
    assert "Traceback" not in refused.stderr
    assert SECRETS["AWS_SECRET_ACCESS_KEY"] not in refused.stderr
    assert time.monotonic() - began < 100
    assert not (folder / "new").exists()
