"""Issuing a paper, and taking it back: one transaction with its number and with what others act on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import cast

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tuetinh.care.insurance.checks import field_problems
from tuetinh.care.insurance.entitlement import law
from tuetinh.care.insurance.errors import BadPaper, MayNotIssue, NoVisit
from tuetinh.care.insurance.filling.reading import search_all
from tuetinh.care.insurance.followers import insurance_changed
from tuetinh.care.insurance.models import PaperNumber
from tuetinh.care.insurance.papers.catalogue import REFERRAL, Paper
from tuetinh.care.insurance.papers.facts import appointment, referral, response
from tuetinh.care.insurance.papers.queries import referral_order
from tuetinh.care.insurance.queries import facility_of
from tuetinh.care.insurance.sending.queue import claim_is_changed
from tuetinh.care.insurance.situations import FacilityFacts
from tuetinh.care.insurance.situations import facility as facility_facts
from tuetinh.commons.catalogues.api import after_working_days
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import Gone, NotFound

ISSUERS = frozenset({"doctor", "station"})
LONGEST, LONGEST_TB, LONGEST_LOST, LONGEST_REST = 30, 180, 50, 280
GONE = "entered-in-error"
LATE_LOSS = 13  # weeks of pregnancy
TB_CODES = re.compile(r"A1[5-9]|B90")


def visit_here(asker: Asker, encounter_id: str) -> r4.Encounter:
    """A visit of the asker's own facility. Raises NoVisit."""
    try:
        encounter = cast(r4.Encounter, record.read(asker, "Encounter", encounter_id))
    except (NotFound, Gone) as error:
        raise NoVisit from error
    provider = encounter.serviceProvider.reference if encounter.serviceProvider else ""
    if (provider or "").rpartition("/")[2] != asker.facility:
        raise NoVisit
    return encounter


@transaction.atomic
def issue(
    asker: Asker, encounter_id: str, paper: Paper, answers: Mapping[str, str], *, place: int = 1, diagnosis: str = "",
    yearly: bool = False,
) -> r4.QuestionnaireResponse:  # fmt: skip
    """Issue a paper of a visit, or change it; place: which, of those that a visit has several of.

    answers: by field, as the table writes them. diagnosis: principal ICD-10 code. yearly: a referral that holds for a
    year (TT 01/2025, annex III), else for one visit. Raises NoVisit, MayNotIssue, and BadPaper with what is wrong by
    field.
    """
    if asker.role not in ISSUERS:
        raise MayNotIssue
    encounter = visit_here(asker, encounter_id)
    given = {name: value for name in paper.asked if (value := answers.get(name, "").strip())}
    if wrong := faults(paper, given, diagnosis):
        raise BadPaper(wrong)
    id_ = paper_id(encounter_id, paper, place)
    _lock(id_)
    old = cast("r4.QuestionnaireResponse | None", record.read_many(asker, "QuestionnaireResponse", [id_]).get(id_))
    here = facility_of(asker, encounter)
    number = (old.identifier.value if old and old.identifier else None) or next_number(asker.facility, paper.code)
    who = r4.Reference(reference=f"Practitioner/{asker.practitioner}") if asker.practitioner else None
    made = response(paper, id_, encounter, given, number=number, now=_now(), author=who)
    _keep(asker, made, old)
    if paper is REFERRAL:
        _refer(asker, made, encounter, given, here, yearly=yearly)
        insurance_changed((made.subject.reference or "").rpartition("/")[2] if made.subject else "", settled=True)
    claim_is_changed(encounter_id, _("Cấp hoặc sửa giấy sau khi gửi: gửi lại."))
    publish(f"visit:{encounter_id}")
    return made


@transaction.atomic
def withdraw(asker: Asker, encounter_id: str, paper: Paper, *, place: int = 1) -> None:
    """Take a paper back that was issued in error; it stays in the record as that. Raises NoVisit, MayNotIssue."""
    if asker.role not in ISSUERS:
        raise MayNotIssue
    visit_here(asker, encounter_id)
    id_ = paper_id(encounter_id, paper, place)
    _lock(id_)
    for type_, own in (("QuestionnaireResponse", id_), ("ServiceRequest", f"{id_}-order")):
        found = record.read_many(asker, type_, [own]).get(own)
        if found is not None:
            found.status = GONE  # type: ignore[attr-defined]
            record.update(asker, found)
            if type_ == "ServiceRequest":
                insurance_changed((found.subject.reference or "").rpartition("/")[2], settled=True)  # type: ignore[attr-defined]
    claim_is_changed(encounter_id, _("Thu hồi giấy sau khi gửi: gửi lại."))
    publish(f"visit:{encounter_id}")


def see_again(asker: Asker, encounter: r4.Encounter, day: str) -> None:
    """Give, move or ("") call off the appointment to be seen again after a visit; inside the caller's transaction."""
    id_ = f"{encounter.id}-revisit"
    old = cast("r4.Appointment | None", record.read_many(asker, "Appointment", [id_]).get(id_))
    if not day and old is None:
        return
    number = (old.identifier[0].value if old and old.identifier else None) or next_number(asker.facility, "HK")
    who = r4.Reference(reference=f"Practitioner/{asker.practitioner}") if asker.practitioner else None
    made = appointment(encounter, day, number=number, now=_now(), author=who)
    if old is not None and not day:
        made.start, made.end = old.start, old.end
    _keep(asker, made, old)


def faults(paper: Paper, answers: Mapping[str, str], diagnosis: str = "") -> dict[str, str]:
    """What is wrong with answers, by field: as the description of the table has it, and the length of a leave."""
    row, wrong, today = dict(answers), {}, timezone.localdate().isoformat()
    for name, field in paper.fields().items():
        if found := [words for _code, words in field_problems(field, row, today)]:
            wrong[name] = found[0]
    if paper.days and (told := row.get(paper.days[2], "")) and paper.days[2] not in wrong:
        most = _longest(paper, row, diagnosis)
        if not (told.isdigit() and 0 < int(told) <= most):
            wrong[paper.days[2]] = _("Một giấy cho nghỉ từ 1 đến %(most)d ngày.") % {"most": most}
    return wrong


def _longest(paper: Paper, row: Mapping[str, str], diagnosis: str) -> int:
    """Days of leave that one paper may give (QĐ 3176, bảng 11, trường 13)."""
    if paper.table == "XML10":
        return LONGEST_REST
    weeks = row.get("TUOI_THAI", "")
    if row.get("MA_DINH_CHI_THAI") == "1" and weeks.isdigit() and int(weeks) >= LATE_LOSS:
        return LONGEST_LOST
    return LONGEST_TB if TB_CODES.match(diagnosis) else LONGEST


def paper_id(encounter_id: str, paper: Paper, place: int = 1) -> str:
    """Id of a paper of a visit: the same however often it is changed."""
    return f"{encounter_id}-{paper.code.lower()}" + (f"{place}" if paper.many else "")


def next_number(facility: str, kind: str) -> str:
    """The next number of a kind of paper of a facility in this year, without gaps: `26/CT/000123`."""
    year = timezone.localdate().year
    row, _made = PaperNumber.objects.select_for_update().get_or_create(facility=facility, kind=kind, year=year)
    row.last += 1
    row.save(update_fields=["last"])
    return f"{year % 100}/{kind}/{row.last:06}"


def _refer(
    asker: Asker,
    paper: r4.QuestionnaireResponse,
    encounter: r4.Encounter,
    answers: Mapping[str, str],
    here: FacilityFacts,
    *,
    yearly: bool,
) -> None:
    """The referral as an order, which the other facility finds when the person comes."""
    to = destination(answers["MA_CSKCB_DEN"])
    old = referral_order(asker, paper.id or "")
    since = timezone.localdate()  # a paper that is changed in its words is not given anew
    if old is not None and old.status != GONE and old.occurrencePeriod and old.occurrencePeriod.start:
        since = date.fromisoformat(old.occurrencePeriod.start[:10])
    days = law()["referral_days_of_a_year"]
    last = since + timedelta(days=days) if yearly else after_working_days(since, law()["referral_working_days"])
    order = referral(
        paper, encounter, to, answers["MA_LYDO_CT"], of=here.code, since=since.isoformat(), until=last.isoformat()
    )
    if old is not None and old.status == "completed":  # it was used since
        order.status = old.status
    _keep(asker, order, old)


def destination(code: str) -> r4.Organization:
    """The facility of a code (MA_CSKCB): of the record, else one that is only named."""
    return facilities().get(code) or r4.Organization(id=code, name=code)


def facilities() -> dict[str, r4.Organization]:
    """The facilities that care for people, by MA_CSKCB."""
    found = search_all(SYSTEM, r4.Organization, "active=true")
    named = {facility_facts(one, one.id or "").code: one for one in found}
    return {code: one for code, one in named.items() if re.fullmatch(r"[0-9]{2}[0-9A-Z]{3}", code)}


def _keep(asker: Asker, resource: r4.Resource, old: r4.Resource | None) -> None:
    (record.update if old is not None else record.create)(asker, resource)


def _lock(id_: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"insurance.paper {id_}"])


def _now() -> str:
    return timezone.localtime().isoformat(timespec="seconds")
