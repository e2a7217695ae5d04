"""The visit that a page is about."""

from __future__ import annotations

from typing import cast

from django.http import Http404, HttpRequest

from tuetinh.care.insurance.errors import NoVisit
from tuetinh.care.insurance.papers.actions import visit_here
from tuetinh.commons.access.api import asker
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.errors import Gone, NotFound


def visit_of(request: HttpRequest, encounter_id: str) -> r4.Encounter:
    """A visit of the facility of whoever asks. Raises Http404."""
    try:
        return visit_here(asker(request), encounter_id)
    except NoVisit as error:
        raise Http404 from error


def seen_visit_of(request: HttpRequest, encounter_id: str) -> r4.Encounter:
    """A visit that is there for whoever asks, wherever it was. Raises Http404."""
    try:
        return cast(r4.Encounter, record.read(asker(request), "Encounter", encounter_id))
    except (NotFound, Gone) as error:
        raise Http404 from error


def patient_of(encounter: r4.Encounter) -> str:
    """Id of the person whose visit it is."""
    return ((encounter.subject.reference or "") if encounter.subject else "").rpartition("/")[2]
