"""The packed data files, read when first asked for and kept as typed rows."""

from __future__ import annotations

import gc
import gzip
from pathlib import Path
from typing import TypeVar

import msgspec

DATA = Path(__file__).parent / "data"
T = TypeVar("T")


def load(name: str, shape: type[T]) -> T:
    """Return the data file `name`, decoded as `shape`."""
    packed = (DATA / f"{name}.msgpack.gz").read_bytes()
    # Tens of thousands of new rows would start the collector again and again for nothing.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return msgspec.msgpack.decode(gzip.decompress(packed), type=shape)
    finally:
        if collecting:
            gc.enable()
