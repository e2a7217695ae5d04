"""What row policies cost: the same reads and searches of one node with them and without, in turn.

usage: python -m bench.policies [--rounds N] [--seconds S] [--clients N]
"""

from __future__ import annotations

import statistics

import psycopg

from bench import load, pairs
from bench.__main__ import shapes
from bench.node import own_folder, running

TABLES = """SELECT c.oid::regclass::text FROM pg_class c
WHERE c.relnamespace = 'record'::regnamespace AND c.relkind IN ('r', 'p')
  AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)"""
TREATED = """INSERT INTO record.relation (patient, holder, kind, source)
SELECT p.id, 'Organization/' || f.facility, 'treating', 'Encounter/measured'
FROM record."Patient" p, (SELECT DISTINCT facility FROM access_account WHERE role = ANY (%s)) f WHERE f.facility <> ''
ON CONFLICT DO NOTHING"""
ROLES = ("doctor", "reception")  # who sees by relation


def main() -> None:
    """Measure and print a line for each case."""
    options = pairs.parser("bench.policies", __doc__).parse_args()
    with own_folder() as scratch, running(scratch / "node", 300, pairs.UNPACED) as node:
        url = f"postgresql://postgres@/tuetinh?host={scratch}/node/postgres"
        asked = {name: some for name, some in shapes(node).items() if name in pairs.CASES}
        treat_everybody(url, *ROLES)
        who = {"system": node.bearer} | {role: node.cookie(role) for role in ROLES}
        cases = [(asker, name) for asker in who for name in asked]
        rates: dict[tuple[str, str, bool], list[float]] = {(*case, on): [] for case in cases for on in (True, False)}
        refused = set()
        for _ in range(options.rounds):
            for asker, name in cases:
                for on in (True, False):
                    switch(url, on=on)
                    run = load.run(node.url, who[asker], asked[name], options.clients, options.seconds, scratch)
                    rates[asker, name, on].append(run.rate)
                    if run.errors:
                        refused.add((asker, name))
    print(f"{'answers/s':40}{'with':>10}{'without':>10}   cost (median of pairs)")
    for case in cases:
        taken = list(zip(rates[*case, True], rates[*case, False], strict=True))
        cost = statistics.median(1 - one / other for one, other in taken)
        told = [statistics.median(rates[*case, on]) for on in (True, False)]
        said = "refused" if case in refused else f"{cost:.1%}"
        print(f"{': '.join(case):40}{told[0]:>10,.0f}{told[1]:>10,.0f}   {said}")


def switch(url: str, *, on: bool) -> None:
    """Put row security of every table of the record on or off."""
    word = "ENABLE" if on else "DISABLE"
    with psycopg.connect(url, autocommit=True) as conn:  # one lock at a time: others are at work
        conn.execute("SET ROLE NONE")
        for (table,) in conn.execute(TABLES).fetchall():
            conn.execute(f"ALTER TABLE {table} {word} ROW LEVEL SECURITY")


def treat_everybody(url: str, *roles: str) -> None:
    """Let the facilities of these roles treat everybody, so that they answer the same with policies and without."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("SET ROLE NONE")
        conn.execute(TREATED, [list(roles)])
        conn.execute("ANALYZE record.relation")


if __name__ == "__main__":
    main()
