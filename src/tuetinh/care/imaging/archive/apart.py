"""A decoder of pydicom's for compressed pictures that lets the libraries work in processes of their own.

Over some broken pictures gdcm ends its process, pylibjpeg-rle panics, which no `except Exception` stops, and others
never end or take all memory. The processes are begun when a picture is asked for and none of them is free, do one
picture after the other, and end with who began them. Over a picture that takes too long or too much they are ended.
"""

from __future__ import annotations

import atexit
import os
import queue
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from struct import pack, unpack
from typing import IO, TYPE_CHECKING, Any, Final, cast

import tuetinh.care.imaging.library  # noqa: F401

import msgspec
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from tuetinh.care.imaging.archive.sizes import check_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

SYNTAXES: Final = (
    *(JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless),
    *(JPEG2000Lossless, JPEG2000, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K, RLELossless),
)
DECODER_DEPENDENCIES: Final = {UID(one): get_decoder(one).available_plugins for one in SYNTAXES}
_DECODE: Final = {one: dict(get_decoder(one)._available) for one in SYNTAXES}  # before these are put in their place
_DECODE[JPEGBaseline8Bit].pop("gdcm", None)  # Pillow decodes as much, and survives more
PROCESSES: Final = max(1, min(4, os.cpu_count() or 1))
CPU_SECONDS: Final = 3  # of a small frame; of a large one as many more as it has `SPEED`
SPEED: Final = 4 * 2**20  # decoded bytes a second that the slowest decoder does on a slow machine
WAITING: Final = 5  # times as much by the clock: others may be at work
MEMORY: Final = 256 * 2**20, 24  # bytes of a small frame, and of a large one so many times its size
_CHANGED: Final = ("planar_configuration", "photometric_interpretation", "bits_allocated")  # by what decodes
_MAIN: Final = "from tuetinh.care.imaging.archive.apart import answer; answer()"


class _Decoder:
    """A process; whoever has it lets it do one frame at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, src: bytes, told: dict[str, Any], seconds: int) -> tuple[bytes, dict[str, Any]]:
        """A frame, decoded, and what changed of what was told. Raises ValueError where the process ended over it."""
        process = self._running()
        late = threading.Timer(seconds * WAITING, process.kill)
        late.start()
        try:
            stdin, stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
            _write(stdin, msgspec.json.encode(told))
            _write(stdin, src)
            answer, frame = msgspec.json.decode(_read(stdout)), _read(stdout)
        except (OSError, EOFError) as error:
            self.close()
            raise ValueError("the decoder ended over this picture") from error
        finally:
            late.cancel()
        if fault := answer.pop("fault", None):
            raise ValueError(fault)
        return frame, answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            command, calm = [sys.executable, "-c", _MAIN], {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            pipe, nothing, env = subprocess.PIPE, subprocess.DEVNULL, os.environ | calm
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nothing, env=env)  # noqa: S603
            _read(cast("IO[bytes]", self._process.stdout))  # it is ready: its time begins now
        return self._process

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for one in (process.stdin, process.stdout):
                with suppress(OSError):
                    cast("IO[bytes]", one).close()


_all: Final = [_Decoder() for _ in range(PROCESSES)]
_free: Final[queue.LifoQueue[_Decoder]] = queue.LifoQueue()  # of those that are free the last one is warm
for _one in _all:
    _free.put(_one)
    atexit.register(_one.close)


@contextmanager
def _a_decoder() -> Iterator[_Decoder]:
    decoder = _free.get()
    try:
        yield decoder
    finally:
        _free.put(decoder)


def is_available(uid: str) -> bool:
    """Whether this decodes a transfer syntax (asked by pydicom)."""
    return bool(_DECODE.get(UID(uid)))


def decode(src: bytes, runner: DecodeRunner) -> bytes:
    """A frame, decoded (called by pydicom). Raises ValueError."""
    size = int(runner.rows) * int(runner.columns)
    check_frame(src, size)
    size *= int(runner.samples_per_pixel) * -(-int(runner.bits_allocated) // 8)
    seconds = CPU_SECONDS + size // SPEED
    options = {name: _plain(value) for name, value in runner.options.items() if isinstance(value, (str, int))}
    limits = {"seconds": seconds, "memory": MEMORY[0] + MEMORY[1] * size}
    with _a_decoder() as decoder:
        frame, changed = decoder.ask(src, {"options": options, **limits}, seconds)
    runner.set_options(**changed)
    return frame


def _plain(value: str | int) -> str | int:
    """Without what the library makes of a value, which another process would not read."""
    return str.__str__(value) if isinstance(value, str) else int(value)


def answer() -> None:
    """Decode what comes on the standard input until it ends."""
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    with suppress(EOFError, BrokenPipeError):
        _write(stdout, b"ready")
        while True:
            told, src = msgspec.json.decode(_read(stdin)), _read(stdin)
            try:
                _limit(told["seconds"], told["memory"])
                frame, changed = _decoded(src, told["options"])
            except BaseException as error:
                frame, changed = b"", {"fault": str(error)[:1000] or "it cannot be decoded"}
            _write(stdout, msgspec.json.encode(changed))
            _write(stdout, frame)


def _decoded(src: bytes, options: dict[str, Any]) -> tuple[bytes | bytearray, dict[str, Any]]:
    syntax = UID(options.pop("transfer_syntax_uid"))
    runner = DecodeRunner(syntax)
    runner.set_options(**options)
    runner.set_decoders(_DECODE[syntax])
    frame = runner._decode_frame(src)
    return frame, {name: runner.options[name] for name in _CHANGED if runner.options.get(name) != options.get(name)}


def _limit(seconds: int, memory: int) -> None:
    """Let this process have so much more of both; where the system has no such limits, only its time is watched."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    with suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _write(pipe: IO[bytes], data: bytes | bytearray) -> None:
    pipe.write(pack("<Q", len(data)))
    pipe.write(data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> bytes:
    """What was written. Raises EOFError."""
    head = pipe.read(8)
    if len(head) < 8:
        raise EOFError
    [length] = unpack("<Q", head)
    data = pipe.read(length)
    if len(data) < length:
        raise EOFError
    return data
