"""`tuetinh claims fields`: where each field of the insurance tables is from, in general or in one visit."""

from __future__ import annotations

import argparse
import sys

from tuetinh.node.errors import Refused
from tuetinh.node.prepare import load_alone, prepare

HELP = "say for each field of the insurance tables where it is from; of one visit also whether it is filled"
NEEDED = {"always": "bắt buộc", "sometimes": "có điều kiện", "": ""}
STATES = {"filled": "có", "empty": "trống", "missing": "THIẾU"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Of which decision, or of which visit."""
    parser.add_argument("--decision", default="3176", choices=("4210", "130", "4750", "3176"), help="default 3176")
    parser.add_argument("--visit", default="", metavar="ID", help="id of the Encounter: its claim as it is now")
    parser.add_argument("--markdown", action="store_true", help="as a page of documentation (docs/claim-fields.md)")


def run(arguments: argparse.Namespace) -> int:
    """Print the table; 1 when a field of the visit is missing."""
    if arguments.visit:
        prepare(arguments.data, migrate=False)
        return _of_visit(arguments.visit)
    load_alone()
    if arguments.markdown:
        sys.stdout.write(page())
        return 0
    from tuetinh.care.insurance.api import described_fields

    for one in described_fields(arguments.decision):
        print("\t".join((one.table, one.field.name, NEEDED[one.needed], one.source, one.field.label)))
    return 0


def _of_visit(visit: str) -> int:
    from tuetinh.care.insurance.api import NoVisit, claim, fields_of
    from tuetinh.record.asker import SYSTEM

    try:
        made = claim(SYSTEM, visit)
    except NoVisit as error:
        raise Refused(f"there is no visit {visit}") from error
    found = fields_of(made)
    for one in found:
        print("\t".join((f"{one.table}.{one.row}", one.field.name, STATES[one.state], one.value, one.source)))
    return 1 if any(one.state == "missing" for one in found) else 0


def page() -> str:
    """The page of documentation: every decision, table by table."""
    from tuetinh.care.insurance.api import described_fields

    parts = [
        "# Mỗi trường của hồ sơ giám định lấy từ đâu\n\nTrang này do `tuetinh claims fields --markdown` viết ra từ"
        " chính phần mô tả dùng để điền các bảng. *Where each field of the claim tables is from, written by the"
        " description that fills them. — means that nothing fills it.*\n"
    ]
    table = ""
    for one in described_fields("3176"):
        if one.table != table:
            table = one.table
            parts.append(f"\n## {table}\n\n| Trường | Cần | Lấy từ | Nghĩa |\n|---|---|---|---|\n")
        parts.append(f"| {one.field.name} | {NEEDED[one.needed]} | {one.source or '—'} | {one.field.label} |\n")
    parts.append("\n## Khác ở các quyết định trước\n\n| Quyết định | Trường | Lấy từ |\n|---|---|---|\n")
    now = {(one.table, one.field.name): one.source for one in described_fields("3176")}
    for by in ("4750", "130", "4210"):
        for one in described_fields(by):
            if now.get((one.table, one.field.name)) != one.source:
                parts.append(f"| {by} | {one.table}.{one.field.name} | {one.source or '—'} |\n")
    return "".join(parts)
