"""Files that instruments leave: CSV, XLSX, SYLK, XML, and texts of their makers' own. Knows nothing of folders.

A file becomes one message with an order for each tube. What stands where is in the model's description; without one the
usual names of columns are tried. A file that cannot be read whole is refused with the place: half of it is never taken.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from lxml import etree

from tuetinh.care.lab.machines.drivers import Driver, Table, recognise
from tuetinh.care.lab.machines.messages import NOTHING, Code, Header, Message, Order, Refused, Result, number, timestamp

Cells = list[list[str]]
HANOI = timezone(timedelta(hours=7))
LARGEST: Final = 32 * 1024 * 1024
_MOST_CELLS = 2_000_000
_SEEN = 8000  # characters by which a file is recognised
# The names that columns usually have, in what our own reader calls them.
USUAL: Final = {
    "specimen": (
        "Sample ID", "SampleID", "Sample_ID", "Sample Name", "Sample Number", "Sample ID No", "Specimen ID", "Barcode",
    ),
    "code": (
        "Test Code", "TestCode", "Test_Code", "Test Name", "Target Name", "TargetName", "Test", "Assay Name", "Assay",
    ),
    "value": ("Result", "Value", "Test Result", "Interpretation"),
    "unit": ("Unit", "Units"),
    "reference": ("Reference Range",),
    "flag": ("Flag", "Flags"),
    "time": ("Date/Time", "Result Date", "End Time", "Start Time"),
    "operator": ("Operator", "Operator ID", "User"),
    "serial": ("Instrument", "Instrument SN", "Instrument S/N", "Instrument Serial Number", "Instrument ID"),
    "control": ("Sample ID", "SampleID", "Sample Name", "Sample"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class File:
    """A file as it was found. digest: of its bytes, which names the message."""

    name: str
    payload: bytes
    digest: str = ""


def read(file: File, driver: Driver | None = None) -> Message:
    """Read a file. Raises Refused, with the row where there is one, and `no-driver` for what nobody has described."""
    header = Header(type="FILE", control_id=file.digest[:32], wire="file")
    if len(file.payload) > LARGEST:
        raise Refused("AE", "too-large", "", header)
    try:
        cells = _cells(file, driver)
        driver = driver or recognise(file.name, "file") or recognise(_seen(cells), "file")
        if driver and driver.description.table and driver.description.table.row:
            return _xml(file, driver)
        return _table(cells, driver, header)
    except Refused as refused:
        refused.header = refused.header or header
        raise
    except (ValueError, LookupError, csv.Error, etree.XMLSyntaxError, zipfile.BadZipFile) as error:
        raise Refused("AE", "102", "", header) from error


def text_of(payload: bytes) -> str:
    """By its byte-order mark, else UTF-8, else Latin-1."""
    for mark, charset in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
        if payload.startswith(mark):
            return payload.decode(charset, "replace")
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return payload.decode("latin-1")


def _seen(cells: Cells) -> str:
    return "\n".join(",".join(row) for row in cells[:40])[:_SEEN]


def _cells(file: File, driver: Driver | None) -> Cells:
    if file.payload.startswith(b"PK\x03\x04"):
        return _xlsx(file.payload)
    if file.payload.startswith(b"ID;P"):
        return _sylk(text_of(file.payload))
    text = text_of(file.payload)
    if text.lstrip().startswith("<"):
        return [[text[:_SEEN]]]
    table = driver.description.table if driver else None
    separator = table.delimiter if table and table.delimiter else _delimiter(text)
    return list(
        csv.reader(io.StringIO(text.replace("\r\n", "\n").replace("\r", "\n"), newline=""), delimiter=separator)
    )


def _delimiter(text: str) -> str:
    """The sign that parts most lines most evenly."""
    lines = [line for line in text.splitlines()[:50] if line.strip()]
    return max(",;\t|", key=lambda sign: sum(min(line.count(sign), 50) for line in lines))


def _xlsx(payload: bytes) -> Cells:
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(payload), read_only=True, data_only=True)
    rows: Cells = []
    count = 0
    for sheet in book.worksheets[:1]:
        for row in sheet.iter_rows(values_only=True):
            count += len(row)
            if count > _MOST_CELLS:
                raise Refused("AE", "too-large")
            rows.append(["" if value is None else _written(value) for value in row])
    return rows


def _written(value: object) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) >= 1e6:  # the number of a tube, not a measurement
        return str(int(value))
    return value.strftime("%Y%m%d%H%M%S") if isinstance(value, datetime) else str(value)


_SYLK = re.compile(r";(?=[XYK])")


def _sylk(text: str) -> Cells:
    """SYLK's C records: `C;X1;Y2;K"value"`. X and Y stay what they were when they are left out."""
    found: dict[tuple[int, int], str] = {}
    x = y = 1
    for line in text.splitlines():
        if not line.startswith("C;"):
            continue
        for part in _SYLK.split(line):
            if part[:1] == "X" and part[1:].isdigit():
                x = int(part[1:])
            elif part[:1] == "Y" and part[1:].isdigit():
                y = int(part[1:])
            elif part[:1] == "K":
                found[y, x] = part[1:].strip('"').replace(";;", ";")
    height, width = max((k[0] for k in found), default=0), max((k[1] for k in found), default=0)
    if height * width > _MOST_CELLS:
        raise Refused("AE", "too-large")
    return [[found.get((row, column), "") for column in range(1, width + 1)] for row in range(1, height + 1)]


class _Rows:
    """Gathers the results of a table into orders, one for each tube."""

    def __init__(self, header: Header, driver: Driver | None) -> None:
        self.driver = driver
        self.message = Message(header)
        self.orders: dict[tuple[str, str], Order] = {}
        self.serials: set[str] = set()

    def take(
        self,
        get: Callable[[str], str],
        place: int,
        code: str = "",
        value: str | None = None,
        unit: str = "",
        *,
        pairs: bool = False,
    ) -> None:
        """One result: `get` finds what a column holds."""
        specimen = self.find("specimen", get)
        text = self.find("value", get) if value is None else value
        if (not specimen and not text) or (pairs and not text):
            return
        control = self.is_control(specimen, get)
        material = (self.find("control", get) or specimen) if control else ""
        order = self.orders.setdefault((specimen, material), Order(specimens=[specimen], control=material))
        self.serials |= {self.find("serial", get)}
        if self.driver:
            text = self.driver.word(text)
        measured = number(text)
        order.results.append(
            Result(
                place=place,
                code=Code(code or self.find("code", get)),
                text="" if NOTHING.fullmatch(text) else text.strip(),
                number=measured[1] if measured else None,
                comparator=measured[0] if measured else "",
                unit=unit or self.find("unit", get),
                reference=self.find("reference", get),
                flags=tuple(filter(None, (self.find("flag", get),))),
                status="F",
                at=self.moment(self.find("time", get)),
                operator=self.find("operator", get),
            )
        )

    def moment(self, text: str) -> datetime | None:
        """A time as the model writes it."""
        table = (self.driver.description.table if self.driver else None) or Table()
        return moment(text, days_first=table.days_first, years_first=table.years_first)

    def find(self, what: str, get: Callable[[str], str]) -> str:
        """The first column of something that holds a value; `A + B` are two columns together."""
        usual = USUAL[what]
        for column in self.driver.places(what, usual) if self.driver else usual:
            if value := " ".join(filter(None, (get(part).strip() for part in column.split(" + ")))):
                return self.driver.tidy(what, value) if self.driver else value
        return ""

    def is_control(self, specimen: str, get: Callable[[str], str]) -> bool:
        """Whether a mark of the model says that this is no person's."""
        rules = self.driver.description.controls if self.driver else ()
        return any(re.search(r.matches, specimen if r.at == "specimen" else get(r.at), re.IGNORECASE) for r in rules)

    def end(self) -> Message:
        """The message. Raises Refused for a file without a result."""
        self.message.orders = [order for order in self.orders.values() if order.results]
        if not self.message.orders:
            raise Refused("AE", "100", "", self.message.header)
        told = self.message.header
        sender = self.driver.name if self.driver else ""
        self.message.header = Header(
            application=sender, type=told.type, control_id=told.control_id, wire=told.wire,
            serial=next(iter(sorted(filter(None, self.serials))), ""),
        )  # fmt: skip
        return self.message


def _table(cells: Cells, driver: Driver | None, header: Header) -> Message:
    table = driver.description.table if driver and driver.description.table else Table()
    rows = _Rows(header, driver)
    if table.pairs:
        for place, pairs in _sections(cells, table.section):
            rows.take(lambda name, known=pairs: known.get(_name(name), ""), place, pairs=True)  # type: ignore[misc]
        return rows.end()
    at = _head(cells, table.header, driver)
    names = [_name(cell) for cell in cells[at]]
    columns = {name: place for place, name in reversed(list(enumerate(names))) if name}
    wide = _wide(cells[at], table.wide)
    for place, row in enumerate(cells[at + 1 :], at + 2):
        if not any(cell.strip() for cell in row):
            continue
        if any(cell.strip() for cell in row[len(names) :]) or (
            len(row) < len(names) and not wide and not _whole(row, names)
        ):
            raise Refused("AE", "102", str(place), header)

        def get(name: str, row: list[str] = row) -> str:
            column = columns.get(_name(name))
            return row[column] if column is not None and column < len(row) else ""

        if wide:
            for column, code, unit in wide:
                if column < len(row) and row[column].strip():
                    rows.take(get, place, code, row[column], unit)
        else:
            rows.take(get, place)
    return rows.end()


def _whole(row: list[str], names: list[str]) -> bool:
    """Whether only columns without a name, or at the end and without need, are missing."""
    needed = {_name(column) for what in ("specimen", "value") for column in USUAL[what]}
    return not needed & set(names[len(row) :])


def _name(cell: str) -> str:
    return re.sub(r"\s+", " ", cell).strip().casefold()


def _wide(row: list[str], pattern: str) -> list[tuple[int, str, str]]:
    """The columns that are results: place, code, unit."""
    if not pattern:
        return []
    found = ((place, re.fullmatch(pattern, cell.strip())) for place, cell in enumerate(row))
    return [(place, m["code"], m.groupdict().get("unit") or "") for place, m in found if m]


def _head(cells: Cells, column: str, driver: Driver | None) -> int:
    """The line of the columns' names."""
    for place, row in enumerate(cells[:200]):
        names = {_name(cell) for cell in row}
        if column and _name(column) in names:
            return place
        if not column and all(names & {_name(c) for c in USUAL[what]} for what in ("specimen", "value")):
            return place
    raise Refused("AE", "no-driver" if driver is None else "101")


def _sections(cells: Cells, begins: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Lines `name,value`, in one dictionary for each section; the first of a name holds."""
    known: dict[str, str] = {}
    first = 1
    for place, row in enumerate(cells, 1):
        name = _name(row[0]) if row else ""
        if name == _name(begins) and name in known:
            yield first, known
            known, first = {}, place
        if name and len(row) > 1:
            known.setdefault(name, row[1].strip())
    if known:
        yield first, known


def _xml(file: File, driver: Driver) -> Message:
    table = driver.description.table
    assert table  # noqa: S101  (this is why we are here)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False)
    tree = etree.fromstring(file.payload, parser)
    rows = _Rows(Header(type="FILE", control_id=file.digest[:32], wire="file"), driver)
    for place, element in enumerate(tree.iterfind(table.row), 1):

        def get(path: str, element: etree._Element = element) -> str:
            inner, _, name = path.rpartition("@")
            at = element.find(inner.rstrip("/")) if inner.rstrip("/") else element
            return str(at.get(name) or "") if at is not None else ""

        rows.take(get, place)
    return rows.end()


_DATE = re.compile(r"(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})(?:[ T]+(\d{1,2}):(\d\d)(?::(\d\d))?)?.*")
_SERIAL_DAY = re.compile(r"\d{5}(?:\.\d+)?")


def moment(text: str, *, days_first: bool = True, years_first: bool = False) -> datetime | None:
    """A time as files write it: DTM, year first, day or month first, or a spreadsheet's number of days.

    years_first: also where the year has two digits.
    """
    text = text.strip()
    if found := timestamp(text):
        return found
    if _SERIAL_DAY.fullmatch(text):
        return (datetime(1899, 12, 30, tzinfo=HANOI) + timedelta(days=float(text))).astimezone(UTC)
    if not (match := _DATE.fullmatch(text)):
        return None
    a, b, c, hour, minute, second = (int(part or 0) for part in match.groups())
    first = years_first or a > 31 or len(match.group(1)) == 4
    year, month, day = (a, b, c) if first else (c, b, a) if days_first else (c, a, b)
    try:
        return datetime(year + 2000 * (year < 100), month, day, hour, minute, second, tzinfo=HANOI).astimezone(UTC)
    except ValueError:
        return None


def read_text(payload: bytes, driver: Driver | None = None) -> Message:
    """Read a text of a maker's own by the pattern of its model. Raises Refused (`no-driver` for an unknown one)."""
    text = text_of(payload)
    header = Header(type="TEXT", wire="text")
    driver = driver or recognise(text, "text")
    if not driver:
        raise Refused("AE", "no-driver", "", header)
    about = {name: m.group(1) for name, pattern in driver.description.fields.items() if (m := re.search(pattern, text))}
    rows = _Rows(Header(application=driver.name, type="TEXT", wire="text"), driver)
    for place, found in enumerate(re.finditer(driver.description.text, text), 1):
        known = about | {name: value for name, value in found.groupdict().items() if value}
        rows.take(lambda name, known=known: known.get(name, ""), place)  # type: ignore[misc]
    message = rows.end()
    message.patient_name, message.birth = about.get("patient", ""), ""
    return message
