"""Asks the gateway for earlier visits of the person of a visit, wherever they were claimed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, cast
from zoneinfo import ZoneInfo

from django.core import signing

from tuetinh.care.insurance.actions import connection, question_of
from tuetinh.care.insurance.errors import GatewayRefused
from tuetinh.care.insurance.models import GatewayAccount
from tuetinh.care.insurance.queries import facility_names
from tuetinh.care.insurance.tables import Row, Tables
from tuetinh.care.insurance.visited import patient_of
from tuetinh.commons.catalogues.api import codes
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

HANOI: Final = ZoneInfo("Asia/Ho_Chi_Minh")
_TOLD: Final = signing.Signer(salt="insurance.past")


@dataclass(frozen=True, slots=True)
class Visit:
    """An earlier visit. key: opens it (`one`). came, left: None where the gateway tells no time."""

    key: str
    place: str
    came: datetime | None
    left: datetime | None
    found: str
    result: str


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody looked the card up. place: the facility whose account it was."""

    place: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Past:
    """What the gateway tells of a person. words: its answer about the card; others: who looked, but here."""

    words: str
    visits: list[Visit] = field(default_factory=list)
    others: list[Look] = field(default_factory=list)


def ask(asker: Asker, encounter: r4.Encounter) -> Past:
    """What the gateway knows of the person of a visit. Raises GatewayError, and NoCard where there is no number."""
    patient = cast(r4.Patient, record.read(asker, "Patient", patient_of(encounter)))
    account = _account(asker)
    found = connection(account).card(question_of(patient))
    others = [one for one in found.checks if one.user_kt != account.username]
    places = facility_names({*(one.ma_cskcb for one in found.visits), *(one.user_kt[:5] for one in others)})
    visits = [
        Visit(
            key=_TOLD.sign(f"{encounter.id} {one.ma_ho_so}"),
            place=places.get(one.ma_cskcb, one.ma_cskcb),
            came=moment(one.ngay_vao),
            left=moment(one.ngay_ra),
            found=one.ten_benh,
            result=codes("KET_QUA_DTRI").get(one.kq_dieu_tri, one.kq_dieu_tri),
        )
        for one in found.visits
    ]
    looks = [Look(places.get(one.user_kt[:5], one.user_kt), moment(one.thoi_gian_kt)) for one in others]
    return Past(found.ghi_chu, visits, looks)


def one(asker: Asker, encounter: r4.Encounter, key: str) -> Tables | None:
    """The tables of one of them; None for what `ask` has not told of this person, and for what is no longer there.

    Raises GatewayError.
    """
    try:
        told, _, number = _TOLD.unsign(key).partition(" ")
    except signing.BadSignature:
        return None
    return connection(_account(asker)).visit(number) if told == encounter.id else None


def moment(text: str) -> datetime | None:
    """A time of the gateway, yyyyMMddHHmm; the hour may be absent."""
    for form, length in (("%Y%m%d%H%M", 12), ("%Y%m%d", 8)):
        if len(text) == length and text.isdecimal():
            try:
                return datetime.strptime(text, form).replace(tzinfo=HANOI)
            except ValueError:
                return None
    return None


def place_of(row: Row) -> str:
    """Where a claimed visit was."""
    code = row.get("MA_CSKCB", "")
    return facility_names({code}).get(code, code)


def _account(asker: Asker) -> GatewayAccount:
    account = GatewayAccount.objects.filter(facility=asker.facility).first()
    if account is None:
        raise GatewayRefused
    return account
