"""A decoder of pydicom's for lossless and extended JPEG that lets gdcm work in a process of its own.

Over some broken pictures gdcm ends its process. Nothing else that is free decodes lossless JPEG within pydicom. The
process is begun when the first such picture is asked for, does one after the other, and ends with who began it.
"""

from __future__ import annotations

import atexit
import subprocess
import sys
import threading
from contextlib import suppress
from struct import pack, unpack
from typing import IO, TYPE_CHECKING, Any, Final, cast

import msgspec
from pydicom.pixels.decoders import gdcm
from pydicom.uid import UID, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

SYNTAXES: Final = (JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1)
DECODER_DEPENDENCIES: Final = {UID(one): ("gdcm>=3.0.10",) for one in SYNTAXES}
SECONDS: Final = 60.0  # for one frame
_TOLD: Final = (
    *("transfer_syntax_uid", "photometric_interpretation", "rows", "columns", "samples_per_pixel"),
    *("bits_allocated", "bits_stored", "pixel_representation", "planar_configuration"),
)
_MAIN: Final = "from tuetinh.care.imaging.archive.apart import answer; answer()"


class _Decoder:
    """The process, and whose turn it is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, src: bytes, told: dict[str, Any]) -> bytes:
        """A frame, decoded. Raises ValueError where it cannot be, or the process ended over it."""
        with self._lock:
            process = self._running()
            late = threading.Timer(SECONDS, process.kill)
            late.start()
            try:
                stdin, stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
                _write(stdin, msgspec.json.encode(told))
                _write(stdin, src)
                fault, frame = _read(stdout), _read(stdout)
            except (OSError, EOFError) as error:
                self._leave()
                raise ValueError("the decoder ended over this picture") from error
            finally:
                late.cancel()
        if fault:
            raise ValueError(fault.decode())
        return frame

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._leave()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._leave()
            command = [sys.executable, "-c", _MAIN]
            pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nothing)  # noqa: S603
        return self._process

    def _leave(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for one in (process.stdin, process.stdout):
                with suppress(OSError):
                    cast("IO[bytes]", one).close()


_decoder = _Decoder()
atexit.register(_decoder.close)


def is_available(uid: str) -> bool:
    """Whether this decodes a transfer syntax (asked by pydicom)."""
    return uid in DECODER_DEPENDENCIES and gdcm.is_available(uid)


def decode(src: bytes, runner: DecodeRunner) -> bytes:
    """A frame, decoded (called by pydicom)."""
    return _decoder.ask(src, {name: runner.get_option(name) for name in _TOLD})


def answer() -> None:
    """Decode what comes on the standard input until it ends."""
    from pydicom.pixels.decoders.base import DecodeRunner

    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    with suppress(EOFError):
        while True:
            told = msgspec.json.decode(_read(stdin))
            src, fault, frame = _read(stdin), b"", b""
            try:
                runner = DecodeRunner(UID(told.pop("transfer_syntax_uid")))
                runner.set_options(**{name: value for name, value in told.items() if value is not None})
                frame = gdcm._decode_frame(src, runner)
            except Exception as error:  # whatever the bytes lead it to
                fault = str(error).encode() or b"it cannot be decoded"
            _write(stdout, fault)
            _write(stdout, frame)


def _write(pipe: IO[bytes], data: bytes) -> None:
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
