"""Proves an archive: restores its end beside the running node, compares, tells, and takes everything away again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from tuetinh.node import health
from tuetinh.node.backup import base, portable, recover, state
from tuetinh.node.backup.archive import Archive
from tuetinh.node.backup.sealing import Broken, Identities, Recipients
from tuetinh.node.backup.wire_replication import lsn
from tuetinh.node.errors import Refused
from tuetinh.record.contents.places import Missing, Unreachable

SERVE_SECONDS = 60.0
# Only transactions that had ended by then are compared: both know them, under the same numbers, which the log brings.
NOW = """SELECT pg_current_snapshot()::text, pg_current_wal_flush_lsn()::text, coalesce(max(position), 0)
FROM record.feed"""
TYPES = """SELECT type, count(*), sum(('x' || left(encode(sha256(
  convert_to(id || '/' || version || '/' || deleted, 'UTF8') || coalesce(body, '')), 'hex'), 16))::bit(64)::bigint)
FROM (SELECT type, id, version, deleted, body, xid FROM record.resource
      UNION ALL SELECT type, id, version, deleted, body, xid FROM record.history) every
WHERE pg_visible_in_snapshot(xid, %s::pg_snapshot) GROUP BY type ORDER BY type"""
FEED = """SELECT count(*), sum(hashtextextended(type || '/' || id || '/' || version || '/' || change, position))
FROM record.feed WHERE pg_visible_in_snapshot(xid, %s::pg_snapshot)"""
BLOCKS = "SELECT number, encode(hash, 'hex') FROM record.audit_block ORDER BY number DESC LIMIT 1"
BLOCK = "SELECT number, encode(hash, 'hex') FROM record.audit_block WHERE number = %s"
# A restored node that would speak to the world would speak twice.
SILENT = ("TUETINH_BACKUP", "TUETINH_AUDIT_WITNESSES", "TUETINH_SMTP_URL", "TUETINH_PARENT", "TUETINH_URL")

Line = tuple[str, bool, str]  # what, whether it holds, what was found


def run(
    data: Path, source: Archive, recipients: Recipients, keys: Identities, *, quick: bool = False
) -> Iterator[Line]:
    """Restore beside the node, compare, and take it away again; line by line what was found.

    quick: contents are looked at by their size only. Raises Refused when there is nothing to compare with.
    """
    began, whole = datetime.now(UTC), True
    reason = ""
    try:
        for line in _run(data, source, recipients, keys, quick=quick):
            whole, reason = whole and line[1], reason or ("" if line[1] else f"{line[0]}: {line[2]}")
            yield line
    except (Broken, Missing, Refused, Unreachable) as error:
        whole, reason = False, str(error)
        yield "restore", False, reason
    finally:
        ended = datetime.now(UTC)
        seconds = (ended - began).total_seconds()
        state.tell(data, "drill", {"at": ended.isoformat(), "good": whole, "seconds": seconds, "error": reason})


def _run(data: Path, source: Archive, recipients: Recipients, keys: Identities, *, quick: bool) -> Iterator[Line]:
    with base.followed(data, source, recipients):
        with _asked(os.environ["TUETINH_DATABASE_URL"]) as conn:
            seen, flushed, position = conn.execute(NOW).fetchone() or ("", "0/0", 0)
        base.await_log(data, lsn(flushed))
    yield "archive", True, f"has the log up to {flushed}, position {position} of the change feed"
    wanted = recover.plan(source, None)
    folder = Path(tempfile.mkdtemp(prefix=".tuetinh-drill-", dir=data.parent))
    folder.chmod(0o711)  # the server's own user passes
    began = time.monotonic()
    try:
        with recover.recovered(folder / "var", source, keys, wanted, lasting=False) as (url, restored):
            took = f"{time.monotonic() - began:.0f} s from the backup of {restored.base.began:%Y-%m-%d %H:%M} UTC"
            yield "restore", True, f"{restored.contents} contents, {took}"
            with _asked(os.environ["TUETINH_DATABASE_URL"]) as here, _asked(url) as there:
                yield from _compare(here, there, seen)
            yield from _try(folder / "var", url, quick=quick)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _asked(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(f"SELECT {portable.ENTER}, set_config('statement_timeout', '0', false)")
        yield conn


def _compare(here: psycopg.Connection[Any], there: psycopg.Connection[Any], seen: str) -> Iterator[Line]:
    """Counts and hashes of both, of all that had been acknowledged when the drill began."""
    ours, theirs = ({row[0]: row[1:] for row in conn.execute(TYPES, [seen])} for conn in (here, there))
    yield from compared(ours, theirs)
    feeds = [conn.execute(FEED, [seen]).fetchone() for conn in (here, there)]
    yield "change feed", feeds[0] == feeds[1], f"{feeds[1] and feeds[1][0]} changes"
    last = there.execute(BLOCKS).fetchone()
    same = last is None or here.execute(BLOCK, [last[0]]).fetchone() == last
    yield "head of the access log", same, f"block {last[0] if last else 0}" if same else "another than the node's"


def compared(ours: dict[str, tuple[Any, ...]], theirs: dict[str, tuple[Any, ...]]) -> Iterator[Line]:
    """What the types hold here and there: how many versions, and a hash of them."""
    for type_ in sorted(ours.keys() | theirs.keys()):
        one, two = ours.get(type_, (0, 0)), theirs.get(type_, (0, 0))
        told = f"{two[0]} versions"
        if one[0] != two[0]:
            told += f" instead of {one[0]}"
        elif one != two:
            told += ", and another hash"
        yield type_, one == two, told


def _try(folder: Path, url: str, *, quick: bool) -> Iterator[Line]:
    """Let the restored node check itself, and answer on a port of its own; all at the same time."""
    env = {key: value for key, value in os.environ.items() if key not in SILENT} | {"TUETINH_DATABASE_URL": url}
    command = [sys.executable, "-m", "tuetinh.node.cli"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serve = ["serve", "--roles", "web", "--workers", "1", "--bind", f"127.0.0.1:{port}", "--no-browser"]
    checks = {"access log": ["audit", "verify", "--unwitnessed"], "check": ["check", *(["--quick"] if quick else [])]}
    node = subprocess.Popen(  # noqa: S603 - our own
        [*command, *serve, "--data", str(folder)], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with ThreadPoolExecutor(len(checks)) as threads:
            asked = {
                what: threads.submit(_asked_to, [*command, *arguments, "--data", str(folder)], env)
                for what, arguments in checks.items()
            }
            for what, ran in asked.items():
                yield what, *ran.result()
        url = f"http://127.0.0.1:{port}"
        yield "serve", _answers(node, url), f"{url}/healthz"
    finally:
        node.terminate()
        node.wait()


def _asked_to(command: list[str], env: dict[str, str]) -> tuple[bool, str]:
    """Whether a command of ours found all well, and its last word, or what is wrong."""
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=env)  # noqa: S603 - our own
    good = ran.returncode == 0
    lines = [line for line in ran.stdout.splitlines() if good or line.startswith("FAIL")]
    return good, lines[-1] if lines else (ran.stdout + ran.stderr).strip()[-300:]


def _answers(node: subprocess.Popen[bytes], url: str) -> bool:
    try:
        health.wait_for(url, SERVE_SECONDS, node)
    except RuntimeError:
        return False
    return True
