"""MLLP framing: how bytes were split between writes never matters."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuetinh.care.lab.machines.wire_mllp import Foreign, Frame, Framer

STREAM = (
    b"\0\0noise\x0bMSH|^~\\&|a\rX\x0bY\x1cZ\x1c\r"  # stray SB and EB inside text
    b"\x0bMSH|lost\r\x0bMSH|found\r\x1c\r"  # missing end
    b"MSH|no start\r\x1c\r\x0b\x1c\r"  # missing start, then an empty frame
    b"\x0b\xef\xbb\xbfMSH|bom\r\x1c\r\x0bMSH|tail"
)
FRAMES = [
    Frame(b"MSH|^~\\&|a\rX\x0bY\x1cZ"),
    Frame(b"MSH|lost\r", "no-end"),
    Frame(b"MSH|found\r"),
    Frame(b"MSH|no start\r\x1c\r", "no-start"),
    Frame(b""),
    Frame(b"\xef\xbb\xbfMSH|bom\r"),
    Frame(b"MSH|tail", "no-end"),
]


def frames(chunks: list[bytes], size: int = 1 << 20) -> list[Frame]:
    framer = Framer(size)
    found = [frame for chunk in chunks for frame in framer.feed(chunk)]
    return [*found, *framer.end()]


def test_a_stream_in_one_piece_is_cut_into_its_frames() -> None:
    assert frames([STREAM]) == FRAMES


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_any_chunking_gives_the_same_frames(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    assert frames([STREAM[a:b] for a, b in pairwise(edges)]) == FRAMES


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_no_bytes_crash_the_framer(chunks: list[bytes]) -> None:
    with suppress(Foreign):
        frames(chunks)


def test_tls_on_a_plain_port_is_refused() -> None:
    with pytest.raises(Foreign):
        frames([b"\x16\x03\x01\x00\xc8"])


def test_a_frame_over_the_limit_is_cut_off() -> None:
    assert frames([b"\x0bMSH|" + b"x" * 100], size=50) == [Frame(b"MSH|" + b"x" * 100, "too-large")]
    assert frames([b"\x0b" + b"x" * 50 + b"\x1c\r"], size=50) == [Frame(b"x" * 50)]
