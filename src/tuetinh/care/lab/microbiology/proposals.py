"""Isolates as machines tell them (VITEK, Phoenix and their like, over HL7 v2 or LIS2): kept until a person looks.

An organism comes as a coded result, its antibiotics as results beside it with the same sub-id (OBX-4), known by WHONET
or LOINC code or by name; a zone is in mm, every other number is a minimal inhibitory concentration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from tuetinh.care.lab import facts as lab_facts
from tuetinh.care.lab.catalogue import analytes, tests
from tuetinh.care.lab.machines.messages import Code, Order, Result
from tuetinh.care.lab.microbiology import facts
from tuetinh.care.lab.microbiology.lists import Antibiotic, Organism, find_antibiotic, find_organism
from tuetinh.care.lab.models import IsolateProposal
from tuetinh.care.lab.results.work import Work

_NAMES = frozenset({"ORGANISM", "ORG", "634-6", analytes()["ORGANISM"].loinc, analytes()[facts.CULTURE].loinc})
_SIR = frozenset("SIR")


def note(work: Work, order: Order, machine: str) -> tuple[Order, str]:
    """Keep the isolates that an order tells of a culture of the tube.

    Returns the order with what is left for other benches, and the first organism that nobody knows, or "". What came
    before of the same isolate and nobody has looked at is replaced.
    """
    request, unknown = _culture(work), ""
    if not request:
        return order, ""
    told: dict[int, dict[str, list[Result]]] = {}
    left = []
    for result in order.results:
        kind = "organism" if _is_organism(result) else "test" if _drug(result.code) else ""
        if kind:
            told.setdefault(_place(result.sub_id), {}).setdefault(kind, []).append(result)
        else:
            left.append(result)
    for number, parts in told.items():
        organism = next((found for one in parts.get("organism", ()) if (found := _organism(one))), None)
        if organism is None:
            named = next((one.text for one in parts.get("organism", ())), "")
            unknown = unknown or named or next((one.code.code for one in parts["test"]), "")
            continue
        content = {"organism": organism.code, "tests": list(_tests(parts.get("test", ())))}
        IsolateProposal.objects.update_or_create(
            order=request, number=number, handled_at=None,
            defaults={"tube": work.tube, "machine": machine, "content": content, "at": datetime.now(UTC)},
        )  # fmt: skip
    return replace(order, results=left), unknown


def _culture(work: Work) -> str:
    """The id of the order of the tube's culture, or ""."""
    for id_, order in work.orders.items():
        what = lab_facts.ordered_test(order)
        if what and order.status != "revoked" and facts.is_culture(what):
            return id_
    return ""


def _words(code: Code) -> Iterator[str]:
    yield from (word for word in (code.code, code.alternate, code.text, code.alternate_text) if word)


def _is_organism(result: Result) -> bool:
    loincs = {one.loinc for one in tests() if facts.is_culture(one)}
    return any(word.upper() in _NAMES or word in loincs for word in _words(result.code))


def _organism(result: Result) -> Organism | None:
    said = [*(_words(result.coded) if result.coded else ()), result.text]
    return next((found for word in said if (found := find_organism(word))), None)


def _drug(code: Code) -> Antibiotic | None:
    return next((found for word in _words(code) if (found := find_antibiotic(word))), None)


def _place(sub_id: str) -> int:
    """The isolate of a sub-id: 2 of `2`, `2.1` and `2-7`; 1 where there is none."""
    found = re.match(r"\d+", sub_id)
    return max(1, min(int(found[0]), 99)) if found else 1


def _tests(results: Iterable[Result]) -> Iterator[tuple[str, str, str, str]]:
    for result in results:
        drug = _drug(result.code)
        if drug and result.number is not None:
            method = "disk" if result.unit.lower() == "mm" else "mic"
            sir = next((flag for flag in result.flags if flag in _SIR), "")
            yield drug.code, method, f"{result.comparator}{result.number}", sir
