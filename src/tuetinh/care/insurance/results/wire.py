"""Results of the review as they come: from the gateway, or as a file in XML, JSON, XLSX or CSV.

What a record says is documented by vendors (maLK, trangThai, soTienDuyet, lyDo); how lines are told is not public. So
names are data: `data/results.json` says by which each field may come, spelt with or without accents, spaces and `_`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import msgspec
from lxml import etree  # type: ignore[import-untyped]

from tuetinh.care.insurance.errors import BadResults, WireError
from tuetinh.care.insurance.wire_xml3176 import parse
from tuetinh.commons.catalogues.api import fold

Row = Mapping[str, Any]
WHOLE: Final = ("XML1", 0)  # where a record is reduced without saying in which line
_GROUPED = re.compile(r"-?\d{1,3}(\.\d{3})+(,\d{1,2})?")
_ENGLISH = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d{1,2})?")


@dataclass(frozen=True, slots=True)
class LineResult:
    """What is said of a line. table: `XML2`, `XML3`; place: its STT; one of accepted and refused is told, in đồng."""

    table: str
    place: int
    accepted: Decimal | None = None
    refused: Decimal | None = None
    code: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What is said of a claim. state: `accepted`, `reduced`, `refused`, `pending`; accepted: what the fund will pay."""

    ma_lk: str
    state: str
    accepted: Decimal | None = None
    code: str = ""
    words: str = ""
    decided: date | None = None
    lines: tuple[LineResult, ...] = ()


@dataclass(slots=True)
class _Record:
    row: Row
    lines: list[Row] = field(default_factory=list)


def read(data: bytes, name: str) -> list[Result]:
    """The results of a file, of the kind that its name says. Raises BadResults, saying where."""
    kind = name.rpartition(".")[2].lower()
    readers = {"json": _json, "xml": _xml, "xlsx": _xlsx, "csv": _csv}
    if kind not in readers:
        raise BadResults("kind", name)
    return [_result(record, place) for place, record in enumerate(readers[kind](data), 1)]


def read_answer(answer: Mapping[str, Any]) -> list[Result]:
    """The results that the gateway answered with. Raises BadResults."""
    return [_result(record, place) for place, record in enumerate(_records(answer), 1)]


# Files ----------------------------------------------------------------------------------------------------------------


def _json(data: bytes) -> list[_Record]:
    try:
        return _records(msgspec.json.decode(data))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadResults("json", str(error)) from error


def _xml(data: bytes) -> list[_Record]:
    try:
        root = parse(data, "XML")
    except WireError as error:
        raise BadResults("xml", error.told) from error
    return _records(
        [_element(one) for one in root.iter() if any(_known("record", child.tag) == "ma_lk" for child in one)]
    )


def _xlsx(data: bytes) -> list[_Record]:
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        return _flat(list(row) for row in book.worksheets[0].iter_rows(values_only=True))
    except (BadZipFile, KeyError, ValueError, OSError) as error:
        raise BadResults("xlsx", str(error)) from error


def _csv(data: bytes) -> list[_Record]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadResults("encoding", str(error.start)) from error
    first = text.partition("\n")[0]
    delimiter = max(";,\t", key=first.count)
    return _flat(list(row) for row in csv.reader(io.StringIO(text), delimiter=delimiter))


def _flat(rows: Iterable[list[Any]]) -> list[_Record]:
    """Rows under a head of names: one for a record, or for each of its lines."""
    head: list[str] = []
    found: dict[str, _Record] = {}
    for row in rows:
        if not head:
            names = [str(cell or "") for cell in row]
            head = names if any(_known("record", name) == "ma_lk" for name in names) else []
            continue
        told = {name: cell for name, cell in zip(head, row, strict=False) if name and cell not in (None, "")}
        if not told:
            continue
        key = str(_value("record", told, "ma_lk") or "").strip()
        record = found.setdefault(key, _Record(told))
        if _value("line", told, "table") is not None:
            record.lines.append(told)
    if not head:
        raise BadResults("head", "MA_LK")
    return list(found.values())


def _element(element: etree._Element) -> dict[str, Any]:
    """An element of text as its text, one with elements in it as a list of them."""
    return {
        str(child.tag): [_element(one) for one in child] if len(child) else (child.text or "").strip()
        for child in element
    }


def _records(answer: Any) -> list[_Record]:
    rows = answer if isinstance(answer, list) else _list(answer, "records") if isinstance(answer, Mapping) else None
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise BadResults("head", "dsKetQuaGiamDinh")
    return [_Record(row, [line for line in _list(row, "lines") or [] if isinstance(line, Mapping)]) for row in rows]


# Fields ---------------------------------------------------------------------------------------------------------------


def _result(record: _Record, place: int) -> Result:
    row, where = record.row, f"#{place}"
    ma_lk = str(_value("record", row, "ma_lk") or "").strip()
    if not ma_lk:
        raise BadResults("ma_lk", where)
    where = f"{where} {ma_lk}"
    lines = tuple(_line(line, where) for line in record.lines)
    accepted = amount(_value("record", row, "accepted"), where)
    flat = any(line is row for line in record.lines)  # its reason is that of a line
    said = str(_value("record", row, "state") or "").strip()
    state = _state(said, where) if said else ("reduced" if lines else "accepted")
    return Result(
        ma_lk,
        state,
        accepted,
        "" if flat else str(_value("record", row, "code") or ""),
        "" if flat else str(_value("record", row, "words") or ""),
        _day(_value("record", row, "decided"), where),
        lines,
    )


def _line(row: Row, where: str) -> LineResult:
    table, place = str(_value("line", row, "table") or ""), str(_value("line", row, "place") or "")
    digits = re.fullmatch(r"(?:XML|Bảng|BANG)?\s*([23])(?:\.0)?", table, re.IGNORECASE)
    if digits is None or not re.fullmatch(r"\d+(\.0)?", place):
        raise BadResults("line", f"{where} {table}.{place}")
    accepted, refused = (amount(_value("line", row, name), where) for name in ("accepted", "refused"))
    if accepted is None and refused is None:
        raise BadResults("line", f"{where} {table}.{place}")
    said = [str(_value("line", row, name) or "") for name in ("code", "words")]
    return LineResult(f"XML{digits[1]}", int(float(place)), accepted, refused, *said)


def amount(value: Any, where: str = "") -> Decimal | None:
    """An amount of money, None for nothing. In text a dot before three digits groups, as people here write it."""
    if value is None or value == "":
        return None
    text = str(value).replace("\u00a0", "").replace(" ", "").removesuffix("₫")
    if isinstance(value, str):
        if _GROUPED.fullmatch(text):
            text = text.replace(".", "").replace(",", ".")
        elif _ENGLISH.fullmatch(text):
            text = text.replace(",", "")
        else:
            text = text.replace(",", ".")
    try:
        found = Decimal(text)
    except InvalidOperation as error:
        raise BadResults("amount", f"{where} {value}".strip()) from error
    if not found.is_finite() or found < 0:
        raise BadResults("amount", f"{where} {value}".strip())
    return found


def _state(said: str, where: str) -> str:
    for state, words in _names()["states"].items():
        if _folded(said) in {_folded(word) for word in words}:
            return str(state)
    raise BadResults("state", f"{where} {said}")


def _day(value: Any, where: str) -> date | None:
    if value in (None, ""):
        return None
    digits = re.sub(r"\D", "", str(value))
    try:
        if re.match(r"\d{2}/", str(value)):
            return date(int(digits[4:8]), int(digits[2:4]), int(digits[:2]))
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError as error:
        raise BadResults("day", f"{where} {value}") from error


@cache
def _names() -> dict[str, Any]:
    return msgspec.json.decode((Path(__file__).parents[1] / "data" / "results.json").read_bytes())  # type: ignore[no-any-return]


def _folded(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", fold(text).lower())


@cache
def _aliases(part: str) -> dict[str, str]:
    return {_folded(alias): name for name, aliases in _names()[part].items() for alias in aliases}


def _known(part: str, name: object) -> str:
    return _aliases(part).get(_folded(str(name)), "")


def _value(part: str, row: Row, wanted: str) -> Any:
    return next((value for name, value in row.items() if _known(part, name) == wanted and value != ""), None)


def _list(row: Row, part: str) -> list[Any] | None:
    wanted = {_folded(name) for name in _names()[part]}
    return next((value for name, value in row.items() if _folded(name) in wanted and isinstance(value, list)), None)
