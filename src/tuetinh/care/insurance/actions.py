"""What the desks do: ask the gateway about a card, keep a facility's account, give the simulated gateway its cards."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal, cast

import httpx
from django.db import transaction
from django.utils import timezone

from tuetinh.care.insurance import facts
from tuetinh.care.insurance.errors import GatewayDown, GatewayError, GatewayRefused, NoCard, NoTemporaryCard
from tuetinh.care.insurance.followers import insurance_changed
from tuetinh.care.insurance.gateway import (
    EXPIRED,
    TIMEOUT,
    Answer,
    Credentials,
    Gateway,
    Question,
    forget_tokens,
    md5_password,
)
from tuetinh.care.insurance.models import GatewayAccount, SimulatedCard
from tuetinh.care.insurance.sending.queue import card_came
from tuetinh.care.insurance.sending.signing import Key
from tuetinh.care.insurance.simulator import Card as KnownCard
from tuetinh.commons.identity.api import age, display_name, identifier
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4, seals
from tuetinh.record.asker import Asker

CHILD: Final = 6  # years below which the State insures everybody (group TE)

PURPOSE = "gateway"  # of what is sealed


@dataclass(frozen=True, slots=True)
class CardCheck:
    """What became of a card look-up.

    outcome: `valid`; `invalid` (the gateway says no, see code and words); `queued` (the gateway is down, it is asked
    again by itself); `error` (account refused or a nonsensical answer). The person is received whatever it is.
    """

    outcome: Literal["valid", "invalid", "queued", "error"]
    code: str = ""
    words: str = ""
    card: facts.Card | None = None
    coverage: r4.Coverage | None = None
    response: r4.CoverageEligibilityResponse | None = None


def check_card(asker: Asker, patient_id: str, *, facility: str, encounter: str = "", number: str = "") -> CardCheck:
    """Ask the gateway about a person's insurance and keep question, answer and Coverage in the record.

    number: card, BHXH or personal number to ask with, else the person's own. Raises NoCard when there is none. The
    gateway is asked before anything is locked; when it is down the question is kept and a job asks again.
    """
    patient = cast(r4.Patient, record.read(asker, "Patient", patient_id))
    question = question_of(patient, number)
    found = _ask(facility, question)
    with transaction.atomic():
        request = record.create(asker, facts.request(patient_id, facility, _now(), encounter=encounter))
        check = _keep(asker, request, found)
        if check.outcome == "queued":
            from tuetinh.care.insurance.jobs import ask_again

            ask_again.configure(schedule_in={"seconds": 20}).defer(
                request=request.id, response=cast(r4.CoverageEligibilityResponse, check.response).id, number=number
            )
        if encounter:
            if check.outcome == "valid":
                card_came(encounter)
            publish(f"visit:{encounter}")
    return check


def give_temporary_card(asker: Asker, patient_id: str, *, facility: str, number: str = "") -> str:
    """Keep the temporary card of a child under six, from birth until the sixth birthday; returns its number.

    number: as the insurer's portal gave it; without one it is made: TE, benefit digit 1, the facility's province, and
    ten digits that begin with 00, as no insurance number does. Raises NoTemporaryCard for somebody older or of unknown
    birth, and for a number of another form.
    """
    patient = cast(r4.Patient, record.read(asker, "Patient", patient_id))
    birth = patient.birthDate or ""
    years = age(birth, timezone.localdate()) if len(birth) == 10 else None
    number = number or f"TE1{facility[:2]}00{secrets.randbelow(10**8):08}"
    if years is None or years >= CHILD or not re.fullmatch(r"TE1[0-9]{12}", number):
        raise NoTemporaryCard
    born = date.fromisoformat(birth)
    sixth = date(born.year + CHILD, 3, 1) if (born.month, born.day) == (2, 29) else born.replace(year=born.year + CHILD)
    end = (sixth - timedelta(days=1)).isoformat()
    record.create(asker, facts.temporary_card(patient_id, number, birth, end, facility=facility))
    return number


def finish_check(asker: Asker, request_id: str, response_id: str, number: str = "") -> CardCheck:
    """Ask again what was queued; what was answered since is left alone. Raises GatewayDown when it still is down."""
    request = cast(r4.CoverageEligibilityRequest, record.read(asker, "CoverageEligibilityRequest", request_id))
    response = cast(r4.CoverageEligibilityResponse, record.read(asker, "CoverageEligibilityResponse", response_id))
    if response.outcome != "queued":
        return CardCheck("valid" if not response.error else "invalid", response=response)
    patient_id = _id(request.patient)
    patient = cast(r4.Patient, record.read(asker, "Patient", patient_id))
    found = _ask(_id(request.provider), question_of(patient, number))
    if isinstance(found, GatewayDown):
        raise found
    with transaction.atomic():
        check = _keep(asker, request, found, queued=response)
        for info in request.supportingInfo or []:
            if check.outcome == "valid":
                card_came(_id(info.information))
            publish(f"visit:{_id(info.information)}")
    return check


def question_of(patient: r4.Patient, number: str = "") -> Question:
    """What the gateway is asked about a person: card, else BHXH number, else personal number."""
    numbers = (number, *(identifier(patient, kind) for kind in ("card", "bhxh", "cccd")))
    known = next((n for n in numbers if n), "")
    if not known:
        raise NoCard
    birth = patient.birthDate or ""
    return Question(
        known, display_name(patient), "/".join(reversed(birth.split("-"))) if len(birth) == 10 else birth[:4]
    )


def set_account(facility: str, username: str, password: str, *, officer: str = "", officer_cccd: str = "") -> None:
    """Keep a facility's gateway account; the password is stored encrypted, in the only form that is ever sent."""
    values = {
        "username": username,
        "secret": seals.seal(PURPOSE, md5_password(password).encode()),
        "officer": officer,
        "officer_cccd": officer_cccd,
    }
    GatewayAccount.objects.update_or_create(facility=facility, defaults=values)
    forget_tokens()


def connection(account: GatewayAccount, timeout: httpx.Timeout = TIMEOUT) -> Gateway:
    """The connection of a facility. Raises GatewayRefused where its password was sealed by another node's key."""
    secret = seals.unseal(PURPOSE, account.secret)
    if secret is None:
        raise GatewayRefused
    return Gateway(
        Credentials(account.username, secret.decode(), account.officer, account.officer_cccd), timeout=timeout
    )


def set_key(facility: str, key: Key) -> None:
    """Keep what a facility signs its files with, encrypted."""
    values = {"key": seals.seal(PURPOSE, key.secret.encode()), "signer": key.subject, "until": key.until}
    GatewayAccount.objects.filter(facility=facility).update(**values)


def publish_cards(cards: Iterable[KnownCard]) -> int:
    """Tell the simulated gateway its cards, in bulk; a card that it knows is replaced. Returns how many."""
    rows = [SimulatedCard(**asdict(card), bhxh=card.number[-10:]) for card in cards]
    fields = [f.name for f in SimulatedCard._meta.fields if not f.primary_key]
    SimulatedCard.objects.bulk_create(
        rows, batch_size=2000, update_conflicts=True, unique_fields=["number"], update_fields=fields
    )
    return len(rows)


def _ask(facility: str, question: Question) -> Answer | GatewayError:
    account = GatewayAccount.objects.filter(facility=facility).first()
    try:
        if account is None:
            raise GatewayRefused
        return connection(account).card(question)
    except GatewayError as error:
        return error


def _keep(
    asker: Asker,
    request: r4.CoverageEligibilityRequest,
    found: Answer | GatewayError,
    queued: r4.CoverageEligibilityResponse | None = None,
) -> CardCheck:
    now = _now()
    if isinstance(found, GatewayError):
        outcome = "queued" if isinstance(found, GatewayDown) else "error"
        response = facts.response(request, outcome=outcome, now=now, words=str(found))
        return CardCheck(outcome, found.code, str(found), response=_store(asker, response, queued))  # type: ignore[arg-type]
    code, words = found.ma_ket_qua, facts.result_words(found.ma_ket_qua)
    coverage = _store_coverage(asker, found, _id(request.patient)) if found.gt_the_tu or found.ma_the_moi else None
    if coverage is not None:
        first = coverage.meta is not None and coverage.meta.versionId == "1"
        insurance_changed(_id(request.patient), settled=first)
    inforce = found.valid or (code != EXPIRED and coverage is not None and coverage.status == "active")
    response = facts.response(
        request, outcome="complete", now=now, code=code, words=words, coverage=coverage, inforce=inforce
    )
    return CardCheck(
        "valid" if inforce else "invalid",
        code,
        words,
        facts.card(coverage) if coverage else None,
        coverage,
        _store(asker, response, queued),
    )


def _store(
    asker: Asker, response: r4.CoverageEligibilityResponse, queued: r4.CoverageEligibilityResponse | None
) -> r4.CoverageEligibilityResponse:
    if queued is None:
        return record.create(asker, response)
    response.id = queued.id
    version = int(queued.meta.versionId) if queued.meta and queued.meta.versionId else None
    return record.update(asker, response, version)


def _store_coverage(asker: Asker, answer: Answer, patient: str) -> r4.Coverage:
    fresh = facts.coverage(answer, patient, today=timezone.localdate())
    page = record.search(asker, "Coverage", f"beneficiary=Patient/{patient}&_count=50")
    for old in cast("list[r4.Coverage]", page.resources):
        if facts.card(old).number == fresh.subscriberId:
            fresh.id = old.id
            facts.keep_paper(fresh, old)
            same = _without_meta(old) == r4.encode(fresh)
            return old if same else record.update(asker, fresh)
    return record.create(asker, fresh)


def _without_meta(resource: r4.Coverage) -> bytes:
    """The resource as bytes without what the store adds, to see whether anything changed."""
    copy = cast(r4.Coverage, r4.decode(r4.encode(resource)))
    copy.meta = None
    return r4.encode(copy)


def _id(reference: r4.Reference | None) -> str:
    return (reference.reference or "").rpartition("/")[2] if reference else ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
