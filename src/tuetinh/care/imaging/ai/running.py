"""Let a model look at pictures, in a process of its own with limits; what goes wrong there stays there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

_WORKER: Final = Path(__file__).with_name("worker.py")
_ALONE: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may take: bytes of memory, seconds of the processor, seconds by the clock."""

    memory: int = 2 << 30
    processor: int = 240
    clock: int = 300


LIMITS: Final = Limits()


class Failed(Exception):
    """A model gave no result. code: of `errors.FAULTS`; said: what the runtime said of the model, for its maker."""

    def __init__(self, code: str, said: str = "") -> None:
        super().__init__(code, said)
        self.code, self.said = code, said


def run(
    model: bytes,
    pictures: Sequence[NDArray[np.uint8]],
    mean: Sequence[float],
    std: Sequence[float],
    limits: Limits = LIMITS,
) -> list[NDArray[np.float32]]:
    """The first output of a model for each picture, rows × columns × channels. Raises Failed."""
    told = {
        "memory": limits.memory, "seconds": limits.processor, "model": len(model), "pictures": len(pictures),
        "mean": list(mean), "std": list(std),
    }  # fmt: skip
    given = BytesIO()
    given.write(json.dumps(told).encode() + b"\n")
    given.write(model)
    for one in pictures:
        np.lib.format.write_array(given, np.ascontiguousarray(one), allow_pickle=False)
    with tempfile.TemporaryDirectory() as empty:  # in which a model finds nothing
        try:
            ended = subprocess.run(  # noqa: S603 - our own file
                [sys.executable, "-I", str(_WORKER)], input=given.getbuffer(), capture_output=True, check=False,
                timeout=limits.clock, cwd=empty, env=_ALONE,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise Failed("slow") from error
    if ended.returncode:
        raise Failed("slow" if ended.returncode == -signal.SIGXCPU else "crash")
    return _read(ended.stdout, len(pictures))


def _read(answer: bytes, count: int) -> list[NDArray[np.float32]]:
    out = BytesIO(answer)
    told = json.loads(out.readline() or b'{"fault": "crash"}')
    if "fault" in told:
        raise Failed(told["fault"], told.get("said", ""))
    found = [np.lib.format.read_array(out, allow_pickle=False) for _ in range(count)]
    if not all(np.isfinite(one).all() for one in found):
        raise Failed("nan")
    return found
