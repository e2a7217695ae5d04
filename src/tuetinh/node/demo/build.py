"""Builds the province, in the order in which its parts need each other, with flat memory."""

from __future__ import annotations

import json
import os
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.utils import timezone

from tuetinh.care.insurance import api as insurance
from tuetinh.commons.access import api as access
from tuetinh.commons.access.models import Account
from tuetinh.commons.catalogues import api as catalogues
from tuetinh.node.demo import histories, people, places, staff
from tuetinh.node.serve import Options
from tuetinh.record import api as record
from tuetinh.record import r4

Progress = Callable[[str, int, int], None]  # what, done, of how many
CLIENT = "demo"
CARDS = 1000
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
]
HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def build(data: Path, population: int, seed: int, progress: Progress | None = None) -> None:
    """Build the province in the node's database unless it is there already.

    data: folder of the node. progress: told what is done; a bar on the terminal by default. An interrupted build is
    told by its missing accounts and refused: the record never deletes.
    """
    if Account.objects.filter(username="reception").exists():
        return
    if progress is None:
        with _Bar() as bar:
            _build(data, population, seed, bar)
    else:
        _build(data, population, seed, progress)


def _build(data: Path, population: int, seed: int, progress: Progress) -> None:
    today = timezone.now().astimezone(HANOI).date()
    workers = staff.people(seed)
    base = [*places.resources(), *staff.resources(workers)]
    if not _exists(places.GENERAL):
        for done in record.load(record.SYSTEM, base):
            progress("Cơ sở, nhân viên", done, len(base))
    _prices(today)
    doctors = _doctors(workers)
    cards: list[insurance.SimulatedCard] = []
    if not _exists(people.CITIZEN, "Patient"):
        for done in _load_people(population, seed, today, doctors, cards):
            progress("Người dân", done, population)
    record.analyze(TYPES)
    with connection.cursor() as cursor:
        for table in ("identity_person", "identity_number", "identity_word", "identity_seen"):
            cursor.execute(f"ANALYZE {table}")
    _accounts(data, workers)


def _exists(id_: str, type_: str = "Organization") -> bool:
    return id_ in record.read_many(record.SYSTEM, type_, [id_])


def _load_people(
    population: int, seed: int, today: Any, doctors: histories.Doctors, cards: list[insurance.SimulatedCard]
) -> Iterator[int]:
    """Load residents with their past; yields how many are stored."""
    made = 0

    def resources() -> Iterator[r4.Resource]:
        nonlocal made
        for person in people.residents(population, seed, today):
            yield people.patient(person)
            yield from histories.history(person, seed, today, doctors)
            if person.card:
                cards.append(_card(person))
                if len(cards) >= CARDS:
                    _publish(cards)
            made += 1

    for _ in record.load(record.SYSTEM, resources()):
        yield made
    _publish(cards)


def _publish(cards: list[insurance.SimulatedCard]) -> None:
    insurance.publish_cards(cards)
    cards.clear()


def _card(person: people.Resident) -> insurance.SimulatedCard:
    return insurance.SimulatedCard(
        number=person.card, name=person.name, birth=person.birth.isoformat(), gender="Nữ" if person.female else "Nam",
        address=person.address, facility=person.hospital, valid_from=person.valid_from, valid_to=person.valid_to,
        cccd=person.cccd,
    )  # fmt: skip


def _prices(today: Any) -> None:
    """The province's price list."""
    if catalogues.price("", next(iter(catalogues.consultations())).code, today) is None:
        catalogues.load_price_list("", catalogues.starter_prices(), today.replace(month=1, day=1))


def _doctors(workers: list[staff.Person]) -> histories.Doctors:
    found: dict[str, list[r4.Reference]] = defaultdict(list)
    for person in workers:
        if person.desk in ("doctor", "station"):
            found[person.facility].append(r4.Reference(reference=f"Practitioner/{person.id}", display=person.name))
    return histories.Doctors(dict(found))


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
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    os.chmod(path, 0o600)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


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
