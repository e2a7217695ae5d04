"""Text as people type and read it: folding of accents, tone marks and case, so that `Đặng`, `dang` and `ĐẶNG` meet."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuetinh.record import r4

_MARKS = re.compile("[\u0300-\u036f]+")


def concept_text(concept: r4.CodeableConcept | None) -> str:
    """A concept as people read it: its text, else a display, else a code; "" for none."""
    if concept is None:
        return ""
    codings = concept.coding or []
    shown = next((c.display for c in codings if c.display), None)
    return concept.text or shown or next((c.code for c in codings if c.code), None) or ""


def fold(text: str) -> str:
    """Return `text` lower-case, without marks, đ as d, runs of white space as one space."""
    plain = text.replace("đ", "d").replace("Đ", "D")
    return " ".join(_MARKS.sub("", unicodedata.normalize("NFD", plain)).lower().split())
