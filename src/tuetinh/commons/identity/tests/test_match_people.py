"""`Patient/$match` and the desk's warning: one matcher, its reasons, and how well it does on invented people."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tuetinh.commons.identity import matching, operations
from tuetinh.commons.identity.api import PersonDraft, register
from tuetinh.commons.identity.linkage import features, runs, scoring, sets, simulate
from tuetinh.commons.identity.linkage.model import SHIPPED, WrongModel, read, shipped
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import Forbidden
from tuetinh.record.operations import Asked
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.steps import run

DESK = Asker("desk", "reception", "12104", "TREAT", frozenset({"user/Patient.crus"}), sight=EVERYTHING)


def person(name: str, birth: str, **more: str) -> features.Features:
    return matching.of_draft(PersonDraft(name=name, birth=birth, **more), id_=f"{name}{birth}{sorted(more.items())}")


def grade(one: features.Features, other: features.Features) -> str:
    [score] = scoring.score(shipped(), [(one, other)])
    return score.grade


HOME = "Bản Nà Cha, xã Mường Than, huyện Than Uyên, tỉnh Lai Châu"
LAN = {"gender": "female", "address": HOME, "phone": "0399000001"}


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        pytest.param(("Nguyễn Thị Lan", "1985-03-12"), ("NGUYEN THI LAN", "1985-03-12"), "probable", id="tone marks"),
        pytest.param(("Nguyễn Thị Lan", "1985-03-12"), ("Thị Lan Nguyễn", "1985-03-12"), "probable", id="order"),
        pytest.param(("Nguyễn Thị Lan", "1985-03-12"), ("Nguyễn Thị Lan", "1986-03-12"), "probable", id="wrong year"),
        pytest.param(("Nguyễn Thị Lan", "1985-03-12"), ("Nguyễn Thị Lan", "1985"), "probable", id="year alone"),
        pytest.param(("Nguyễn Thị Lan", "1985-03-12"), ("Nguyễn Thị Huệ", "1985-03-12"), "certainly-not", id="twins"),
        pytest.param(("Nguyễn Thị Lan", "1985-03-12"), ("Nguyễn Thị Lan", "1950-07-01"), "certainly-not", id="name"),
    ],
)
def test_of_one_household(one: tuple[str, str], other: tuple[str, str], wanted: str) -> None:
    assert grade(person(*one, **LAN), person(*other, **LAN)) == wanted


def test_numbers_decide_and_contradict() -> None:
    first = person("Nguyễn Thị Lan", "1985-03-12", cccd="012185900001")
    assert grade(first, person("Nguyen Lan", "1985-12-03", cccd="012185900001")) == "certain"
    # Somebody else's card: a person looks at it.
    assert grade(first, person("Trần Văn Bình", "1950-07-01", cccd="012185900001")) == "possible"
    # Twins of one name but for a tone, with numbers of their own: no program can tell.
    assert grade(first, person("Nguyễn Thị Lân", "1985-03-12", cccd="012185977777")) == "possible"
    # A common name on New Year's Day, as those have whose birth date nobody knew.
    vague = [person("Nguyễn Văn Hùng", "1950-01-01", gender="male", address=a) for a in (HOME, "xã Đăk Hà, Quảng Ngãi")]
    assert grade(*vague) in ("possible", "certainly-not")


def test_the_units_of_before_are_those_of_today() -> None:
    old, new = features.place(HOME, ""), features.place("Bản Nà Cha, xã Than Uyên, tỉnh Lai Châu", "")
    assert old[:2] == new[:2] == ("03595", "12")
    assert old[2] == new[2] == ["cha", "na"]


def test_newborns_are_known_by_their_mother() -> None:
    first = person("Con bà Lò Thị Pâng", "2026-10-03", gender="male", address=HOME, phone="0399000001")
    named = person("Lò Gia Bảo", "2026-10-03", gender="male", address=HOME, phone="0399000001", mother="Lò Thị Pâng")
    assert grade(first, named) == "probable"
    assert set(features.blocks(first)) & set(features.blocks(named))
    girl = person("Lò Bảo An", "2026-10-03", gender="female", address=HOME, phone="0399000001", mother="Lò Thị Pâng")
    assert grade(first, girl) == "certainly-not"


def test_the_model_finds_invented_people() -> None:
    """The whole measurement is `tuetinh bench linkage`; this small set is the same each time."""
    known = sets.simulated(1500, seed=5)
    con = runs.connect()
    runs.load(con, known.people)
    true = set(sets._pairs(known.truth))
    found = set()
    for pair in runs.link(con, shipped(), -30.0):
        told, levels = scoring.judged(shipped(), pair.weight, pair.levels)
        # Splink and our own weighing are the same arithmetic.
        assert round(sum(w for _, w in levels.values()) + shipped().prior, 3) == round(pair.weight, 3)
        if told in (scoring.CERTAIN, scoring.PROBABLE):
            found.add(tuple(sorted((pair.left, pair.right))))
    assert len(found & true) / len(found) >= 0.995
    assert len(found & true) / len(true) >= 0.97


def test_a_model_that_cannot_be_used_is_refused() -> None:
    body = msgspec.json.decode(SHIPPED.read_bytes())
    assert read(SHIPPED.read_bytes()) == shipped()
    for change, why in (
        ({"thresholds": {"same": 0, "review": 5}}, "the threshold of review is above that of same"),
        ({"probability_two_random_records_match": 2}, "probability_two_random_records_match must be between 0 and 1"),
        ({"comparisons": []}, "comparisons and levels must be those of the shipped model; only numbers may differ"),
    ):
        with pytest.raises(WrongModel) as caught:
            read(msgspec.json.encode(body | change))
        assert str(caught.value) == why


def ask(patient: dict[str, Any], asker: Asker = SYSTEM, **more: Any) -> Any:
    given = r4.decode(msgspec.json.encode({"resourceType": "Patient", **patient}))
    values = {"resource": [given], **{name: [value] for name, value in more.items()}}
    base = "http://x.test/fhir"
    reply = run(
        asker, operations.match(Asked(asker, "match", base, f"{base}/Patient/$match", "Patient", values=values))
    )
    return msgspec.json.decode(reply.encoded())


@pytest.mark.django_db
def test_match_answers_with_score_and_grade() -> None:
    first = register(DESK, PersonDraft("Lò Thị Pâng", "1985-03-12", "female", cccd="012185900001"))
    register(DESK, PersonDraft("Vàng Văn Ún", "1950-03-12", "male"))
    told = {"name": [{"text": "Lo Thi Pang"}], "birthDate": "1985-03-12", "gender": "female"}
    answer = ask(told)
    assert (answer["type"], answer["total"]) == ("searchset", 1)
    [entry] = answer["entry"]
    assert (entry["fullUrl"], entry["resource"]["id"]) == (f"http://x.test/fhir/Patient/{first.id}", first.id)
    assert entry["search"]["extension"] == [{"url": operations.GRADE, "valueCode": "probable"}]
    assert 0.5 < entry["search"]["score"] < 1
    assert ask(told, onlyCertainMatches=True)["total"] == 0
    number = {"identifier": [{"system": "http://fhir.ehealth.gov.vn/core/sid/national_id", "value": "012185900001"}]}
    [entry] = ask(told | number, onlyCertainMatches=True)["entry"]
    assert (entry["search"]["score"], entry["search"]["extension"][0]["valueCode"]) == (1.0, "certain")
    assert ask(told | number, count=0)["total"] == 0
    with pytest.raises(Forbidden):
        ask(told, Asker("x", "outsider"))


def test_simulated_people_are_the_same_each_time() -> None:
    assert list(simulate.rows(300, 9)) == list(simulate.rows(300, 9))
