"""Which attributes the index keeps at which level: what queries match and give back (PS3.4 C.6, PS3.18 10.6.3)."""

from __future__ import annotations

import contextlib
import csv
import math
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement, RawDataElement
    from pydicom.dataset import Dataset

MOST_ITEMS: Final = 100  # of a sequence in the index
SHORT: Final = 64  # bytes of a value that many objects may tell
MADE: Final = 500  # elements that a process remembers
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
                one = element(head, tag)
                if one.VR != "SQ":
                    found[f"{tag:08X}"] = clean(one.to_json_dict(None, 0))
                elif len(one.value) <= MOST_ITEMS:
                    told = clean(one.to_json_dict(None, 0))
                    orjson.dumps(told)  # which what is too deep cannot become
                    found[f"{tag:08X}"] = told
    return found


def element(head: Dataset, tag: int) -> DataElement:
    """An element that is there. What one object tells the next ones of its series tell too: it is made once of both."""
    import tuetinh.care.imaging.library  # noqa: F401

    from pydicom.dataelem import RawDataElement

    found = head.get_item(tag)
    if not isinstance(found, RawDataElement) or not found.value or len(found.value) > SHORT:
        return head[tag]
    encoding = head.original_character_set
    return _made(found._replace(value_tell=0), (encoding,) if isinstance(encoding, str) else tuple(encoding))


@lru_cache(MADE)
def _made(raw: RawDataElement, encodings: tuple[str, ...]) -> DataElement:
    import tuetinh.care.imaging.library  # noqa: F401

    from pydicom.dataelem import convert_raw_data_element

    return convert_raw_data_element(raw, encoding=list(encodings))


def clean(value: Any) -> Any:
    """A value of DICOM JSON without NUL, which PostgreSQL's JSON cannot hold, and numbers that JSON does not know."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [clean(one) for one in value]
    if isinstance(value, dict):
        return {key: clean(one) for key, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
