"""Technical services: techniques of TT 23/2024/TT-BYT and the billable codes of QĐ 7603/QĐ-BYT for them."""

from __future__ import annotations

from functools import cache, lru_cache

import msgspec

from .lists import codes
from .store import load
from .wording import alternatives, synonyms
from .wordsearch import WordIndex, words


class Service(msgspec.Struct, frozen=True):
    """A service that can be ordered. `code` is the one of the insurance data where there is one, else the technique's.

    `group` is the chapter of TT 23/2024 (`23` biochemistry, `18` imaging…; `KHAM` consultation), `rank` the class of a
    surgery or procedure (`P1`, `T2`, `TDB`…), `reference_price` that of TT 39/2018 in ₫, for orientation only.
    """

    code: str
    name: str
    group: str
    technique: str = ""
    priced_as: str = ""
    rank: str = ""
    reference_price: int = 0
    surgical: bool = False


class Technique(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A row of annex 1 of TT 23/2024; `surgical`: also in annex 2."""

    code: str
    name: str
    chapter: int
    surgical: bool


class Billable(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An equivalent code of QĐ 7603: code, name of the technique, name of the price, technique, class, price."""

    code: str
    name: str
    priced_as: str
    technique: str
    rank: str
    price: int


class _Tables(msgspec.Struct):
    chapters: list[str]
    techniques: list[Technique]
    billable: list[Billable]


@cache
def _tables() -> _Tables:
    return load("services", _Tables)


@cache
def _techniques() -> dict[str, Technique]:
    return {t.code: t for t in _tables().techniques}


@cache
def _billable() -> dict[str, Billable]:
    return {b.code: b for b in _tables().billable}


@cache
def _consultations() -> dict[str, Service]:
    """QĐ 2010/2025, annex 2: the code of a consultation is the one of the department."""
    named = {code: name if name.startswith("Khám") else f"Khám {name}" for code, name in codes("MA_KHAM").items()}
    # In the order of TT 39/2018: a consultation at a hospital of class II, at a commune station.
    return {
        c: Service(c, n, "KHAM", reference_price=26_000 if c.startswith("TYT") else 33_000) for c, n in named.items()
    }


@cache
def _icd9() -> dict[str, str]:
    return load("icd9", dict[str, str])


def icd9(code: str) -> str:
    """The ICD-9-CM code of a service that is surgery or a procedure (QĐ 4440), "" where none is known."""
    return _icd9().get(code, "")


def is_procedure(service: Service) -> bool:
    """Whether a service is surgery (P) or a procedure (T), by its class, and done by hand: no test, no picture."""
    return service.rank[:1] in ("P", "T") and service.group not in ("18", "21", "22", "23", "24", "25")


def technique(code: str) -> Technique | None:
    """The technique of TT 23/2024 with this code (`1.10`)."""
    return _techniques().get(code)


def equivalents(code: str) -> list[Billable]:
    """The billable codes of a technique."""
    return [b for b in _tables().billable if b.technique == code]


def consultations() -> list[Service]:
    """The consultations by department, and the station's."""
    return list(_consultations().values())


def billables() -> list[Billable]:
    """Every billable code of QĐ 7603."""
    return _tables().billable


def groups() -> dict[str, str]:
    """Number to name of the chapters of TT 23/2024."""
    return dict(title.split(". ", 1) for title in _tables().chapters)


def all_services() -> list[Service]:
    """Every service that has a code: billable ones, consultations, and techniques that are billed as themselves."""
    known = dict.fromkeys([*_billable(), *_consultations(), *_techniques()])
    return [found for code in known if (found := service(code)) is not None]


@lru_cache(maxsize=1 << 14)
def service(code: str) -> Service | None:
    """The service of a billable code, a consultation's code or a technique's.

    Some consultations bear the number of a technique (`10.25`); the consultation is meant, as only it can be billed so.
    """
    if row := _billable().get(code):
        return _from_billable(row)
    if visit := _consultations().get(code):
        return visit
    of = _techniques().get(code)
    return Service(of.code, of.name, _group(of), of.code, surgical=of.surgical) if of else None


def _group(row: Technique) -> str:
    return _tables().chapters[row.chapter].partition(".")[0]


def _from_billable(row: Billable) -> Service:
    of = _techniques().get(row.technique)
    group = _group(of) if of else row.code.partition(".")[0]
    return Service(
        row.code, row.name, group, row.technique, row.priced_as, row.rank, row.price, surgical=bool(of and of.surgical)
    )


@cache
def _index() -> tuple[WordIndex, list[str]]:
    reached = {b.technique for b in _tables().billable} | set(_consultations())
    entries: list[tuple[str, tuple[str, ...], float]] = [
        (s.code, (" ".join(words(s.name)),), -1.0) for s in _consultations().values()
    ]
    for b in _tables().billable:
        name, priced = " ".join(words(b.name)), " ".join(words(b.priced_as))
        entries.append((b.code, (name,) if name == priced else (name, priced), 0.0))
    entries += [(t.code, (" ".join(words(t.name)),), 4.0) for t in _tables().techniques if t.code not in reached]
    return WordIndex([e[1] for e in entries], [e[2] for e in entries]), [e[0] for e in entries]


def search_services(text: str, group: str | None = None, limit: int = 12) -> list[Service]:
    """Type-ahead over services by name or start of the code; `group` keeps one chapter."""
    index, order = _index()
    typed = text.strip()
    if typed[:1].isdigit() and "." in typed:
        hits = [code for code in order if code.startswith(typed)]
    else:
        best: dict[int, float] = {}
        for reading in alternatives(words(typed), synonyms("service_synonyms")):
            for score, entry in index.find(reading, limit if group is None else 40 * limit):
                best[entry] = min(score, best.get(entry, score))
        hits = [order[e] for e in sorted(best, key=lambda e: (best[e], e))]
    found = (service(code) for code in hits)
    return [s for s in found if s and group in (None, s.group)][:limit]
