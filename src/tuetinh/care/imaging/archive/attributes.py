"""Which attributes the index keeps at which level: what queries match and give back (PS3.4 C.6, PS3.18 10.6.3)."""

from __future__ import annotations

import contextlib
import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MOST_ITEMS: Final = 100  # of a sequence in the index
_FILE: Final = Path(__file__).parents[1] / "data" / "attributes.csv"
with _FILE.open(encoding="utf-8", newline="") as _file:
    _ROWS: Final = [(row["level"], row["keyword"], int(row["tag"], 16), row["vr"]) for row in csv.DictReader(_file)]

_TAGS: Final = {
    level: [tag for at, _, tag, _ in _ROWS if at in levels]  # what is told of the patient is kept with the study
    for level, levels in {"STUDY": ("STUDY", "PATIENT"), "SERIES": ("SERIES",), "IMAGE": ("IMAGE",)}.items()
}
TAG_OF: Final = {keyword: tag for _, keyword, tag, _ in _ROWS}
"""The tag of an attribute by its keyword."""
LEVEL_OF: Final = {tag: level for level, _, tag, _ in _ROWS}
"""The level of an attribute by its tag."""
VR_OF: Final = {tag: vr for *_, tag, vr in _ROWS}
"""The value representation of an attribute by its tag."""


def as_json(head: Dataset, level: str) -> dict[str, Any]:
    """The DICOM JSON (PS3.18 F) of what an object tells at a level; what cannot be written is left out."""
    found: dict[str, Any] = {}
    there = head.keys()
    for tag in _TAGS[level]:
        if tag in there:
            with contextlib.suppress(Exception):  # its value is none of its VR
                element = head[tag]
                if element.VR != "SQ":
                    found[f"{tag:08X}"] = clean(element.to_json_dict(None, 0))
                elif len(element.value) <= MOST_ITEMS:
                    told = clean(element.to_json_dict(None, 0))
                    orjson.dumps(told)  # which what is too deep cannot become
                    found[f"{tag:08X}"] = told
    return found


def clean(value: Any) -> Any:
    """A value of DICOM JSON without NUL, which PostgreSQL's JSON cannot hold, and numbers that JSON does not know."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [clean(one) for one in value]
    if isinstance(value, dict):
        return {key: clean(one) for key, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
