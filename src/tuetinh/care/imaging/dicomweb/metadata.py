"""The metadata of objects (PS3.18, 10.4.1.1.2): their DICOM JSON, with the addresses of what is large."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import orjson
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from tuetinh.care.imaging.archive.attributes import clean
from tuetinh.care.imaging.archive.queries import Object

LARGE: Final = 1024
KNOWN: Final = 4000  # objects whose metadata a process remembers, some kilobytes each
_PIXELS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def url_of(base: str, one: Object) -> str:
    """The address of an object."""
    return f"{base}/studies/{one.study}/series/{one.series}/instances/{one.sop_instance}"


def metadata(base: str, one: Object) -> bytes:
    """The metadata of an object as JSON bytes; an element that cannot be read is left out."""
    return _metadata(str(one.path), url_of(base, one), one.transfer_syntax)


@lru_cache(maxsize=KNOWN)
def _metadata(path: str, url: str, syntax: str) -> bytes:
    dataset = dcmread(path, defer_size=LARGE * 64)
    found = as_json(dataset, url)
    found["00083002"] = {"vr": "UI", "Value": [syntax]}  # Available Transfer Syntax UID
    return orjson.dumps(found)


def as_json(dataset: Dataset, url: str) -> dict[str, Any]:
    """The DICOM JSON of a data set. url: of its object, below which its bulk data lies."""
    found: dict[str, Any] = {}
    for element in dataset:
        told = _element(element, url)
        if told is not None:
            found[f"{element.tag:08X}"] = told
    return found


def _element(element: DataElement, url: str) -> Any:
    name = f"{element.tag:08X}"
    if element.keyword in _PIXELS:
        return {"vr": element.VR.split(" ")[0], "BulkDataURI": f"{url}/bulkdata/{name}"}

    def elsewhere(inner: DataElement) -> str:
        return f"{url}/bulkdata/{inner.tag:08X}"

    try:
        return clean(element.to_json_dict(elsewhere, LARGE))
    except Exception:  # a value that is none of its VR
        return None


def bulk(path: Path, tag: str) -> bytes | None:
    """The bytes of an element, be it within a sequence; None where there is none."""
    dataset = dcmread(path)
    number = int(tag, 16)
    element = next((one for one in dataset.iterall() if int(one.tag) == number), None)
    value = element.value if element is not None else None
    return bytes(value) if isinstance(value, (bytes, bytearray)) else None
