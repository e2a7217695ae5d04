"""What a node knows of its archive, in `backup/` of its data folder: small files, each replaced as a whole.

`line` names the line that the node writes; `log.json` is told by the follower of the log, `base.json` and `drill.json`
by the last base backup and the last drill, `list.json` by whoever makes base backups or forgets some.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from fasteners import InterProcessLock

from tuetinh.node.backup.archive import Archive

FOLDER = "backup"


def tell(data: Path, name: str, told: dict[str, Any]) -> None:
    """Note something; it replaces what was noted before."""
    _replace(data / FOLDER / f"{name}.json", json.dumps(told))


def tell_bases(data: Path, of: Archive) -> None:
    """Note which base backups there are, the oldest first."""
    bases = [{part: getattr(base, part) for part in ("name", "ended", "size", "contents")} for base in of.bases()]
    tell(data, "list", {"bases": bases})


def told(data: Path, name: str) -> dict[str, Any]:
    """What was noted; nothing where there is nothing."""
    try:
        return dict(json.loads((data / FOLDER / f"{name}.json").read_text()))
    except (OSError, ValueError):
        return {}


def lock(data: Path, name: str) -> InterProcessLock:
    """So that one process at a time does something."""
    (data / FOLDER).mkdir(mode=0o700, parents=True, exist_ok=True)
    return InterProcessLock(data / FOLDER / f"{name}.lock")


def line(data: Path) -> str:
    """The line that this node writes; "" before there is one."""
    try:
        return (data / FOLDER / "line").read_text().strip()
    except FileNotFoundError:
        return ""


def set_line(data: Path, name: str) -> None:
    """Go on with another line."""
    _replace(data / FOLDER / "line", name)


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_text(text)
    new.replace(path)
