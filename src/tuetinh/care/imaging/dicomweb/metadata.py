"""The metadata of objects (PS3.18, 10.4.1.1.2): their DICOM JSON, with the addresses of what is large."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import orjson
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from tuetinh.care.imaging.archive.attributes import clean
from tuetinh.care.imaging.archive.queries import Object
from tuetinh.care.imaging.archive.reading import whole

LARGE: Final = 1024
KNOWN: Final = 4000  # objects whose metadata a process remembers, some kilobytes each
_PIXELS: Final = (0x7FE00010, 0x7FE00008, 0x7FE00009)


def url_of(base: str, one: Object) -> str:
    """The address of an object."""
    return f"{base}/studies/{one.study}/series/{one.series}/instances/{one.sop_instance}"


def metadata(base: str, one: Object) -> bytes:
    """The metadata of an object as JSON bytes; an element that cannot be read is left out."""
    return _metadata(one.digest, url_of(base, one), one.transfer_syntax)


@lru_cache(maxsize=KNOWN)
def _metadata(digest: bytes, url: str, syntax: str) -> bytes:
    dataset = whole(digest, defer_size=LARGE * 64)
    found = as_json(dataset, url)
    found["00083002"] = {"vr": "UI", "Value": [syntax]}  # Available Transfer Syntax UID
    return orjson.dumps(found)


def as_json(dataset: Dataset, url: str) -> dict[str, Any]:
    """The DICOM JSON of a data set. url: of its object, below which its bulk data lies."""
    found: dict[str, Any] = {}
    for tag in sorted(dataset.keys()):
        name = f"{tag:08X}"
        if int(tag) in _PIXELS:
            vr = dataset.get_item(tag, keep_deferred=True).VR or "OW"  # which leaves them where they are
            told: Any = {"vr": vr.split(" ")[0], "BulkDataURI": f"{url}/bulkdata/{name}"}
        else:
            told = _element(dataset, tag, url)
        if told is not None:
            found[name] = told
    return found


def _element(dataset: Dataset, tag: BaseTag, url: str) -> Any:
    def elsewhere(inner: DataElement) -> str:
        return f"{url}/bulkdata/{inner.tag:08X}"

    try:
        return clean(dataset[tag].to_json_dict(elsewhere, LARGE))
    except Exception:  # a value that is none of its VR
        return None


def bulk(digest: bytes, tag: str) -> bytes | None:
    """The bytes of an element, be it within a sequence; None where there is none."""
    dataset = whole(digest, stop_before_pixels=int(tag, 16) not in _PIXELS)
    number = int(tag, 16)
    element = next((one for one in dataset.iterall() if int(one.tag) == number), None)
    value = element.value if element is not None else None
    return bytes(value) if isinstance(value, (bytes, bytearray)) else None
