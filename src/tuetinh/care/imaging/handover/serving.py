"""Bytes of pictures as answers of a page: whole, or the range that players of films ask for (RFC 9110, 14)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes to show. length: of all of them. chunks: gives those from one place to another."""

    media: str
    length: int
    chunks: Callable[[int, int], Iterator[bytes]]


def respond_piece(request: HttpRequest, piece: Piece) -> HttpResponseBase:
    """Answer with a piece, or with the one range of it that is asked for; nothing in between stores it."""
    start, stop, status = 0, piece.length, 200
    asked = re.fullmatch(r"bytes=([0-9]{1,15})-([0-9]{0,15})", request.headers.get("Range", ""))
    if asked and int(asked[1]) < piece.length:
        start, stop = int(asked[1]), min(int(asked[2] or piece.length) + 1, piece.length)
        status = 206
    answer = StreamingHttpResponse(piece.chunks(start, stop), status=status, content_type=piece.media)
    answer["Content-Length"] = str(max(stop - start, 0))
    answer["Accept-Ranges"] = "bytes"
    answer["Cache-Control"] = "private, no-store"
    if status == 206:
        answer["Content-Range"] = f"bytes {start}-{stop - 1}/{piece.length}"
    return answer
