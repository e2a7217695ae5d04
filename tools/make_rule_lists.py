"""Makes the named lists of codes that insurance rules ask for.

    python tools/make_rule_lists.py DATA/vietnam/icd10_qd4469 src/tuetinh/care/insurance/data

KE_DON_TREN_30_NGAY: diseases of annex VII of TT 26/2025/TT-BYT, whose prescriptions may be for more than 30 days.
THE_QUAN_DOI_CONG_AN: groups of cards that army, police or cipher may issue, in which characters 4 and 5 are theirs.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ARMY = ["CA", "CY", "HC", "LS", "QN", "TA", "TQ", "TY", "XK"]
CODE = re.compile(r"([A-Z])(\d\d)(?:\.(\d))?")


def main(source: str, out: str) -> None:
    """Write `rule_lists.json`."""
    with (Path(source) / "tt26_2025_pl7_ke_don_tren_30_ngay.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))[1:]
    long = sorted({code for row in rows for code in beginnings(row[3])})
    text = json.dumps({"KE_DON_TREN_30_NGAY": long, "THE_QUAN_DOI_CONG_AN": ARMY}, indent=1)
    (Path(out) / "rule_lists.json").write_text(text + "\n", encoding="utf-8")


def beginnings(text: str) -> Iterator[str]:
    """The codes of `A00; B20 đến B24` or `E10 - E14 (trừ E10.0, …)`, from the first to the last of each range."""
    told, _, exempt = text.partition("(trừ")
    without = {found[0] for found in CODE.finditer(exempt)}
    for part in re.split("[;,]", told):
        ends = list(CODE.finditer(part))
        if not ends:
            continue
        for code in between(ends[0], ends[-1]):
            left = [f"{code}.{digit}" for digit in range(10) if f"{code}.{digit}" not in without]
            yield from left if len(left) < 10 and "." not in code else [code]


def between(first: re.Match[str], last: re.Match[str]) -> list[str]:
    """Every code of a range, at the depth at which it is told."""
    letter, start, end = first[1], first[2], last[2]
    if first[3] is not None and start == end:
        return [f"{letter}{start}.{digit}" for digit in range(int(first[3]), int(last[3] or first[3]) + 1)]
    return [f"{letter}{number:02}" for number in range(int(start), int(end) + 1)]


if __name__ == "__main__":
    main(*sys.argv[1:])
