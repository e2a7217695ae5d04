"""The permission matrix: who may do what, as tables to be read beside the rules, and the world they are tried in.

`pages.csv`: whom each page is for; `admin` are administrators both of a `facility` and of the `province`.
`rights.csv`: what each asker may do with resources of a type, in the letters of SMART scopes. `interactions.csv`,
`operations.csv`: which of these rights each needs, or after `=` who alone may; `of some type` is the right with
resources of one type at least. `sight.csv`: which rows exist for whom, by where they were written, relation, denial and
label. `pictures.csv`: the routes below `/dicom-web`, by an example each, with the right on ImagingStudy that it needs.
`lean.csv`: the websockets and what else answers without Django (`node/asgi.py`), and for whom; `pictures` are all who
may read an ImagingStudy.
They follow from what each desk is for (commons/access/roles.py) and from docs/decisions/record-row-policies.md.
A row that is missing fails a test, and so does one too many.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

STAFF = frozenset(("archivist", "cashier", "doctor", "imaging", "lab", "nurse", "pharmacist", "reception", "station"))
EVERYONE = STAFF | {"admin", "citizen", "official", "outsider", "province"}
"""The cast: `admin` is of a facility, `province` the administrator of all."""
GROUPS = {
    "staff": STAFF,
    "everyone": EVERYONE,
    "admin": frozenset(("admin", "province")),
    "facility": frozenset(("admin",)),
    "province": frozenset(("province",)),
}


@cache
def table(name: str) -> list[dict[str, str]]:
    """The rows of a table by their headings."""
    with (Path(__file__).parent / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def roles(who: str) -> frozenset[str] | None:
    """Who of the cast a row of `pages.csv` names; None is open to all."""
    if who == "open":
        return None
    return frozenset(role for word in who.split() for role in GROUPS.get(word, {word}))


def rights(asker: str, type_: str) -> str:
    """The letters of `rights.csv`."""
    (row,) = [row for row in table("rights") if row["asker"] == asker]
    return row[type_].replace("-", "")
