"""Two years of past visits: acute illness by age, chronic illness with its series, vaccination of children."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tuetinh.node.demo import charges, clinical, places
from tuetinh.node.demo.people import CITIZEN, Resident
from tuetinh.record import r4

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
PAST_DAYS = 730


class Line(NamedTuple):
    """One medicine: code of the formulary, dose in words, days, amount."""

    drug: str
    text: str
    days: int
    amount: int


class Illness(NamedTuple):
    """An acute illness. ages: from, to; weight: how common; fever: degrees above normal at most."""

    code: str
    reason: str
    ages: tuple[int, int]
    weight: int
    lines: tuple[Line, ...]
    fever: float = 0.0
    station: float = 0.6  # share seen at the station
    labs: tuple[str, ...] = ()


PARACETAMOL = Line(
    "paracetamol-500-mg-vien-nen",
    "Mỗi lần 1 viên, ngày 3 lần, uống sáng, trưa, tối khi sốt trên 38,5 °C",
    5,
    15,
)
CHILD_FEVER = Line(
    "paracetamol-150-mg-bot-pha-uong",
    "Mỗi lần 1 gói, ngày 3 lần, uống sáng, trưa, tối khi sốt trên 38,5 °C",
    3,
    9,
)
CEFIXIM = Line("cefixim-200-mg-vien-nang", "Mỗi lần 1 viên, ngày 2 lần, uống sáng, tối sau ăn", 7, 14)
ESOMEPRAZOL = Line(
    "esomeprazol-40-mg-vien-nang-bao-tan-o-ruot", "Mỗi lần 1 viên, ngày 1 lần, uống sáng, trước ăn 30 phút", 28, 28
)
DIOSMECTIT = Line("diosmectit-3-g-bot-pha-uong", "Mỗi lần 1 gói pha 50 ml nước, ngày 2 lần, uống xa bữa ăn", 3, 6)
IBUPROFEN = Line("ibuprofen-400-mg-vien-nen", "Mỗi lần 1 viên, ngày 2 lần, uống sáng, tối sau ăn", 5, 10)
ACUTE = (
    Illness("J06.9", "Ho, sổ mũi, sốt", (0, 12), 40, (CHILD_FEVER,), 2.2),
    Illness("J06.9", "Ho, đau họng", (13, 99), 22, (PARACETAMOL,), 1.5),
    Illness("J02.9", "Đau họng, nuốt vướng", (3, 99), 12, (PARACETAMOL,), 1.4),
    Illness("J20.9", "Ho có đờm", (0, 99), 12, (CEFIXIM,), 1.6, 0.35, ("6690-2", "718-7")),
    Illness("A09.9", "Tiêu chảy, đau bụng", (0, 99), 10, (DIOSMECTIT,), 1.0, 0.6),
    Illness("K29.7", "Đau thượng vị, ợ chua", (18, 99), 14, (ESOMEPRAZOL,), 0.0, 0.3),
    Illness("R51", "Đau đầu", (15, 99), 8, (PARACETAMOL,), 0.0, 0.6),
    Illness("L30.9", "Ngứa, nổi mẩn da", (0, 99), 6, (), 0.0, 0.7),
    Illness("H10.9", "Đỏ mắt, ra gỉ", (2, 99), 4, (), 0.0, 0.7),
    Illness("N39.0", "Tiểu buốt, tiểu rắt", (15, 99), 6, (CEFIXIM,), 0.8, 0.2, ("6690-2",)),
    Illness("S61.9", "Vết thương bàn tay do dao", (6, 75), 6, (CEFIXIM, PARACETAMOL), 0.0, 0.5),
    Illness("J18.9", "Sốt cao, ho, khó thở", (0, 99), 4, (CEFIXIM,), 2.5, 0.05, ("6690-2", "718-7")),
)
METFORMIN = Line(
    "metformin-hydroclorid-500-mg-vien-nen-bao-phim",
    "Mỗi lần 1 viên, ngày 2 lần, uống sáng, tối sau ăn",
    30,
    60,
)
AMLODIPIN = Line("amlodipin-5-mg-vien-nang", "Mỗi lần 1 viên, ngày 1 lần, uống sáng", 30, 30)
SALBUTAMOL = Line(
    "salbutamol-100-mcg-lieu-200-lieu-binh-xit-dinh-lieu",
    "Mỗi lần 2 nhát, cách nhau ít nhất 4 giờ, hít khi khó thở",
    30,
    1,
)
CHRONIC = {
    "E11.9": ("Tái khám đái tháo đường", (METFORMIN,), ("4548-4", "14749-6", "14682-9")),
    "I10": ("Tái khám tăng huyết áp", (AMLODIPIN,), ("14682-9", "14647-2")),
    "E78.5": ("Tái khám rối loạn mỡ máu", (), ("14647-2",)),
    "J44.9": ("Khó thở khi gắng sức", (SALBUTAMOL,), ()),
    "J45.9": ("Tái khám hen", (SALBUTAMOL,), ()),
    "M17.9": ("Đau khớp gối", (IBUPROFEN,), ()),
}
# Chương trình tiêm chủng mở rộng: CVX, name, months of age of each dose.
VACCINES = (
    ("08", "Viêm gan B sơ sinh", (0,)),
    ("19", "BCG (lao)", (0,)),
    ("102", "DPT-VGB-Hib", (2, 3, 4)),
    ("02", "Bại liệt (OPV)", (2, 3, 4)),
    ("10", "Bại liệt (IPV)", (5, 9)),
    ("05", "Sởi", (9,)),
    ("39", "Viêm não Nhật Bản", (12, 13)),
    ("04", "Sởi - Rubella", (18,)),
    ("01", "DPT nhắc lại", (18,)),
)


class Course(NamedTuple):
    """Where a person's values lie: baselines that change slowly over the two years."""

    weight: float
    height: float
    systolic: int
    hba1c: float
    cholesterol: float
    creatinine: float


class Doctors(NamedTuple):
    """References to who treats, by facility. measuring: those of the laboratories."""

    by_facility: dict[str, list[r4.Reference]]
    measuring: dict[str, r4.Reference]

    def one(self, rng: Random, facility: str) -> r4.Reference:
        """Someone of the facility."""
        return rng.choice(self.by_facility[facility])


def history(person: Resident, seed: int, today: date, doctors: Doctors) -> Iterator[r4.Resource]:
    """Every past fact of a person, oldest first within each series."""
    if person.card:
        yield clinical.coverage(person)
    if not person.detailed:
        return
    rng = Random(f"history-{seed}-{person.id}")  # noqa: S311 - the same seed must build the same province
    course = _course(rng, person, today)
    first = _moment(rng, today - timedelta(days=PAST_DAYS))
    if person.allergy:
        yield clinical.allergy(person, first)
    for n, code in enumerate(person.chronic):
        yield clinical.condition(person, f"{person.id}-b{n}", code, first)
    yield from _vaccines(person, today)
    for number, (day, codes) in enumerate(_calendar(rng, person, today), start=1):
        yield from _visit(rng, person, number, day, codes, course, today, doctors)


def _course(rng: Random, person: Resident, today: date) -> Course:
    age = person.age(today)
    height = min(112 + 0.5 * age, 158 if person.female else 166) if age > 5 else 50 + 12 * age
    weight = 3.5 + 2.6 * age if age < 14 else rng.gauss(50 if person.female else 57, 6)
    return Course(
        weight=weight,
        height=round(height + rng.gauss(0, 4)) if age > 15 else round(height),
        systolic=round(rng.gauss(152 if "I10" in person.chronic else 100 + min(age, 60) * 0.35, 7)),
        hba1c=rng.uniform(8.2, 9.6) if "E11.9" in person.chronic else 5.4,
        cholesterol=rng.uniform(5.8, 7.2) if "E78.5" in person.chronic else rng.uniform(3.8, 5.4),
        creatinine=rng.gauss(68 if person.female else 82, 8),
    )


def _calendar(rng: Random, person: Resident, today: date) -> list[tuple[date, list[str]]]:
    """Days of visits, oldest first, each with the chronic codes seen to (none: an acute illness)."""
    days: dict[date, list[str]] = {}
    if person.chronic:
        gap = 45 if person.id == CITIZEN else rng.randrange(60, 120)
        for n in range(1, PAST_DAYS // gap):
            days[today - timedelta(days=n * gap + rng.randrange(-6, 7))] = person.chronic
    age = person.age(today)
    for _ in range(rng.choices(range(6), (26, 28, 22, 12, 8, 4) if 5 < age < 60 else (10, 20, 26, 22, 14, 8))[0]):
        days.setdefault(today - timedelta(days=rng.randrange(3, PAST_DAYS)), [])
    at_home = person.birth + timedelta(days=3)
    return sorted((max(day, at_home), codes) for day, codes in days.items() if at_home < today)


def _moment(rng: Random, day: date) -> datetime:
    return datetime.combine(day, time(rng.randrange(7, 16), rng.randrange(60)), HANOI)


def _visit(  # noqa: PLR0917
    rng: Random,
    person: Resident,
    number: int,
    day: date,
    codes: list[str],
    course: Course,
    today: date,
    doctors: Doctors,
) -> Iterator[r4.Resource]:
    age = person.age(day)
    illness = None
    if not codes:
        fitting = [i for i in ACUTE if i.ages[0] <= age <= i.ages[1]]
        illness = rng.choices(fitting, [i.weight for i in fitting])[0]
    station = rng.random() < (illness.station if illness else 0.0)
    facility = person.station if station else person.hospital if rng.random() < 0.85 else places.GENERAL
    doctor = doctors.one(rng, facility)
    start = _moment(rng, day)
    visit = f"{person.id}-k{number}"
    code, reason = (illness.code, illness.reason) if illness else (codes[0], CHRONIC[codes[0]][0])
    end = start + timedelta(minutes=rng.randrange(70, 150))
    yield clinical.encounter(person, visit, start, end, facility, doctor, reason)
    yield clinical.condition(person, f"{visit}-cd", code, start, visit)
    for n, other in enumerate(codes[1:], start=2):
        yield clinical.condition(person, f"{visit}-cd{n}", other, start, visit)
    passed = 1 - (today - day).days / PAST_DAYS
    yield from _vitals(rng, person, visit, start, facility, course, passed, illness.fever if illness else 0.0)
    labs = (
        illness.labs if illness and not station else tuple(dict.fromkeys(lab for c in codes for lab in CHRONIC[c][2]))
    )
    costs = [charges.charge(person, f"{visit}-c0", charges.EXAMINATION, 1, start, visit, facility)]
    ordered, measured = start + timedelta(minutes=15), start + timedelta(minutes=40)
    tests = {lab: f"{visit}-y{n}" for n, lab in enumerate(dict.fromkeys(charges.service_for(one) for one in labs))}
    for n, (code, id_) in enumerate(tests.items()):
        yield charges.order(person, id_, code, ordered, visit, doctor)
        source = f"ServiceRequest/{id_}"
        costs.append(charges.charge(person, f"{visit}-cx{n}", code, 1, ordered, visit, facility, source))
    worker = doctors.measuring.get(facility, doctor)
    yield from _labs(rng, person, visit, measured, facility, course, passed, labs, tests, worker)
    lines = illness.lines if illness else tuple(line for c in codes for line in CHRONIC[c][1])
    for n, line in enumerate(
        (line for line in lines if not (person.allergy and line.drug.startswith(person.allergy))), start=1
    ):
        prescribed, id_ = start + timedelta(minutes=60), f"{visit}-t{n}"
        yield clinical.prescription(person, id_, *line, prescribed, visit, doctor)
        if not charges.is_covered(line.drug):
            continue  # bought outside
        source = f"MedicationRequest/{id_}"
        costs.append(
            charges.charge(person, f"{visit}-ct{n}", line.drug, line.amount, prescribed, visit, facility, source)
        )
    yield from costs
    yield charges.invoice(person, visit, end, facility, costs)


def _vitals(  # noqa: PLR0917
    rng: Random, person: Resident, visit: str, at: datetime, facility: str, course: Course, passed: float, fever: float
) -> Iterator[r4.Resource]:
    """Treated pressure falls over the two years; children grow."""
    warm = rng.uniform(0, fever)
    child = person.age(at.date()) < 14
    weight = course.weight * (0.72 + 0.28 * passed) if child else course.weight + rng.gauss(0, 0.6)
    for n, (code, value) in enumerate(
        (("8867-4", rng.gauss(98 if child else 78, 6) + 8 * warm), ("8310-5", 36.7 + warm), ("29463-7", weight))
    ):
        yield clinical.observation(person, f"{visit}-s{n}", code, value, at, visit, facility)
    if not child:
        systolic = round(course.systolic - (16 * passed if "I10" in person.chronic else 0) + rng.gauss(0, 5))
        yield clinical.blood_pressure(
            person, f"{visit}-ha", systolic, round(systolic * 0.62 + rng.gauss(0, 3)), at, visit
        )


def _labs(  # noqa: PLR0917
    rng: Random,
    person: Resident,
    visit: str,
    at: datetime,
    facility: str,
    course: Course,
    passed: float,
    codes: tuple[str, ...],
    orders: dict[str, str],
    worker: r4.Reference,
) -> Iterator[r4.Resource]:
    """A diabetic's HbA1c comes down under treatment, glucose with it."""
    if not codes:
        return
    hba1c = course.hba1c - (1.7 * passed if "E11.9" in person.chronic else 0) + rng.gauss(0, 0.15)
    values = {
        "4548-4": hba1c,
        "14749-6": 1.59 * hba1c - 2.59 - 2.0 + rng.gauss(0, 0.4),
        "14682-9": course.creatinine + rng.gauss(0, 4),
        "14647-2": course.cholesterol + rng.gauss(0, 0.3),
        "718-7": rng.gauss(134, 10),
        "6690-2": rng.gauss(9.8, 2.2),
    }
    ids = []
    for n, code in enumerate(codes):
        ids.append(f"{visit}-x{n}")
        yield clinical.observation(
            person, ids[-1], code, max(values[code], 0.5), at, visit, facility, order=orders[charges.service_for(code)],
            worker=worker,
        )  # fmt: skip
    named = [*orders.values()]
    yield clinical.report(person, f"{visit}-xn", ids, at, visit, facility, orders=named, worker=worker)


def _vaccines(person: Resident, today: date) -> Iterator[r4.Resource]:
    """Doses of the national programme that have come due; children only."""
    if person.age(today) >= 6:
        return
    n = 0
    for cvx, name, months in VACCINES:
        for dose, month in enumerate(months, start=1):
            day = person.birth + timedelta(days=1 + int(month * 30.44) + (n * 7) % 12)
            n += 1
            if day < today:
                yield clinical.immunization(person, n, cvx, name, dose, datetime.combine(day, time(8), HANOI))
