"""Past visits of the demo have lines, results and a day of payment, and nothing speaks against their claims."""

from __future__ import annotations

import io
from collections import Counter
from datetime import date

import pytest

from tuetinh.care.insurance.api import claims, claims_in, examine_file_claim
from tuetinh.commons.catalogues.api import load_price_list, starter_prices
from tuetinh.node.demo.tests.test_build_the_province import everything
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db


def test_past_visits_are_claimed_whole() -> None:
    made = everything(seed=2026, population=40)
    for _ in record.load(SYSTEM, made, chunk=len(made)):
        pass
    load_price_list("", starter_prices(), date(2024, 1, 1))
    visits = [one.id or "" for one in made if isinstance(one, r4.Encounter)]
    rows: Counter[str] = Counter()
    found = []
    for _, one in claims(SYSTEM, visits):
        assert one is not None
        assert one.tables["XML3"]
        assert one.summary["NGAY_TTOAN"] == one.summary["NGAY_RA"]
        rows.update({name: len(lines) for name, lines in one.tables.items()})
        found += [(p.table, p.field, p.code, p.value) for p in one.problems]
        (told,) = claims_in(io.BytesIO(one.xml))
        found += [(p.table, p.field, p.code, p.value) for p in examine_file_claim(told) if p.severity == "block"]
    assert Counter(found) == {}
    assert min(rows[name] for name in ("XML1", "XML2", "XML3", "XML4")) > 20
    assert rows["XML3"] > rows["XML1"]  # tests beside the examinations
