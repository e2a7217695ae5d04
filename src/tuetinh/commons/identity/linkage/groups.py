"""Which records are one person where many are weighed against each other: groups, joined by average linkage.

One wrong link would make one of two people. So two groups are joined by the mean of all pairs between them, and how
sure that is, in bits, is worked out from the weights alone: nobody has to say what is true (see docs/decisions).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf, log2, sqrt
from typing import NamedTuple

Link = tuple[str, str]
LOWEST, HIGHEST = -20.0, 40.0  # bits of one pair: no single one outweighs a group; a pair not compared has the lowest
CONNECTED = -10.0  # bits from which a pair may be of one group
MOST = 2000  # records that are joined at once: their weights take 32 MB
STEP = 2.0  # bits by which more is asked of a larger crowd
ROUNDS = 200


class Join(NamedTuple):
    """Two groups that may be one person. one, other: their records; bits: log-odds of it, and of every join within."""

    one: tuple[str, ...]
    other: tuple[str, ...]
    bits: float


def prior(factors: Sequence[float], records: int) -> float:
    """The log-odds, in bits, that two records of a set are one person, before they are compared.

    Estimated by expectation maximisation. factors: what the comparison says of each candidate, without a prior; pairs
    that are not among them are taken to be two people.
    """
    import numpy as np

    pairs, said = records * (records - 1) / 2, np.minimum(np.asarray(factors, dtype=float), 1000.0)
    known = -log2(max(records, 2))
    for _ in range(ROUNDS):
        expected = float(np.sum(1 / (1 + np.exp2(-np.maximum(said + known, -1000.0)))))
        share = min(max(expected, 1.0) / pairs, 0.5) if pairs else 0.5
        known = log2(share / (1 - share)) if share < 0.5 else 0.0
    return known


def joins(weights: Mapping[Link, float], known: float) -> Iterator[Join]:
    """All joins that the weights suggest, inner ones first. weights: in bits; known: the prior that they include.

    What the pairs between two groups say on average counts sqrt(m * n) times for m * n of them, since they repeat each
    other in part; records that say just the same repeat each other whole, and count as one. The prior counts once.
    """
    yield from _split(list(weights.items()), known, CONNECTED)


def groups(suggested: Iterable[Join], least: float) -> dict[str, str]:
    """Each record that is joined from `least` bits on, with the first record of its group."""
    found: dict[str, str] = {}
    for join in suggested:
        if join.bits >= least:
            found |= dict.fromkeys((*join.one, *join.other), join.one[0])
    return found


def threshold(suggested: Iterable[Join], precision: float) -> float:
    """The least bits at which the pairs that are joined are expected to be right in so many cases.

    The expectation is that of the weights themselves, so it needs no labels. Infinite where no join is sure enough.
    """
    pairs = right = 0.0
    least = inf
    for join in sorted(suggested, key=lambda one: -one.bits):
        count = len(join.one) * len(join.other)
        pairs, right = pairs + count, right + count / (1 + 2.0 ** -max(join.bits, -100.0))
        if right < precision * pairs:
            break
        least = join.bits
    return least


def parts(links: Sequence[Link]) -> Iterator[list[str]]:
    """The records that links hold together, those of each connected part."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    records = sorted({record for link in links for record in link})
    if not records:
        return
    at = {record: number for number, record in enumerate(records)}
    ends = np.array([(at[one], at[other]) for one, other in links])
    edges = coo_array((np.ones(len(links), dtype=bool), (ends[:, 0], ends[:, 1])), shape=(len(records),) * 2)
    count, part_of = connected_components(edges, directed=False)
    found: list[list[str]] = [[] for _ in range(count)]
    for record, part in zip(records, part_of, strict=True):
        found[part].append(record)
    yield from found


def _split(edges: Sequence[tuple[Link, float]], known: float, floor: float) -> Iterator[Join]:
    """The joins within each connected part; a part with too many records falls apart where more is asked."""
    found = list(parts([link for link, weight in edges if weight >= floor]))
    part_of = {record: number for number, records in enumerate(found) for record in records}
    inner: list[list[tuple[Link, float]]] = [[] for _ in found]
    for edge in edges:
        one, other = (part_of.get(record, -1) for record in edge[0])
        if one == other >= 0:
            inner[one].append(edge)
    for records, within in zip(found, inner, strict=True):
        if len(records) > MOST and floor < HIGHEST:
            yield from _split(within, known, floor + STEP)
        else:
            yield from _joined(records, within, known)


def _joined(records: Sequence[str], edges: Iterable[tuple[Link, float]], known: float) -> Iterator[Join]:
    import numpy as np
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    at = {record: number for number, record in enumerate(records)}
    said = np.full((len(records), len(records)), LOWEST)
    for (left, right), weight in edges:
        said[at[left], at[right]] = said[at[right], at[left]] = round(min(max(weight, LOWEST), HIGHEST), 3)
    np.fill_diagonal(said, HIGHEST)
    made: list[tuple[tuple[int, ...], float]] = [((number,), inf) for number in range(len(records))]
    for first, second, mean, _ in linkage(squareform(HIGHEST - said, checks=False), "average").tolist():
        (one, sure), (other, surer) = made[int(first)], made[int(second)]
        between = said[np.ix_(one, other)]
        voices = len(np.unique(between, axis=0)) * len(np.unique(between, axis=1).T)
        bits = min(known + sqrt(voices) * (HIGHEST - mean - known), sure, surer)
        yield Join(tuple(records[n] for n in one), tuple(records[n] for n in other), bits)
        made.append(((*one, *other), bits))
