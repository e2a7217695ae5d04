"""Make the data files of the catalogues module.

`python tools/make_catalogues.py SHARED_DATA_DIR SPECS_DIR`: the first is the folder that holds `vietnam/`, the second
the one that holds `bhyt/codes.csv`. Each file is gzip-packed msgpack, written without a time stamp so that it only
changes when its content does.
"""

from __future__ import annotations

import csv
import gzip
import io
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tuetinh.record.text import fold

OUT = Path(__file__).parents[1] / "src/tuetinh/commons/catalogues/data"
YEAR = 365.25

# QĐ 4469 prints the name of I09 as the English of I10.
ENGLISH_CORRECTIONS = {"I10": "Essential (primary) hypertension"}

# Annexes A3.x of QĐ 4469: smallest and largest valid age in days. "Trên n tuổi" is read as past the n-th birthday.
AGES = {
    "A3.1": (0, 365),
    "A3.2": (0, int(3 * YEAR)),
    "A3.3": (0, int(11 * YEAR)),
    "A3.4": (0, int(20 * YEAR)),
    "A3.5": (28, -1),
    "A3.6": (365, -1),
    "A3.7": (int(8 * YEAR), int(20 * YEAR)),
    "A3.8": (int(9 * YEAR), int(61 * YEAR)),
    "A3.9": (int(15 * YEAR), -1),
    "A3.10": (int(30 * YEAR), -1),
}
# The two sources give the new commune Ba Chẽ (Quảng Ninh) different codes; the list of communes is followed.
SUCCESSOR_CORRECTIONS = {"06970": "06978"}
# Columns 24 to 29 of the annex of TT 06/2026, and the bits of `icd10.Flag`.
TT06_COLUMNS = {
    "camBenhChinh": 8,
    "khongKhuyenKhichBenhChinh": 16,
    "coMaBonHoacNamKyTuCuTheHon": 32,
    "chiMaHoaNguyenNhanTuVong": 64,
    "chuYeuNuGioi": 128,
    "chuYeuNamGioi": 256,
}


def rows(path: Path) -> list[dict[str, str]]:
    """Read a CSV file, packed or not, as dictionaries."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"))))


def annex(folder: Path, name: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (title of the annex, row) of a file that may hold several annexes one under the other."""
    title = ""
    for row in csv.reader(io.StringIO((folder / name).read_text("utf-8-sig"))):
        if row and "Phụ lục" in row[0]:
            title = row[0].split("Phụ lục")[1].split()[0].rstrip(":")
        elif row and row[0] and not row[0].startswith(("Mã", "Dagger")):
            yield title, row


def write(name: str, content: Any) -> None:
    """Pack `content` into the module's data folder."""
    packed = gzip.compress(msgspec.msgpack.encode(content), 9, mtime=0)
    (OUT / f"{name}.msgpack.gz").write_bytes(packed)
    print(f"{name}: {len(packed):,} bytes")


def icd10(folder: Path) -> None:
    """QĐ 4469 with its annexes, and the flags of TT 06/2026."""
    flags: dict[str, int] = defaultdict(int)
    ages: dict[str, tuple[int, int]] = {}
    names: dict[str, tuple[str, str]] = {}
    for _, row in annex(folder, "annex_E_ICD10_Ma_benh_chinh.csv"):
        names[row[0]] = (row[1].replace("#N/A", ""), row[2].replace("#N/A", ""))
    for _, row in annex(folder, "annex_A2_Ma_ICD10_ko_m_benh_chinh.csv"):
        flags[row[0]] |= 1
        names.setdefault(row[0], (row[2], row[3]))
    for file, bit in (("annex_A4.1.csv", 2), ("annex_A4.2.csv", 4)):
        for _, row in annex(folder, file):
            flags[row[0]] |= bit
            names.setdefault(row[0], (row[1], row[2]))
    for path in sorted(folder.glob("annex_A3.*.csv")):
        for title, row in annex(folder, path.name):
            low, high = AGES[title]
            old_low, old_high = ages.get(row[0], (0, -1))
            ages[row[0]] = (max(low, old_low), high if old_high < 0 else min(old_high, high) if high >= 0 else old_high)
            names.setdefault(row[0], (row[1], row[2]))
    for line in rows(folder / "tt06_2026_icd_constraints.csv"):
        flags[line["icd_khong_cham"]] |= sum(bit for column, bit in TT06_COLUMNS.items() if line[column])
    chapters: dict[tuple[str, ...], int] = {}
    groups: dict[tuple[Any, ...], int] = {}
    group_of: dict[str, int] = {}
    table = []
    for r in rows(folder / "icd10_vn_4469_full.gz"):
        chapter_key = (r["STT CHƯƠNG"].strip(), r["MÃ CHƯƠNG"], r["TÊN CHƯƠNG"].strip(), r["CHAPTER NAME"].strip())
        chapter = chapters.setdefault(chapter_key, len(chapters))
        group_key = (r["MÃ NHÓM CHÍNH"], r["TÊN NHÓM CHÍNH"].strip(), r["MAIN GROUP NAME I"].strip(), chapter)
        group = groups.setdefault(group_key, len(groups))
        marked, plain = r["MÃ BỆNH"].strip(), r["MÃ BỆNH KHÔNG DẤU"].strip()
        code = marked.rstrip("†*")
        group_of[plain[:3]] = group
        english = ENGLISH_CORRECTIONS.get(code, r["DISEASE NAME"].strip())
        low, high = ages.get(plain, (0, -1))
        vietnamese = " ".join(r["TÊN BỆNH"].split())
        table.append([code, marked[len(code) :], vietnamese, english, group, flags.get(plain, 0), low, high])
    known = {row[0].replace(".", "") for row in table}
    extra = []
    for plain in sorted((set(flags) | set(ages) | set(names)) - known):
        vietnamese, english = names.get(plain, ("", ""))
        if not (vietnamese or flags.get(plain)):
            continue  # a number of the DRG annex without a name is no diagnosis
        code = plain if len(plain) == 3 else f"{plain[:3]}.{plain[3:]}"
        low, high = ages.get(plain, (0, -1))
        extra.append(
            [
                code,
                "",
                " ".join(vietnamese.split()),
                english.strip(),
                group_of.get(plain[:3], -1),
                flags.get(plain, 0),
                low,
                high,
            ]
        )
    pairs = sorted({(row[0], row[2], row[4]) for _, row in annex(folder, "annex_A1.csv")})
    content = {"chapters": list(chapters), "groups": list(groups), "codes": table, "extra": extra, "pairs": pairs}
    print(f"icd10: {len(table)} codes, {len(extra)} extra, {len(groups)} groups, {len(pairs)} pairs")
    write("icd10", content)


def places(folder: Path) -> None:
    """34 provinces, 3,321 communes, and where the units before 01/07/2025 went."""
    population = {r["code"]: int(r["population"]) for r in rows(folder / "province_population_2025.csv")}
    provinces = [
        [r["code"], r["name"], r["full_name"], r["full_name_en"], r["type"], population[r["code"]]]
        for r in rows(folder / "provinces_34.csv")
    ]
    communes = [
        [r["code"], r["name"], r["type"], r["full_name_en"], r["province_code"]]
        + [float(r[k]) if r[k] else None for k in ("lat", "lon", "area_km2")]
        for r in rows(folder / "wards_3321.csv")
    ]
    districts: dict[tuple[str, str], int] = {}
    moves = []
    for r in rows(folder / "old_to_new_ward_mapping.csv"):
        district = districts.setdefault((r["old_district"], r["old_province"]), len(districts))
        successor = SUCCESSOR_CORRECTIONS.get(r["new_ward_code"], r["new_ward_code"])
        # Island districts had no communes: the district itself moved.
        moves.append(
            [r["old_ward_code"], r["old_ward"] or r["old_district"], district, successor, r["is_default_new"] == "1"]
        )
    print(
        f"places: {len(provinces)} provinces, {len(communes)} communes, {len(districts)} districts, {len(moves)} moves"
    )
    write("places", {"provinces": provinces, "communes": communes, "districts": list(districts), "moves": moves})


def technique_codes(table: list[dict[str, str]]) -> list[str]:
    """Give back the trailing zeros that a spreadsheet dropped ("1.1" for 1.10): codes rise within a chapter."""
    codes, before = [], ("", 0)
    for row in table:
        chapter, _, number = row["maKyThuat"].partition(".")
        if not (chapter.isdigit() and number.isdigit()):
            codes.append(row["maKyThuat"])
            continue
        value, floor = int(number), before[1] if before[0] == chapter else 0
        while value <= floor:
            value *= 10
        before = (chapter, value)
        codes.append(f"{chapter}.{value}")
    if len(set(codes)) != len(codes):
        raise SystemExit("TT 23/2024 annex 1: codes are not distinct after repair")
    return codes


def services(folder: Path) -> None:
    """Techniques of TT 23/2024 and the billable codes of QĐ 7603 that stand for them."""
    annex1 = rows(folder / "tt23_2024_pl1_danh_muc_ky_thuat.csv.gz")
    chapters: dict[str, int] = {}
    techniques: dict[str, list[Any]] = {}
    short: dict[tuple[str, str], str] = {}
    for code, r in zip(technique_codes(annex1), annex1, strict=True):
        name = " ".join(r["tenKyThuat"].split())
        techniques[code] = [code, name, chapters.setdefault(r["chuong"].strip(), len(chapters)), False]
        short[(r["maKyThuat"], fold(name))] = code
    surgical = 0
    for r in rows(folder / "tt23_2024_pl2_phau_thuat.csv.gz"):
        if code := short.get((r["maKyThuat"], fold(r["tenKyThuat"]))):
            techniques[code][3], surgical = True, surgical + 1
    billable = []
    for r in rows(folder / "qd7603_ma_tuong_duong.csv.gz"):
        parts = r["maTuongDuong"].split(".")
        technique = (
            f"{int(parts[0])}.{int(parts[1])}" if len(parts) > 1 and parts[0].isdigit() and parts[1].isdigit() else ""
        )
        price = int(float(r["giaTT39"] or 0))
        name = " ".join(r["tenTT43"].split())
        known = technique if technique in techniques else ""
        billable.append([r["maTuongDuong"], name, " ".join(r["tenTT39"].split()), known, r["phanLoai"].strip(), price])
    linked = sum(bool(b[3]) for b in billable)
    print(f"services: {len(techniques)} techniques ({surgical} in annex 2), {len(billable)} billable ({linked} linked)")
    write("services", {"chapters": list(chapters), "techniques": list(techniques.values()), "billable": billable})


def operations(folder: Path) -> None:
    """The ICD-9-CM code of surgery and procedures, by their billable code (QĐ 4440, annex 3)."""
    found = {r["Mã tương đương"]: r["Mã ICD-9"] for r in rows(folder / "phuluc3_dvkt_to_icd9cm_qd4440.csv.gz")}
    print(f"icd9: {len(found)} services")
    write("icd9", {code: icd9 for code, icd9 in found.items() if code and icd9})


def lists(folder: Path, specs: Path) -> None:
    """Ethnic groups and the code lists of the insurance data."""
    groups = [
        [r["code"], r["name"], [a.strip() for a in r["aliases"].replace(". ", ", ").split(",") if a.strip()]]
        for r in rows(folder / "dan_toc_54.csv")
    ]
    codes: dict[str, list[list[str]]] = defaultdict(list)
    for r in rows(specs / "bhyt" / "codes.csv"):
        codes[r["codelist"]].append([r["code"], r["meaning_vi"], r["source"]])
    objects = [[r["ma"], r["ten"], r["muc_huong"], r["ghi_chu"]] for r in rows(folder / "ma_doi_tuong_kcb_pl10.csv")]
    print(f"lists: {len(groups)} ethnic groups, {len(codes)} code lists with {sum(map(len, codes.values()))} codes")
    write("lists", {"ethnic_groups": groups, "codes": codes, "visit_objects": objects})


def main() -> None:
    """Make every file."""
    data, specs = Path(sys.argv[1]), Path(sys.argv[2])
    OUT.mkdir(parents=True, exist_ok=True)
    vietnam = data if (data / "icd10_qd4469").is_dir() else data / "vietnam"
    icd10(vietnam / "icd10_qd4469")
    places(vietnam / "admin_units_2025_2tier")
    services(vietnam / "dvkt_technical_services")
    operations(vietnam / "icd9cm_dvkt")
    lists(vietnam / "reference_lists", specs)


if __name__ == "__main__":
    main()
