"""Make the tables of the demo province: `make_demo_data.py SHARED`.

Reads the old and new communes and the name frequencies under SHARED/data/vietnam; writes src/tuetinh/node/demo/data.
"""

from __future__ import annotations

import csv
import shutil
import sys
import unicodedata
from pathlib import Path

OUT = Path(__file__).parent.parent / "src/tuetinh/node/demo/data"
# Three townships have no station of their own: the district's health centre stands there. So the plan counts 103.
WITHOUT_STATION = ("03390", "03549", "03595")


def main(shared: Path) -> None:
    """Write every table."""
    vietnam = shared / "data" / "vietnam"
    OUT.mkdir(exist_ok=True)
    communes(vietnam / "admin_units_2025_2tier")
    names = vietnam / "person_names"
    for name in ("boy_one_word.txt", "girl_one_word.txt"):
        text = unicodedata.normalize("NFC", (names / name).read_text(encoding="utf-8")).replace("Ð", "Đ")
        (OUT / f"kinh_{name}").write_text(text, encoding="utf-8")
    shutil.copyfile(names / "surname_frequency.csv", OUT / "kinh_surnames.csv")
    shutil.copyfile(names / "LICENSE", OUT / "LICENSE.person_names")


def communes(units: Path) -> None:
    """The communes of Lai Châu before 01/07/2025, each with a station, and the commune of today that each lies in."""
    with (units / "old_to_new_ward_mapping.csv").open(encoding="utf-8") as lines:
        today = {r["old_ward_code"]: r["new_ward_code"] for r in csv.DictReader(lines) if r["is_default_new"] == "1"}
    with (units / "legacy_63_3tier_10040.csv").open(encoding="utf-8") as lines:
        old = [r for r in csv.DictReader(lines) if r["province_code"] == "12" and r["ward_code"] not in WITHOUT_STATION]
    with (OUT / "stations.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["code", "name", "district", "commune"])
        out.writerows([r["ward_code"], r["ward"], r["district"], today[r["ward_code"]]] for r in old)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
