"""The access log as AuditEvent: searched, read by id and exported where it lies, without a second copy.

The parameters are those of R4 that the log can answer. Entries come newest first, or oldest first with `_sort=date`:
that is the order in which they were stored, some milliseconds after what they tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from tuetinh.record import summary
from tuetinh.record.asker import Asker
from tuetinh.record.audit import chain, of_sent
from tuetinh.record.audit.event import (
    ACCESS,
    ACCOUNT,
    ACTIONS,
    AUTHENTICATED,
    AUTHENTICATION,
    DCM,
    DESK,
    INTERACTION,
    INTERACTIONS,
    TYPE,
    Entry,
)
from tuetinh.record.audit.of_sent import Condition, Read, named
from tuetinh.record.errors import BadRequest, Forbidden, NotFound
from tuetinh.record.search.values import date_range
from tuetinh.record.search.where import Sql
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.steps import Query, Step

NAME: Final = "AuditEvent"
PAGE: Final = "_page"
COUNT, MOST, MOST_VALUES = 20, 1000, 50
_ENTRY: Final = f"SELECT {chain.COLUMNS}, {chain.ADDED} FROM record.audit"


@dataclass(slots=True)
class Wanted:
    """A search. pairs: what was understood of it; after: where the page before ended."""

    where: Sql = field(default_factory=Sql)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    newest: bool = True
    count: int = COUNT
    total: bool = False
    mode: str | None = None
    elements: list[str] = field(default_factory=list)
    after: int | None = None

    @property
    def counts_only(self) -> bool:
        """Whether no entry is wanted, just how many there are."""
        return self.mode == "count" or self.count == 0

    def link(self, address: str, page: str | None) -> str:
        """The address of a page."""
        pairs = [*self.pairs, *([(PAGE, page)] if page else [])]
        return f"{address}?{urlencode(pairs)}" if pairs else address


def may(asker: Asker, letters: str = "rs") -> bool:
    """Whether the asker keeps watch over a facility or over all, or asks about the own record."""
    sees = asker.patient is not None or asker.sight == EVERYTHING or NAME in asker.sight.whole.split()
    return sees and all(asker.may(letter, NAME) for letter in letters)


def allow(asker: Asker, letter: str) -> None:
    """Raise Forbidden unless `may`."""
    if not may(asker, letter):
        message = "the access log is for who keeps watch over a facility, and for the person whose record it is about"
        raise Forbidden(message)


def by_id(asker: Asker, id_: str) -> Step[Entry]:
    """One entry. Raises NotFound, Forbidden."""
    allow(asker, "r")
    rows = (yield Query(f"{_ENTRY} WHERE position = %s", (int(id_),))) if _is_position(id_) else []
    if not rows:
        message = f"{NAME}/{id_} is not known"
        raise NotFound(message)
    return Entry(*rows[0])


def page(asker: Asker, wanted: Wanted) -> Step[tuple[list[Entry], str | None]]:
    """The entries of a page, and the token of the page after it if there is one. Raises Forbidden."""
    allow(asker, "s")
    found = _within(asker, wanted)
    sign, way = ("<", "DESC") if wanted.newest else (">", "ASC")
    if wanted.after is not None:
        found.add(f"position {sign} %s", wanted.after)
    sql = f"{_ENTRY} WHERE {found.all_of() or 'TRUE'} ORDER BY position {way} LIMIT %s"
    rows = yield Query(sql, (*found.params, wanted.count + 1), prepare=False)
    entries = [Entry(*row) for row in rows[: wanted.count]]
    return entries, (str(entries[-1].position) if len(rows) > wanted.count else None)


def count(asker: Asker, wanted: Wanted) -> Step[int]:
    """How many entries match. Raises Forbidden."""
    allow(asker, "s")
    found = _within(asker, wanted)
    sql = f"SELECT count(*) FROM record.audit WHERE {found.all_of() or 'TRUE'}"
    rows = yield Query(sql, found.params, prepare=False)
    return int(rows[0][0])


def since(asker: Asker, wanted: Wanted, after: int, limit: int) -> Step[list[Entry]]:
    """The next entries after a position, in the order of the log. Raises Forbidden."""
    allow(asker, "r")
    found = _within(asker, wanted)
    found.add("position > %s", after)
    sql = f"{_ENTRY} WHERE {found.all_of()} ORDER BY position LIMIT %s"
    rows = yield Query(sql, (*found.params, limit), prepare=False)
    return [Entry(*row) for row in rows]


def _within(asker: Asker, wanted: Wanted) -> Sql:
    """What is asked, and what the row policies let exist: said once more, for the planner to find an index by it."""
    found = Sql([*wanted.where.parts], [*wanted.where.params])
    if asker.patient is not None:
        found.add("patient = %s", asker.patient)
    elif asker.sight != EVERYTHING and asker.facility:
        found.add("facility = %s", asker.facility)
    return found


# -- what is asked ----------------------------------------------------------------------------------------------------


def read(asker: Asker, pairs: Sequence[tuple[str, str]], *, lenient: bool = False) -> Wanted:
    """Read a query. Raises BadRequest for what is not understood, unless it may be passed over (`lenient`)."""
    wanted = Wanted()
    for name, value in pairs:
        code = name.partition(":")[0]
        if "\0" in value or not value.strip():
            raise BadRequest(f"{name[:80]} has no value that could be searched for", name[:80])
        if name in _RESULT:
            _RESULT[name](wanted, value)
        elif code in _params(asker):
            wanted.where.add(*condition(asker, name, value))
        elif lenient:
            continue
        else:
            raise BadRequest(f"{name[:80]!r} is not a search parameter of {NAME} that is answered here", name[:80])
        if name != PAGE:
            wanted.pairs.append((name, value))
    return wanted


def condition(asker: Asker, name: str, value: str) -> tuple[str, *tuple[object, ...]]:
    """A condition as SQL and its parameters: one of the values of a parameter holds. Raises BadRequest."""
    code, _, modifier = name.partition(":")
    param = _params(asker)[code]
    if modifier == "missing" and value in ("true", "false"):
        missing = f"CASE WHEN event IS NULL THEN {param.missing} ELSE {of_sent.MISSING.get(code, param.missing)} END"
        return (f"({missing}) = {value == 'true'}",)
    values = value.split(",")
    if len(values) > MOST_VALUES:
        raise BadRequest(f"{code} has more than {MOST_VALUES} values", code)
    reader = param.reader(modifier)
    if reader is None:
        raise BadRequest(f"{code} takes no modifier {modifier[:40]!r}", code)
    read = [reader(one) for one in values]
    sql = " OR ".join(f"({one})" for one, _ in read)
    if told := _of_sent(asker, code, "" if modifier == "not" else modifier):
        also = [told(one) for one in values]
        sql = f"event IS NULL AND ({sql}) OR event IS NOT NULL AND ({' OR '.join(f'({one})' for one, _ in also)})"
        read += also
    negated = f"NOT coalesce(({sql}), false)" if modifier == "not" else f"({sql})"
    return negated, *(each for _, params in read for each in params)


def _of_sent(asker: Asker, code: str, modifier: str) -> Read | None:
    """What reads the value for events that others sent; None where the columns tell it of these as well."""
    if code == "date":
        return _date("(event::jsonb->>'recorded')::timestamptz")
    if code == "agent" and asker.patient is not None:
        return of_sent.facility
    return of_sent.READ.get(f"{code}:{modifier}" if modifier else code)


@dataclass(frozen=True, slots=True)
class Param:
    """A search parameter that is answered. missing: SQL of whether there is no value; more: readers by modifier."""

    type: str
    read: Read
    missing: str = "FALSE"
    more: tuple[tuple[str, Read], ...] = ()

    def reader(self, modifier: str) -> Read | None:
        """What reads the values with a modifier; None where it is not taken."""
        if not modifier or (modifier == "not" and self.type == "token"):
            return self.read
        return dict(self.more).get(modifier)


def _date(column: str) -> Read:
    def read(value: str) -> Condition:
        prefix, text = (value[:2], value[2:]) if value[:2].isalpha() else ("eq", value)
        bounds = date_range(text)
        if bounds is None or prefix not in _DATES:
            raise BadRequest(f"{value[:80]!r} is no date", "date")
        low, high = bounds
        if prefix == "ap":
            earlier, later = (datetime.fromisoformat(one) + timedelta(days=d) for one, d in ((low, -1), (high, 1)))
            low, high = earlier.isoformat(), later.isoformat()
        sql, params = _DATES[prefix], {"low": low, "high": high}
        made = re.sub(r":(low|high)", "%s::timestamptz", sql.replace("at ", f"{column} "))
        return made, [params[name] for name in re.findall(r":(low|high)", sql)]

    return read


_DATES: Final = {
    **dict.fromkeys(("eq", "ap"), "at >= :low AND at < :high"),
    "ne": "at < :low OR at >= :high",
    **dict.fromkeys(("gt", "sa"), "at >= :high"),
    **dict.fromkeys(("lt", "eb"), "at < :low"),
    "ge": "at >= :low",
    "le": "at < :high",
}


def _patient(value: str) -> Condition:
    type_, id_ = named(value)
    return ("patient = %s", [id_]) if type_ in ("", "Patient") else ("FALSE", [])


def _agent(value: str) -> Condition:
    type_, id_ = named(value)
    column = {"Practitioner": "practitioner = %s", "Organization": "facility = %s"}
    if not type_:
        return " OR ".join(column.values()), [id_, id_]
    return (column[type_], [id_]) if type_ in column else ("FALSE", [])


def _facility(value: str) -> Condition:
    type_, id_ = named(value)
    return ("facility = %s", [id_]) if type_ in ("", "Organization") else ("FALSE", [])


def _entity(value: str) -> Condition:
    type_, id_ = named(value)
    if not type_:
        return "id = %s OR patient = %s OR EXISTS (SELECT FROM unnest(what) w WHERE w LIKE '%%/' || %s)", [id_] * 3
    own = ("type = %s AND id = %s OR what @> ARRAY[%s]", [type_, id_, f"{type_}/{id_}"])
    return (f"({own[0]}) OR patient = %s", [*own[1], id_]) if type_ == "Patient" else own


def _token(system: str, sql: str, *, values: Callable[[str], object] = str) -> Read:
    """Reads `code` and `system|code` of a column that holds codes of one system."""

    def read(value: str) -> Condition:
        said, bar, code = value.rpartition("|")
        if bar and said != system:
            return "FALSE", []
        return (sql, [values(code)]) if code else ("TRUE", [])

    return read


def _subtype(value: str) -> Condition:
    said, bar, code = value.rpartition("|")
    named = [name for name, told in AUTHENTICATION.items() if told == code and (not bar or said == DCM)]
    if named or (bar and said not in (INTERACTION, ACCESS)):
        return "action = ANY(%s)", [named]
    logged = [code, f"${code}"] if said != INTERACTION else []
    if said != ACCESS:
        logged += [name for name, told in INTERACTIONS.items() if told == code]
        if code == "operation":
            return "action LIKE '$%%' OR action = ANY(%s)", [logged]
    return "action = ANY(%s)", [logged]


def _action(value: str) -> Condition:
    code = value.rpartition("|")[2]
    if code == "E":
        return "action <> ALL(%s)", [list(ACTIONS)]
    return "action = ANY(%s)", [[name for name, told in ACTIONS.items() if told == code]]


def _outcome(value: str) -> Condition:
    return "coalesce(outcome, '0') = %s", [value.rpartition("|")[2]]


def _kind(value: str) -> Condition:
    said, bar, code = value.rpartition("|")
    if code == AUTHENTICATED and (not bar or said == DCM):
        return "action = ANY(%s)", [list(AUTHENTICATION)]
    if code == "rest" and (not bar or said == TYPE):
        return "action <> ALL(%s)", [list(AUTHENTICATION)]
    return "FALSE", []


def _id(value: str) -> Condition:
    return ("position = %s", [int(value)]) if _is_position(value) else ("FALSE", [])


def _is_position(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18 and text == str(int(text))


PARAMS: Final = {
    "_id": Param("token", _id),
    "_lastUpdated": Param("date", _date("at")),
    "action": Param("token", _action),
    "address": Param(
        "string",
        lambda value: ("starts_with(address, %s)", [value]),
        "address IS NULL",
        (("exact", lambda value: ("address = %s", [value])),),
    ),
    "agent": Param("reference", _agent, more=(("identifier", _token(ACCOUNT, "account = %s")),)),
    "agent-role": Param("token", _token(DESK, "role = %s")),
    "altid": Param("token", _token("", "account = %s")),
    "date": Param("date", _date("at")),
    "entity": Param("reference", _entity, "type = '' AND patient IS NULL"),
    "outcome": Param("token", _outcome),
    "patient": Param("reference", _patient, "patient IS NULL"),
    "site": Param("token", _token("", "facility = %s"), "facility = ''"),
    "subtype": Param("token", _subtype),
    "type": Param("token", _kind),
}
"""The search parameters that are answered, by their codes (R4 auditevent.html, 6.4.5)."""
_UNTOLD: Final = ("address", "altid")
_OF_THE_OWN: Final = {code: p for code, p in PARAMS.items() if code not in _UNTOLD} | {
    "agent": Param("reference", _facility)
}
"""Without what is not told to the person whom entries are about, or asking would tell it."""


def _params(asker: Asker) -> dict[str, Param]:
    return PARAMS if asker.patient is None else _OF_THE_OWN


# -- how the result is wanted -----------------------------------------------------------------------------------------


def _count(wanted: Wanted, value: str) -> None:
    if not (value.isascii() and value.isdigit()):
        raise BadRequest(f"{value[:80]!r} is no count", "_count")
    wanted.count = min(int(value[:9]), MOST)


def _sort(wanted: Wanted, value: str) -> None:
    if value.removeprefix("-") not in ("date", "_lastUpdated"):
        raise BadRequest(f"{NAME} is sorted by date or -date", "_sort")
    wanted.newest = value.startswith("-")


def _total(wanted: Wanted, value: str) -> None:
    if value not in ("none", "estimate", "accurate"):
        raise BadRequest("_total is one of accurate, estimate, none", "_total")
    wanted.total = value != "none"


def _summary(wanted: Wanted, value: str) -> None:
    wanted.mode = summary.check_mode(value)


def _elements(wanted: Wanted, value: str) -> None:
    wanted.elements = [name for name in value.split(",") if name]
    summary.check_elements([NAME], wanted.elements)


def _page(wanted: Wanted, value: str) -> None:
    """The position where the page before ended: it opens nothing, the row policies are asked anew for each page."""
    if not _is_position(value):
        raise BadRequest("the page token is not of this search", PAGE)
    wanted.after = int(value)


def _passed_over(wanted: Wanted, value: str) -> None:
    """`_format` and `_pretty` are about the form of the answer."""


_RESULT: Final[dict[str, Callable[[Wanted, str], None]]] = {
    "_count": _count,
    "_sort": _sort,
    "_total": _total,
    "_summary": _summary,
    "_elements": _elements,
    PAGE: _page,
    "_format": _passed_over,
    "_pretty": _passed_over,
}
