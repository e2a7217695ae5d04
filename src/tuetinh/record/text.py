"""Text as people type it: folding of accents, tone marks and case, so that `Đặng`, `dang` and `ĐẶNG` meet."""

from __future__ import annotations

import re
import unicodedata

_MARKS = re.compile("[\u0300-\u036f]+")


def fold(text: str) -> str:
    """Return `text` lower-case, without marks, đ as d, runs of white space as one space."""
    plain = text.replace("đ", "d").replace("Đ", "D")
    return " ".join(_MARKS.sub("", unicodedata.normalize("NFD", plain)).lower().split())
