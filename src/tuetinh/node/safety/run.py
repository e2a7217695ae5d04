"""A run: a node, clients, faults, and the judgement."""

from __future__ import annotations

import argparse
import contextlib
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tuetinh.node.safety import checks
from tuetinh.node.safety.faults import Faults, Node
from tuetinh.node.safety.history import History
from tuetinh.node.safety.work import PATH, SYSTEM, TYPES, Work, value_of
from tuetinh.record import sight
from tuetinh.record.asker import SYSTEM as HOUSE

MANY = 50  # values of one search


@dataclass
class Result:
    """What a run came to. outcomes: operations by how they ended; faults: what was broken, how often."""

    outcomes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    resources: int = 0
    versions: int = 0
    violations: list[str] = field(default_factory=list)


def main(arguments: list[str]) -> int:
    """`tuetinh bench safety`: run, print, and leave with 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="tuetinh bench safety", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="how long things break (default 5)")
    parser.add_argument("--seed", type=int, help="of the chances; a new one each time unless given")
    parser.add_argument("--clients", type=int, default=6)
    options = parser.parse_args(arguments)
    seed = options.seed if options.seed is not None else time.time_ns() % 1_000_000
    print(f"seed {seed}")
    with tempfile.TemporaryDirectory(prefix="tuetinh-safety-") as name:
        data = Path(name)
        data.chmod(0o755)
        build(data)
        until = time.monotonic() + options.minutes * 60
        result = run(data, lambda _: time.monotonic() > until, seed, clients=options.clients, tell=print)
    print(f"{sum(result.outcomes.values())} operations:", dict(result.outcomes), dict(result.kinds))
    print(f"{sum(result.faults.values())} faults:", dict(result.faults))
    print(f"{result.versions} versions of {result.resources} resources; {len(result.violations)} promises broken")
    print(*result.violations, sep="\n")
    return 1 if result.violations else 0


def build(data: Path) -> None:
    """Make a small province in an empty data folder."""
    command = [sys.executable, "-m", "tuetinh.node.cli", "demo", "--build-only", "--population", "20"]
    subprocess.run([*command, "--data", str(data)], check=True, capture_output=True, env=Node(data).env)  # noqa: S603


def run(
    data: Path, enough: Callable[[Faults], bool], seed: int, *, clients: int = 6, tell: Callable[[str], object] = len
) -> Result:
    """Work on the province of a data folder and break one thing after the other until it is enough; then judge.

    tell: is given a line for each fault.
    """
    node = Node(data)
    node.start()
    try:
        work = Work(node.url, node.token, seed, clients)
        faults = Faults(node, random.Random(seed))
        work.start()
        try:
            while not enough(faults):
                time.sleep(faults.rng.uniform(0.5, 2.0))
                name = faults.one()
                tell(f"{datetime.now(UTC):%H:%M:%S} {name}")
            node.wait()
            time.sleep(1.0)  # some work on the healed node
        finally:
            work.stop()
        node.wait()
        held = hold(node, work.history)
        result = Result(faults=faults.done, resources=len(held.versions))
        result.violations = list(checks.violations(work.history, held))
        if not sealed(node):
            result.violations.append("the seals of the access log do not hold")
        result.violations += [f"a client ended with {error!r}" for error in work.failed]
        if not any(one.outcome == "ok" for one in work.history.operations):
            result.violations.append("nothing was done, so nothing is shown")
    finally:
        node.stop()
    result.outcomes = Counter(one.outcome for one in work.history.operations)
    result.kinds = Counter(one.kind for one in work.history.operations)
    result.versions = sum(map(len, held.versions.values()))
    return result


def hold(node: Node, history: History) -> checks.Held:
    """What the record holds: versions and searches through its door, the logs from its database."""
    held = checks.Held()
    headers = {"authorization": f"Bearer {node.token()}"}
    with httpx.Client(base_url=node.url + PATH, headers=headers, timeout=30) as client:
        created = []
        for key, operations in history.by_key().items():
            if operations[0].kind in ("create", "create once"):
                created.append(key)
            elif operations[0].kind != "group":
                held.versions[key] = _versions(client, key)
        for start in range(0, len(created), MANY):
            for type_ in TYPES:
                _find(client, type_, created[start : start + MANY], held)
    with psycopg.connect(node.database, autocommit=True) as conn:
        _logs(conn, held)
    return held


def _versions(client: httpx.Client, key: str) -> list[tuple[int, str, str | None]]:
    found: list[tuple[int, str, str | None]] = []
    url: str | None = f"/{key}/_history?_count=1000"
    while url:
        answer = client.get(url)
        if answer.status_code == httpx.codes.NOT_FOUND:
            break
        bundle = answer.raise_for_status().json()
        for entry in bundle.get("entry", []):
            said = entry["response"]
            found.append((int(said["etag"][3:-1]), said["lastModified"], value_of(entry.get("resource"))))
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
    return found[::-1]


def _find(client: httpx.Client, type_: str, values: list[str], held: checks.Held) -> None:
    wanted = ",".join(f"{SYSTEM}|{value}" for value in values)
    answer = client.get(f"/{type_}", params={"identifier": wanted, "_count": "1000"}).raise_for_status()
    for entry in answer.json().get("entry", []):
        body = entry["resource"]
        held.found.setdefault(str(value_of(body)), []).append(body["id"])
        key = f"{type_}/{body['id']}"
        held.versions[key] = [(1, body["meta"]["lastUpdated"], value_of(body))]


def _logs(conn: psycopg.Connection[Any], held: checks.Held) -> None:
    """Writes in the access log and in the feed of the resources that are held."""
    writes = "action IN ('create', 'update', 'delete')"
    conn.execute(sight.ENTER, sight.settings(HOUSE))
    names = f"SELECT unnest(coalesce(what, ARRAY[type || '/' || id])) FROM record.audit WHERE {writes}"
    held.logged = Counter(name for (name,) in conn.execute(names) if name in held.versions)
    for name, version in conn.execute("SELECT type || '/' || id, version FROM record.feed ORDER BY position"):
        if name in held.versions:
            held.fed.setdefault(name, []).append(version)


def sealed(node: Node) -> bool:
    """Whether the access log is whole, as `tuetinh audit verify` finds it."""
    command = [sys.executable, "-m", "tuetinh.node.cli", "audit", "verify", "--data", str(node.data)]
    with contextlib.suppress(subprocess.TimeoutExpired):
        return subprocess.run(command, env=node.env, capture_output=True, timeout=120, check=False).returncode == 0  # noqa: S603
    return False
