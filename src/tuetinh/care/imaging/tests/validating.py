"""What a validator of DICOM objects (dciodvfy of dicom3tools) says of what the house writes."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path


def faults(data: bytes) -> list[str]:
    """The errors of a Part 10 file, each once; those of elements that a newer edition of the standard has are none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.dcm"
        path.write_bytes(data)
        told = subprocess.run(["dciodvfy", path], capture_output=True, text=True, errors="replace", check=False)
    found = [line.removeprefix("Error - ") for line in told.stderr.splitlines() if line.startswith("Error")]
    return sorted(set(found))
