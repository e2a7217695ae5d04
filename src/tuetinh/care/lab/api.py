"""What other modules may call of the laboratory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from tuetinh.care.lab import facts, queries
from tuetinh.care.lab.actions import cancel_orders, order_tests
from tuetinh.care.lab.catalogue import Analyte, Test, search_tests, test, tests
from tuetinh.care.lab.errors import LabError
from tuetinh.care.lab.machines.analysers import listed as analysers
from tuetinh.care.lab.machines.analysers import save as save_analyser
from tuetinh.care.lab.machines.analysers import teach as teach_analyser
from tuetinh.care.lab.machines.folders import watch_folders
from tuetinh.care.lab.machines.listener import serve_lis1, serve_mllp
from tuetinh.care.lab.microbiology.facts import is_interim, read_isolate
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.queries import Result, read_result
from tuetinh.care.lab.results.book import in_force
from tuetinh.care.lab.results.pictures import of_reports
from tuetinh.care.lab.results.previous import history
from tuetinh.care.lab.results.rules import Formula
from tuetinh.care.lab.samples.actions import hurry
from tuetinh.care.lab.samples.orders import further as further_tests
from tuetinh.care.lab.samples.queries import refusals
from tuetinh.care.lab.samples.standing import Again, ordered_lately, profiles
from tuetinh.care.lab.words import FLAGS, STAGES, plain_flag
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.sight import EVERYTHING

if TYPE_CHECKING:
    from tuetinh.record.asker import Asker

__all__ = [
    "FLAGS",
    "STAGES",
    "Again",
    "Analyte",
    "LabError",
    "Result",
    "Test",
    "analysers",
    "awaited",
    "cancel_orders",
    "further_tests",
    "hurry",
    "order_tests",
    "ordered_lately",
    "orders",
    "plain_flag",
    "profiles",
    "read_result",
    "refusals",
    "results",
    "save_analyser",
    "search_tests",
    "serve_lis1",
    "serve_mllp",
    "teach_analyser",
    "test",
    "tests",
    "trend",
    "tubes",
    "visit_results",
    "watch_folders",
]


def tubes(encounter: str) -> list[Tube]:
    """The tubes of a visit: `number`, `stage` (see STAGES), `orders`, `critical`."""
    return list(Tube.objects.filter(encounter=encounter).order_by("ordered_at", "id"))


def orders(asker: Asker, encounter: str) -> list[r4.ServiceRequest]:
    """The laboratory orders of a visit, in the order in which they were made."""
    return _orders_of(asker, tubes(encounter))


def _orders_of(asker: Asker, of: list[Tube]) -> list[r4.ServiceRequest]:
    ids = [id_ for tube in of for id_ in tube.orders]
    found = cast("dict[str, r4.ServiceRequest]", record.read_many(asker, "ServiceRequest", ids))
    return [found[id_] for id_ in ids if id_ in found]


def awaited(encounter: str) -> set[str]:
    """What the tests of a visit are ordered by (`Test.pick`) whose specimen the laboratory has not received yet."""
    ids = [id_ for tube in tubes(encounter) if tube.stage == Tube.Stage.ORDERED for id_ in tube.orders]
    found = cast("dict[str, r4.ServiceRequest]", record.read_many(SYSTEM, "ServiceRequest", ids))
    active = (order for order in found.values() if order.status == "active")
    return {what.pick for order in active if (what := facts.ordered_test(order))}


def visit_results(asker: Asker, encounter: str, *, preliminary: bool = False) -> list[Result]:
    """The released results of a visit in the order of its tests; with `preliminary` also those not yet released.

    The facility of the visit sees all of them, also what another laboratory has told after its end.
    """
    drawn = tubes(encounter)
    if any(tube.facility != asker.facility for tube in drawn) and _is_here(asker, encounter):
        asker = replace(asker, sight=EVERYTHING)
    found = _orders_of(asker, drawn)
    formulas = [rule for rule in in_force(asker.facility).rules.values() if isinstance(rule, Formula)]
    named = {}
    for order in found:
        if what := facts.ordered_test(order):
            keys = [a.key for a in what.analytes]
            keys += [rule.analyte for rule in formulas if rule.host in keys]
            named |= {facts.observation_id(order.id or "", key): what.name for key in keys}
    read = cast("dict[str, r4.Observation]", record.read_many(asker, "Observation", named))
    shown = [read[id_] for id_ in named if id_ in read and (preliminary or _told(read[id_]))]
    grown = [id_ for result in shown for id_ in facts.members(result)]
    members = cast("dict[str, r4.Observation]", record.read_many(asker, "Observation", grown)) if grown else {}
    images = of_reports(asker, [order.id or "" for order in found]) if shown else {}
    return [
        replace(
            queries.read_result(result),
            pictures=tuple(images.pop(next((facts.id_of(one) for one in result.basedOn or []), ""), ())),
            test=named[result.id or ""],
            isolates=tuple(read_isolate(members[id_]) for id_ in facts.members(result) if id_ in members),
        )
        for result in shown
    ]


def _is_here(asker: Asker, encounter: str) -> bool:
    visit = cast("r4.Encounter | None", record.read_many(asker, "Encounter", [encounter]).get(encounter))
    return bool(visit and asker.facility and facts.id_of(visit.serviceProvider) == asker.facility)


def _told(result: r4.Observation) -> bool:
    """Whether the laboratory has handed a result out, be it as the preliminary report of a culture."""
    return result.status != "preliminary" or is_interim(result)


def results(asker: Asker, patient: str, limit: int = 50) -> list[Result]:
    """The newest released laboratory results of a person, of every facility and source."""
    query = f"patient=Patient/{patient}&category=laboratory&status=final,amended,corrected&_sort=-date"
    page = record.search(asker, "Observation", f"{query}&_count={min(limit, 200)}")
    return [queries.read_result(cast(r4.Observation, r)) for r in page.resources]


def trend(asker: Asker, patient: str, loinc: str) -> list[Result]:
    """The released results of one LOINC code, oldest first."""
    found = history(asker, patient, [loinc]).get(loinc, [])
    return [queries.read_result(r) for r in reversed(found)]
