"""Builds the province, in the order in which its parts need each other, with flat memory."""

from __future__ import annotations

import json
import os
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.utils import timezone

from tuetinh.care.billing import api as billing
from tuetinh.care.insurance import api as insurance
from tuetinh.commons.access import api as access
from tuetinh.commons.access.models import Account
from tuetinh.commons.catalogues import api as catalogues
from tuetinh.node.demo import desks, histories, keys, people, places, staff
from tuetinh.node.serve import Options
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.text import fold

Progress = Callable[[str, int, int], None]  # what, done, of how many
CLIENT = "demo"
BANK = "970436"  # NAPAS number of the bank of the invented accounts
BATCH = 2000  # resources of one transaction, at least
TYPES = [
    "Organization",
    "Location",
    "Practitioner",
    "PractitionerRole",
    "Patient",
    "Coverage",
    "Encounter",
    "Condition",
    "Observation",
    "DiagnosticReport",
    "MedicationRequest",
    "Immunization",
    "AllergyIntolerance",
    "ServiceRequest",
    "ChargeItem",
    "Invoice",
]
HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def build(data: Path, population: int, seed: int, progress: Progress | None = None) -> None:
    """Build the province in the node's database unless it is there already, and let people wait at its desks today.

    data: folder of the node. progress: told what is done; a bar on the terminal by default. A build that was broken off
    goes on where it was, with the population, seed and day that it began with.
    """
    workers = staff.people(seed)
    if not Account.objects.filter(username="reception").exists():
        plan = _plan(data / "keys" / "demo-build.json", population, seed)
        workers = staff.people(plan.seed)
        if progress is None:
            with _Bar() as bar:
                _build(data, plan, workers, bar)
        else:
            _build(data, plan, workers, progress)
    desks.install_analysers()
    desks.install_devices()
    desks.open_today()


class Plan(NamedTuple):
    """What a build makes; kept so that a broken-off build makes the same when it goes on."""

    population: int
    seed: int
    today: date


def _plan(path: Path, population: int, seed: int) -> Plan:
    if path.exists():
        known = json.loads(path.read_text(encoding="utf-8"))
        return Plan(known["population"], known["seed"], date.fromisoformat(known["today"]))
    plan = Plan(population, seed, timezone.now().astimezone(HANOI).date())
    _keep(path, {**plan._asdict(), "today": plan.today.isoformat()})
    return plan


def _build(data: Path, plan: Plan, workers: list[staff.Person], progress: Progress) -> None:
    base = [*places.resources(), *staff.resources(workers)]
    if not _exists("Organization", places.GENERAL):
        for _ in record.load(record.SYSTEM, base, chunk=len(base)):
            progress("Cơ sở, nhân viên", len(base), len(base))
    _prices(plan.today)
    _outside_accounts()
    for done in _load_people(plan, doctors_of(workers)):
        progress("Người dân", done, plan.population)
    record.analyze(TYPES)
    with connection.cursor() as cursor:
        for table in ("identity_person", "identity_number", "identity_word", "identity_seen"):
            cursor.execute(f"ANALYZE {table}")
    _accounts(data, workers)


def _exists(type_: str, id_: str | None) -> bool:
    return bool(id_) and id_ in record.read_many(record.SYSTEM, type_, [str(id_)])


def _load_people(plan: Plan, doctors: histories.Doctors) -> Iterator[int]:
    """Load residents with their past, each batch whole or not at all; yields how many are there."""
    made, fresh = 0, not _exists("Patient", people.CITIZEN)
    batch: list[r4.Resource] = []
    cards: list[insurance.SimulatedCard] = []
    for person in people.residents(plan.population, plan.seed, plan.today):
        batch += [people.patient(person), *histories.history(person, plan.seed, plan.today, doctors)]
        if person.card:
            cards.append(_card(person))
        made += 1
        if len(batch) < BATCH and made < plan.population:
            continue
        fresh = fresh or not _exists("Patient", batch[0].id)
        if fresh:
            insurance.publish_cards(cards)
            for _ in record.load(record.SYSTEM, batch, chunk=len(batch)):
                yield made
        batch, cards = [], []


def _card(person: people.Resident) -> insurance.SimulatedCard:
    return insurance.SimulatedCard(
        number=person.card,
        name=person.name,
        birth=person.birth.isoformat(),
        gender="Nữ" if person.female else "Nam",
        address=person.address,
        facility=person.hospital,
        valid_from=person.valid_from,
        valid_to=person.valid_to,
        cccd=person.cccd,
    )


def _outside_accounts() -> None:
    """What each facility has at the insurer's gateway and at its bank, both simulated here."""
    sign = keys.maker()
    for facility in places.facilities():
        if facility.kind in ("general", "specialised", "district", "clinic", "station"):
            insurance.set_account(facility.id, f"{facility.id}_BV", secrets.token_urlsafe(12))
            insurance.set_key(facility.id, sign(facility.name))
            holder = fold(facility.name).upper()
            billing.set_bank_account(
                facility.id, BANK, f"9990{facility.id}", holder, secrets.token_hex(16), city="LAI CHAU"
            )


def _prices(today: date) -> None:
    """The province's price list."""
    if catalogues.price("", next(iter(catalogues.consultations())).code, today) is None:
        catalogues.load_price_list("", catalogues.starter_prices(), today.replace(month=1, day=1))


def doctors_of(workers: list[staff.Person]) -> histories.Doctors:
    """Who treats people, by facility."""
    found: dict[str, list[r4.Reference]] = defaultdict(list)
    for person in workers:
        if person.desk in ("doctor", "station"):
            found[person.facility].append(r4.Reference(reference=f"Practitioner/{person.id}", display=person.name))
    measuring = {
        person.facility: r4.Reference(reference=f"Practitioner/{person.id}", display=person.name)
        for person in workers
        if person.desk == "lab"
    }
    return histories.Doctors(dict(found), measuring)


def _accounts(data: Path, workers: list[staff.Person]) -> None:
    """Make the accounts, all at once, and write down their passwords for `write_demo_json`."""
    citizen = record.read(record.SYSTEM, "Patient", people.CITIZEN)
    name = citizen.name[0].text or "" if isinstance(citizen, r4.Patient) and citizen.name else ""
    cast: list[dict[str, str]] = []
    colleagues: list[dict[str, str]] = []
    with transaction.atomic():
        for login in staff.logins(workers, people.CITIZEN, name):
            password = "".join(secrets.choice(ALPHABET) for _ in range(10))
            Account.objects.create_account(
                login.username, password, full_name=login.full_name, role=login.desk, facility=login.facility,
                room=login.room, practitioner=login.practitioner, patient=login.patient,
            )  # fmt: skip
            account = {"role": login.desk, "username": login.username, "password": password, "facility": login.facility}
            (cast if login.role else colleagues).append(account)
        cast.sort(key=lambda account: list(access.ROLES).index(account["role"]))
        access.register_sample()
        client = {"id": CLIENT, "secret": access.create_client(CLIENT, "Tuệ Tĩnh demo")}
        _keep(data / "keys" / "demo-accounts.json", {"accounts": cast, "colleagues": colleagues, "client": client})


def write_demo_json(options: Options) -> None:
    """Write `demo.json` of the contract, readable by its owner only: address, ports, who can log in, the client."""
    known = json.loads((options.data / "keys" / "demo-accounts.json").read_text(encoding="utf-8"))
    ports = {
        "mllp": options.mllp_port,
        "astm": options.astm_port,
        "dicom": options.dicom_port,
        "mqtt": options.mqtt_port,
        "gateway": options.gateway_port,
        "bank": options.bank_port,
        "machines": options.machines_port,
    }
    _keep(
        options.data / "demo.json",
        {
            "url": options.url,
            "accounts": known["accounts"],
            "client": known["client"],
            "ports": ports,
            "ae_title": "TUETINH",
        },
    )


def _keep(path: Path, content: dict[str, Any]) -> None:
    """Write a file that only its owner reads; whole or not at all, whenever the process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.touch(mode=0o600)
    part.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)


class _Bar:
    """A progress bar on the terminal."""

    def __enter__(self) -> Progress:
        from rich.progress import Progress as Rich

        self._rich = Rich(transient=True)
        self._tasks: dict[str, Any] = {}
        self._rich.start()
        return self._tell

    def _tell(self, what: str, done: int, total: int) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._rich.add_task(what, total=total)
        self._rich.update(self._tasks[what], completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        self._rich.stop()
