"""What a page is asked for: the visit of its address, the row or the count that its form names."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.http import Http404

from tuetinh.care.lab.facts import id_of
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.errors import Gone, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuetinh.record.asker import Asker


def person_of(asker: Asker, encounter_id: str) -> str:
    """The id of the person of a visit of the asker's facility. Raises Http404."""
    try:
        visit = cast(r4.Encounter, record.read(asker, "Encounter", encounter_id))
    except (NotFound, Gone) as error:
        raise Http404 from error
    if id_of(visit.serviceProvider) not in ("", asker.facility):
        raise Http404
    return id_of(visit.subject)


def number_in(told: Mapping[str, str], name: str) -> int:
    """The whole number of a field: 0 where it is empty, -1, which no row has, for what is none."""
    text = told.get(name, "").strip()
    return (int(text) if text.isdecimal() and len(text) < 19 else -1) if text else 0
