"""The machines' tests share the visit and the messages of the laboratory's, and a serial line."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuetinh.care.lab.tests.conftest import oru, world

__all__ = ["oru", "serial_line", "world"]


@pytest.fixture
def serial_line(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The two ends of a serial line: the laboratory's and the machine's."""
    ends = tmp_path / "ours", tmp_path / "theirs"
    pair = subprocess.Popen(["socat", *(f"pty,raw,echo=0,link={end}" for end in ends)])
    try:
        for _ in range(100):
            if all(end.exists() for end in ends):
                break
            time.sleep(0.1)
        yield str(ends[0]), str(ends[1])
    finally:
        pair.terminate()
        pair.wait(5)
