"""The manifest of a base backup: every file with its size and SHA-256, made by the server while it sent them.

PostgreSQL manual, chapter "Backup Manifest Format". `pg_verifybackup` checks the same, but not every build of
PostgreSQL has one that runs.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

NAME = "backup_manifest"
_OWN_CHECKSUM = b'"Manifest-Checksum"'
_LOG = "pg_wal/"  # which is not part of it


def fault(cluster: Path) -> str:
    """What is wrong with a restored cluster, by its manifest: the first file that is, and how; "" when it is right."""
    try:
        written = (cluster / NAME).read_bytes()
        told = json.loads(written)
        files = {_path(entry): entry for entry in told["Files"]}
        checksum = told["Manifest-Checksum"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{NAME} cannot be read ({error})"
    if hashlib.sha256(written[: written.rindex(_OWN_CHECKSUM)]).hexdigest() != checksum:
        return f"{NAME} was changed"
    there = {path.relative_to(cluster).as_posix() for path in cluster.rglob("*") if path.is_file()}
    if more := {name for name in there if not name.startswith(_LOG)} - files.keys() - {NAME}:
        return f"{min(more)} is no part of it"
    return next((wrong for name, entry in files.items() if (wrong := _file(cluster / name, name, entry))), "")


def _file(path: Path, name: str, entry: dict[str, Any]) -> str:
    if not path.is_file():
        return f"{name} is missing"
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != entry["Checksum"]:
            return f"{name} is not what the server sent"
    return ""


def _path(entry: dict[str, Any]) -> str:
    return str(entry["Path"]) if "Path" in entry else bytes.fromhex(entry["Encoded-Path"]).decode()
