"""Person search at 10^4, 10^5 and 10^6 people: `python bench/person_search.py [--sizes 10000,100000,1000000]`.

Fills the search tables of a throw-away node by COPY with invented people, then types what receptionists type, and
prints the median and 95th percentile for each way of asking, in milliseconds and as a ratio to one SELECT of one row
by primary key on the same connection.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--sizes", default="10000,100000,1000000")
parser.add_argument("--queries", type=int, default=200, help="of each way of asking")
parser.add_argument("--data", default="", help="keep the node here; a larger size continues a smaller one")
options = parser.parse_args()
root = Path(options.data or tempfile.mkdtemp(prefix="tuetinh-bench-"))
root.mkdir(parents=True, exist_ok=True)
root.chmod(0o755)
os.environ["TUETINH_DATA"] = str(root)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tuetinh.node.settings")

from tuetinh.node import database  # noqa: E402

database.start(root)

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from tuetinh.commons.identity import projection, search, words  # noqa: E402
from tuetinh.commons.identity.parsing import parse  # noqa: E402
from tuetinh.node.demo import people  # noqa: E402
from tuetinh.record.asker import SYSTEM  # noqa: E402
from tuetinh.record.steps import run  # noqa: E402

DAY = date(2026, 11, 1)


PERSON = (
    *("patient", "active", "name", "birth", "gender", "number", "phone", "address", "commune", "facility"),
    *("keys", "mother", "blocks", "updated"),
)


def fill(source: object, count: int) -> float:
    """COPY people until the table holds `count`; returns seconds."""
    began = time.perf_counter()
    connection.ensure_connection()
    known: set[tuple[str, str]] = set()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM identity_person")
        missing = count - cursor.fetchone()[0]
        cursor.execute("SELECT kind, word FROM identity_word")
        known.update(cursor.fetchall())
    raw = connection.connection
    while missing > 0:
        persons, numbers, fresh = [], [], set()
        for resident in source:  # type: ignore[attr-defined]
            patient = people.patient(resident)
            own = projection.numbers_of(patient)
            row, own_words = projection.person_row(patient, own)
            persons.append(row)
            numbers += [(row.patient, kind, value, value[::-1]) for kind, value in own]
            fresh.update(own_words)
            if len(persons) == min(missing, 20_000):
                break
        with raw.cursor() as cursor:
            cursor.execute("SET ROLE NONE")  # COPY does not work on tables with row policies
            for table, rows in (
                (f"identity_person ({', '.join(PERSON)})", [(*p, "2026-11-01T00:00:00Z") for p in persons]),
                ("identity_number", numbers),
                ("identity_word", sorted(fresh - known)),
            ):
                with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                    for line in rows:
                        copy.write_row(line)
            cursor.execute("SET ROLE tuetinh_node")
        known |= fresh
        missing -= len(persons)
        print(f"  {count - missing:>9,} people", end="\r", flush=True)
    with connection.cursor() as cursor:
        for table in ("identity_person", "identity_number", "identity_word"):
            cursor.execute(f"VACUUM (ANALYZE) {table}")
    search.shares.__init__()  # type: ignore[misc]
    return time.perf_counter() - began


def sample(count: int) -> list[tuple[str, str, str, str, str, str]]:
    """People to ask for."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT patient, name, birth, number, phone, address FROM identity_person "
            "WHERE birth <> '' AND phone <> '' ORDER BY md5(patient) LIMIT %s",
            [count],
        )
        return cursor.fetchall()


def ways(rng: random.Random) -> dict[str, object]:
    """Ways of asking for a person, each with whether the person must be on the page."""

    def slipped(name: str) -> str:
        typed = [words.fold(word) for word in name.split()]
        spot = rng.randrange(len(typed))
        typed[spot] = rng.choice(sorted(words.slips(typed[spot])))
        return " ".join(typed)

    def born(birth: str) -> str:
        return "/".join(reversed(birth.split("-")))

    return {
        "full name": lambda p: p[1],
        "full name, no accents": lambda p: words.fold(p[1]),
        "family + given name, turned about": lambda p: f"{p[1].split()[-1]} {p[1].split()[0]}",
        "given name alone": lambda p: p[1].split()[-1],
        "family name alone": lambda p: p[1].split()[0],
        "begun: all but the last letter": lambda p: words.fold(p[1])[:-1],
        "name + birth date": lambda p: f"{p[1]} {born(p[2])}",
        "no accents, turned about, + year": lambda p: f"{' '.join(reversed(words.fold(p[1]).split()))} {p[2][:4]}",
        "one slip + birth date": lambda p: f"{slipped(p[1])} {born(p[2])}",
        "one slip": lambda p: slipped(p[1]),
        "name + village": lambda p: f"{words.fold(p[1])} {words.fold(p[5].split(',')[0])}",
        "personal number": lambda p: p[3],
        "last five digits + given name": lambda p: f"{p[3][-5:]} {p[1].split()[-1]}",
        "telephone": lambda p: p[4],
    }


FOUND = (
    "name + birth date",
    "no accents, turned about, + year",
    "one slip + birth date",
    "personal number",
    "telephone",
)


def measure(size: int) -> None:
    """Ask, and print."""
    persons = sample(options.queries)
    with connection.cursor() as cursor:
        base = []
        for person in persons:
            began = time.perf_counter()
            cursor.execute("SELECT name FROM identity_person WHERE patient = %s", [person[0]])
            cursor.fetchall()
            base.append(time.perf_counter() - began)
    unit = statistics.median(base) * 1000
    everything: list[float] = []
    print(f"\n{size:,} people; one row by primary key: {unit:.2f} ms")
    print(f"{'':38}{'median ms':>10}{'p95 ms':>9}{'ratio':>8}{'found':>8}{'on top':>8}")
    for way, typed in ways(random.Random(7)).items():
        run(SYSTEM, search.find(parse("khởi động"), facility="", limit=20))
        times, found, top = [], 0, 0
        for person in persons:
            text = typed(person)  # type: ignore[operator]
            began = time.perf_counter()
            hits = run(SYSTEM, search.find(parse(text), facility="12005", limit=20))
            times.append((time.perf_counter() - began) * 1000)
            found += any(hit.id == person[0] for hit in hits)
            top += bool(hits) and hits[0].id == person[0]
        everything += times
        times.sort()
        median, p95 = statistics.median(times), times[int(len(times) * 0.95)]
        share = [f"{count / len(persons):>7.0%} " for count in (found, top)] if way in FOUND else [" " * 8] * 2
        print(f"{way:38}{median:>10.2f}{p95:>9.2f}{median / unit:>8.1f}{''.join(share)}")
    everything.sort()
    print(f"{'all':38}{statistics.median(everything):>10.2f}{everything[int(len(everything) * 0.95)]:>9.2f}")


def main() -> None:
    """Fill and measure each size in turn."""
    call_command("migrate", verbosity=0, interactive=False)
    sizes = [int(size) for size in options.sizes.split(",")]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    source = people.residents(max(sizes), 2026, DAY)
    for size in sizes:
        print(f"filled in {fill(source, size):.0f} s")
        measure(size)


if __name__ == "__main__":
    main()
