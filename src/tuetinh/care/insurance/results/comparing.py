"""A claim as it was sent, line by line, beside what the insurer pays of it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from tuetinh.care.insurance.errors import BadResults
from tuetinh.care.insurance.models import Transmission
from tuetinh.care.insurance.results.wire import WHOLE, Result
from tuetinh.care.insurance.rules.vocabulary import number
from tuetinh.care.insurance.tables import Row
from tuetinh.care.insurance.wire_xml3176 import Envelope, read

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """A line of a claim. table, place: where (STT); fund: T_BHTT, what is asked of the fund."""

    table: str
    place: int
    code: str
    name: str
    fund: Decimal
    row: Row

    @property
    def where(self) -> tuple[str, int]:
        """What names the line."""
        return self.table, self.place


@dataclass(frozen=True, slots=True)
class Compared:
    """A line beside its answer; the line at `WHOLE` is what the record says beyond its lines. reason, words: why."""

    line: ClaimLine
    accepted: Decimal
    reason: str = ""
    words: str = ""

    @property
    def difference(self) -> Decimal:
        """What the fund does not pay."""
        return self.line.fund - self.accepted


def sent_file(sent: Transmission) -> Envelope:
    """The claim of a file as it was sent."""
    return read(gzip.decompress(bytes(sent.file)))


def claim_lines(envelope: Envelope) -> Iterator[ClaimLine]:
    """The lines of tables 2 and 3, in their order."""
    for table in ("XML2", "XML3"):
        for n, row in enumerate(envelope.tables.get(table) or [], 1):
            place = int(row["STT"]) if row.get("STT", "").isdigit() else n
            code = row.get("MA_THUOC") or row.get("MA_DICH_VU") or row.get("MA_VAT_TU", "")
            name = row.get("TEN_THUOC") or row.get("TEN_DICH_VU") or row.get("TEN_VAT_TU", "")
            yield ClaimLine(table, place, code, name, money(row, "T_BHTT"), row)


def money(row: Row, field: str) -> Decimal:
    """An amount of a row; 0 for none or nonsense, which the checks tell before it is sent."""
    return Decimal(row[field]) if row.get(field) and number(row[field]) else ZERO


def claimed(envelope: Envelope) -> Decimal:
    """What a claim asks of the fund (T_BHTT of table 1)."""
    return money(envelope.tables["XML1"][0], "T_BHTT")


def compare(envelope: Envelope, result: Result) -> list[Compared]:
    """Every line beside its answer. Raises BadResults for an answer that does not fit the claim.

    A line of which nothing is said is paid, unless the whole is refused. What the sum of the record leaves over stands
    in a line of its own.
    """
    lines = {line.where: line for line in claim_lines(envelope)}
    said = {(one.table, one.place): one for one in result.lines}
    if strange := said.keys() - lines.keys():
        table, place = min(strange)
        raise BadResults("no-line", f"{result.ma_lk} {table}.{place}")
    nothing = result.state == "refused" and not said and not result.accepted
    found = []
    for where, line in lines.items():
        one = said.get(where)
        if one is None:
            found.append(Compared(line, ZERO, result.code, result.words) if nothing else Compared(line, line.fund))
            continue
        accepted = one.accepted if one.accepted is not None else line.fund - (one.refused or ZERO)
        if not ZERO <= accepted <= line.fund:
            raise BadResults("too-much", f"{result.ma_lk} {line.table}.{line.place}")
        found.append(Compared(line, accepted, one.code, one.words))
    return [*found, *_whole(envelope, result, found, nothing=nothing)]


def _whole(envelope: Envelope, result: Result, found: list[Compared], *, nothing: bool) -> list[Compared]:
    """What the record says beyond its lines, where it says anything."""
    fund = claimed(envelope)
    if result.accepted is not None and result.accepted > fund:
        raise BadResults("too-much", result.ma_lk)
    rest = fund - sum((one.line.fund for one in found), ZERO)
    total = ZERO if nothing else result.accepted
    accepted = rest if total is None else total - sum((one.accepted for one in found), ZERO)
    if accepted > rest:
        raise BadResults("sum", result.ma_lk)
    if rest == accepted == ZERO:
        return []
    line = ClaimLine(*WHOLE, "", "", rest, {})
    return [Compared(line, accepted, result.code, result.words) if accepted != rest else Compared(line, accepted)]
