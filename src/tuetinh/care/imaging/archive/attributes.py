"""Which attributes the index keeps at which level: what queries match and give back (PS3.4 C.6, PS3.18 10.6.3)."""

from __future__ import annotations

import contextlib
import csv
import math
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement, RawDataElement
    from pydicom.dataset import Dataset
    from pydicom.tag import BaseTag

MOST_ITEMS: Final = 100  # of a sequence in the index
SHORT: Final = 64  # bytes of a value that many objects may tell
MADE: Final = 1000  # elements that a process remembers
_FILE: Final = Path(__file__).parents[1] / "data" / "attributes.csv"
with _FILE.open(encoding="utf-8", newline="") as _file:
    _ROWS: Final = [(row["level"], row["keyword"], int(row["tag"], 16), row["vr"]) for row in csv.DictReader(_file)]

_TAGS: Final = {  # what is told of the patient is kept with the study
    level: [(tag, f"{tag:08X}") for at, _, tag, _ in _ROWS if at in levels]
    for level, levels in {"STUDY": ("STUDY", "PATIENT"), "SERIES": ("SERIES",), "IMAGE": ("IMAGE",)}.items()
}
TAG_OF: Final = {keyword: tag for _, keyword, tag, _ in _ROWS}
"""The tag of an attribute by its keyword."""
LEVEL_OF: Final = {tag: level for level, _, tag, _ in _ROWS}
"""The level of an attribute by its tag."""
VR_OF: Final = {tag: vr for *_, tag, vr in _ROWS}
"""The value representation of an attribute by its tag."""


class Elements:
    """What a data set tells the index. What one object tells the next ones of its series tell too: it is read once."""

    def __init__(self, dataset: Dataset) -> None:
        encoding = dataset.original_character_set
        self.dataset = dataset
        self._encodings = (encoding,) if isinstance(encoding, str) else tuple(encoding)
        self._there = dataset._dict  # which makes nothing of what is asked for

    def text(self, tag: int) -> str:
        """A value as `as_text` tells it; "" where there is none, or none of its VR."""
        with contextlib.suppress(Exception):
            if (raw := self._there.get(tag)) is not None:
                key = self._key(raw)
                return _text(key) if key else as_text(self.dataset[tag].value)
        return ""

    def as_json(self, level: str) -> dict[str, Any]:
        """The DICOM JSON (PS3.18 F) of what is told at a level; what cannot be written is left out."""
        found: dict[str, Any] = {}
        for tag, name in _TAGS[level]:
            with contextlib.suppress(Exception):  # its value is none of its VR
                if (raw := self._there.get(tag)) is not None:
                    key = self._key(raw)
                    told = _json(key) if key else _as_json(self.dataset[tag])
                    if told:
                        found[name] = told
        return found

    def _key(self, found: DataElement | RawDataElement) -> _Raw | None:
        """What an element is made of; None where it is not as it came, or long."""
        if not isinstance(found, tuple) or not found.value or len(found.value) > SHORT:
            return None
        return _Raw(found.tag, found.VR, found.value, found.is_implicit_VR, found.is_little_endian, self._encodings)


class _Raw(NamedTuple):
    """What an element is made of."""

    tag: BaseTag
    vr: str | None
    value: bytes
    implicit: bool
    little: bool
    encodings: tuple[str, ...]

    def element(self) -> DataElement:
        """The element. Raises whatever its value leads to."""
        import tuetinh.care.imaging.library  # noqa: F401

        from pydicom.dataelem import RawDataElement, convert_raw_data_element

        raw = RawDataElement(self.tag, self.vr, len(self.value), self.value, 0, self.implicit, self.little)
        return convert_raw_data_element(raw, encoding=list(self.encodings))

    @property
    def uid(self) -> str:
        """What a plain UID tells, which is another one in each object; "" of anything else."""
        found = self.value.rstrip(b"\0") if self.vr == "UI" else b""
        return found.decode() if _is_plain_uid(found) else ""


_is_plain_uid = re.compile(rb"[0-9.]+").fullmatch


@lru_cache(MADE)
def _text(raw: _Raw) -> str:
    return raw.uid or as_text(raw.element().value)


@lru_cache(MADE)
def _json(raw: _Raw) -> dict[str, Any] | None:
    if uid := raw.uid:
        return {"vr": "UI", "Value": [uid]}
    return _as_json(raw.element())


def _as_json(one: DataElement) -> dict[str, Any] | None:
    """The DICOM JSON of an element; None of a sequence that is too long. Raises whatever its value leads to."""
    if one.VR != "SQ":
        return clean(one.to_json_dict(None, 0))  # type: ignore[no-any-return]
    if len(one.value) > MOST_ITEMS:
        return None
    told = clean(one.to_json_dict(None, 0))
    orjson.dumps(told)  # which what is too deep cannot become
    return told  # type: ignore[no-any-return]


def as_text(value: Any) -> str:
    """A value as text without padding; several are joined by `\\`."""
    if value is None:
        return ""
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = "\\".join(str(one) for one in value)
    return str(value).replace("\0", "").encode("utf-8", "replace").decode().strip()


def clean(value: Any) -> Any:
    """A value of DICOM JSON without NUL, which PostgreSQL's JSON cannot hold, and numbers that JSON does not know."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [clean(one) for one in value]
    if isinstance(value, dict):
        return {key: clean(one) for key, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
