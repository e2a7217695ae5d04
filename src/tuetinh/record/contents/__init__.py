"""Large contents of resources, kept as files beside the database.

A base64 value of more than `LARGE` bytes does not stay in the row of its resource: the bytes are a file of the data
folder, named by their SHA-256, and the stored JSON has a stand-in of 96 characters in its place. Whatever leaves the
record gets the value back, written out while it is sent, so memory stays flat and clients see what they gave.

`stand_ins` makes and finds stand-ins, `files` is the folder, `keeping` are the steps of a write, `giving` what reads,
`shortening` what comes in long JSON, `ndjson` in long lines.
`record.content` says which resources use a file; what none uses is swept away.
"""

from __future__ import annotations

from tuetinh.record.contents.files import Arriving, NoSpace
from tuetinh.record.contents.giving import PAGE, Part, Piece, fitting, given, length, parts, piece, stream, weight
from tuetinh.record.contents.keeping import keep, shortened
from tuetinh.record.contents.ndjson import lines
from tuetinh.record.contents.shortening import Shortening
from tuetinh.record.contents.stand_ins import LARGE, Content, content_of, may_hold, ready, stand_in

__all__ = [
    "LARGE",
    "PAGE",
    "Arriving",
    "Content",
    "NoSpace",
    "Part",
    "Piece",
    "Shortening",
    "content_of",
    "fitting",
    "given",
    "keep",
    "length",
    "lines",
    "may_hold",
    "parts",
    "piece",
    "ready",
    "shortened",
    "stand_in",
    "stream",
    "weight",
]
