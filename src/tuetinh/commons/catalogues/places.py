"""Provinces and communes since 01/07/2025, the way to them from the units before, and addresses as people write."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from itertools import groupby

import msgspec

from tuetinh.record.text import fold

from .store import load
from .wordsearch import WordIndex, words

_MARKED_KIND = re.compile(
    r"^(?:thị trấn|thị xã|thành phố|đặc khu|tỉnh|huyện|quận|phường|xã|tp|tx|tt|[hqpxt](?=\.))(?![^\W\d_])\.?\s*(?=\S)",
    re.IGNORECASE,
)
# Without accents `phuong` may begin a name (Phương Liệt), so these are only tried when nothing bears the whole name.
_PLAIN_KIND = re.compile(r"^(?:thi tran|thi xa|thanh pho|dac khu|tinh|huyen|quan|phuong|xa|tp|tx|tt|h|q|p|x|t) (?=\S)")
_OF_A_COMMUNE = re.compile(r"^(?:xã|phường|thị trấn|đặc khu|tt\b|x\.|p\.)", re.IGNORECASE)
_OF_A_DISTRICT = re.compile(r"^(?:huyện|quận|thị xã|thành phố|tp\b|tx\b|h\.|q\.)", re.IGNORECASE)
_COMMA, _COMMA_OR_DASH = re.compile(r"\s*[,;\n]\s*"), re.compile(r"\s*[,;\n]\s*|\s+[-–]\s+")


class Province(msgspec.Struct, frozen=True, array_like=True):
    """A province or city under the central government."""

    code: str
    name: str
    full_name: str
    en: str
    kind: str
    population: int


class Commune(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A commune, ward or special zone. Places and area are None for the few units whose source has none."""

    code: str
    name: str
    kind: str
    en: str
    province: str
    lat: float | None
    lon: float | None
    area_km2: float | None

    @property
    def full_name(self) -> str:
        """Kind and name (`Xã Mường Than`)."""
        return f"{self.kind.removesuffix(' tại hải đảo')} {self.name}"


class Move(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where (a part of) a unit of before 01/07/2025 went. `default` marks the usual successor of one that was split."""

    code: str
    name: str
    district_index: int
    successor: str
    default: bool


class District(msgspec.Struct, frozen=True, array_like=True):
    """A district from before 01/07/2025 and its province then."""

    name: str
    province: str


class Place(msgspec.Struct, frozen=True):
    """What an address says: the commune and province of today, and the rest as it was written (hamlet, street)."""

    commune: Commune | None
    province: Province | None
    line: str


class _Tables(msgspec.Struct):
    provinces: list[Province]
    communes: list[Commune]
    districts: list[District]
    moves: list[Move]


@cache
def _tables() -> _Tables:
    return load("places", _Tables)


@cache
def _communes_by_code() -> dict[str, Commune]:
    return {c.code: c for c in _tables().communes}


@cache
def _provinces_by_code() -> dict[str, Province]:
    return {p.code: p for p in _tables().provinces}


@cache
def _moves_by_code() -> dict[str, list[Move]]:
    ordered = sorted(_tables().moves, key=lambda m: m.code)
    return {code: sorted(same, key=lambda m: not m.default) for code, same in groupby(ordered, key=lambda m: m.code)}


@cache
def _communes_by_name() -> dict[str, list[Commune]]:
    return _grouped(_tables().communes)


@cache
def _moves_by_name() -> dict[str, list[Move]]:
    return _grouped(_tables().moves)


def _grouped(units: Iterable[Commune] | Iterable[Move]) -> dict[str, list]:  # type: ignore[type-arg]
    names: dict[str, list[Commune | Move]] = {}
    for unit in units:
        names.setdefault(bare(unit.name), []).append(unit)
    return names


def bare(name: str) -> str:
    """Return the folded name without its kind: `TT. Than Uyên` as `than uyen`, `Phường 05` as `5`."""
    short = " ".join(words(_MARKED_KIND.sub("", name.strip())))
    return short.lstrip("0") or short


def _readings(name: str) -> list[str]:
    """The bare names that a written name may mean, the likeliest first."""
    first = bare(name)
    second = _PLAIN_KIND.sub("", first)
    return [first] if second == first or not name.isascii() else [first, second.lstrip("0") or second]


def _named(table: dict[str, list], name: str) -> list:  # type: ignore[type-arg]
    return next((table[reading] for reading in _readings(name) if reading in table), [])


def provinces() -> list[Province]:
    """The 34 provinces."""
    return _tables().provinces


def province(code: str) -> Province | None:
    """The province of a two-digit code."""
    return _provinces_by_code().get(code)


def commune(code: str) -> Commune | None:
    """The commune of a five-digit code."""
    return _communes_by_code().get(code)


def communes_of(province_code: str) -> list[Commune]:
    """The communes of a province."""
    return [c for c in _tables().communes if c.province == province_code]


@cache
def _index() -> WordIndex:
    names = []
    for c in _tables().communes:
        name = " ".join(words(c.full_name))
        where = " ".join(words(_provinces_by_code()[c.province].name))
        names.append((bare(c.name), f"{name} {where}", f"{bare(c.name)} {where}"))
    return WordIndex(names, [0.0] * len(names))


def communes(text: str, limit: int = 12, province_code: str | None = None) -> list[Commune]:
    """Type-ahead over communes by name, also with that of the province, or by code. `province_code` comes first."""
    table = _tables().communes
    if text.strip().isdigit():
        return [c for c in table if c.code.startswith(text.strip())][:limit]

    def boost(entry: int) -> float:
        return 30.0 if table[entry].province == province_code else 0.0

    return [table[e] for _, e in _index().find(words(text), limit, boost if province_code else None)]


@cache
def _old_index() -> WordIndex:
    tables, names = _tables(), []
    for move in tables.moves:
        district = tables.districts[move.district_index]
        name, short = " ".join(words(move.name)), bare(move.name)
        where, wider = " ".join(words(bare(district.name))), " ".join(words(district.province))
        names.append((short, f"{name} {where} {wider}", f"{short} {where}", f"{short} {wider}"))
    return WordIndex(names, [0.5 if move.default else 1.0 for move in tables.moves])


def places_typed(text: str, limit: int = 12, province_code: str | None = None) -> list[tuple[str, Commune]]:
    """Type-ahead over communes by their names of today and of before 01/07/2025.

    Returns (old name with its district, or "" where today's name was meant; the commune of today), best first, each
    commune once. `province_code` comes first.
    """
    if text.strip().isdigit():
        return [("", one) for one in communes(text, limit)]
    tables, known, asked = _tables(), _communes_by_code(), words(text)
    whole = " ".join(asked)

    def nearer(index: WordIndex, entry: int, one: Commune) -> float:
        return 30.0 * (one.province == province_code) + 3.0 * (index.names[entry][0] == whole)

    def now(entry: int) -> float:
        return nearer(_index(), entry, tables.communes[entry])

    def then(entry: int) -> float:
        return nearer(_old_index(), entry, known[tables.moves[entry].successor])

    found = [(score, "", tables.communes[entry]) for score, entry in _index().find(asked, limit, now)]
    for score, entry in _old_index().find(asked, 3 * limit, then):
        move = tables.moves[entry]
        found.append((score, f"{move.name}, {tables.districts[move.district_index].name}", known[move.successor]))
    best: dict[str, tuple[str, Commune]] = {}
    for _, old, one in sorted(found, key=lambda hit: hit[0]):
        best.setdefault(one.code, (old, one))
    return list(best.values())[:limit]


def provinces_typed(text: str) -> list[Province]:
    """The provinces whose name begins as typed, kind and accents aside."""
    asked = bare(text)
    return [p for p in provinces() if asked and bare(p.full_name).startswith(asked)]


def written(unit: Commune | Province) -> str:
    """A commune or a province as an address ends: `Xã Mường Than, Tỉnh Lai Châu`; `parse_address` reads it back."""
    if isinstance(unit, Province):
        return unit.full_name
    return f"{unit.full_name}, {_provinces_by_code()[unit.province].full_name}"


def old_to_new(old: str, district: str = "", old_province: str = "") -> list[Commune]:
    """The communes of today of a unit from before 01/07/2025, by its code or its names; the usual successor first."""
    if old.strip().isdigit() and len(old.strip()) == 5:
        moves = _moves_by_code().get(old.strip(), [])
    else:
        moves = [m for m in _named(_moves_by_name(), old) if _lies_in(m, district, old_province)]
        moves = _as_written(moves, old)
    known = _communes_by_code()
    return list({m.successor: known[m.successor] for m in sorted(moves, key=lambda m: not m.default)}.values())


def _lies_in(move: Move, district: str, old_province: str) -> bool:
    where = _tables().districts[move.district_index]
    return (not district or bare(where.name) in _readings(district)) and (
        not old_province or bare(where.province) in _readings(old_province)
    )


def units_before() -> dict[str, list[str]]:
    """For each commune of today, by its code: the units that it was usually made of, written as before 01/07/2025."""
    tables, found = _tables(), dict[str, list[str]]()
    for move in tables.moves:
        district = tables.districts[move.district_index]
        if move.default:
            found.setdefault(move.successor, []).append(f"{move.name}, {district.name}, {district.province}")
    return found


def parse_address(text: str) -> Place:
    """Read an address in old or new names: `Bản Nà Phát, xã Mường Than, tỉnh Lai Châu`.

    The province is looked for from the end, then a district of before 07/2025, then the commune; the rest is the line.
    """
    places = [_read(_parts(text, between)) for between in (_COMMA, _COMMA_OR_DASH)]  # a dash may belong to a name
    return next((p for p in places if p.commune), None) or next((p for p in places if p.province), places[0])


def _parts(text: str, between: re.Pattern[str]) -> list[str]:
    parts = [p for p in between.split(text.strip(" .,;\n")) if p]
    return parts[:-1] if len(parts) > 1 and fold(parts[-1]) in ("viet nam", "vn") else parts


def _read(parts: list[str]) -> Place:
    now, then = _province_named(parts[-1]) if parts else (None, "")
    rest = parts[:-1] if now or then else parts
    read = (_in_new_names(rest, now) if now else None, _in_old_names(rest, then, now))
    if found := [place for place in read if place]:
        return min(found, key=lambda place: len(place.line))
    return Place(None, now or (_successor_province(then) if then else None), ", ".join(rest))


@cache
def _successor_province(then: str) -> Province:
    """The province of today of a province of before; none of them was divided."""
    tables = _tables()
    code = next(m.successor for m in tables.moves if m.default and tables.districts[m.district_index].province == then)
    return _provinces_by_code()[_communes_by_code()[code].province]


@cache
def _province_names() -> dict[str, tuple[Province | None, str]]:
    """Folded name to (province of today with that name, name as a province of before)."""
    names: dict[str, tuple[Province | None, str]] = {}
    successor = {d.province: d for d in _tables().districts}
    for old in successor:
        names[bare(old)] = (None, old)
    for p in _tables().provinces:
        names[bare(p.full_name)] = (p, names.get(bare(p.full_name), (None, ""))[1])
    names |= dict.fromkeys(("hcm", "tphcm", "sai gon"), names["ho chi minh"])
    names.setdefault("thua thien hue", names["hue"])
    return names


def _province_named(part: str) -> tuple[Province | None, str]:
    names = _province_names()
    return next((names[reading] for reading in _readings(part) if reading in names), (None, ""))


def _in_new_names(rest: list[str], now: Province) -> Place | None:
    if not rest or _OF_A_DISTRICT.match(rest[-1]):
        return None
    named = [c for c in _named(_communes_by_name(), rest[-1]) if c.province == now.code]
    chosen = _as_written(named, rest[-1])
    return Place(chosen[0], now, ", ".join(rest[:-1])) if len(chosen) == 1 else None


def _in_old_names(rest: list[str], then: str, now: Province | None) -> Place | None:
    """Read `…, commune, district`, or `…, commune` where no district is written, in the province `then`."""
    for cut in (2, 1):
        if len(rest) < cut or (cut == 1 and not then) or (cut == 2 and _OF_A_COMMUNE.match(rest[-1])):
            continue
        name, district = rest[-cut], rest[-1] if cut == 2 else ""
        moves = [m for m in _named(_moves_by_name(), name) if _lies_in(m, district, then)]
        moves = _as_written(moves, name)
        if not moves or len({m.code for m in moves}) > 1:
            continue
        usual = min(moves, key=lambda m: not m.default)
        found = _communes_by_code()[usual.successor]
        if now and not then and found.province != now.code:
            continue
        return Place(found, _provinces_by_code()[found.province], ", ".join(rest[:-cut]))
    return None


def _as_written(units: list, written: str) -> list:  # type: ignore[type-arg]
    """Of units whose folded names are equal, keep those that fit the accents, then the kind, of what was written."""
    for wanted in (_MARKED_KIND.sub("", written.strip()).lower(), written.strip().lower()):
        if len(units) > 1:
            units = [u for u in units if wanted in _spellings(u)] or units
    return units


def _spellings(unit: Commune | Move) -> tuple[str, ...]:
    full = unit.full_name if isinstance(unit, Commune) else unit.name
    return (_MARKED_KIND.sub("", unit.name).lower(), unit.name.lower(), full.lower())
