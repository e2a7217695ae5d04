"""How fast claim files of other systems are taken in, in how much memory, beside `tuetinh import` of the same facts.

usage: python -m bench.claims_import [--claims N] [--processes N]

A file of synthetic claims is taken into a record of its own by `tuetinh claims import`; what it became is exported and
brought into another one by `tuetinh import`. Memory is that of the biggest process.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from bench.node import own_folder

if TYPE_CHECKING:
    from tuetinh.care.insurance.tables import Row, Tables

FACILITY, MADE = "12001", date(2026, 10, 31)
FIRST = datetime(2026, 10, 1, 7)  # noqa: DTZ001 - times of a claim are Vietnam's
FAMILY, MIDDLE = ("Lò", "Vàng", "Giàng", "Sùng", "Nguyễn", "Trần"), ("Thị", "Văn", "A", "Minh", "Thu", "Đức")
GIVEN = ("Pâng", "Mai", "Dính", "Chứ", "Páo", "Sua", "Tủa", "Nam", "Hùng", "Sơn", "Thắng", "Hải", "Bình")


def main() -> None:
    """Make the file, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.claims_import", description=__doc__)
    parser.add_argument("--claims", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=min(os.cpu_count() or 1, 4))
    options = parser.parse_args()
    with own_folder() as root:
        from tuetinh.node.prepare import load_alone

        load_alone()
        path = root / "claims.xml"
        write_file(path, options.claims)
        print(f"{options.claims} claims, {path.stat().st_size / 1e6:.0f} MB")
        for name in ("one", "two"):  # not measured: the databases are made
            run(root / name, "claims", "check", os.devnull, check=False)
            run(root / name, "import", str(_nothing(root)), check=False)
        more = ("--processes", str(options.processes))
        took = run(root / "one", "claims", "import", str(path), *more)
        again = run(root / "one", "claims", "import", str(path), *more)
        out = root / "out"
        run(root / "one", "export", str(out))
        count = sum(1 for file in out.glob("*.ndjson") for _ in file.open("rb"))
        base = run(root / "two", "import", str(out))
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"claims import: {took:.1f} s, {options.claims / took:.0f} HOSO/s, {count / took:.0f} resources/s")
        print(f"the same again: {again:.1f} s, {options.claims / again:.0f} HOSO/s")
        print(f"import of the same {count} resources as NDJSON: {base:.1f} s, {count / base:.0f} resources/s")
        print(f"ratio {base / took:.2f}; memory {most:.0f} MB")


def run(data: Path, *command: str, check: bool = True) -> float:
    """Seconds of a command of the node."""
    began = time.monotonic()
    told = [sys.executable, "-W", "ignore", "-c", "from tuetinh.node.cli import main; raise SystemExit(main())"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TUETINH_", "DJANGO_"))}
    done = subprocess.run(
        [*told, *command, "--data", str(data)],
        check=False,
        env=clean,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    if check and done.returncode:
        raise SystemExit(f"{' '.join(command[:2])} failed:\n{done.stderr.decode()[-2000:]}")
    return time.monotonic() - began


def _nothing(root: Path) -> Path:
    path = root / "nothing.ndjson"
    path.write_text("")
    return path


def write_file(path: Path, claims: int) -> None:
    """Write one file of so many claims."""
    from tuetinh.care.insurance.wire_xml3176 import write

    with path.open("wb") as file:
        for number, tables in enumerate(claims_of(claims)):
            content = write(tables, facility=FACILITY, made=MADE, by="3176")
            head, rest = content.split(b"<HOSO>")
            body, tail = rest.split(b"</HOSO>")
            if number == 0:
                file.write(head.replace(b"<SOLUONGHOSO>1<", b"<SOLUONGHOSO>%d<" % claims))
            file.write(b"<HOSO>" + body + b"</HOSO>")
        file.write(tail)


def claims_of(claims: int) -> Iterator[Tables]:
    """The tables of each claim: nine medicines, sixteen services, twelve results; every third person comes again."""
    from tuetinh.commons.catalogues.api import drugs, service, starter_prices

    tests = [one for row in starter_prices() if (one := service(row.code)) and one.group == "23"][:40]
    medicines = [one for one in drugs() if one.substance_code][:60]
    for number in range(claims):
        rng = random.Random(number)
        person = random.Random(f"p{number * 2 // 3}")
        start = FIRST + timedelta(minutes=number * 40_000 // max(claims, 1))
        at, end = f"{start:%Y%m%d%H%M}", f"{start + timedelta(hours=2):%Y%m%d%H%M}"
        key = f"BENCH-{number:06}"
        summary: Row = {
            "MA_LK": key, "STT": "1", "MA_BN": f"B{number * 2 // 3:07}",
            "HO_TEN": f"{person.choice(FAMILY)} {person.choice(MIDDLE)} {person.choice(GIVEN)}".upper(),
            "NGAY_SINH": f"{person.randint(1940, 2015)}{person.randint(1, 12):02}{person.randint(1, 28):02}0000",
            "GIOI_TINH": str(person.randint(1, 2)), "MA_THE_BHYT": f"GD412{number * 2 // 3 + 1:010}",
            "MA_DKBD": FACILITY,
            "GT_THE_TU": "20260101", "GT_THE_DEN": "20261231", "DIA_CHI": f"Bản {person.randint(1, 99)}, xã Bình Lư",
            "MAXA_CU_TRU": "03390", "MATINH_CU_TRU": "12", "LY_DO_VV": "Đau đầu", "CHAN_DOAN_RV": "Tăng huyết áp",
            "MA_BENH_CHINH": "I10", "MA_BENH_KT": "E11.9;K29.7", "MA_DOITUONG_KCB": "1.1", "NGAY_VAO": at,
            "NGAY_RA": end, "NGAY_TTOAN": end, "KET_QUA_DTRI": "2", "MA_LOAI_RV": "1", "MA_LOAI_KCB": "01",
            "MA_KHOA": "K01", "MA_CSKCB": FACILITY, "T_TONGCHI_BV": "500000", "T_BNCCT": "100000",
        }  # fmt: skip
        doctor = f"{rng.randint(1, 40):06}/LCH-GPHN"
        two: list[Row] = []
        for place in range(1, 10):
            one = rng.choice(medicines)
            two.append({
                "MA_LK": key, "STT": str(place), "MA_THUOC": one.substance_code, "TEN_THUOC": one.name, "MA_NHOM": "4",
                "DON_VI_TINH": one.unit, "HAM_LUONG": one.strength, "DUONG_DUNG": one.route_code,
                "LIEU_DUNG": "1 viên/lần * 2 lần/ngày * 10 ngày [2 viên/ngày]", "CACH_DUNG": "Uống sau ăn",
                "SO_DANG_KY": "VD-00000-00", "TT_THAU": "0000/QĐ-SYT;G1;N1;2026", "PHAM_VI": "1", "TYLE_TT_BH": "100",
                "SO_LUONG": "20", "DON_GIA": "500", "MA_KHOA": "K01", "MA_BAC_SI": doctor, "NGAY_YL": at,
            })  # fmt: skip
        three: list[Row] = []
        four: list[Row] = []
        for place in range(1, 17):
            test = rng.choice(tests)
            three.append({
                "MA_LK": key, "STT": str(place), "MA_DICH_VU": test.code, "MA_NHOM": "1", "TEN_DICH_VU": test.name,
                "DON_VI_TINH": "Lần", "PHAM_VI": "1", "SO_LUONG": "1", "DON_GIA_BV": "20000", "DON_GIA_BH": "20000",
                "TYLE_TT_DV": "100", "TYLE_TT_BH": "100", "MA_KHOA": "K01", "MA_BAC_SI": doctor, "NGAY_YL": at,
                "NGUOI_THUC_HIEN": doctor, "NGAY_TH_YL": at, "NGAY_KQ": end, "MA_BENH": "I10",
            })  # fmt: skip
            if place <= 12:
                four.append({
                    "MA_LK": key, "STT": str(place), "MA_DICH_VU": test.code, "MA_CHI_SO": "14749-6",
                    "TEN_CHI_SO": "Glucose", "GIA_TRI": f"{rng.uniform(3, 12):.2f}", "DON_VI_DO": "mmol/L",
                    "NGAY_KQ": end, "MA_BS_DOC_KQ": doctor,
                })  # fmt: skip
        yield {"XML1": [summary], "XML2": two, "XML3": three, "XML4": four}


if __name__ == "__main__":
    main()
