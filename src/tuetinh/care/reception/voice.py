"""Says a call aloud: Vietnamese text in, WAV out, made by eSpeak NG on this machine without a line.

The library keeps one state for its whole process and is no friend of threads, so a child process speaks each text once.
As a program: text on stdin, WAV on stdout.
"""

from __future__ import annotations

import ctypes
import io
import subprocess
import sys
import wave
from functools import lru_cache
from importlib.util import find_spec

# speak_lib.h of eSpeak NG
AUDIO_OUTPUT_SYNCHRONOUS, CHARS_UTF8, RATE, RANGE = 2, 1, 1, 4
WORDS_A_MINUTE, LIVELINESS = 130, 60
LONGEST, SECONDS = 300, 10


class NoVoice(Exception):
    """This machine has no voice, or it failed."""


def has_voice() -> bool:
    """Whether there is a voice on this machine."""
    return find_spec("espeakng_loader") is not None


@lru_cache(maxsize=64)
def say(text: str) -> bytes:
    """Return a WAV (mono, 22,050 Hz) of the text in Vietnamese. Raises NoVoice."""
    if not has_voice():
        raise NoVoice
    command = [sys.executable, "-m", __name__]
    try:
        spoken = subprocess.run(  # noqa: S603
            command, input=text[:LONGEST].encode(), capture_output=True, timeout=SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NoVoice from error
    return spoken.stdout


def _speak(text: bytes) -> bytes:
    """Say it with the library of the wheel."""
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    if rate <= 0 or library.espeak_SetVoiceByName(b"vi") != 0:
        raise NoVoice
    heard = bytearray()

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def hear(samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int | None) -> int:
        if samples and count > 0:
            heard.extend(ctypes.string_at(samples, 2 * count))
        return 0

    library.espeak_SetSynthCallback(hear)
    library.espeak_SetParameter(RATE, WORDS_A_MINUTE, 0)
    library.espeak_SetParameter(RANGE, LIVELINESS, 0)
    if library.espeak_Synth(text, len(text) + 1, 0, 0, 0, CHARS_UTF8, None, None) != 0 or not heard:
        raise NoVoice
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(bytes(heard))
    return out.getvalue()


if __name__ == "__main__":
    sys.stdout.buffer.write(_speak(sys.stdin.buffer.read()))
