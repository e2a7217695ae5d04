"""Finds who may be the same person: candidates from the index, weighed by the model, with reasons in words."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext

from tuetinh.commons.identity import facts
from tuetinh.commons.identity.facts import PersonDraft
from tuetinh.commons.identity.linkage import features, scoring
from tuetinh.commons.identity.linkage.features import UNIQUE, Features
from tuetinh.commons.identity.linkage.model import Model, read, shipped
from tuetinh.commons.identity.linkage.scoring import Score
from tuetinh.commons.identity.projection import Number, features_of, plain_number
from tuetinh.record import r4
from tuetinh.record.steps import Query, Row, Step, computed

CANDIDATES = 300
KEEP_MODEL = 30.0  # seconds
COLUMNS = "patient, name, birth, gender, number, phone, address, commune, facility, updated, mother"
_NUMBERS = (
    "ARRAY(SELECT ARRAY[n.kind, n.value] FROM identity_number n WHERE n.patient = p.patient AND n.kind <> 'other')"
)
_PEOPLE = f"SELECT {COLUMNS}, {_NUMBERS} FROM identity_person p WHERE patient = ANY(%s::text[])"
EVERYONE = f"SELECT {COLUMNS}, {_NUMBERS} FROM identity_person p WHERE active"
_CANDIDATES = f"""
SELECT {COLUMNS}, {_NUMBERS} FROM identity_person p WHERE active AND patient <> %s AND patient IN (
  (SELECT patient FROM identity_person WHERE blocks && %s::bigint[] LIMIT {CANDIDATES})
  UNION
  (SELECT n.patient FROM identity_number n JOIN unnest(%s::text[], %s::text[]) AS u (kind, value) USING (kind, value)
   LIMIT {CANDIDATES})
)
"""


@dataclass(frozen=True, slots=True)
class Match:
    """A person who may be the same; row: the columns of `COLUMNS`."""

    row: Row
    score: Score


_model: tuple[float, Model] | None = None


def model() -> Step[Model]:
    """The model in force."""
    global _model  # noqa: PLW0603 - read from the table now and then
    if _model is None or _model[0] < time.monotonic():
        rows = yield Query("SELECT body FROM identity_model ORDER BY id DESC LIMIT 1")
        _model = (time.monotonic() + KEEP_MODEL, read(bytes(rows[0][0])) if rows else shipped())
    return _model[1]


def forget_model() -> None:
    """Read the model anew next time."""
    global _model  # noqa: PLW0603
    _model = None


def of_draft(draft: PersonDraft, id_: str = "") -> Features:
    """The features of a person who is not stored yet."""
    bhxh = draft.bhxh or (draft.card[-10:] if facts.CARD_PATTERN.fullmatch(draft.card) else "")
    numbers = (
        *(("cccd", draft.cccd), ("bhxh", bhxh), ("card", draft.card), ("cmnd", draft.cmnd)),
        ("phone", draft.phone),
    )
    told = [(kind, plain_number(value)) for kind, value in numbers if value]
    return features.of(
        id_,
        draft.name,
        birth=draft.birth,
        sex=draft.gender,
        address=draft.address,
        commune=draft.commune,
        mother=draft.mother,
        numbers=told,
    )


def of_patient(patient: r4.Patient) -> Features:
    """The features of a Patient, stored or not."""
    return features_of(patient)


def of_row(row: Row) -> Features:
    """The features of a stored person: the columns of `COLUMNS`, then the pairs of numbers."""
    facility = row[8]
    numbers: list[Number] = [(kind, f"{facility}|{value}" if kind == "mrn" else value) for kind, value in row[11]]
    return features.of(
        row[0],
        row[1],
        birth=row[2],
        sex=row[3],
        address=row[6],
        commune=row[7],
        mother=row[10],
        numbers=numbers,
    )


def people(ids: Iterable[str]) -> Step[dict[str, Row]]:
    """Rows of stored people by id."""
    rows = yield Query(_PEOPLE, (list(ids),))
    return {row[0]: row for row in rows}


def matches(person: Features, *, least: str = scoring.POSSIBLE) -> Step[list[Match]]:
    """Who may be the same person, likeliest first. least: `possible`, or `certainly-not` for all who were compared."""
    numbers = [(kind, value.rpartition("|")[2]) for kind in UNIQUE for value in getattr(person, kind)]
    numbers += [("phone", value) for value in person.phones]
    rows = yield Query(
        _CANDIDATES,
        (person.id, features.blocks(person), [kind for kind, _ in numbers], [value for _, value in numbers]),
    )
    known = yield from model()
    pairs = [(person, of_row(row)) for row in rows]
    scores = yield from computed(lambda: scoring.score(known, pairs))
    found = [Match(row, score) for row, score in zip(rows, scores, strict=True)]
    if least != scoring.NOT:
        found = [match for match in found if match.score.grade != scoring.NOT]
    return sorted(found, key=lambda m: (m.score.grade != scoring.CERTAIN, -m.score.weight, m.row[0]))


def reasons(levels: dict[str, tuple[str, float]], shared: Sequence[str] = ()) -> list[str]:
    """Why two records may be one person, and what speaks against it, in plain words."""
    found = [_number_words().get(kind, gettext("Cùng số giấy tờ")) for kind in shared]
    for name, texts in _words().items():
        text = texts.get(levels[name][0]) if name in levels else None
        if text and not (shared and name == "number"):
            found.append(text)
    return found


def shared_numbers(one: Features, other: Features) -> list[str]:
    """Kinds of numbers that both have."""
    return [kind for kind in UNIQUE if set(getattr(one, kind)) & set(getattr(other, kind))]


def _number_words() -> dict[str, str]:
    return {
        "cccd": gettext("Cùng số định danh"),
        "bhxh": gettext("Cùng mã số BHXH"),
        "card": gettext("Cùng số thẻ BHYT"),
        "cmnd": gettext("Cùng số CMND"),
        "mrn": gettext("Cùng mã người bệnh"),
    }


def _words() -> dict[str, dict[str, str]]:
    same_name, almost = gettext("Cùng họ tên"), gettext("Họ tên gần giống")
    house = gettext("Cùng nhà")
    return {
        "number": {
            "same": gettext("Cùng số giấy tờ"),
            "slip": gettext("Số định danh chỉ khác một hai chữ số"),
            "other": gettext("Mỗi bên một số giấy tờ khác"),
        },
        "name": {
            **dict.fromkeys(("same, very rare", "same, rare"), gettext("Cùng họ tên, ít người trùng")),
            "same": same_name,
            "same, common": gettext("Cùng họ tên, nhiều người trùng"),
            **dict.fromkeys(("tones, rare", "tones"), gettext("Họ tên chỉ khác dấu")),
            "order": gettext("Họ tên đảo thứ tự"),
            "part": gettext("Họ tên thiếu hoặc thừa chữ đệm"),
            **dict.fromkeys(("slip", "given slip", "given"), almost),
            "other": gettext("Khác họ tên"),
        },
        "birth": {
            "same": gettext("Cùng ngày sinh"),
            "same, vague": gettext("Cùng năm sinh, không rõ ngày"),
            **dict.fromkeys(("part", "year of one unsure", "year"), gettext("Cùng năm sinh")),
            "turned": gettext("Ngày và tháng sinh đảo nhau"),
            "slip": gettext("Ngày sinh gần giống"),
            "other year": gettext("Cùng ngày tháng, khác năm sinh"),
            "about": gettext("Năm sinh gần nhau"),
            "other": gettext("Khác ngày sinh"),
        },
        "sex": {"same": gettext("Cùng giới tính"), "other": gettext("Khác giới tính")},
        "home": {
            "house, thrice": house,
            "house, twice": house,
            "telephone": gettext("Cùng số điện thoại"),
            "mother": gettext("Cùng tên mẹ"),
            "hamlet": gettext("Cùng thôn bản"),
            "commune": gettext("Cùng xã"),
            "province": gettext("Cùng tỉnh"),
        },
    }
