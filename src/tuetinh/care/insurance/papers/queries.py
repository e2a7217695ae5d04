"""The papers and the appointment of a visit."""

from __future__ import annotations

from typing import cast

from tuetinh.care.insurance.filling.summary import principal
from tuetinh.care.insurance.filling.visit import gather
from tuetinh.care.insurance.papers.catalogue import PAPERS, Paper
from tuetinh.care.insurance.papers.facts import Answered, read
from tuetinh.care.insurance.rules.desk import RULES
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker


def issued(asker: Asker, encounter_id: str) -> dict[str, list[Answered]]:
    """The papers of a visit that stand, by their name."""
    page = record.search(asker, "QuestionnaireResponse", f"encounter=Encounter/{encounter_id}&_count=100")
    return read(cast("list[r4.QuestionnaireResponse]", page.resources))


def place_of(paper: Paper, one: Answered) -> int:
    """Which it is of the papers of its kind in a visit, from 1."""
    return int(one.id.rpartition(paper.code.lower())[2]) if paper.many else 1


def issued_in(asker: Asker, encounter_id: str) -> list[tuple[Paper, int]]:
    """The papers of a visit that stand, each with its place."""
    standing = issued(asker, encounter_id)
    return [(PAPERS[name], place_of(PAPERS[name], one)) for name, ones in standing.items() for one in ones]


def appointment(asker: Asker, encounter_id: str) -> r4.Appointment | None:
    """The appointment to be seen again after a visit."""
    id_ = f"{encounter_id}-revisit"
    found = cast("r4.Appointment | None", record.read_many(asker, "Appointment", [id_]).get(id_))
    return found if found is not None and found.status != "cancelled" else None


def referral_order(asker: Asker, paper_id: str) -> r4.ServiceRequest | None:
    """What a referral paper orders."""
    id_ = f"{paper_id}-order"
    return cast("r4.ServiceRequest | None", record.read_many(asker, "ServiceRequest", [id_]).get(id_))


def principal_code(asker: Asker, encounter_id: str) -> str:
    """The principal ICD-10 code of a visit."""
    del asker  # what the visit is for is asked of the record as the rules of insurance ask
    return principal(gather(RULES, encounter_id)[0])
