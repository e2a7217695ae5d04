"""What the laboratory's tests share: a visit, its askers, and messages of an analyser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest

from tuetinh.care.lab.catalogue import tests
from tuetinh.care.lab.pathology.tables import services, stains
from tuetinh.commons.access import api as access
from tuetinh.commons.access.models import Account
from tuetinh.commons.catalogues.api import PriceRow, load_price_list
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker

ANTIBIOGRAMS = ("24.0006.1723", "24.0007.1723", "24.0008.1722")  # by disk, by machine, a concentration
CBC, GLU = "22.0120.1370", "23.0075.1494"


@dataclass
class World:
    """A visit at the cast's facility."""

    encounter: r4.Encounter
    doctor: Asker
    lab: Asker
    outsider: Asker


@pytest.fixture
def world(cast: dict[str, Account]) -> World:
    """A woman of 40 at the district health centre."""
    codes = {t.code for t in tests()} | {s.code for s in services().values()} | {s.service for s in stains().values()}
    prices = (PriceRow(code, "service", Decimal(20_000)) for code in sorted(codes | set(ANTIBIOGRAMS)))
    load_price_list("12104", prices, date(2020, 1, 1))
    patient = record.create(
        SYSTEM, r4.Patient(gender="female", birthDate="1986-03-01", name=[r4.HumanName(text="Lò Thị Pâng")])
    )
    encounter = record.create(
        SYSTEM,
        r4.Encounter(
            status="in-progress",
            class_=r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code="AMB"),
            subject=record.ref(patient),
            serviceProvider=r4.Reference(reference="Organization/12104"),
        ),
    )
    return World(encounter, *(access.asker_of(cast[role]) for role in ("doctor", "lab", "outsider")))


@pytest.fixture
def oru() -> Callable[..., bytes]:
    """Build the ORU^R01 of an analyser for a tube: `oru("2611…", {"GLU": "5.4"}, control="7")`."""

    def build(number: str, values: dict[str, str], *, control: str = "1", unit: str = "", status: str = "F") -> bytes:
        lines = [
            rf"MSH|^~\&|BS240|LAB|TUETINH|12104|20261121080000||ORU^R01|{control}|P|2.3.1||||||UNICODE UTF-8",
            "PID|1",
            f"OBR|1||{number}|BS240^BS240",
        ]
        for place, (code, value) in enumerate(values.items(), 1):
            kind = "NM" if value.replace(".", "", 1).isdigit() else "ST"
            lines.append(f"OBX|{place}|{kind}|{code}^{code}||{value}|{unit}|||||{status}|||20261121075500")
        return ("\r".join(lines) + "\r").encode()

    return build
