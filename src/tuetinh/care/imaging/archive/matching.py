"""What queries ask of the index: one compiler for C-FIND (PS3.4 C.2.2.2) and QIDO-RS (PS3.18 8.3.4), to one statement.

Columns of the index are matched where there is one, the kept attributes else. What neither knows is not matched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from functools import cache
from typing import Any, Final

import orjson

from tuetinh.care.imaging.archive.attributes import LEVEL_OF, TAG_OF, VR_OF
from tuetinh.care.imaging.archive.reading import clock, day, words

ORDER: Final = ("PATIENT", "STUDY", "SERIES", "IMAGE")
MOST: Final = 10_000  # matches of one query
_ALIASES: Final = {"PATIENT": "st", "STUDY": "st", "SERIES": "se", "IMAGE": "i"}
_MODALITIES, _CLASSES = 0x00080061, 0x00080062
_PATIENT_COUNTS, _STUDY_COUNTS, _SERIES_COUNT = (
    (0x00201200, 0x00201202, 0x00201204),
    (0x00201206, 0x00201208),
    0x00201209,
)
COUNTED: Final = (_MODALITIES, _CLASSES, *_PATIENT_COUNTS, *_STUDY_COUNTS, _SERIES_COUNT)
_COLUMNS: Final = {
    TAG_OF[keyword]: (column, kind)
    for keyword, column, kind in (
        ("PatientID", "st.patient_id", "text"),
        ("PatientName", "st.name_words", "name"),
        ("PatientBirthDate", "st.patient_birth_date", "date"),
        ("PatientSex", "st.patient_sex", "text"),
        ("StudyInstanceUID", "st.study_instance_uid", "uid"),
        ("StudyDate", "st.study_date", "date"),
        ("StudyTime", "st.study_time", "time"),
        ("AccessionNumber", "st.accession_number", "text"),
        ("StudyID", "st.study_id", "text"),
        ("StudyDescription", "st.study_description", "text"),
        ("ReferringPhysicianName", "st.referrer_words", "name"),
        ("SeriesInstanceUID", "se.series_instance_uid", "uid"),
        ("Modality", "se.modality", "text"),
        ("SeriesNumber", "se.series_number", "number"),
        ("SOPInstanceUID", "i.sop_instance_uid", "uid"),
        ("SOPClassUID", "i.sop_class_uid", "uid"),
        ("InstanceNumber", "i.instance_number", "number"),
    )
}
_EXISTS: Final = {
    _MODALITIES: "EXISTS (SELECT FROM imaging_series m WHERE m.study_id = st.id AND {})",
    _CLASSES: "EXISTS (SELECT FROM imaging_instance m WHERE m.study_id = st.id AND {})",
}
_EXISTS_COLUMN: Final = {_MODALITIES: ("m.modality", "text"), _CLASSES: ("m.sop_class_uid", "uid")}

_NAMES: Final = frozenset(TAG_OF[keyword] for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"))


class BadKey(Exception):
    """A value that cannot be matched against its attribute. args: tag, value."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A query. keys: values by tag, several of one tag are alternatives. beside: only studies of this one's person.

    nested: the same within items of sequences, by the tags of these and its own.
    """

    level: str
    keys: Mapping[int, Sequence[str]] = field(default_factory=dict)
    nested: Mapping[tuple[int, ...], Sequence[str]] = field(default_factory=dict)
    fuzzy: bool = False
    limit: int = MOST
    offset: int = 0
    beside: str = ""

    @property
    def is_by_name(self) -> bool:
        """Whether it names what it wants by UIDs alone: one plan is good for all of these."""
        return bool(self.keys) and not self.beside and not self.nested and _NAMES.issuperset(self.keys)


@dataclass(slots=True)
class Sql:
    """A statement in the making."""

    conditions: list[str] = field(default_factory=list)
    params: list[Any] = field(default_factory=list)
    unmatched: list[int] = field(default_factory=list)

    @property
    def where(self) -> str:
        """The clause of all conditions, "" where there are none."""
        return f"WHERE {' AND '.join(self.conditions)}" if self.conditions else ""

    def add(self, condition: str, *params: Any) -> None:
        """Ask for one more thing."""
        self.conditions.append(condition)
        self.params += params


def compile_query(wanted: Wanted) -> tuple[str, list[Any], list[int]]:
    """The statement, its parameters, and the tags that it does not match. Raises BadKey.

    Rows are: attributes of study, series and instance, the three ids, study's resource, patient; see `answers`. There
    is one beyond the limit where there are more matches.
    """
    made = _conditions(wanted)
    sql = _LISTS[wanted.level].format(where=made.where, tail="LIMIT %s OFFSET %s")
    return sql, [*made.params, wanted.limit + 1, wanted.offset], made.unmatched


def compile_objects(wanted: Wanted) -> tuple[str, list[Any]]:
    """The statement for the files of the objects that a query finds: what an `Object` is made of. Raises BadKey."""
    made = _conditions(wanted)
    return _OBJECTS.format(where=made.where), [*made.params, wanted.limit]


_OBJECTS: Final = """SELECT st.study_instance_uid, se.series_instance_uid, i.sop_instance_uid, i.sop_class_uid,
  i.transfer_syntax_uid, i.digest, i.size, st.resource, st.patient
FROM imaging_study st JOIN imaging_series se ON se.study_id = st.id
  JOIN imaging_instance i ON i.study_id = st.id AND i.series_id = se.id
{where} ORDER BY st.id, se.series_number, se.id, i.instance_number, i.id LIMIT %s"""
_LISTS: Final = {
    "PATIENT": """SELECT DISTINCT ON (st.patient_id) st.attributes::text, NULL, NULL, st.id, 0, 0, st.resource,
  st.patient FROM imaging_study st {where} ORDER BY st.patient_id, st.id DESC {tail}""",
    "STUDY": """SELECT p.*, s.*, i.*
FROM (SELECT st.attributes::text, NULL, NULL, st.id, 0, 0, st.resource, st.patient FROM imaging_study st
  {where} ORDER BY st.study_date DESC, st.id DESC {tail}) p, LATERAL (
    SELECT array_agg(DISTINCT m.modality ORDER BY m.modality) FILTER (WHERE m.modality <> ''), count(*)
    FROM imaging_series m WHERE m.study_id = p.id) s, LATERAL (
    SELECT count(*), array_agg(DISTINCT m.sop_class_uid) FROM imaging_instance m WHERE m.study_id = p.id) i""",
    "SERIES": """SELECT p.*,
  (SELECT count(*) FROM imaging_instance m WHERE m.study_id = p.id AND m.series_id = p.series)
FROM (SELECT st.attributes::text, se.attributes::text, NULL, st.id, se.id AS series, 0, st.resource, st.patient
  FROM imaging_study st JOIN imaging_series se ON se.study_id = st.id
  {where} ORDER BY st.study_date DESC, st.id DESC, se.series_number, se.id {tail}) p""",
    "IMAGE": """SELECT st.attributes::text, se.attributes::text, i.attributes::text, st.id, se.id, i.id, st.resource,
  st.patient
FROM imaging_study st JOIN imaging_series se ON se.study_id = st.id
  JOIN imaging_instance i ON i.study_id = st.id AND i.series_id = se.id
{where} ORDER BY st.study_date DESC, st.id DESC, se.series_number, se.id, i.instance_number, i.id {tail}""",
}


# A study of nobody has nothing beside it: NULL is not equal to NULL.
_BESIDE: Final = """(st.study_instance_uid = %s OR st.patient =
  (SELECT b.patient FROM imaging_study b WHERE b.study_instance_uid = %s))"""


def _conditions(wanted: Wanted) -> Sql:
    made = Sql()
    if wanted.beside:
        made.add(_BESIDE, wanted.beside, wanted.beside)
    for tag, values in wanted.keys.items():
        _match(made, wanted, tag, _told(values))
    for path, values in wanted.nested.items():
        _match_nested(made, wanted, path, _told(values))
    return made


def _told(values: Sequence[str]) -> list[str]:
    """The values that anything is asked with (C.2.2.2.3)."""
    return [value for value in values if value not in ("", "*")]


def _match(made: Sql, wanted: Wanted, tag: int, values: list[str]) -> None:
    if not values or (tag in COUNTED and tag not in _EXISTS):
        return
    if tag in _EXISTS:
        inner = Sql()
        _one_of(inner, *_EXISTS_COLUMN[tag], tag, values, fuzzy=False)
        made.add(_EXISTS[tag].format(inner.conditions[0]), *inner.params)
        return
    level = _level(wanted, tag)
    if not level or VR_OF[tag] == "SQ":
        made.unmatched.append(tag)
        return
    column, kind = _COLUMNS.get(tag) or _within(f"{_ALIASES[level]}.attributes", tag, VR_OF[tag])
    _one_of(made, column, kind, tag, values, fuzzy=wanted.fuzzy)


def _level(wanted: Wanted, tag: int) -> str:
    """The level of an attribute that a query can ask for, else ""."""
    level = LEVEL_OF.get(tag)
    return level if level and ORDER.index(level) <= ORDER.index(wanted.level) else ""


def _within(json: str, tag: int, vr: str) -> tuple[str, str]:
    """The first value of an attribute in DICOM JSON, and how it is matched."""
    path = f"{{{tag:08X},Value,0}}" if vr != "PN" else f"{{{tag:08X},Value,0,Alphabetic}}"
    return f"({json} #>> '{path}')", "range" if vr in ("DA", "TM", "DT") else "text"


def _match_nested(made: Sql, wanted: Wanted, path: tuple[int, ...], values: list[str]) -> None:
    """Within some item of a sequence (C.2.2.2.6)."""
    import tuetinh.care.imaging.library  # noqa: F401

    from pydicom.datadict import dictionary_VR

    *sequences, tag = path
    level = _level(wanted, path[0])
    if not values:
        return
    if not level or VR_OF[path[0]] != "SQ":
        made.unmatched.append(path[0])
        return
    inner, steps = Sql(), "".join(f'."{one:08X}"."Value"[*]' for one in sequences)
    try:
        column, kind = _within("n.item", tag, dictionary_VR(tag))
    except KeyError:
        made.unmatched.append(path[0])
        return
    _one_of(inner, column, kind, tag, values, fuzzy=False)
    items = f"jsonb_path_query({_ALIASES[level]}.attributes, '${steps}')"
    made.add(f"EXISTS (SELECT FROM {items} AS n(item) WHERE {inner.conditions[0]})", *inner.params)


def _one_of(made: Sql, column: str, kind: str, tag: int, values: list[str], *, fuzzy: bool) -> None:
    """Any of the values: a list of UIDs (C.2.2.2.2) in one comparison, others one by one."""
    if kind == "uid":
        made.add(f"{column} = ANY(%s)", values)
        return
    parts = Sql()
    for value in values:
        _KINDS[kind](parts, column, tag, value, fuzzy)
    made.add(f"({' OR '.join(parts.conditions)})", *parts.params)


def _text(made: Sql, column: str, tag: int, value: str, fuzzy: bool) -> None:  # noqa: FBT001
    if "*" not in value and "?" not in value:
        made.add(f"{column} = %s", value)
        return
    prefix = value[: min(at for at in (value.find("*"), value.find("?")) if at >= 0)]
    if not prefix:
        made.add(f"{column} LIKE %s", _pattern(value))
        return
    # Row policies are asked before LIKE, which could so use no index; comparisons tell nothing (LEAKPROOF), and can.
    beyond = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    made.add(f"({column} >= %s AND {column} < %s AND {column} LIKE %s)", prefix, beyond, _pattern(value))


def _pattern(value: str) -> str:
    """A DICOM pattern (C.2.2.2.4) as one of LIKE."""
    plain = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return plain.replace("*", "%").replace("?", "_")


def _name(made: Sql, column: str, tag: int, value: str, fuzzy: bool) -> None:  # noqa: FBT001
    """Names without case and accents; fuzzy: each word begins some word of the name (PS3.18, 8.3.4.2)."""
    folded = words(value)
    if not fuzzy:
        _text(made, column, tag, folded, fuzzy)
        return
    each = [f"(' ' || {column}) LIKE %s" for _ in folded.split()]
    made.add(f"({' AND '.join(each) or 'true'})", *(f"% {_pattern(word.strip('*'))}%" for word in folded.split()))


def _ranged(value: str) -> tuple[str, str]:
    """The bounds of a range (C.2.2.2.5), both the value where it is none."""
    first, dash, last = value.partition("-")
    return (first.strip(), last.strip()) if dash else (value.strip(), value.strip())


def _date(made: Sql, column: str, tag: int, value: str, fuzzy: bool) -> None:  # noqa: FBT001
    _between(made, column, tag, value, day)


def _time(made: Sql, column: str, tag: int, value: str, fuzzy: bool) -> None:  # noqa: FBT001
    _between(made, column, tag, value, clock)


def _between(made: Sql, column: str, tag: int, value: str, read: Any) -> None:
    first, last = _ranged(value)
    low: date | time | None = read(first) if first else None
    high: date | time | None = read(last) if last else None
    if (first and low is None) or (last and high is None) or (low is None and high is None):
        raise BadKey(tag, value)
    if isinstance(high, time):
        high = _end_of(last, high)
    bounds = [(">=", low), ("<=", high)]
    known = [(sign, bound) for sign, bound in bounds if bound is not None]
    made.add("(" + " AND ".join(f"{column} {sign} %s" for sign, _ in known) + ")", *(bound for _, bound in known))


def _end_of(text: str, bound: time) -> time:
    """The last moment that a time of less precision names: `09` ends at 09:59:59.999999."""
    digits = len(text.replace(":", "").partition(".")[0])
    if "." in text:
        return bound
    finer = {2: {"minute": 59, "second": 59}, 4: {"second": 59}}.get(digits, {})
    return bound.replace(**finer, microsecond=999_999)


def _range(made: Sql, column: str, tag: int, value: str, fuzzy: bool) -> None:  # noqa: FBT001
    """Dates and times that only the attributes hold: as text, which is in their order."""
    first, last = _ranged(value)
    if first == last:
        _text(made, column, tag, value, fuzzy)
        return
    bounds = [(f"{column} >= %s", first), (f"{column} <= %s", last)]
    known = [(sql, bound) for sql, bound in bounds if bound]
    if not known:
        raise BadKey(tag, value)
    made.add("(" + " AND ".join(sql for sql, _ in known) + ")", *(bound for _, bound in known))


def _number(made: Sql, column: str, tag: int, value: str, fuzzy: bool) -> None:  # noqa: FBT001
    try:
        made.add(f"{column} = %s", int(value))
    except ValueError:
        raise BadKey(tag, value) from None


_KINDS: Final = {"text": _text, "name": _name, "date": _date, "time": _time, "range": _range, "number": _number}


def answers(level: str, rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """The DICOM JSON of rows of `compile_query`, with what is counted for their level."""
    read = cache(orjson.loads)  # many objects are of one study and series
    return [_answer(level, row, read) for row in rows]


def _answer(level: str, row: Sequence[Any], read: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for told in row[:3]:
        found |= read(told) if told else {}
    if level == "PATIENT":
        return {tag: value for tag, value in found.items() if LEVEL_OF.get(int(tag, 16)) == "PATIENT"}
    if level == "STUDY":
        modalities, series, instances, classes = row[8:12]
        found["00080061"] = {"vr": "CS", "Value": modalities or []}
        found["00080062"] = {"vr": "UI", "Value": classes or []}
        found["00201206"] = {"vr": "IS", "Value": [series]}
        found["00201208"] = {"vr": "IS", "Value": [instances]}
    if level == "SERIES":
        found["00201209"] = {"vr": "IS", "Value": [row[8]]}
    return found
