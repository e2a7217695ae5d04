"""The ZIP of a de-identified export: NDJSON by type, tables of counts, and the report over the quasi-identifiers.

The people are read twice: once to see how large the groups are, then to be written as far as the plan tells of them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from typing import IO, Any, Final
from zipfile import ZIP_DEFLATED, ZipFile

import msgspec
from django.db import connection
from django.utils import timezone

from tuetinh.commons.documents.api import pdf
from tuetinh.governance.privacy.deidentify import elements, groups, tables
from tuetinh.governance.privacy.deidentify.elements import Secret
from tuetinh.governance.privacy.models import ConsentGiven, ResearchExport
from tuetinh.governance.privacy.purposes import register
from tuetinh.record import api as record
from tuetinh.record import labels
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.sight import EVERYTHING, Sight
from tuetinh.record.steps import enter

BATCH: Final = 200
DECADES: Final = 10
_DENIED: Final = """SELECT DISTINCT patient FROM record.denial
WHERE patient = ANY (%s) AND facility = '' AND purpose IN ('', %s)
  AND since <= now() AND until > now()"""
# Antiretrovirals (ATC J05AE, J05AG, J05AR and part of J05AF, J05AJ, J05AX): whoever takes them is known by them, some
# for hepatitis B.
_ANTIRETROVIRALS: Final = re.compile(
    rb"J05A[EGR]|J05AF0[1-7]|J05AF0?9|J05AF11|J05AF13|J05AJ0|J05AX0[79]|J05AX1[23]|abacavir|atazanavir|darunavir"
    rb"|didanosin|dolutegravir|efavirenz|emtricitabin|etravirin|lamivudin|lopinavir|nevirapin|raltegravir|rilpivirin"
    rb"|ritonavir|stavudin|tenofovir|zidovudin",
    re.IGNORECASE,
)
_encoder = msgspec.json.Encoder(decimal_format="number")


def _labels(body: bytes) -> int:
    """The labels of a resource; what tells of a treatment of HIV has the label of HIV."""
    treats = body.startswith(b'{"resourceType":"Medication') and _ANTIRETROVIRALS.search(body)
    return labels.of(body) | (labels.BITS["HIV"] if treats else 0)


class Work:
    """One export at work. `report` tells what came out of it."""

    def __init__(self, wanted: ResearchExport, secret: Secret) -> None:
        self._wanted, self._secret = wanted, secret
        self._today = timezone.localdate()
        self._allowed = sum(labels.BITS[name] for name in wanted.labels.split())
        # Labelled rows are hidden from whoever stands in no relation; where some are allowed, they are chosen here.
        sight = EVERYTHING if self._allowed else Sight(whole="*")
        self._asker: Asker = replace(SYSTEM, account=f"research:{wanted.pk}", purpose=wanted.purpose, sight=sight)
        purpose = register.now().get(wanted.purpose)
        self._consent = purpose is not None and purpose.ground == "consent"
        self._left_out: set[str] = set()
        self._ages: Counter[tuple[int, str]] = Counter()
        self._diagnoses: Counter[tuple[str, str]] = Counter()
        self._counted: set[int] = set()
        self.report: dict[str, Any] = {}

    def write(self, file: IO[bytes]) -> None:
        """Write it all."""
        plan = groups.plan(
            (elements.quasi(one, self._secret, self._today) for one in self._rows("Patient")), self._wanted.k
        )
        counts: dict[str, int] = {}
        with ZipFile(file, "w", ZIP_DEFLATED) as into:
            counts["Patient"] = self._type(into, "Patient", plan)
            for type_ in self._wanted.types.split():
                if type_ != "Patient" and (count := self._type(into, type_, plan)):
                    counts[type_] = count
            self._tell(plan, counts)
            self._table(into, "bang-tuoi-gioi.csv", self._ages)
            self._table(into, "bang-chan-doan-nam.csv", self._diagnoses)
            into.writestr("bao-cao.json", json.dumps(self.report, ensure_ascii=False, indent=1))
            into.writestr(
                "bao-cao.pdf", pdf("privacy/deidentified.typ", {"facility": {"name": "Sở Y tế"}, **self.report})
            )

    def _rows(self, type_: str) -> Iterator[dict[str, Any]]:
        """The resources of a type of people who may be in the export, labelled ones only where it may have them."""
        bodies = record.bodies(self._asker, type_)
        while batch := list(islice(bodies, BATCH)):
            rows = [json.loads(body, parse_float=Decimal) for body in batch if not _labels(body) & ~self._allowed]
            may = self._eligible({elements.patient_of(row) for row in rows} - {""})
            yield from (row for row in rows if elements.patient_of(row) in may)

    def _eligible(self, people: set[str]) -> set[str]:
        """Those of them who have not forbidden the purpose and, where it needs that, have agreed to it."""
        enter(SYSTEM)
        with connection.cursor() as cursor:
            cursor.execute(_DENIED, [list(people), self._wanted.purpose])
            people = people - {row[0] for row in cursor.fetchall()}
        if self._consent:
            given = ConsentGiven.objects.filter(
                patient__in=people, text__code=self._wanted.purpose, withdrawn=None
            ).values_list("patient", "consent")
            known = record.read_many(SYSTEM, "Consent", [consent for _, consent in given])
            people = {one for one, consent in given if getattr(known.get(consent), "status", "") == "active"}
        return people - self._left_out

    def _type(self, into: ZipFile, type_: str, plan: groups.Plan) -> int:
        count = 0
        with into.open(f"{type_}.ndjson", "w", force_zip64=True) as file:
            for row in self._rows(type_):
                made = self._person(row, plan) if type_ == "Patient" else elements.deidentified(row, self._secret)
                if made is None:
                    self._left_out.add(row["id"])
                    continue
                if type_ == "Condition":
                    self._diagnosed(elements.patient_of(row), made)
                file.write(_encoder.encode(made) + b"\n")
                count += 1
        return count

    def _person(self, row: dict[str, Any], plan: groups.Plan) -> dict[str, Any] | None:
        """A Patient as far as the plan tells of them."""
        told = plan.told(elements.quasi(row, self._secret, self._today))
        if told is None:
            return None
        made = elements.deidentified(row, self._secret)
        for name in ("gender", "birthDate", "address"):
            made.pop(name, None)
        place = {name: code for name, code in (("city", told.commune), ("state", told.province)) if code}
        made |= {"gender": told.gender} if told.gender else {}
        made |= {"birthDate": f"{told.year:04}"} if told.year is not None else {}
        made |= {"address": [place]} if place else {}
        if told.year is not None:
            self._ages[(self._today.year - told.year) // DECADES * DECADES, told.gender or "unknown"] += 1
        return made

    def _diagnosed(self, patient: str, made: dict[str, Any]) -> None:
        """Count who has a diagnosis, by its three characters of ICD-10 and its year, as shifted; each person once."""
        year = str(made.get("recordedDate") or made.get("onsetDateTime") or "")[:4]
        for coding in made.get("code", {}).get("coding", [])[:1]:
            cell = (coding["code"][:3], year)
            if (one := hash((patient, *cell))) not in self._counted:  # many are counted: their hashes are enough
                self._counted.add(one)
                self._diagnoses[cell] += 1

    def _tell(self, plan: groups.Plan, counts: dict[str, int]) -> None:
        self.report = {
            "title": self._wanted.title,
            "purpose": self._wanted.purpose,
            "at": timezone.localtime().isoformat(timespec="minutes"),
            "counts": counts,
            "k": plan.k,
            "smallest_before": plan.before,
            "smallest_after": plan.after,
            "levels": list(plan.counts),
            "left_out": plan.left_out,
            "labels": self._wanted.labels,
        }

    def _table(self, into: ZipFile, name: str, counted: Counter[Any]) -> None:
        """Counts by the first and the second part of the keys, small cells hidden."""
        rows, columns = sorted({key[0] for key in counted}), sorted({key[1] for key in counted})
        cells = tables.suppressed([[counted[row, column] for column in columns] for row in rows], self._wanted.k)
        lines = [["", *columns, "tổng"]]
        for label, line in zip([*rows, "tổng"] if rows else [], cells, strict=True):
            lines.append([str(label), *("*" if n is None else str(n) for n in line)])
        into.writestr(name, "\ufeff" + "\r\n".join(",".join(line) for line in lines) + "\r\n")
