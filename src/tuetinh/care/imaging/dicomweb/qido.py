"""QIDO-RS (PS3.18, 10.6): what is in the archive."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any, Final

import tuetinh.care.imaging.library  # noqa: F401

from pydicom.datadict import tag_for_keyword

from tuetinh.care.imaging.archive.attributes import LEVEL_OF
from tuetinh.care.imaging.archive.matching import COUNTED, MOST, BadKey, Wanted
from tuetinh.care.imaging.archive.queries import Found
from tuetinh.care.imaging.dicomweb import native
from tuetinh.care.imaging.dicomweb.asked import Call, Refused

_PARENTS: Final = {"STUDY": (), "SERIES": ("0020000D",), "IMAGE": ("0020000D", "0020000E")}
_UIDS: Final = {0x0020000D, 0x0020000E, 0x00080018, 0x00080016, 0x00080062}
_OPTIONS: Final = {"includefield", "limit", "offset", "fuzzymatching", "accept", "charset"}
USUAL: Final = 1000
_PATIENT_ID: Final = 0x00100020


def wanted(call: Call, level: str, within: dict[int, str], beside: str = "") -> Wanted:
    """The query of a request; `within`: the UIDs of its path. Raises Refused.

    beside: the study whose person is asked about, whom every facility's machines may give another PatientID.
    """
    keys: dict[int, list[str]] = {tag: [uid] for tag, uid in within.items()}
    nested: dict[tuple[int, ...], list[str]] = {}
    for name, value in call.query:
        if name in _OPTIONS:
            continue
        path = path_of(name)
        if path is None:
            raise Refused(400, f"no such attribute: {name}")
        if len(path) > 1:
            nested.setdefault(path, []).append(value)
        elif not beside or path[0] != _PATIENT_ID:
            several = value.replace("\\", ",").split(",") if path[0] in _UIDS else [value]
            keys.setdefault(path[0], []).extend(several)
    fuzzy = call.option("fuzzymatching", "false").lower() == "true"
    limit, offset = min(_count(call, "limit", USUAL), MOST), _count(call, "offset", 0)
    return Wanted(level, keys, nested, fuzzy, limit, offset, beside)


def _count(call: Call, name: str, usual: int) -> int:
    text = call.option(name, str(usual))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Refused(400, f"{name} is a whole number")
    return int(text)


def path_of(name: str) -> tuple[int, ...] | None:
    """The tags of an attribute and the sequences that it is in, by their keywords or eight digits (PS3.18, 8.3.4.1)."""
    tags = [_tag(one) for one in name.split(".")]
    return tuple(tag for tag in tags if tag is not None) if None not in tags else None


def _tag(name: str) -> int | None:
    if len(name) == 8 and all(sign in "0123456789abcdefABCDEF" for sign in name):
        return int(name, 16)
    return tag_for_keyword(name)


def tag_of(name: str) -> int | None:
    """The tag of an attribute; within a sequence, the sequence's."""
    return _tag(name.partition(".")[0])


async def answer(call: Call, found: Found, level: str, within: dict[int, str], *, xml: bool) -> None:
    """Send what was found: the attributes of the level, its parents' UIDs, and more where asked for."""
    included = {one for name, value in call.query if name == "includefield" for one in value.split(",")}
    tags = {f"{tag:08X}" for one in included if (tag := tag_of(one)) is not None}
    asked = {f"{tag:08X}" for name, _ in call.query if (tag := tag_of(name)) is not None}
    levels = {"STUDY": {"PATIENT", "STUDY"}, "SERIES": {"SERIES"}, "IMAGE": {"IMAGE"}}[level]
    if "all" in included or not within:
        levels = {"PATIENT", "STUDY", "SERIES", "IMAGE"}
    keep = tags | asked | set(_PARENTS[level])
    matches = []
    for match in found.matches:
        told = {tag: value for tag, value in match.items() if tag in keep or _level(tag) in levels}
        told["00081190"] = {"vr": "UR", "Value": [address(call.base, match, level)]}
        told["00080056"] = {"vr": "CS", "Value": ["ONLINE"]}
        told["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
        matches.append(dict(sorted(told.items())))
    headers = [("warning", f'299 tuetinh "{text}"') for text in _warnings(found)]
    if not matches:
        await call.answer_nothing(headers)
    elif xml:
        told = await asyncio.to_thread(lambda: [native.as_xml(match) for match in matches])
        await call.answer_parts(told, native.MEDIA, headers)
    else:
        await call.answer_json(matches, headers=headers)


def _warnings(found: Found) -> list[str]:
    """What a client should know of an answer (PS3.18, 8.3.4.4 and 10.6.3.2)."""
    told = ["Some attributes were not matched"] if found.unmatched else []
    return [*told, "There are additional results that can be requested"] if found.more else told


@cache
def _level(tag: str) -> str:
    number = int(tag, 16)
    if number in COUNTED:
        return "SERIES" if number == 0x00201209 else "STUDY"
    return LEVEL_OF.get(number, "")


def address(base: str, match: dict[str, Any], level: str) -> str:
    """The address from which a match is retrieved."""
    url = f"{base}/studies/{_value(match, '0020000D')}"
    if level != "STUDY":
        url += f"/series/{_value(match, '0020000E')}"
    return url + (f"/instances/{_value(match, '00080018')}" if level == "IMAGE" else "")


def _value(match: dict[str, Any], tag: str) -> str:
    return str((match.get(tag, {}).get("Value") or [""])[0])


def refused(error: BadKey) -> Refused:
    """What a client is told whose value cannot be matched."""
    return Refused(400, f"{error.args[0]:08X} cannot be {error.args[1]!r}")
