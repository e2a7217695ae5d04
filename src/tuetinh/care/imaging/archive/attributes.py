"""Which attributes the index keeps at which level: what queries match and give back (PS3.4 C.6, PS3.18 10.6.3)."""

from __future__ import annotations

import contextlib
import csv
import math
from pathlib import Path
from typing import Any, Final

from pydicom import config
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.tag import Tag

# Machines write what the standard forbids; the archive keeps what they write.
config.settings.reading_validation_mode = config.IGNORE

_FILE: Final = Path(__file__).parents[1] / "data" / "attributes.csv"


def _levels() -> dict[str, list[str]]:
    levels: dict[str, list[str]] = {}
    with _FILE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            levels.setdefault(row["level"], []).append(row["keyword"])
    return levels


LEVELS: Final = _levels()
"""The keywords of the levels PATIENT, STUDY, SERIES and IMAGE."""
LEVEL_OF: Final = {tag_for_keyword(word): level for level, words in LEVELS.items() for word in words}
"""The level of an attribute by its tag."""
TAGS: Final = [Tag(tag) for tag in LEVEL_OF]


def as_json(head: Dataset, level: str) -> dict[str, Any]:
    """The DICOM JSON (PS3.18 F) of what an object tells at a level.

    What it tells of the patient is kept with the study; what cannot be written is left out.
    """
    found: dict[str, Any] = {}
    for word in LEVELS[level] + (LEVELS["PATIENT"] if level == "STUDY" else []):
        with contextlib.suppress(Exception):  # it is not there, or its value is none of its VR
            element = head[word]
            found[f"{element.tag:08X}"] = clean(element.to_json_dict(None, 0))
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
