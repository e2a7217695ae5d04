"""What this machine is: without it no figure means anything."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path

SYNC_SECONDS = 1.0


def facts(folder: Path, postgres: str) -> dict[str, object]:
    """Processor, cores, memory, versions, and how often a second the disk of `folder` confirms a write."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "ram_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load": round(os.getloadavg()[0], 2),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "postgresql": postgres,
        "commit": _commit(),
        "fdatasync_per_s": syncs(folder),
    }


def syncs(folder: Path) -> int:
    """Writes of one 8 KiB page that the disk confirms in a second, as `pg_test_fsync` measures fdatasync."""
    path, page, count = folder / "fsync-probe", b"\x55" * 8192, 0
    handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.write(handle, page)
        os.fsync(handle)
        began = time.perf_counter()
        while time.perf_counter() - began < SYNC_SECONDS:
            os.pwrite(handle, page, 0)
            os.fdatasync(handle)
            count += 1
        return round(count / (time.perf_counter() - began))
    finally:
        os.close(handle)
        path.unlink()


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    asked = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return asked.stdout.strip()
