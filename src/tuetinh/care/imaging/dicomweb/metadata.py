"""The metadata of objects (PS3.18, 10.4.1.1.2): their DICOM JSON, with the addresses of what is large."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import tuetinh.care.imaging.library  # noqa: F401

import numpy as np
import orjson
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.tag import BaseTag

from tuetinh.care.imaging.archive.attributes import clean
from tuetinh.care.imaging.archive.queries import Object
from tuetinh.care.imaging.archive.reading import whole

LARGE: Final = 1024
DEEPEST: Final = 60  # sequences within each other, of what JSON is made
KNOWN: Final = 4000  # objects whose metadata a process remembers, some kilobytes each
_PIXELS: Final = (0x7FE00010, 0x7FE00008, 0x7FE00009)
_WIDTHS: Final = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}  # bytes of a word


def url_of(base: str, one: Object) -> str:
    """The address of an object."""
    return f"{base}/studies/{one.study}/series/{one.series}/instances/{one.sop_instance}"


def metadata(base: str, one: Object) -> bytes:
    """The metadata of an object as JSON bytes; an element that cannot be read is left out."""
    return _metadata(one.digest, url_of(base, one), one.transfer_syntax)


@lru_cache(maxsize=KNOWN)
def _metadata(digest: bytes, url: str, syntax: str) -> bytes:
    dataset = whole(digest, defer_size=LARGE * 64)
    found = as_json(dataset, url, turned=_is_turned(dataset))
    found["00083002"] = {"vr": "UI", "Value": [syntax]}  # Available Transfer Syntax UID
    return orjson.dumps(found)


def _is_turned(dataset: FileDataset) -> bool:
    """Whether words lie in the file with their first byte last; what is given is little endian (PS3.18, 8.7.3.3)."""
    return dataset.original_encoding[1] is False


def as_json(dataset: Dataset, url: str, path: str = "", *, turned: bool = False) -> dict[str, Any]:
    """The DICOM JSON of a data set. url: of its object, below which its bulk data lies.

    path: of an item of a sequence, as `bulk` takes it; turned: see `_is_turned`.
    """
    found: dict[str, Any] = {}
    for tag in sorted(dataset.keys()):
        name = f"{tag:08X}"
        if int(tag) in _PIXELS and not path:
            vr = dataset.get_item(tag, keep_deferred=True).VR or "OW"  # which leaves them where they are
            told: Any = {"vr": vr.split(" ")[0], "BulkDataURI": f"{url}/bulkdata/{name}"}
        else:
            told = _element(dataset, tag, url, f"{path}{name}", turned=turned)
        if told is not None:
            found[name] = told
    return found


def _element(dataset: Dataset, tag: BaseTag, url: str, path: str, *, turned: bool) -> Any:
    try:
        element = dataset[tag]
        if element.VR == "SQ":
            if path.count("/") > 2 * DEEPEST:
                return None
            items = enumerate(element.value, start=1)
            return {
                "vr": "SQ",
                "Value": [as_json(item, url, f"{path}/{number}/", turned=turned) for number, item in items],
            }
        if turned:
            element = DataElement(element.tag, element.VR, _straight(element))
        return clean(element.to_json_dict(lambda _: f"{url}/bulkdata/{path}", LARGE))
    except Exception:  # a value that is none of its VR
        return None


def _straight(element: DataElement) -> Any:
    """The value of an element that lies turned in its file: of words the first byte first."""
    width = _WIDTHS.get(element.VR, 0)
    value = element.value
    if not width or not isinstance(value, bytes) or len(value) % width:
        return value
    return np.frombuffer(value, f">u{width}").astype(f"<u{width}").tobytes()


def bulk(digest: bytes, path: str) -> bytes | None:
    """The bytes of an element; None where there is none.

    path: its tag, of one within sequences after their tags and the numbers of their items, `TAG/1/TAG`. A tag alone
    that is not at the top is the first of its name.
    """
    *within, tag = path.split("/")
    dataset: Dataset = whole(digest, stop_before_pixels=bool(within) or int(tag, 16) not in _PIXELS)
    turned = _is_turned(dataset)
    try:
        for sequence, number in zip(within[::2], within[1::2], strict=True):
            dataset = dataset[int(sequence, 16)].value[int(number) - 1]
    except (KeyError, IndexError, TypeError):
        return None
    wanted = int(tag, 16)
    element = dataset[wanted] if wanted in dataset else _first(dataset, wanted) if not within else None
    value = (_straight(element) if turned else element.value) if element is not None else None
    return bytes(value) if isinstance(value, (bytes, bytearray)) else None


def _first(dataset: Dataset, tag: int) -> DataElement | None:
    return next((one for one in dataset.iterall() if int(one.tag) == tag), None)
